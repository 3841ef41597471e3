//! `echo-client HOST PORT -`: standard input to the server, the echo to standard output, both at once.
//!
//! Beyond the sheet. Sending everything first and reading the echo afterwards works until the echo
//! no longer fits into the buffers of the two kernels. Then the server, whose reply nobody reads,
//! stops reading, and the client, whose data nobody reads, stops in `write`: both wait for ever, a
//! deadlock. So one thread sends while the other receives.
//!
//! ```text
//! stdin  → [thread "sender"] → socket → server
//! stdout ← [main thread]     ← socket ← server
//! ```
//!
//! After the last byte the sender shuts the sending side only (`shutdown(SHUT_WR)`, a FIN): the server
//! reads the end of the stream, sends what is left and closes, and the receiver sees that as the end.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::kit::error::{is_timeout, Error};
use crate::kit::screen::Payload;
use crate::kit::tcp;

/// How much one read takes, in each direction.
const CHUNK: usize = 64 * 1024;

/// What the sender tells the receiver.
#[derive(Default)]
struct Progress {
    /// Bytes taken from standard input so far: handed to the kernel, or about to be.
    sent: AtomicU64,
    /// Set just before the end of the stream is sent: a close that comes earlier is the server's.
    ended: AtomicBool,
}

/// Streams until the server has closed. Errs when less comes back than was sent, or when the server
/// has taken everything and then sends nothing for `patience`.
pub fn run(connection: &TcpStream, patience: Option<Duration>) -> Result<(), Error> {
    let progress = Arc::new(Progress::default());
    let sender = {
        let (connection, progress) = (connection.try_clone()?, Arc::clone(&progress));
        thread::Builder::new().name("sender".to_string()).spawn(move || send(&connection, &progress))?
    };
    connection.set_read_timeout(patience)?;
    let mut output = Payload::new();
    let mut buffer = vec![0; CHUNK];
    let mut received = 0;
    loop {
        match tcp::receive(connection, &mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                output.write(&buffer[..count])?;
                received += count as u64;
            }
            // Silence is the server's fault only while it owes us something: the user, or the
            // program at the other end of the pipe, may take its time.
            Err(why) if is_timeout(&why) && received >= progress.sent.load(SeqCst) => {
                if progress.ended.load(SeqCst) {
                    return Err(Error::Failed("everything came back, but the server does not close".into()));
                }
            }
            Err(why) => return Err(Error::io(format!("lost the server after {received} bytes"), &why)),
        }
    }
    output.finish()?;
    if !progress.ended.load(SeqCst) {
        // The sender may wait for its input for ever, and what it would send has nowhere to go.
        return Err(Error::Failed(format!("the server closed the connection after {received} bytes")));
    }
    sender.join().map_err(|_| Error::Failed("the sending thread failed".to_string()))??;
    match progress.sent.load(SeqCst) {
        sent if sent == received => Ok(()),
        sent => Err(Error::Failed(format!("the server closed: {received} of {sent} bytes came back"))),
    }
}

/// The sending thread: standard input to the server, then the end of the stream.
fn send(connection: &TcpStream, progress: &Progress) -> Result<(), Error> {
    let outcome = copy(connection, progress);
    progress.ended.store(true, SeqCst);
    // Also after a failure: without it the receiver would wait for an end that nobody sends.
    let shut = connection.shutdown(Shutdown::Write);
    outcome?;
    shut.map_err(|why| Error::io("cannot end the stream", &why))
}

/// Sends standard input until its end.
fn copy(mut connection: &TcpStream, progress: &Progress) -> Result<(), Error> {
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(Error::io("cannot read standard input", &why)),
        };
        // Before the write, which may wait: a server that takes a part of it and then stalls owes us.
        progress.sent.fetch_add(count as u64, SeqCst);
        connection.write_all(&buffer[..count]).map_err(|why| Error::io("cannot send", &why))?;
    }
}
