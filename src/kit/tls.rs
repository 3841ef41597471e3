//! TLS over any stream: Python's `ssl.SSLContext.wrap_socket`.
//!
//! [`super::sys::tls`] encrypts and decrypts; here its records meet the network. The client always verifies
//! that the certificate comes from an authority it trusts, is valid today, and is for the host that
//! was asked for. Without these three anyone on the way can answer in the server's place and the
//! encryption only hides their conversation. There is no switch to leave them out.

use std::io::{self, Read, Write};
use std::path::Path;

use super::error::Error;
use super::screen::file_name;
use super::sys::tls::{Engine, Failure, Step};
use super::sys::{dl, tls};

pub use super::sys::tls::Context;

/// How much is moved between the engine and the network at once; it lies on the stack.
const CHUNK: usize = 4096;

/// The settings of a client; `ca` replaces the system's authorities. Errs when OpenSSL is missing, and
/// when the file cannot be used.
pub fn client(ca: Option<&Path>) -> Result<Context, Error> {
    installed()?;
    if let Some(file) = ca {
        readable(file)?;
    }
    Context::client(ca).map_err(|failure| match ca {
        Some(file) => {
            let (file, why) = (file_name(file), failure.text);
            Error::Failed(format!("{file} has no certificates to trust: {why} (it must be PEM)"))
        }
        None => Error::Failed(format!("cannot use the system's certificates: {}", failure.text)),
    })
}

/// The settings of a server. Errs when OpenSSL is missing, and when the files cannot be used.
pub fn server(certificate: &Path, key: &Path) -> Result<Context, Error> {
    installed()?;
    readable(certificate)?;
    readable(key)?;
    Context::server(certificate, key).map_err(|failure| {
        let (certificate, key, why) = (file_name(certificate), file_name(key), failure.text);
        Error::Failed(format!("cannot use {certificate} with {key}: {why} (both PEM, the key unencrypted)"))
    })
}

/// Whether OpenSSL can be loaded; if not, what to install.
fn installed() -> Result<(), Error> {
    let install = "TLS needs OpenSSL 3: install it, on Debian `apt-get install openssl`";
    dl::Library::open(c"libssl.so.3").map_err(|why| Error::Failed(format!("{install} ({why})")))?;
    Ok(())
}

/// OpenSSL's words for a file that it cannot open are no help, so it is opened here first.
fn readable(file: &Path) -> Result<(), Error> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::io(format!("cannot read {}", file_name(file)), &why)),
    }
}

/// A stream inside TLS.
pub struct Tls<S: Read + Write> {
    engine: Engine,
    inner: S,
    /// After a failure nothing more may be said, not even that it is the end.
    failed: bool,
}

