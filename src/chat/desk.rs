//! The operator's desk: one keyboard and one screen for all conversations of `chat-server`.
//!
//! An *exchange* is: show a client's line, read the keyboard for it. Exchanges of several clients must
//! not be mixed, or a reply goes to whoever asks first. So a thread takes a turn at the desk first, and
//! everything is shown in somebody's turn: **the line shown last is the one that is answered**, in a
//! pipe as at a terminal, where the prompt names the client too.
//!
//! Turns go in order, as at a counter that hands out tickets. A `Mutex` alone would not do: it does
//! not say who gets it next, and a client that writes quickly could keep the desk for itself. Each
//! ticket has a condition variable of its own, so that the end of a turn wakes the next and nobody else.
//!
//! A client that leaves must not keep its thread and its place until the operator has answered somebody
//! else. So what is left to say about it, a [`Parting`], goes into a queue that is shown at the end of
//! the turn under way; and one that leaves while it waits for its turn gives its ticket up.
//!
//! # A client that leaves in its turn
//!
//! What has been typed for it must not reach another. A line that the operator begins to type after the
//! next client's line is shown is for that one; what was typed before is not. So, before the next
//! client's line is shown:
//!
//! - the desk waits until [`REACTION`] has passed since the client left, for nobody lifts their hands
//!   from the keys at once;
//! - at a terminal everything typed by then is thrown away, and if that includes half a line, the rest
//!   of it too, as soon as Enter is pressed;
//! - in a pipe or a file no person reacts to anything: its lines were prepared, one for each exchange in
//!   order, so one line goes, the one that this exchange would have used.
//!
//! # Typed too early
//!
//! At a terminal the same goes for what is typed while nobody talks, or after the answer to one client
//! and before another's line is shown: it is thrown away, Ctrl-D and EXIT included, with a notice. Only
//! within one conversation, and for [`REACTION`] after an answer, may one type ahead.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::wire;
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::{screen, stop};

/// How long after a client has left in its turn a person may still be typing to it unawares.
pub const REACTION: Duration = Duration::from_secs(1);

/// How often one that waits for its turn looks whether its client is still there.
const LOOK: Duration = Duration::from_secs(1);

/// How many bytes of partings may wait to be shown; with more than that, those that leave wait for a
/// turn like everybody else.
const MOST_PARTINGS: usize = 1 << 20;

/// What a parting takes at least.
const PARTING: usize = 200;

/// The desk.
#[derive(Debug)]
pub struct Desk {
    queue: Mutex<Queue>,
    /// Notified when a turn ends; only [`Desk::watch`] waits for it.
    ended: Condvar,
    seat: Mutex<Seat>,
}

/// Who is next, and what is to be shown before.
#[derive(Debug, Default)]
struct Queue {
    /// It is somebody's turn.
    taken: bool,
    /// Those that wait, in order.
    waiting: VecDeque<Arc<Ticket>>,
    partings: Vec<Parting>,
    /// What they take.
    bytes: usize,
    /// How many turns have ended.
    turns: u64,
}

/// One that waits for its turn.
#[derive(Debug, Default)]
struct Ticket {
    /// It is its turn. Read and written under the lock of the queue.
    called: AtomicBool,
    bell: Condvar,
}

/// What is left to say when a client has gone: its last lines, and how it ended.
#[derive(Debug)]
pub struct Parting {
    /// Who.
    pub client: SocketAddr,
    /// What it said while it waited for its turn.
    pub lines: Vec<Vec<u8>>,
    /// `left`, or what went wrong.
    pub ending: String,
}

/// What the one whose turn it is may use.
#[derive(Debug)]
struct Seat {
    keyboard: Keyboard,
    /// The last exchange had no answer because its client left: when its time is over.
    broken_off: Option<Instant>,
    /// Who was answered last, and when.
    answered: Option<(SocketAddr, Instant)>,
}

