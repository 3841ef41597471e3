//! `chat-room`: a group room; what one member says goes to everyone else.
//!
//! Sheet: unit B3, beyond the lab task: the chat for two becomes one for a class.
//!
//! ```text
//! Python                                       here
//! threading.Thread(target=handle, args=…)      kit::serve, a thread a member
//! for other in clients: other.sendall(line)    into each member's outbox; its own thread sends it
//! data = conn.recv(1024)                       one poll for the socket and the outbox's bell
//! clients.remove(conn)                         Stay's drop, on every way out
//! ```
//!
//! On the wire, lines both ways at any time (A and B two members, S this room):
//!
//! ```text
//! S to A: * welcome, guest1; /name NAME changes your name, /help lists the commands\n
//! S to A: * guest2 joined\n
//! A:      /name ann\n                S to A: * you are now ann\n    S to B: * guest1 is now ann\n
//! A:      hello\n                    S to B: ann: hello\n
//! ```
//!
//! The popular form of this program loops over all sockets and calls `sendall` on each: one member that
//! does not read stops the loop, and with it the room. Here the one that speaks only puts its line into
//! the others' outboxes ([`super::outbox`]), and each member's thread does the sending and the reading
//! for that member alone. A thread that must do both cannot block in either, so it waits in `poll`: for
//! the socket, and for a bell that rings when the outbox has something.
//!
//! Limits: there is one room, without passwords or history; a name is free again when its owner leaves.
//! Nothing is encrypted, and private is private only from the other members. A line that has been put
//! into outboxes is not stored: whoever is dropped misses it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log::Log;
use super::members::{Members, Stay};
use super::outbox::Outbox;
use super::pace::Pace;
use super::{phrase, wire};
use crate::kit::args::Args;
use crate::kit::error::{is_not_now, Error};
use crate::kit::line::{Ending, LineBuffer};
use crate::kit::serve::{serve, Limits};
use crate::kit::sys::poll::{poll, Watched, PEER_ENDED, READABLE, WRITABLE};
use crate::kit::sys::{limits, socket};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{stop, tcp};

/// What the error messages recommend.
const PORT: u16 = 2001;

/// The longest line a member may say, in bytes; a longer one is refused.
pub const LONGEST: usize = 8 * 1024;

/// How much one read takes.
const CHUNK: usize = 4096;

/// After how many lines of one member the others' threads are woken at the latest.
const TOGETHER: usize = 64;

/// How much one write offers.
const BATCH: usize = 32 * 1024;

/// What the kernel may keep for a member that does not read (the rest waits in its outbox, where it is
/// counted), and of a member that speaks too fast (the rest stays with it).
const BUFFERS: i32 = 64 * 1024;

/// How long lines may wait for a member that takes none at all.
const STALLED: Duration = Duration::from_secs(60);

/// How long a member whose connection has been reset is still heard: what it has sent faster than it may
/// speak goes on for so long, and the rest is dropped with its place. One that has closed its sending
/// side only is heard to the end. That has an end, for nothing follows a FIN: all it has sent lies in
/// the kernel, in [`BUFFERS`]. If its machine has gone since, the keep-alive probes find out.
const HEARD_AFTER: Duration = Duration::from_secs(10);

/// How long the last lines to one that leaves may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The two descriptors of a member are its socket and its bell; so many are kept for the rest.
const RESERVED_DESCRIPTORS: usize = 64;

const OPERANDS: &[Operand] = &[Operand { default: None, ..usage::port("") }];
const FLAGS: &[Flag] = &[
    usage::bind("0.0.0.0"),
    Flag {
        name: "--rate",
        short: "",
        value: "N",
        kind: Kind::Count(0, 1_000_000),
        default: Some("100"),
        help: "lines a second one member may say; the rest waits; 0 is no limit",
    },
    usage::MAX_CLIENTS,
    usage::idle("0"),
];

/// What `chat-room` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    notes: "Join it with `socklab chat-client --room HOST PORT`, or with `nc HOST PORT`.",
    ..Usage::NONE
};