impl<S: Read + Write> Tls<S> {
    /// Makes the handshake as the client of `host`. Errs with what is wrong, in words.
    pub fn connect(context: &Context, host: &str, inner: S) -> Result<Tls<S>, Error> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        // "example.org." is how DNS may write "example.org"; certificates have it without the dot.
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        let engine = Engine::client(context, bare).map_err(|failure| Error::Failed(failure.text))?;
        Tls { engine, inner, failed: false }.shake_hands(|failure| explain(failure, bare))
    }

    /// Makes the handshake as the server.
    pub fn accept(context: &Context, inner: S) -> Result<Tls<S>, Error> {
        let engine = Engine::server(context).map_err(|failure| Error::Failed(failure.text))?;
        Tls { engine, inner, failed: false }
            .shake_hands(|failure| format!("TLS handshake failed: {}", failure.text))
    }

    fn shake_hands(mut self, explain: impl Fn(&Failure) -> String) -> Result<Tls<S>, Error> {
        loop {
            let step = self.engine.handshake();
            if let Step::Failed(failure) = step {
                self.failed = true;
                // The alert that tells the peer why; it may have gone already.
                let _ = self.send();
                return Err(Error::Failed(explain(&failure)));
            }
            let moved = self.send().and_then(|()| match step {
                Step::NeedsInput => self.receive().map(|()| false),
                _ => Ok(true),
            });
            match moved {
                Ok(true) => return Ok(self),
                Ok(false) => {}
                Err(why) => {
                    self.failed = true;
                    return Err(Error::io("lost the connection during the TLS handshake", &why));
                }
            }
        }
    }

    /// Protocol and cipher: `TLSv1.3, TLS_AES_256_GCM_SHA384`.
    pub fn description(&self) -> String {
        self.engine.description()
    }

    /// The stream underneath.
    pub fn inner(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Sends what the engine has for the peer.
    fn send(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        loop {
            let count = self.engine.drain(&mut chunk);
            if count == 0 {
                return self.inner.flush();
            }
            self.inner.write_all(&chunk[..count])?;
        }
    }

    /// Waits for bytes of the peer and feeds them to the engine.
    fn receive(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        loop {
            match self.inner.read(&mut chunk) {
                // The end of the stream without TLS's own end may be an attacker's, who cuts it off.
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed it")),
                Ok(count) => return self.engine.feed(&chunk[..count]).map_err(|failure| other(&failure)),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// Repeats a step until it needs no more input.
    fn drive(&mut self, mut step: impl FnMut(&mut Engine) -> Step) -> io::Result<usize> {
        loop {
            let outcome = step(&mut self.engine);
            // Also a read may have something to send: the answer to a change of keys.
            let sent = self.send();
            match outcome {
                Step::Failed(failure) => {
                    self.failed = true;
                    return Err(other(&failure));
                }
                Step::Ended => return Ok(0),
                Step::Done(count) => return sent.map(|()| count),
                Step::NeedsInput => sent.and_then(|()| self.receive())?,
            }
        }
    }
}

impl<S: Read + Write> Read for Tls<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        self.drive(|engine| engine.read(into))
    }
}

impl<S: Read + Write> Write for Tls<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One record holds 16 KiB; more at once would only fill the memory between.
        let bytes = &bytes[..bytes.len().min(16 * 1024)];
        if bytes.is_empty() {
            return Ok(0);
        }
        self.drive(|engine| engine.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: Read + Write> Drop for Tls<S> {
    fn drop(&mut self) {
        if !self.failed {
            self.engine.end();
            // The peer may have gone, and then needs no farewell.
            let _ = self.send();
        }
    }
}

/// A failure in the middle of the stream.
fn other(failure: &Failure) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {}", failure.text))
}

/// Why the client's handshake failed, and what to do. The numbers are OpenSSL's: X509_V_ERR_… of
/// <openssl/x509_vfy.h> and SSL_R_… of <openssl/sslerr.h>.
fn explain(failure: &Failure, host: &str) -> String {
    let words = &failure.text;
    match (failure.certificate, failure.reason) {
        (Some(18 | 19), _) => {
            format!("the certificate of {host} is self-signed by somebody who is not trusted: {words} (--ca FILE trusts an authority of your own)")
        }
        (Some(2 | 20 | 21), _) => {
            format!("the certificate of {host} has an unknown issuer: {words} (--ca FILE trusts an authority of your own)")
        }
        (Some(10), _) => format!("the certificate of {host} has expired: {words}"),
        (Some(9), _) => format!("the certificate of {host} is not valid yet: {words} (is the clock right?)"),
        (Some(62 | 64), _) => {
            format!("the certificate is not for {host}: {words} (ask for the server by the name in its certificate)")
        }
        (Some(_), _) => format!("the certificate of {host} is refused: {words}"),
        // SSL_R_UNSUPPORTED_PROTOCOL and the alert "protocol version".
        (None, 258 | 1070) => {
            format!(
                "{host} offers no version of TLS that is still safe: {words} (TLS 1.2 or later is needed)"
            )
        }
        // SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG: what came is no TLS record.
        (None, 267 | 198) => {
            format!("{host} does not speak TLS on this port: {words} (try --tls starttls)")
        }
        (None, _) => format!("TLS handshake with {host} failed: {words}"),
    }
}

// Both ends of a handshake, good and bad certificates: tests/mail_tls.rs, where there is an authority.
const _: () = {
    // A connection's engine moves into its thread; the settings are shared by all.
    const fn shared<T: Send + Sync>() {}
    const fn moved<T: Send>() {}
    shared::<tls::Context>();
    moved::<Engine>();
};