/// A turn at the desk; it ends when this is dropped, on any way out.
#[derive(Debug)]
pub struct Turn<'a> {
    desk: &'a Desk,
    /// An `Option` so that `drop` can let go of it before it calls the next.
    seat: Option<MutexGuard<'a, Seat>>,
}

impl Desk {
    /// Takes the keyboard. If that is a pipe or a file, its end is noticed also while nobody waits for
    /// a line: nothing will ever come from it again, so the server stops. At a terminal Ctrl-D counts
    /// where there is a prompt, and `/dev/null` is at its end from the start and says nothing by it.
    pub fn open() -> Result<Arc<Desk>, Error> {
        let keyboard = Keyboard::open()?;
        let watch = !keyboard.is_device()?;
        let seat = Mutex::new(Seat { keyboard, broken_off: None, answered: None });
        let desk = Arc::new(Desk { queue: Mutex::default(), ended: Condvar::new(), seat });
        if watch {
            let desk = Arc::clone(&desk);
            let body = move || {
                // A keyboard that cannot be read is of no use to anybody.
                if let Err(why) = desk.watch() {
                    screen::note(&format!("the keyboard: {why}"));
                }
                stop::request();
            };
            thread::Builder::new().name("keyboard".to_string()).spawn(body)?;
        }
        Ok(desk)
    }

