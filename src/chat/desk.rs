//! The operator's desk: one keyboard and one screen for all conversations of `chat-server`.
//!
//! An *exchange* is: show a client's line, read the keyboard for it. Exchanges of several clients must
//! not be mixed, or a reply goes to whoever asks first. So a thread takes a turn at the desk first, and
//! everything is shown in somebody's turn: **the line shown last is the one that is answered**, in a
//! pipe as at a terminal, where the prompt names the client too.
//!
//! Turns go by number, as at a counter that hands out tickets. A `Mutex` alone would not do: it does
//! not say who gets it next, and a client that writes quickly could keep the desk for itself.
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

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::wire;
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::{screen, stop};

/// How long after a client has left in its turn a person may still be typing to it unawares.
pub const REACTION: Duration = Duration::from_secs(1);

/// The desk.
#[derive(Debug)]
pub struct Desk {
    tickets: Mutex<Tickets>,
    /// Notified when a turn ends.
    changed: Condvar,
    seat: Mutex<Seat>,
}

/// Who is next.
#[derive(Debug, Default)]
struct Tickets {
    /// The number that the next thread draws.
    next: u64,
    /// The number whose turn it is.
    serving: u64,
}

/// What the one whose turn it is may use.
#[derive(Debug)]
struct Seat {
    keyboard: Keyboard,
    /// The last exchange had no answer because its client left: when its time is over.
    broken_off: Option<Instant>,
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
        let seat = Mutex::new(Seat { keyboard, broken_off: None });
        let desk = Arc::new(Desk { tickets: Mutex::default(), changed: Condvar::new(), seat });
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

    /// Waits for a turn.
    pub fn turn(&self) -> Turn<'_> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let number = tickets.next;
        tickets.next += 1;
        while tickets.serving != number {
            tickets = self.changed.wait(tickets).unwrap_or_else(PoisonError::into_inner);
        }
        drop(tickets);
        Turn { desk: self, seat: Some(self.seat.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Returns when the input has ended and all its lines have been used.
    fn watch(&self) -> Result<(), Error> {
        loop {
            Keyboard::wait()?;
            let mut turn = self.turn();
            if turn.seat().keyboard.is_over()? {
                return Ok(());
            }
            let number = self.tickets.lock().unwrap_or_else(PoisonError::into_inner).serving;
            let ready = turn.seat().keyboard.has_line();
            drop(turn);
            // With a line waiting there is nothing to learn until somebody has had a turn.
            let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
            while ready && tickets.serving <= number + 1 {
                tickets = self.changed.wait(tickets).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Turn<'_> {
    /// Shows a client's line: `127.0.0.1:40000: Hello`. Errs as [`screen::say`] does.
    pub fn show(&mut self, client: SocketAddr, line: &[u8]) -> Result<(), Error> {
        self.settle()?;
        screen::say(&format!("{client}: {}", screen::escape(line)))
    }

    /// Says something about a client on standard error.
    pub fn note(&mut self, client: SocketAddr, text: &str) {
        screen::note(&format!("{client}: {text}"));
    }

    /// Reads the keyboard for `client`, as long as it is there.
    pub fn reply(&mut self, client: SocketAddr, connection: &TcpStream) -> Result<Typed, Error> {
        let mut asked = Duration::ZERO;
        if !wire::has_left(connection)? {
            asked = REACTION;
            match self.seat().keyboard.line(&format!("to {client}> "), Some(connection))? {
                Typed::PeerLeft => screen::prompt("\n"),
                typed => return Ok(typed),
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

    fn seat(&mut self) -> &mut Seat {
        match &mut self.seat {
            Some(seat) => seat,
            None => unreachable!("only `drop` takes it out"),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.seat = None;
        self.desk.tickets.lock().unwrap_or_else(PoisonError::into_inner).serving += 1;
        // Each waits for a number of its own, so all are woken and one goes on.
        self.desk.changed.notify_all();
    }
}
