//! Every limit of the server: what a client may send and how long it may take, in one place.
//!
//! A server without one of these can be held by a client that costs its owner nothing. The texts are
//! part of `web-server --help`; a test holds them to the numbers.

use std::time::Duration;

/// The longest request line, in bytes; beyond it 414. RFC 9112, 3 asks for at least 8,000.
pub const REQUEST_LINE: usize = 8192;

/// The longest head, request line included, in bytes; beyond it 431.
pub const HEAD: usize = 32 * 1024;

/// The most fields a head may have; beyond it 431.
pub const FIELDS: usize = 100;

/// The largest request body that is read and thrown away, in bytes. This server has no use for
/// bodies, but one that is left unread would be taken for the next request.
pub const BODY: u64 = 64 * 1024;

/// How long a head may take from its first byte to its last. Counted from the first byte: a limit
/// for each read is no limit at all for a client that sends a byte every few seconds ("slowloris").
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a body may take.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// After so long without room to send, or since the last look, the client must have taken a minimum.
/// It is the default of `--idle`, which the socket has as its timeout already.
pub const SEND_TIME: Duration = Duration::from_secs(15);

/// That minimum, in bytes per second: a thirtieth of an old telephone line.
pub const SEND_RATE: u64 = 256;

/// How long the client of a connection that we close may go on sending. Closing with unread bytes
/// makes the kernel send a reset, which can destroy an answer that is still on its way (RFC 9112, 9.6).
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// The most entries of a folder's listing.
pub const LISTING: usize = 2000;

/// What `--help` says about them.
pub const NOTES: &str = "\
Limits: request line 8192 bytes (414), head 32768 bytes and 100 fields (431), request body 65536\n\
bytes (413), listing 2000 names. A head or a body must be whole 10 s after its first byte (408); a\n\
client that is sent something must take 256 bytes a second, looked at every 15 s; a connection that\n\
is closed is drained for 2 s. A shorter --idle shortens the first three as well.\n\
Served: regular files below --root, and folders (index.html, or a listing). Names that begin with a\n\
dot, and symbolic links that lead out of --root, are answered with 404.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_the_real_numbers() {
        let said = [
            format!("request line {REQUEST_LINE} bytes"),
            format!("head {HEAD} bytes and {FIELDS} fields"),
            format!("request body {BODY}"),
            format!("listing {LISTING} names"),
            format!("whole {} s after", HEAD_TIME.as_secs()),
            format!("take {SEND_RATE} bytes a second, looked at every {} s", SEND_TIME.as_secs()),
            format!("drained for {} s", LINGER_TIME.as_secs()),
        ];
        let notes = NOTES.replace('\n', " ");
        for text in said {
            assert!(notes.contains(&text), "--help does not say: {text}");
        }
        assert_eq!(HEAD_TIME, BODY_TIME);
    }
}
