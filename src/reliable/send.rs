//! `reliable-send`: sends a file over reliable UDP and waits until the receiver has stored it.
//!
//! Sheet: IoT lab 1, second optional deliverable, and beyond it.
//!
//! ```text
//! Python, over TCP                                  here
//! s.connect((host, port))                           Client::connect: a handshake of our own
//! while chunk := f.read(1400): s.sendall(chunk)     Connection::send, as often as it has room
//! (the kernel repeats, orders, slows down)          Client::turn: so does the state machine
//! s.shutdown(SHUT_WR); s.recv(1)                    Parcel::End, Parcel::Stored
//! ```
//!
//! On the wire (`docs/reliable-udp.md` has the bytes; `parcel.rs` what stands in the messages):
//!
//! ```text
//! sender → receiver   handshake, OFFER 5 bytes "greeting", BYTES "hello", END 5 bytes, SHA-256
//! receiver → sender   acknowledgements, STORED 5 bytes, the same SHA-256
//! ```
//!
//! It exits with 0 only when the receiver has said that the file is on its disk, with the same size and sum.
//!
//! Limits: one regular file, its bytes only: no name on the other side, no times, no permissions. Nothing is
//! encrypted and nobody is authenticated: anyone on the way can read it, and pretend to be the receiver.
//! A file that changes while it is sent is an error, found by its size and its time of change.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::driver::Client;
use super::loss::{Loss, LOSS, SEED};
use super::parcel::{Parcel, Sum, PIECE};
use super::settings::{Settings, State};
use super::sum::{hex, Summing};
use crate::kit::address::{show, Family};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::progress::Progress;
use crate::kit::screen::{self, escape};
use crate::kit::stop;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[
    Operand { name: "FILE", kind: Kind::Path, default: None, help: "the file to send" },
    Operand { default: None, help: "the receiver's name or address", ..usage::HOST },
    Operand { default: None, help: "the receiver's port", ..usage::server_port("") },
];
const FLAGS: &[Flag] = &[LOSS, SEED, usage::V6];

/// What `reliable-send` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// How long to go on when all that is left is to tell the receiver that no more will come. It finds out by
/// itself, but later.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the receiver, which has been heard, may wait for our acknowledgement of its refusal.
const ACKNOWLEDGE: Duration = Duration::from_millis(200);

/// How much is read from the file at once.
const CHUNK: usize = 64 * 1024;

/// Runs `reliable-send`.
pub fn run(args: &Args) -> Result<(), Error> {
    let source = Source::open(args.path("FILE"))?;
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let (host, port) = (args.text("HOST"), args.port("PORT"));
    let client = Client::connect(host, port, family, Settings::default(), Loss::from_args(args))?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let said = say_goodbye_on_a_signal(&client, &interrupted);
    let progress = Progress::new(&source.shown, Some(source.size));
    let began = Instant::now();
    let mut sending = Sending { source, client, interrupted, progress };
    let outcome = sending.run(began);
    let waited_for = sending.interrupted.load(Ordering::SeqCst);
    drop(said);
    if waited_for {
        // The signal's thread now ends the process, with the code that belongs to the signal.
        thread::sleep(FAREWELL);
    }
    outcome
}

/// Arranges that a signal ends the process only when the receiver has been told, or [`FAREWELL`] has passed.
/// What is returned is dropped when it has been.
fn say_goodbye_on_a_signal(client: &Client, interrupted: &Arc<AtomicBool>) -> Sender<()> {
    let (said, waiting) = channel();
    let (bell, interrupted) = (client.bell(), Arc::clone(interrupted));
    stop::before_leaving(move || {
        interrupted.store(true, Ordering::SeqCst);
        bell.ring();
        // Nothing is ever sent: it returns when the other end has been dropped.
        let _ = waiting.recv_timeout(FAREWELL + ACKNOWLEDGE);
    });
    said
}

/// The file, read once from beginning to end.
struct Source {
    file: File,
    /// As it was when it was opened.
    about: Metadata,
    size: u64,
    shown: String,
    name: Vec<u8>,
    chunk: Vec<u8>,
    /// How much of `chunk` has been sent.
    at: usize,
    read: u64,
    sum: Summing,
}

impl Source {
    /// Opens a regular file.
    fn open(path: &Path) -> Result<Source, Error> {
        let shown = escape(path.as_os_str().as_bytes());
        let cannot = |why| Error::io(format!("cannot read {shown}"), &why);
        // The look comes first: to open a FIFO would wait for its writer.
        let regular = std::fs::metadata(path).map_err(cannot)?.is_file();
        if !regular {
            let hint = "only a regular file has a size to announce";
            return Err(Error::Failed(format!("cannot send {shown}: {hint}")));
        }
        let file = File::open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let (size, chunk, sum) = (about.len(), Vec::new(), Summing::start()?);
        Ok(Source { file, about, size, shown, name, chunk, at: 0, read: 0, sum })
    }

    /// The next bytes, at most a message full; empty at the announced end.
    fn next(&mut self) -> Result<&[u8], Error> {
        if self.at == self.chunk.len() && self.read < self.size {
            let want = (self.size - self.read).min(CHUNK as u64);
            self.chunk.clear();
            self.at = 0;
            let got = (&self.file).take(want).read_to_end(&mut self.chunk);
            let got = got.map_err(|why| Error::io(format!("cannot read {}", self.shown), &why))?;
            if got == 0 {
                return Err(self.changed());
            }
            self.read += got as u64;
            self.sum.add(&self.chunk)?;
        }
        let end = self.chunk.len().min(self.at + PIECE);
        let piece = &self.chunk[self.at..end];
        self.at = end;
        Ok(piece)
    }

