//! TLS by the system's OpenSSL, whose functions are in `openssl.rs`. See ssl(7ssl), SSL_CTX_new(3ssl), bio(7ssl).
//!
//! Python's `ssl` module speaks to the same library through the same functions. [`Engine`] does no I/O
//! of its own: bytes of the peer are fed in, bytes for the peer are taken out, so that the caller
//! decides over sockets, timeouts and limits ([`crate::kit::tls`]).
//!
//! ```text
//!  application                Engine                      network
//!  plain text  ── write ──▶ ┌─────────┐ ── drain ──▶  records (encrypted)
//!  plain text  ◀── read ─── └─────────┘ ◀── feed ───  records
//! ```

use std::ffi::{c_char, c_int, c_void, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use super::openssl::{
    missing, openssl, text, Functions, Object, SSL_CTRL_SET_MIN_PROTO_VERSION, SSL_CTRL_SET_TLSEXT_HOSTNAME,
    SSL_ERROR_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN, SSL_FILETYPE_PEM, SSL_VERIFY_PEER,
    TLS1_2_VERSION, TLSEXT_NAMETYPE_HOST_NAME, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, X509_V_OK,
};

pub use super::openssl::Failure;

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Done, with so many bytes.
    Done(usize),
    /// More bytes of the peer must be fed in first.
    NeedsInput,
    /// The peer has ended the stream in due form.
    Ended,
    /// The connection cannot go on.
    Failed(Failure),
}

/// Settings and certificates, shared by any number of connections.
pub struct Context {
    openssl: &'static Functions,
    object: NonNull<c_void>,
}

// SAFETY: an SSL_CTX that is no longer changed may be shared: SSL_new takes its lock (ssl(7ssl)). After
// its constructor, nothing here changes it.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// For clients: TLS 1.2 or later; the server's certificate must come from one of the system's
    /// authorities or, where `ca` is given, from one in that file (PEM) and no other.
    pub fn client(ca: Option<&Path>) -> Result<Context, Failure> {
        let openssl = openssl().map_err(missing)?;
        // SAFETY: takes nothing and returns a static method.
        let context = Context::new(openssl, unsafe { (openssl.TLS_client_method)() })?;
        // SAFETY: the object is live; null says that no callback changes the verdict.
        unsafe { (openssl.SSL_CTX_set_verify)(context.raw(), SSL_VERIFY_PEER, ptr::null_mut()) };
        let loaded = match ca {
            // SAFETY: the object is live.
            None => unsafe { (openssl.SSL_CTX_set_default_verify_paths)(context.raw()) },
            Some(file) => {
                let file = c_path(file)?;
                // SAFETY: the object is live and the name ends with a zero byte.
                unsafe { (openssl.SSL_CTX_load_verify_file)(context.raw(), file.as_ptr()) }
            }
        };
        openssl.succeeded(loaded)?;
        Ok(context)
    }

    /// For servers: TLS 1.2 or later, with this certificate (its chain in one file) and key, both PEM.
    pub fn server(certificate: &Path, key: &Path) -> Result<Context, Failure> {
        let openssl = openssl().map_err(missing)?;
        // SAFETY: takes nothing and returns a static method.
        let context = Context::new(openssl, unsafe { (openssl.TLS_server_method)() })?;
        let (certificate, key) = (c_path(certificate)?, c_path(key)?);
        // SAFETY: the object is live, the callback is a function of the right type that lives for
        // ever, and both names end with a zero byte.
        unsafe {
            (openssl.SSL_CTX_set_default_passwd_cb)(context.raw(), no_passphrase);
            let chain = certificate.as_ptr();
            openssl.succeeded((openssl.SSL_CTX_use_certificate_chain_file)(context.raw(), chain))?;
            let key = key.as_ptr();
            openssl.succeeded((openssl.SSL_CTX_use_PrivateKey_file)(context.raw(), key, SSL_FILETYPE_PEM))?;
            openssl.succeeded((openssl.SSL_CTX_check_private_key)(context.raw()))?;
        }
        Ok(context)
    }

    fn new(openssl: &'static Functions, method: *const c_void) -> Result<Context, Failure> {
        // SAFETY: the method is one of OpenSSL's own; the returned object is ours to free.
        let object = unsafe { (openssl.SSL_CTX_new)(method) };
        let object = NonNull::new(object).ok_or_else(|| openssl.failure())?;
        let context = Context { openssl, object };
        let lowest = SSL_CTRL_SET_MIN_PROTO_VERSION;
        // SAFETY: the object is live, and this control takes a number and no pointer.
        let set = unsafe { (openssl.SSL_CTX_ctrl)(context.raw(), lowest, TLS1_2_VERSION, ptr::null_mut()) };
        openssl.succeeded(c_int::from(set == 1))?;
        Ok(context)
    }

    fn raw(&self) -> Object {
        self.object.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the object is ours and freed once; connections made from it hold a count of their own.
        unsafe { (self.openssl.SSL_CTX_free)(self.raw()) };
    }
}