/// Runs `chat-room`.
pub fn run(args: &Args) -> Result<(), Error> {
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    let mut limits = Limits::from_args(args);
    let descriptors = limits::raise_descriptors().unwrap_or(1024).saturating_sub(RESERVED_DESCRIPTORS);
    limits.clients = limits.clients.min(descriptors / 2).max(1);
    let (log, shown) = Log::start()?;
    let room = Arc::new(Members::new(log));
    let (rate, idle) = (args.count("--rate"), limits.idle);
    let joined = Arc::clone(&room);
    let outcome = serve(listener, limits, move |connection, client| {
        attend(&joined, connection, client, Pace::new(rate, Instant::now()), idle)
    });
    room.log().finish(&shown);
    outcome
}

/// One member, from joining to leaving, in a thread of its own.
fn attend(
    room: &Arc<Members>,
    connection: &TcpStream,
    client: SocketAddr,
    pace: Pace,
    idle: Option<Duration>,
) -> Result<(), Error> {
    wire::keep_alive(connection)?;
    socket::set_buffers(connection, BUFFERS)?;
    connection.set_nonblocking(true)?;
    let now = Instant::now();
    let mut member = Member {
        stay: room.join(client, Outbox::new()?),
        connection,
        lines: LineBuffer::new(LONGEST),
        too_long: false,
        sending: Vec::new(),
        pace,
        ended: false,
        broken: false,
        gone: None,
        end_seen: false,
        heard: now,
        taken: now,
    };
    let ending = member.converse(idle)?;
    if stop::requested() {
        member.stay.answer("* the room closes");
    }
    member.leave(ending)
}

/// One member's connection.
struct Member<'a> {
    connection: &'a TcpStream,
    stay: Stay,
    lines: LineBuffer,
    /// In the middle of a line that is over the limit.
    too_long: bool,
    /// Taken out of the outbox and not yet by the socket.
    sending: Vec<u8>,
    pace: Pace,
    /// It has sent its last byte.
    ended: bool,
    /// Nothing more can be written; what it sent before may still be read.
    broken: bool,
    /// Since when it is known to be broken, although not all it sent has been read.
    gone: Option<Instant>,
    /// The end of its stream is in the kernel; `poll` need not look for it again.
    end_seen: bool,
    /// When it last said something, for the idle limit.
    heard: Instant,
    /// When it last took something, or had nothing to take.
    taken: Instant,
}