    /// Waits for a turn for the client at the other end of `connection`. `None`: it has left meanwhile,
    /// and what is left to say about it is for [`Desk::part`].
    pub fn turn(&self, connection: &TcpStream) -> io::Result<Option<Turn<'_>>> {
        self.take(|| wire::has_left(connection))
    }

    /// Has a parting shown, as soon as that disturbs nobody. Does not wait, unless too much waits
    /// already.
    pub fn part(&self, parting: Parting) -> Result<(), Error> {
        let bytes = PARTING + parting.lines.iter().map(|line| PARTING + line.len()).sum::<usize>();
        let mut queue = self.lock();
        if !queue.partings.is_empty() && queue.bytes + bytes > MOST_PARTINGS {
            drop(queue);
            return match self.take(|| Ok(false))? {
                Some(mut turn) => turn.part(&parting),
                None => Ok(()),
            };
        }
        queue.bytes += bytes;
        queue.partings.push(parting);
        // Whoever has the turn shows it at its end; with nobody there, that is now.
        if !queue.taken {
            queue.taken = true;
            drop(queue);
            drop(self.sit_down());
        }
        Ok(())
    }

    /// Waits for a turn, or until `given_up`.
    fn take(&self, given_up: impl Fn() -> io::Result<bool>) -> io::Result<Option<Turn<'_>>> {
        let mut queue = self.lock();
        if queue.taken {
            let ticket = Arc::new(Ticket::default());
            queue.waiting.push_back(Arc::clone(&ticket));
            loop {
                queue = ticket.bell.wait_timeout(queue, LOOK).unwrap_or_else(PoisonError::into_inner).0;
                if ticket.called.load(Ordering::Relaxed) {
                    break;
                }
                let leaves = given_up();
                if !matches!(leaves, Ok(false)) {
                    queue.waiting.retain(|other| !Arc::ptr_eq(other, &ticket));
                    return leaves.map(|_| None);
                }
            }
        }
        // When a turn ends and somebody waits, the desk stays taken: it is handed on.
        queue.taken = true;
        drop(queue);
        Ok(Some(self.sit_down()))
    }

    /// The turn of the one that has been called.
    fn sit_down(&self) -> Turn<'_> {
        Turn { desk: self, seat: Some(self.seat.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Returns when the input has ended and all its lines have been used.
    fn watch(&self) -> Result<(), Error> {
        loop {
            Keyboard::wait()?;
            let Some(mut turn) = self.take(|| Ok(false))? else { continue };
            if turn.seat().keyboard.is_over()? {
                return Ok(());
            }
            let turns = self.lock().turns;
            let ready = turn.seat().keyboard.has_line();
            drop(turn);
            // With a line waiting there is nothing to learn until somebody has had a turn.
            let mut queue = self.lock();
            while ready && queue.turns <= turns + 1 {
                queue = self.ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The queue, even after a panic elsewhere: it is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Shows a client's line: `127.0.0.1:40000: Hello`. Errs as [`screen::say`] does.
    pub fn show(&mut self, client: SocketAddr, line: &[u8]) -> Result<(), Error> {
        self.settle()?;
        self.forget_unless_for(client)?;
        screen::say(&format!("{client}: {}", screen::escape(line)))
    }

    /// Shows what one that has gone has said, and says on standard error how it ended.
    fn part(&mut self, parting: &Parting) -> Result<(), Error> {
        let Parting { client, lines, ending } = parting;
        for line in lines {
            self.show(*client, line)?;
        }
        if !lines.is_empty() {
            self.seat().broken_off = Some(Instant::now());
        }
        screen::note(&format!("{client}: {ending}"));
        Ok(())
    }

    /// Shows the partings that wait; false when there was none.
    fn show_partings(&mut self) -> Result<bool, Error> {
        let partings = {
            let mut queue = self.desk.lock();
            queue.bytes = 0;
            std::mem::take(&mut queue.partings)
        };
        partings.iter().try_for_each(|parting| self.part(parting))?;
        Ok(!partings.is_empty())
    }

    /// Reads the keyboard for `client`, as long as it is there.
    pub fn reply(&mut self, client: SocketAddr, connection: &TcpStream) -> Result<Typed, Error> {
        let mut asked = Duration::ZERO;
        if !wire::has_left(connection)? {
            asked = REACTION;
            let typed = self.seat().keyboard.line(&format!("to {client}> "), Some(connection))?;
            if typed != Typed::PeerLeft {
                self.seat().answered = Some((client, Instant::now()));
                return Ok(typed);
            }
        }
        self.seat().broken_off = Some(Instant::now() + asked);
        Ok(Typed::PeerLeft)
    }

    /// Before anything new is shown: what was typed for one that has left goes with it.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(time) = self.seat().broken_off.take() else { return Ok(()) };
        if stop::requested() {
            return Ok(());
        }
        thread::sleep(time.saturating_duration_since(Instant::now()));
        if self.seat().keyboard.discard()? {
            screen::note("not sent: what was typed for the client that has left");
        }
        Ok(())
    }

    /// At a terminal, what was typed before a line could be read is not the answer to it: `first` and
    /// `second` typed at one prompt, or EXIT while nobody talks. It goes, unless this client was
    /// answered just now, for one may type ahead in one conversation.
    fn forget_unless_for(&mut self, client: SocketAddr) -> Result<(), Error> {
        let seat = self.seat();
        let goes_on = seat.answered.is_some_and(|(who, when)| who == client && when.elapsed() < REACTION);
        if !goes_on && seat.keyboard.is_terminal() && seat.keyboard.discard()? {
            screen::note("not sent: what was typed before the next line was shown");
        }
        Ok(())
    }

    fn seat(&mut self) -> &mut Seat {
        match &mut self.seat {
            Some(seat) => seat,
            None => unreachable!("only `drop` takes it out"),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        loop {
            let shown = self.show_partings().unwrap_or_else(|why| {
                // As for any server that has nobody left to show anything to.
                if !matches!(why, Error::OutputClosed) {
                    screen::note(&why.to_string());
                }
                stop::request();
                false
            });
            let mut queue = self.desk.lock();
            let next = queue.waiting.pop_front();
            // Whoever is next shows what has come meanwhile; when nobody is, it is shown here.
            if next.is_none() && shown && !queue.partings.is_empty() {
                continue;
            }
            self.seat = None;
            queue.turns += 1;
            match next {
                Some(ticket) => {
                    ticket.called.store(true, Ordering::Relaxed);
                    ticket.bell.notify_one();
                }
                None => queue.taken = false,
            }
            self.desk.ended.notify_all();
            return;
        }
    }
}
