//! What goes to the client: heads, bytes and files, as fast as it takes them but not slower than that.
//!
//! A client that reads a byte a minute keeps a thread and a descriptor busy for ever if each write only
//! has to make *some* progress. So at every look the client must have taken a minimum since the last.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::limits;
use super::response::Content;
use crate::kit::error::is_timeout;
use crate::kit::sys::send::{send_file, unacknowledged};

/// How much one `sendfile` may send: small enough to look at the client's pace in between.
const PIECE: u64 = 512 * 1024;

/// Files up to this size go out in one call with the head, copied through this process: that is
/// cheaper than to set up the transfer inside the kernel.
const SMALL_FILE: u64 = 16 * 1024;

/// The sending half of a conversation.
#[derive(Debug)]
pub struct Output<'a> {
    stream: &'a TcpStream,
    /// How often the client's pace is looked at; the socket's write timeout.
    every: Duration,
    /// Bytes given to the kernel on this connection.
    given: u64,
    /// When the pace was looked at last, and how many bytes the client had taken by then.
    looked: Option<(Instant, u64)>,
}

impl<'a> Output<'a> {
    /// Sends to `stream`, whose write timeout is `idle`, and looks at the pace at intervals of that or
    /// of [`limits::SEND_TIME`], if that is shorter.
    pub fn new(stream: &'a TcpStream, idle: Option<Duration>) -> io::Result<Output<'a>> {
        let every = idle.map_or(limits::SEND_TIME, |idle| idle.min(limits::SEND_TIME));
        if idle != Some(every) {
            stream.set_write_timeout(Some(every))?;
        }
        Ok(Output { stream, every, given: 0, looked: None })
    }

    /// Sends a head, and the content behind it if there is to be any. Returns how many bytes of the
    /// content were sent. Errs when the client has gone or is too slow, and with `UnexpectedEof` when a
    /// file has become shorter than its head promised: then only closing tells the client the truth.
    pub fn send(&mut self, mut head: Vec<u8>, content: &Content) -> (u64, io::Result<()>) {
        self.looked = None;
        match content {
            Content::None => (0, self.write(&head)),
            Content::Bytes(bytes) => {
                head.extend_from_slice(bytes);
                self.write_with(&head, bytes.len() as u64)
            }
            Content::File { file, first, length } if *length <= SMALL_FILE => {
                let content = head.len();
                head.reserve_exact(*length as usize);
                head.resize(content + *length as usize, 0);
                match file.read_exact_at(&mut head[content..], *first) {
                    Ok(()) => self.write_with(&head, *length),
                    // Nothing has been promised yet, but whoever cut the file is still at it.
                    Err(why) => (0, Err(why)),
                }
            }
            Content::File { file, first, length } => {
                // Kept back until the file's first bytes are there (MSG_MORE), the head would need no packet
                // of its own; but large files were slower by a fifth and more, measured over loopback.
                if let Err(why) = self.write(&head) {
                    return (0, Err(why));
                }
                let mut sent = 0;
                while sent < *length {
                    let count = PIECE.min(*length - sent) as usize;
                    match send_file(self.stream, file, *first + sent, count) {
                        Ok(0) => return (sent, Err(ErrorKind::UnexpectedEof.into())),
                        Ok(count) => {
                            sent += count as u64;
                            self.given += count as u64;
                        }
                        Err(why) => {
                            if let Err(why) = self.again(why) {
                                return (sent, Err(why));
                            }
                        }
                    }
                    if sent == *length {
                        break;
                    }
                    if let Err(why) = self.look() {
                        return (sent, Err(why));
                    }
                }
                (sent, Ok(()))
            }
        }
    }

    /// Sends a head and content that lie in one piece; `content` is how much of it is content.
    fn write_with(&mut self, bytes: &[u8], content: u64) -> (u64, io::Result<()>) {
        match self.write(bytes) {
            Ok(()) => (content, Ok(())),
            Err(why) => (0, Err(why)),
        }
    }

    /// Sends all of `bytes`.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut stream = self.stream;
            match stream.write(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.given += count as u64;
                }
                Err(why) => self.again(why)?,
            }
            if !bytes.is_empty() {
                self.look()?;
            }
        }
        Ok(())
    }

    /// After a failed call: whether to try again.
    fn again(&mut self, why: io::Error) -> io::Result<()> {
        match why {
            why if why.kind() == ErrorKind::Interrupted => Ok(()),
            // There was no room for a whole interval. The client may be slow or dead: look() tells.
            why if is_timeout(&why) => self.look(),
            why => Err(why),
        }
    }

    /// Looks, if it is time, at how much the client has taken since the last look.
    fn look(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let taken = || Ok::<u64, io::Error>(self.given.saturating_sub(unacknowledged(self.stream)?));
        let Some((last, had)) = self.looked else {
            self.looked = Some((now, taken()?));
            return Ok(());
        };
        let passed = now - last;
        // The timeout may end a little early, by the kernel's tick.
        if passed + Duration::from_millis(20) < self.every {
            return Ok(());
        }
        let taken = taken()?;
        if taken.saturating_sub(had) < passed.as_millis() as u64 * limits::SEND_RATE / 1000 {
            return Err(ErrorKind::TimedOut.into());
        }
        self.looked = Some((now, taken));
        Ok(())
    }
}