/// One connection's end of TLS.
pub struct Engine {
    openssl: &'static Functions,
    ssl: NonNull<c_void>,
    /// Memory in which bytes of the peer wait for OpenSSL; owned by `ssl`.
    input: Object,
    /// Memory in which bytes for the peer wait for us; owned by `ssl`.
    output: Object,
}

// SAFETY: an SSL may be used from any thread, one at a time (ssl(7ssl)), and every method that uses it
// takes `&mut self`, or only reads what no other method changes after the handshake.
unsafe impl Send for Engine {}

impl Engine {
    /// The client's end of a connection to `host`, a name or an address, which the certificate must
    /// be for.
    pub fn client(context: &Context, host: &str) -> Result<Engine, Failure> {
        let engine = Engine::new(context)?;
        let (openssl, ssl) = (engine.openssl, engine.ssl.as_ptr());
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let host = CString::new(host).map_err(|why| missing(why.to_string()))?;
        // SAFETY: the object is live, and OpenSSL copies the name, which ends with a zero byte.
        unsafe {
            (openssl.SSL_set_connect_state)(ssl);
            // "f*.example.org" is refused, "*.example.org" is not.
            (openssl.SSL_set_hostflags)(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
            openssl.succeeded((openssl.SSL_set1_host)(ssl, host.as_ptr()))?;
            if !is_address {
                let (control, kind) = (SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_HOST_NAME);
                // Server name indication: the server may have several names (RFC 6066, 3).
                let set = (openssl.SSL_ctrl)(ssl, control, kind, host.as_ptr());
                openssl.succeeded(c_int::from(set == 1))?;
            }
        }
        Ok(engine)
    }

    /// The server's end of a connection.
    pub fn server(context: &Context) -> Result<Engine, Failure> {
        let engine = Engine::new(context)?;
        // SAFETY: the object is live.
        unsafe { (engine.openssl.SSL_set_accept_state)(engine.ssl.as_ptr()) };
        Ok(engine)
    }

    fn new(context: &Context) -> Result<Engine, Failure> {
        let openssl = context.openssl;
        // SAFETY: every object is checked before it is used. SSL_set_bio takes both memories over, and
        // SSL_free then frees them; until then each is freed here on the way out.
        unsafe {
            let Some(ssl) = NonNull::new((openssl.SSL_new)(context.raw())) else {
                return Err(openssl.failure());
            };
            let (input, output) =
                ((openssl.BIO_new)((openssl.BIO_s_mem)()), (openssl.BIO_new)((openssl.BIO_s_mem)()));
            if input.is_null() || output.is_null() {
                let failure = openssl.failure();
                // BIO_free does nothing with a null pointer.
                (openssl.BIO_free)(input);
                (openssl.BIO_free)(output);
                (openssl.SSL_free)(ssl.as_ptr());
                return Err(failure);
            }
            (openssl.SSL_set_bio)(ssl.as_ptr(), input, output);
            Ok(Engine { openssl, ssl, input, output })
        }
    }

    /// Goes on with the handshake as far as the bytes fed in allow.
    pub fn handshake(&mut self) -> Step {
        let (openssl, ssl) = (self.openssl, self.ssl.as_ptr());
        // SAFETY: the object is live and exclusively ours.
        self.step(|| unsafe { (openssl.SSL_do_handshake)(ssl) })
    }

    /// Decrypts what has been fed in.
    pub fn read(&mut self, into: &mut [u8]) -> Step {
        let (openssl, ssl) = (self.openssl, self.ssl.as_ptr());
        let length = c_int::try_from(into.len()).unwrap_or(c_int::MAX);
        // SAFETY: pointer and length describe `into`, which is exclusively ours.
        self.step(|| unsafe { (openssl.SSL_read)(ssl, into.as_mut_ptr(), length) })
    }

    /// Encrypts bytes, at least one.
    pub fn write(&mut self, bytes: &[u8]) -> Step {
        let (openssl, ssl) = (self.openssl, self.ssl.as_ptr());
        let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        // SAFETY: pointer and length describe `bytes`.
        self.step(|| unsafe { (openssl.SSL_write)(ssl, bytes.as_ptr(), length) })
    }

    /// Says that nothing more will be written. Not to be called after a failure.
    pub fn end(&mut self) {
        // SAFETY: the object is live. Whether the peer has ended too does not matter here.
        unsafe { (self.openssl.SSL_shutdown)(self.ssl.as_ptr()) };
    }

    /// Takes bytes that came from the peer.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        // SAFETY: pointer and length describe `bytes`; the memory lives as long as `ssl`.
        let taken = unsafe { (self.openssl.BIO_write)(self.input, bytes.as_ptr(), length) };
        // A memory grows as it is needed; less is taken only when there is none left.
        self.openssl.succeeded(c_int::from(usize::try_from(taken) == Ok(bytes.len())))
    }

