//! `reliable-receive`: receives one file over reliable UDP, stores it, and tells the sender so.
//!
//! Sheet: IoT lab 1, second optional deliverable, and beyond it.
//!
//! ```text
//! Python, over TCP                                  here
//! s.bind(…); s.listen(); conn, addr = s.accept()    Port::open: a socket; the handshake is a state machine's
//! while data := conn.recv(65536): f.write(data)     Event::Message, in order, each once
//! (no way to tell a whole file from half of one)    Arriving::take, Summing::finish: as the sender's
//! os.rename(f"{name}.part", name)                   Download::sync, Download::finish
//! conn.sendall(b"ok")                               Parcel::Stored, or Parcel::Refused and why
//! ```
//!
//! On the wire: see `send.rs`.
//!
//! The first sender that makes an offer is served; another one is told that this receiver is busy. It ends
//! with 0 when the file is stored, and with 1 when its sender has failed; nothing is left of the file then.
//!
//! Limits: one file, then it ends. Nobody is authenticated: whoever reaches the port first is the sender, and
//! what he sends fills the disk as far as it goes. Standard output and the disk are waited for.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{channel, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::driver::{explain, Port};
use super::listener::{Event, Key};
use super::loss::{Loss, LOSS, SEED};
use super::parcel::{Arriving, Parcel, Step, Sum};
use super::settings::Settings;
use super::sum::{hex, Summing};
use crate::kit::address::show;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::save::{Download, Existing};
use crate::kit::screen::{self, escape};
use crate::kit::stop;
use crate::kit::usage::{self, Flag, Operand, Usage};

const OPERANDS: &[Operand] = &[Operand { default: None, ..usage::port("") }];
const FLAGS: &[Flag] = &[
    usage::output("where to store what comes"),
    usage::switch("--force", "replace FILE if it exists, once the new one is whole"),
    usage::bind("127.0.0.1"),
    LOSS,
    SEED,
];

/// What `reliable-receive` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, required: &["--output"], ..Usage::NONE };

/// The port that error messages recommend, and `make reliable-receive` takes.
const PORT: u16 = 7002;

/// How many may talk at once: one sends, the others are told that it does.
const CONVERSATIONS: usize = 16;

/// How long a sender may take between two messages, and a visitor to make an offer.
const IDLE: Duration = Duration::from_secs(30);

/// How long we stay once the sender has our answer: its own last words may have to be said twice.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs `reliable-receive`.
pub fn run(args: &Args) -> Result<(), Error> {
    if !args.has("--output") {
        return Err(Error::Usage("-o FILE is missing: where to store what comes".to_string()));
    }
    let existing = if args.has("--force") { Existing::Replaced } else { Existing::Kept };
    let path = args.path("--output");
    // Tried now, or the user would hear only after a long transfer that it cannot be stored there.
    Download::try_out(path, existing)?;
    let sum = Summing::start()?;
    let (settings, loss) = (Settings::default(), Loss::from_args(args));
    let port = Port::open(args.text("--bind"), args.port("PORT"), PORT, settings, CONVERSATIONS, loss)?;
    Receiving { port, path, existing, settings, sum, visitors: HashMap::new() }.serve()
}

/// The receiver. Its sender goes from stage to stage: waited for, heard, answered.
struct Receiving<'a> {
    port: Port,
    path: &'a Path,
    existing: Existing,
    settings: Settings,
    /// Of what has arrived.
    sum: Summing,
    /// Who is there besides the sender, since when, and whether he has been told to go.
    visitors: HashMap<Key, (Instant, bool)>,
}

/// What becomes of a transfer: size and sum of the file, or why there is none.
type Outcome = Result<(u64, Sum), Error>;

