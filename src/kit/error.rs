//! What failed, why, and which exit code it means.
//!
//! An error is one line that `main` prints as `socklab EXERCISE: what: why (what to do)`.

use std::fmt::{self, Display};
use std::io;

/// Every way in which an exercise ends other than well.
#[derive(Debug)]
pub enum Error {
    /// The command line cannot be meant this way. Exit code 2, and the usage line is shown.
    Usage(String),
    /// The network, a peer or the system failed. Exit code 1.
    Failed(String),
    /// A call failed and nobody has said yet what it was for. Exit code 1.
    Io(io::Error),
    /// Whoever read our standard output has gone (`socklab … | head`). Exit code 0, no message.
    OutputClosed,
    /// Everything has been said already; only the exit code is left.
    Exit(u8),
}

impl Error {
    /// `what: why`, with the reason in the words of the system.
    pub fn io(what: impl Display, why: &io::Error) -> Error {
        Error::Failed(format!("{what}: {}", reason(why)))
    }

    /// The process's exit code: 0 done, 1 the network or a peer failed, 2 wrong usage.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Failed(_) | Error::Io(_) => 1,
            Error::OutputClosed => 0,
            Error::Exit(code) => *code,
        }
    }
}

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Failed(text) => out.write_str(text),
            Error::Io(why) => out.write_str(&reason(why)),
            Error::OutputClosed => out.write_str("standard output was closed"),
            Error::Exit(code) => write!(out, "exit code {code}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(why: io::Error) -> Error {
        Error::Io(why)
    }
}

/// The system's words for an I/O error, without the number that std puts behind them:
/// `Connection refused`, not `Connection refused (os error 111)`.
pub fn reason(why: &io::Error) -> String {
    if is_timeout(why) {
        // The kernel answers an expired SO_RCVTIMEO with EAGAIN, "Resource temporarily unavailable".
        return "timed out".to_string();
    }
    let text = why.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text.to_string(),
    }
}

/// Whether a read or write gave up because its timeout passed.
pub fn is_timeout(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether a call of a socket that does not wait only says "not now".
pub fn is_not_now(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_without_the_number() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(Error::io("cannot connect", &refused).to_string(), "cannot connect: Connection refused");
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::EAGAIN)), "timed out");
        assert_eq!(reason(&io::Error::other("plain")), "plain");
    }

    #[test]
    fn exit_codes_of_the_contract() {
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
        assert_eq!(Error::Failed(String::new()).exit_code(), 1);
        assert_eq!(Error::OutputClosed.exit_code(), 0);
        assert_eq!(Error::Exit(130).exit_code(), 130);
    }
}