    /// Hands out bytes that are to be sent to the peer; 0 when there are none.
    pub fn drain(&mut self, into: &mut [u8]) -> usize {
        let length = c_int::try_from(into.len()).unwrap_or(c_int::MAX);
        // SAFETY: pointer and length describe `into`; the memory lives as long as `ssl`.
        let count = unsafe { (self.openssl.BIO_read)(self.output, into.as_mut_ptr(), length) };
        // -1: the memory is empty.
        usize::try_from(count).unwrap_or(0)
    }

    /// Protocol and cipher, for the transcript: `TLSv1.3, TLS_AES_256_GCM_SHA384`.
    pub fn description(&self) -> String {
        let (openssl, ssl) = (self.openssl, self.ssl.as_ptr());
        // SAFETY: the object is live; both texts are static ones of OpenSSL's, or null.
        unsafe {
            let version = text((openssl.SSL_get_version)(ssl));
            let cipher = (openssl.SSL_get_current_cipher)(ssl);
            format!("{version}, {}", text((openssl.SSL_CIPHER_get_name)(cipher)))
        }
    }

    /// Makes one call and finds out what came of it.
    fn step(&mut self, call: impl FnOnce() -> c_int) -> Step {
        // SAFETY: takes nothing. Errors are kept in a queue per thread, and SSL_get_error looks at it.
        unsafe { (self.openssl.ERR_clear_error)() };
        let result = call();
        // SAFETY: the object is live, and nothing else was called since.
        match unsafe { (self.openssl.SSL_get_error)(self.ssl.as_ptr(), result) } {
            SSL_ERROR_NONE => Step::Done(usize::try_from(result).unwrap_or(0)),
            SSL_ERROR_WANT_READ => Step::NeedsInput,
            SSL_ERROR_ZERO_RETURN => Step::Ended,
            _ => {
                let mut failure = self.openssl.failure();
                // SAFETY: the object is live.
                let verdict = unsafe { (self.openssl.SSL_get_verify_result)(self.ssl.as_ptr()) };
                if verdict != X509_V_OK {
                    failure.certificate = Some(verdict);
                    // SAFETY: the text is a static one of OpenSSL's.
                    failure.text = unsafe { text((self.openssl.X509_verify_cert_error_string)(verdict)) };
                }
                Step::Failed(failure)
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: the object is ours and freed once, and both memories with it.
        unsafe { (self.openssl.SSL_free)(self.ssl.as_ptr()) };
    }
}

/// A file's name as C takes it.
fn c_path(path: &Path) -> Result<CString, Failure> {
    CString::new(path.as_os_str().as_bytes()).map_err(|why| missing(why.to_string()))
}

/// OpenSSL asks for the passphrase of an encrypted key here; without this function it would ask at the
/// terminal, and a server would wait there for ever. There is none: the key is then refused.
extern "C" fn no_passphrase(_into: *mut c_char, _size: c_int, _writing: c_int, _data: Object) -> c_int {
    -1
}