impl Receiving<'_> {
    /// Waits for a sender, takes its file, answers it.
    fn serve(mut self) -> Result<(), Error> {
        let Some((sender, size, arriving)) = self.wait_for_an_offer()? else {
            screen::note("received 0 files");
            return Ok(());
        };
        let began = Instant::now();
        let download = Download::begin(self.path, Some(size), self.existing);
        let outcome = download.and_then(|download| self.take(sender, download, arriving));
        match outcome {
            Ok((size, sum)) => {
                let (path, from) = (escape(self.path.as_os_str().as_bytes()), show(sender.peer));
                let (seconds, shown) = (began.elapsed().as_secs_f64(), hex(&sum));
                let line =
                    format!("received {path}: {size} bytes from {from} in {seconds:.6} s, sha256 {shown}");
                // The file is there, and the sender hears of it also when nobody reads our output.
                let said = screen::say(&line);
                if !self.answer(sender, &Parcel::Stored(size, sum)) {
                    screen::note(&format!("{from} has gone without a sign that it knows"));
                }
                said
            }
            Err(error) => {
                self.answer(sender, &Parcel::Refused(error.to_string().as_bytes()));
                Err(error)
            }
        }
    }

    /// The first offer of a file, who makes it, and its size; `None` when a signal came first.
    fn wait_for_an_offer(&mut self) -> Result<Option<(Key, u64, Arriving)>, Error> {
        while !stop::requested() {
            match self.next(None)? {
                Some((key, Event::Message(message))) if !self.is_told(&key) => {
                    let mut arriving = Arriving::default();
                    match arriving.take(&message) {
                        Step::Begin(size, name) => {
                            let (from, name) = (show(key.peer), escape(name));
                            screen::note(&format!("{from} sends {name}, {size} bytes"));
                            self.visitors.remove(&key);
                            return Ok(Some((key, size, arriving)));
                        }
                        Step::Refuse(why) => self.send_away(key, why),
                        _ => self.send_away(key, "no offer"),
                    }
                }
                Some((key, event)) => self.visitor(key, event),
                None => {}
            }
        }
        Ok(None)
    }

    /// Takes the sender's messages until the file is stored.
    fn take(&mut self, sender: Key, mut download: Download, mut arriving: Arriving) -> Outcome {
        let failed = |why: String| Err(Error::Failed(why));
        let peer = show(sender.peer);
        let mut heard = Instant::now();
        loop {
            if stop::requested() {
                return failed("the receiver was interrupted before the file was whole".to_string());
            }
            if heard.elapsed() >= IDLE {
                return failed(format!("{peer} is there, but has sent nothing for {} s", IDLE.as_secs()));
            }
            let event = match self.next(Some(heard + IDLE))? {
                Some((key, event)) if key == sender => event,
                Some((key, event)) => {
                    self.visitor(key, event);
                    continue;
                }
                None => continue,
            };
            match event {
                Event::Opened => {}
                Event::Message(message) => {
                    heard = Instant::now();
                    match arriving.take(&message) {
                        Step::Append(bytes) => {
                            self.sum.add(bytes)?;
                            download.write(bytes)?;
                        }
                        Step::Whole(size, sum) => {
                            if self.sum.finish()? != sum {
                                let why = "what was read there is not what arrived here";
                                return failed(format!("{peer}: the checksum differs: {why}"));
                            }
                            self.store(sender, download)?;
                            return Ok((size, sum));
                        }
                        Step::GiveUp(why) => return failed(format!("{peer} gave up: {}", escape(why))),
                        Step::Refuse(why) => return failed(format!("{peer}: {why}")),
                        Step::Begin(..) => return failed(format!("{peer}: a second offer")),
                    }
                }
                Event::Closed | Event::Ended => {
                    return failed(format!("{peer} closed before the file was whole"));
                }
                Event::Failed(failure) => {
                    return Err(explain(failure, sender.peer, self.settings.give_up.as_secs()));
                }
            }
        }
    }

    /// Puts the file on the disk and gives it its name. A disk may take its time, so another thread waits for it:
    /// meanwhile the sender must not take us for dead.
    fn store(&mut self, sender: Key, download: Download) -> Result<(), Error> {
        let (done, stored) = channel();
        let bell = self.port.bell();
        let body = move || {
            let _ = done.send(download.finish_on_disk());
            bell.ring();
        };
        thread::Builder::new().name("storing".to_string()).spawn(body)?;
        loop {
            match stored.try_recv() {
                Ok(outcome) => return outcome,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::Failed("the thread that stores the file has failed".to_string()))
                }
            }
            match self.next(None)? {
                Some((key, event)) if key != sender => self.visitor(key, event),
                // Whatever became of the sender, the file is whole and will be stored.
                _ => {}
            }
        }
    }

    /// Tells the sender how it ended, and stays until it has heard and closed, or has gone. Returns
    /// whether it is known to have heard.
    fn answer(&mut self, sender: Key, parcel: &Parcel) -> bool {
        let Some(connection) = self.port.listener.connection(&sender) else { return false };
        // Nothing was sent before, so there is room.
        let _ = connection.send(&parcel.write());
        connection.close();
        let mut heard = false;
        let mut deadline = Instant::now() + self.settings.give_up;
        while Instant::now() < deadline {
            match self.next(Some(deadline)) {
                Ok(Some((key, Event::Ended))) if key == sender => return true,
                Ok(Some((key, Event::Failed(_)))) if key == sender => return heard,
                Ok(Some((key, event))) if key != sender => self.visitor(key, event),
                Ok(_) => {}
                Err(_) => return heard,
            }
            let counts = self.port.listener.connection(&sender).map(|connection| connection.counts());
            let now_heard = counts.is_some_and(|counts| counts.messages_out > 0);
            if (now_heard && !heard) || stop::requested() {
                deadline = deadline.min(Instant::now() + FAREWELL);
            }
            heard |= now_heard;
        }
        heard
    }

    /// The next event, waited for until `deadline` or until the bell rings. Visitors that stay too long
    /// without an offer are asked to go, and then forgotten.
    fn next(&mut self, deadline: Option<Instant>) -> Result<Option<(Key, Event)>, Error> {
        if let Some(event) = self.port.listener.event() {
            return Ok(Some(event));
        }
        let late = |(key, (since, told)): (&Key, &(Instant, bool))| {
            (since.elapsed() >= IDLE).then_some((*key, *told))
        };
        for (key, told) in self.visitors.iter().filter_map(late).collect::<Vec<_>>() {
            if told {
                self.visitors.remove(&key);
                self.port.listener.abandon(&key);
            } else {
                self.send_away(key, "no offer in time");
            }
        }
        let first = self.visitors.values().map(|(since, _)| *since + IDLE).min();
        self.port.turn([deadline, first].into_iter().flatten().min(), |_, _, _| {})?;
        Ok(self.port.listener.event())
    }

    /// Somebody who is not the sender.
    fn visitor(&mut self, key: Key, event: Event) {
        match event {
            Event::Opened => drop(self.visitors.insert(key, (Instant::now(), false))),
            Event::Message(_) => self.send_away(key, "busy: another sender was first"),
            Event::Closed => self.send_away(key, "no offer"),
            Event::Ended | Event::Failed(_) => drop(self.visitors.remove(&key)),
        }
    }

    /// Whether a visitor has been refused.
    fn is_told(&self, key: &Key) -> bool {
        self.visitors.get(key).is_some_and(|(_, told)| *told)
    }

    /// Refuses a visitor, who may go on talking: only the first refusal is sent.
    fn send_away(&mut self, key: Key, why: &str) {
        if self.is_told(&key) {
            return;
        }
        self.visitors.insert(key, (Instant::now(), true));
        if let Some(connection) = self.port.listener.connection(&key) {
            let _ = connection.send(&Parcel::Refused(why.as_bytes()).write());
            connection.close();
        }
    }
}
