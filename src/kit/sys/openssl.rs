//! The functions of OpenSSL that are used, found at run time: Debian's libssl need not be there to compile,
//! nor to run what does without TLS. See ssl(7ssl), dlopen(3).

use std::ffi::{c_char, c_int, c_long, c_ulong, c_void, CStr};
use std::sync::OnceLock;

use super::dl;

// Values of <openssl/ssl.h>, <openssl/tls1.h> and <openssl/x509v3.h>; part of its ABI.
pub(super) const SSL_ERROR_NONE: c_int = 0;
pub(super) const SSL_ERROR_WANT_READ: c_int = 2;
pub(super) const SSL_ERROR_ZERO_RETURN: c_int = 6;
pub(super) const SSL_VERIFY_PEER: c_int = 1;
pub(super) const SSL_FILETYPE_PEM: c_int = 1;
pub(super) const SSL_CTRL_SET_TLSEXT_HOSTNAME: c_int = 55;
pub(super) const SSL_CTRL_SET_MIN_PROTO_VERSION: c_int = 123;
pub(super) const TLSEXT_NAMETYPE_HOST_NAME: c_long = 0;
pub(super) const TLS1_2_VERSION: c_long = 0x0303;
pub(super) const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS: u32 = 4;
pub(super) const X509_V_OK: c_long = 0;

/// An object of OpenSSL's, seen from here.
pub(super) type Object = *mut c_void;

/// Declares the functions as C does, with one struct that holds their addresses.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        /// The functions of libssl and libcrypto that are used, by their names there.
        #[allow(non_snake_case)] // The names are OpenSSL's.
        pub(super) struct Functions { $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> $result,)* }

        impl Functions {
            fn load(library: &dl::Library) -> Result<Functions, String> {
                Ok(Functions { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    let name = CStr::from_bytes_with_nul(name.as_bytes()).map_err(|why| why.to_string())?;
                    let address = library.symbol(name)?.as_ptr();
                    // SAFETY: a function's address fits into a function pointer, and the signature is
                    // that of OpenSSL 3's manual, whose ABI the file name libssl.so.3 promises.
                    unsafe { std::mem::transmute::<Object, unsafe extern "C" fn($($argument),*) -> $result>(address) }
                },)* })
            }
        }
    };
}

functions! {
    TLS_client_method() -> *const c_void;
    TLS_server_method() -> *const c_void;
    SSL_CTX_new(*const c_void) -> Object;
    SSL_CTX_free(Object) -> ();
    SSL_CTX_ctrl(Object, c_int, c_long, Object) -> c_long;
    SSL_CTX_set_verify(Object, c_int, Object) -> ();
    SSL_CTX_set_default_verify_paths(Object) -> c_int;
    SSL_CTX_load_verify_file(Object, *const c_char) -> c_int;
    SSL_CTX_set_default_passwd_cb(Object, extern "C" fn(*mut c_char, c_int, c_int, Object) -> c_int) -> ();
    SSL_CTX_use_certificate_chain_file(Object, *const c_char) -> c_int;
    SSL_CTX_use_PrivateKey_file(Object, *const c_char, c_int) -> c_int;
    SSL_CTX_check_private_key(Object) -> c_int;
    SSL_new(Object) -> Object;
    SSL_free(Object) -> ();
    SSL_set_bio(Object, Object, Object) -> ();
    SSL_set_connect_state(Object) -> ();
    SSL_set_accept_state(Object) -> ();
    SSL_ctrl(Object, c_int, c_long, *const c_char) -> c_long;
    SSL_set_hostflags(Object, u32) -> ();
    SSL_set1_host(Object, *const c_char) -> c_int;
    SSL_do_handshake(Object) -> c_int;
    SSL_read(Object, *mut u8, c_int) -> c_int;
    SSL_write(Object, *const u8, c_int) -> c_int;
    SSL_shutdown(Object) -> c_int;
    SSL_get_error(Object, c_int) -> c_int;
    SSL_get_verify_result(Object) -> c_long;
    SSL_get_version(Object) -> *const c_char;
    SSL_get_current_cipher(Object) -> *const c_void;
    SSL_CIPHER_get_name(*const c_void) -> *const c_char;
    BIO_s_mem() -> *const c_void;
    BIO_new(*const c_void) -> Object;
    BIO_free(Object) -> c_int;
    BIO_read(Object, *mut u8, c_int) -> c_int;
    BIO_write(Object, *const u8, c_int) -> c_int;
    ERR_get_error() -> c_ulong;
    ERR_clear_error() -> ();
    ERR_reason_error_string(c_ulong) -> *const c_char;
    X509_verify_cert_error_string(c_long) -> *const c_char;
}

/// The library, loaded at the first call. Errs in the words of the dynamic linker.
pub(super) fn openssl() -> Result<&'static Functions, String> {
    static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();
    // libcrypto comes with libssl, which depends on it, and dlsym searches both.
    let loaded = LOADED.get_or_init(|| Functions::load(&dl::Library::open(c"libssl.so.3")?));
    loaded.as_ref().map_err(String::clone)
}

/// Why a handshake, a read or a write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// OpenSSL's number for what is wrong with the peer's certificate; `None` if it was not that.
    pub certificate: Option<c_long>,
    /// OpenSSL's number for the reason of any other failure, 0 if it gave none.
    pub reason: c_ulong,
    /// OpenSSL's words.
    pub text: String,
}

impl Functions {
    /// OpenSSL's convention that 1 is success.
    pub(super) fn succeeded(&self, result: c_int) -> Result<(), Failure> {
        if result == 1 {
            Ok(())
        } else {
            Err(self.failure())
        }
    }

    /// The first error of this thread's queue, which is then emptied.
    pub(super) fn failure(&self) -> Failure {
        // SAFETY: both take the queue of this thread; the text is a static one, or null.
        let (code, words) = unsafe {
            let code = (self.ERR_get_error)();
            let words = text((self.ERR_reason_error_string)(code));
            (self.ERR_clear_error)();
            (code, words)
        };
        let text = if words.is_empty() { format!("OpenSSL error {code:x}") } else { words };
        // ERR_GET_REASON: the low 23 bits.
        Failure { certificate: None, reason: code & 0x7f_ffff, text }
    }
}

/// The failure that OpenSSL is not there, or not usable.
pub(super) fn missing(text: String) -> Failure {
    Failure { certificate: None, reason: 0, text }
}

/// A static text of OpenSSL's. Safe to call with null or a text that ends with a zero byte.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: by this function's condition.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