impl Member<'_> {
    /// Passes lines both ways until it leaves. Returns how the others hear of that.
    fn converse(&mut self, idle: Option<Duration>) -> Result<&'static str, Error> {
        loop {
            // 1. What it has said, as fast as it may.
            let mut pause = self.pace.wait(Instant::now());
            let mut finished = false;
            let mut said = 0;
            while pause.is_zero() && !finished && !self.stay.outbox.is_half_full() {
                match self.next_line() {
                    Some(line) if !self.speak(&line) => return Ok("left"),
                    Some(_) => said += 1,
                    None => finished = true,
                }
                // Not for each line: lines that came together go on together.
                if said == TOGETHER {
                    self.stay.ring();
                    said = 0;
                }
                pause = self.pace.wait(Instant::now());
            }
            if said > 0 {
                self.stay.ring();
            }
            if self.ended && finished {
                return Ok("left");
            }
            // Slowed down, it could be heard for minutes yet; the room closes now.
            if !finished && stop::requested() {
                return Ok("left");
            }
            // 2. What there is to send.
            if self.stay.outbox.overflowed() {
                return Ok("was dropped: reads too slowly");
            }
            let now = Instant::now();
            if self.sending.is_empty() {
                self.stay.outbox.take(&mut self.sending, BATCH);
                self.taken = now;
                // There is nearly always room, so it is tried before `poll` is asked.
                if !self.sending.is_empty() {
                    self.send();
                }
            }
            if self.broken {
                self.sending.clear();
            }
            // 3. Wait for what can go on.
            let stalled = (!self.sending.is_empty()).then_some(self.taken + STALLED);
            // One that has more to say and may not yet is not silent.
            let silent = idle.filter(|_| finished).map(|idle| self.heard + idle);
            if self.broken {
                self.gone.get_or_insert(now);
            }
            let given_up = self.gone.map(|gone| gone + HEARD_AFTER);
            if given_up.is_some_and(|time| time <= now) {
                return Ok("left");
            }
            if stalled.is_some_and(|time| time <= now) {
                return Ok("was dropped: reads nothing");
            }
            if silent.is_some_and(|time| time <= now) {
                self.stay.answer("* you were silent for too long");
                return Ok("was dropped: silent for too long");
            }
            let resumes = (!pause.is_zero()).then_some(now + pause);
            // The bell rings for what is new, not for what this turn has left in the outbox.
            let more = (self.sending.is_empty() && !self.stay.outbox.is_empty()).then_some(now);
            let first = [stalled, silent, given_up, resumes, more].into_iter().flatten().min();
            let (readable, writable) = self.wait(finished, first.map(|time| time - now))?;
            // 4. Do it.
            if writable {
                self.send();
            }
            if readable {
                self.receive();
            }
        }
    }

    /// Waits for the socket and the outbox's bell. Returns whether the socket can be read and written.
    fn wait(&mut self, may_read: bool, timeout: Option<Duration>) -> Result<(bool, bool), Error> {
        let mut events = if self.end_seen { 0 } else { PEER_ENDED };
        if may_read && !self.ended {
            events |= READABLE;
        }
        if !self.sending.is_empty() {
            events |= WRITABLE;
        }
        let mut watched = vec![Watched::new(&*self.stay.outbox, READABLE)];
        // A broken connection is always reported; while it is not to be read, that would not be a wait.
        if events != 0 || !self.broken {
            watched.push(Watched::new(self.connection, events));
        }
        poll(&mut watched, timeout)?;
        if watched[0].found(READABLE) {
            self.stay.outbox.heard();
        }
        let Some(found) = watched.get(1) else { return Ok((false, false)) };
        // A failure counts as each of them: whatever waits for nothing else notices it here.
        self.broken |= found.found(0);
        // Without this the wait of one that may not be read yet would be none.
        self.end_seen |= found.found(PEER_ENDED);
        Ok((may_read && found.found(READABLE), events & WRITABLE != 0 && found.found(WRITABLE)))
    }

    /// Its next complete line, or at the end of the stream the last one; a line over the limit is passed
    /// over and answered.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let line = self.lines.line().or_else(|| if self.ended { self.lines.rest() } else { None })?;
            match (line.ending, self.too_long) {
                (Ending::Full, _) => {
                    self.too_long = true;
                    self.pace.spend(LONGEST);
                }
                (_, false) => return Some(line.text),
                (_, true) => {
                    self.too_long = false;
                    let text = format!("* not said: your line was over {LONGEST} bytes long");
                    self.stay.answer(&text);
                }
            }
        }
    }

    /// Does what a line says. False when it was `/quit`.
    fn speak(&mut self, line: &[u8]) -> bool {
        self.pace.spend(line.len());
        self.heard = Instant::now();
        let text = phrase::clean(line);
        self.stay.say(&phrase::parse(&text))
    }

    /// Reads once. A reset is the end of the stream, as far as the others are concerned.
    fn receive(&mut self) {
        let mut chunk = [0; CHUNK];
        match self.connection.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.lines.push(&chunk[..count]);
                self.heard = Instant::now();
            }
            Err(why) if is_not_now(&why) => {}
            Err(_) => {
                self.ended = true;
                self.broken = true;
            }
        }
    }

    /// Writes once.
    fn send(&mut self) {
        match self.connection.write(&self.sending) {
            Ok(count) => {
                self.sending.drain(..count);
                self.taken = Instant::now();
            }
            Err(why) if is_not_now(&why) => {}
            // What it said before is still read.
            Err(_) => self.broken = true,
        }
    }

    /// Leaves the room, then sends what was in the outbox by then, and closes.
    fn leave(self, ending: &'static str) -> Result<(), Error> {
        let Member { connection, mut stay, mut sending, broken, .. } = self;
        stay.ending = ending;
        let outbox = Arc::clone(&stay.outbox);
        let slow = outbox.overflowed();
        drop(stay);
        if broken || slow {
            return Ok(());
        }
        outbox.take(&mut sending, usize::MAX);
        connection.set_nonblocking(false)?;
        // Whoever has gone already has gone; the others know.
        if wire::send(connection, &sending, LAST_LINES).is_ok() {
            wire::hang_up(connection);
        }
        Ok(())
    }
}