    /// The sum of all bytes. Errs when the file is not what it was when it was opened.
    fn finish(&mut self) -> Result<Sum, Error> {
        let now =
            self.file.metadata().map_err(|why| Error::io(format!("cannot read {}", self.shown), &why))?;
        if now.len() != self.size || now.modified().ok() != self.about.modified().ok() {
            return Err(self.changed());
        }
        self.sum.finish()
    }

    fn changed(&self) -> Error {
        Error::Failed(format!("{} has changed while it was sent", self.shown))
    }
}

/// A file on its way.
struct Sending {
    source: Source,
    client: Client,
    interrupted: Arc<AtomicBool>,
    progress: Progress,
}

impl Sending {
    fn run(&mut self, began: Instant) -> Result<(), Error> {
        let outcome = self.deliver();
        self.progress.finish();
        match outcome {
            Ok(sum) => {
                let said = self.summary(sum, began.elapsed());
                // The receiver waits for our acknowledgement of its answer; that it never comes is not
                // a failure any more.
                self.client.close(FAREWELL);
                said
            }
            Err(End::Refused(error)) => {
                self.client.close(ACKNOWLEDGE);
                Err(error)
            }
            Err(End::Gone(error)) => Err(error),
            Err(End::Ours(error)) => {
                self.abandon(&error.to_string());
                Err(error)
            }
        }
    }

    /// Sends everything and waits for the answer. Returns the sum that both ends agree on.
    fn deliver(&mut self) -> Result<Sum, End> {
        let offer = Parcel::Offer(self.source.size, &self.source.name).write();
        self.send(&offer)?;
        let mut sent = None;
        loop {
            while sent.is_none() && self.client.connection.room() > 0 {
                sent = self.send_next()?;
            }
            if let Some(answer) = self.client.connection.take() {
                return self.judge(&answer, sent);
            }
            match self.client.connection.state() {
                State::Failed(failure) => return Err(End::Gone(self.client.explain(failure))),
                _ if self.client.connection.peer_closed() => {
                    let peer = show(self.client.peer());
                    let why = format!("{peer} has closed without a word: is another program there?");
                    return Err(End::Refused(Error::Failed(why)));
                }
                _ => {}
            }
            if self.interrupted.load(Ordering::SeqCst) {
                return Err(End::Ours(Error::Failed("interrupted".to_string())));
            }
            self.client.turn(None).map_err(End::Gone)?;
        }
    }

    /// Sends the next message; returns the sum once it was the last.
    fn send_next(&mut self) -> Result<Option<Sum>, End> {
        let piece = self.source.next().map_err(End::Ours)?;
        if piece.is_empty() {
            let sum = self.source.finish().map_err(End::Ours)?;
            let end = Parcel::End(self.source.size, sum).write();
            self.send(&end)?;
            return Ok(Some(sum));
        }
        let (count, message) = (piece.len() as u64, Parcel::Bytes(piece).write());
        self.send(&message)?;
        self.progress.advance(count);
        Ok(None)
    }

    /// There is room, or this is the first message, so it can fail only when the conversation is over.
    fn send(&mut self, message: &[u8]) -> Result<(), End> {
        let sent = self.client.connection.send(message);
        sent.map_err(|why| match self.client.connection.state() {
            State::Failed(failure) => End::Gone(self.client.explain(failure)),
            _ => End::Gone(Error::Failed(format!("a message was not taken: {why:?}"))),
        })
    }

    /// What the receiver's answer means. `sent` is the sum of what was sent, once all was.
    fn judge(&self, answer: &[u8], sent: Option<Sum>) -> Result<Sum, End> {
        let peer = show(self.client.peer());
        let why = match Parcel::read(answer) {
            Some(Parcel::Stored(size, sum)) if sent == Some(sum) && size == self.source.size => {
                return Ok(sum)
            }
            Some(Parcel::Stored(size, sum)) => {
                format!("{peer} has stored something else: {size} bytes, sha256 {}", hex(&sum))
            }
            Some(Parcel::Refused(why)) => format!("{peer} refused the file: {}", escape(why)),
            _ => format!("{peer} sent no answer of a receiver: is another program there?"),
        };
        Err(End::Refused(Error::Failed(why)))
    }

    /// Tells the receiver that the rest will not come, if it can be told soon.
    fn abandon(&mut self, why: &str) {
        let deadline = Instant::now() + FAREWELL;
        let message = Parcel::Abandoned(why.as_bytes()).write();
        // Only what is on its way already stands in front of it then.
        self.client.connection.discard();
        while self.client.connection.send(&message).is_err() {
            let over = self.client.connection.state().is_over() || Instant::now() >= deadline;
            if over || self.client.turn(Some(deadline)).is_err() {
                return;
            }
        }
        self.client.close(deadline.saturating_duration_since(Instant::now()));
    }

    fn summary(&self, sum: Sum, took: Duration) -> Result<(), Error> {
        let Source { size, shown, .. } = &self.source;
        let seconds = took.as_secs_f64();
        screen::say(&format!("sent {shown}: {size} bytes in {seconds:.6} s, sha256 {}", hex(&sum)))?;
        let counts = self.client.connection.counts();
        screen::say(&format!(
            "datagrams: {} sent, {} of them again, {} received; round trip {:.6} s",
            counts.datagrams_out,
            counts.retransmissions,
            counts.datagrams_in,
            counts.rtt.as_secs_f64()
        ))
    }
}

/// How a transfer ends badly.
enum End {
    /// The conversation is over, or never began: nobody can be told.
    Gone(Error),
    /// By the receiver.
    Refused(Error),
    /// By us: the receiver should hear of it.
    Ours(Error),
}
