//! The other design: one thread that serves every client by readiness.
//!
//! Two sheets teach `select`: ask the kernel which sockets can be read without waiting, read those,
//! ask again. The loop below is theirs, with [`poll`] for the reason given there, and with the three
//! things that the sheets' loop leaves out:
//!
//! - a reply that the client does not read must not stop the loop in `sendall`, so sockets are
//!   non-blocking and each client has a buffer for what could not be sent yet;
//! - that buffer has a bound: a client that does not read its replies is not read from either;
//! - `accept` may still wait after `poll` said "ready", when the client has gone in between, so the
//!   listener is non-blocking too.
//!
//! What it costs: all clients share one processor, and a handler that computes, waits or panics does
//! so for everybody.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::address::canonical;
use super::error::{is_not_now, Error};
use super::places::{say_unfinished, Trouble, PATIENCE};
use super::serve::{say_served, Limits};
use super::sys::poll::{poll, Watched, READABLE, WRITABLE};
use super::sys::{limits, socket};
use super::{screen, stop, tcp};

/// How many bytes of replies may wait for a client before it is not read from any more.
const UNSENT: usize = 64 * 1024;

/// Whether a conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    Continue,
    /// Send what is waiting, then close.
    Close,
}

/// One client's side of a conversation: what it has said so far, without any I/O.
pub trait Conversation {
    /// Takes bytes that have arrived (never none) and appends the reply, if any. An error ends this
    /// conversation only.
    fn received(&mut self, bytes: &[u8], reply: &mut Vec<u8>) -> Result<Next, Error>;

    /// The client has sent its last byte.
    fn ended(&mut self) -> Result<(), Error>;
}

/// A connection and its conversation.
struct Client<C> {
    stream: TcpStream,
    address: SocketAddr,
    conversation: C,
    /// Replies that the socket has not taken yet.
    unsent: Vec<u8>,
    /// Nothing more is read; when `unsent` is empty the connection is closed.
    closing: bool,
    /// When a byte last went through, for the idle limit.
    active: Instant,
}

/// Serves every client of `listener` in this one thread, at most `chunk` bytes of one at a time,
/// until SIGINT or SIGTERM. `begin` makes the conversation of a new client.
pub fn serve<C: Conversation>(
    listener: TcpListener,
    limits: Limits,
    chunk: usize,
    mut begin: impl FnMut(SocketAddr) -> C,
) -> Result<(), Error> {
    let _ = limits::schedule_as_batch();
    listener.set_nonblocking(true)?;
    let woken = listener.try_clone()?;
    stop::graceful(stop::GRACE, move || drop(socket::shut_reading(&woken)));
    tcp::announce(&listener)?;

    let mut clients: Vec<Client<C>> = Vec::new();
    let mut buffer = vec![0; chunk];
    let (mut served, mut most) = (0, 0);
    let mut door = Door { opens: Instant::now(), trouble: Trouble::default() };
    while !stop::requested() {
        // 1. Ask for everybody at once.
        let mut watched: Vec<Watched> =
            clients.iter().map(|client| Watched::new(&client.stream, client.wants())).collect();
        let now = Instant::now();
        let open = clients.len() < limits.clients && door.opens <= now;
        // Even while no newcomer is taken in: the stop request arrives as a hang-up of the listener.
        watched.push(Watched::new(&listener, if open { READABLE } else { 0 }));
        poll(&mut watched, until_next(now, &clients, limits.idle, &door))?;

        // 2. Serve those that are ready, and let the silent go.
        let mut answers = watched.iter();
        clients.retain_mut(|client| {
            let ready = answers.next().is_some_and(|answer| answer.found(client.wants()));
            report(client.address, client.step(ready, &mut buffer, limits.idle))
        });

        // 3. Take in the newcomers.
        if open && answers.next().is_some_and(|answer| answer.found(READABLE)) {
            while clients.len() < limits.clients {
                let Some((stream, address)) = door.accept(&listener)? else { break };
                served += 1;
                clients.push(Client::new(stream, address, begin(address)));
            }
            most = most.max(clients.len());
        }
    }
    finish(clients, &mut buffer);
    say_served(served, most);
    Ok(())
}

impl<C: Conversation> Client<C> {
    fn new(stream: TcpStream, address: SocketAddr, conversation: C) -> Client<C> {
        let (unsent, closing, active) = (Vec::new(), false, Instant::now());
        Client { stream, address, conversation, unsent, closing, active }
    }

    /// What to ask the kernel for: room to write when something waits, bytes to read when there is
    /// room for the reply.
    fn wants(&self) -> i16 {
        let write = if self.unsent.is_empty() { 0 } else { WRITABLE };
        let read = if self.closing || self.unsent.len() >= UNSENT { 0 } else { READABLE };
        read | write
    }

    /// One turn: write what waits, read one chunk, write its reply. False when it is over.
    fn step(&mut self, ready: bool, buffer: &mut [u8], idle: Option<Duration>) -> Result<bool, Error> {
        if !ready {
            return match idle {
                Some(limit) if self.active.elapsed() >= limit => {
                    Err(Error::Failed(format!("let go after {} s of silence", limit.as_secs_f64())))
                }
                _ => Ok(true),
            };
        }
        self.send()?;
        if !self.closing && self.unsent.len() < UNSENT {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.closing = true;
                    self.conversation.ended()?;
                }
                Ok(count) => {
                    self.active = Instant::now();
                    let next = self.conversation.received(&buffer[..count], &mut self.unsent)?;
                    self.closing = next == Next::Close;
                }
                Err(error) if is_not_now(&error) => {}
                Err(error) => return Err(error.into()),
            }
            self.send()?;
        }
        Ok(!(self.closing && self.unsent.is_empty()))
    }

    /// Sends as much as the socket takes without waiting.
    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                    self.active = Instant::now();
                }
                Err(error) if is_not_now(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Where clients come in. It is shut for a moment when the system has run out of descriptors, or
/// `poll` would report the same waiting connection again and again.
struct Door {
    opens: Instant,
    trouble: Trouble,
}

impl Door {
    /// The next waiting client; `None` when there is none, or none can be taken now.
    fn accept(&mut self, listener: &TcpListener) -> Result<Option<(TcpStream, SocketAddr)>, Error> {
        loop {
            let accepted = listener.accept().and_then(|(stream, address)| {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok((stream, canonical(address)))
            });
            match accepted {
                Ok(client) => return Ok(Some(client)),
                Err(error) if is_not_now(&error) || stop::requested() => return Ok(None),
                Err(error) => {
                    if !self.trouble.is_passing("cannot accept a client", &error)? {
                        self.opens = Instant::now() + PATIENCE;
                        return Ok(None);
                    }
                }
            }
        }
    }
}

/// How long `poll` may wait: until the first client is silent for too long, or the door opens again.
fn until_next<C>(
    now: Instant,
    clients: &[Client<C>],
    idle: Option<Duration>,
    door: &Door,
) -> Option<Duration> {
    let first = clients.iter().map(|client| client.active).min();
    let silent = first.zip(idle).map(|(active, idle)| (active + idle).saturating_duration_since(now));
    let door = (door.opens > now).then(|| door.opens - now);
    silent.into_iter().chain(door).min()
}

/// After the stop request: each client's stream ends here, as if it had closed. What it had sent by
/// then is still read and answered, within the grace.
fn finish<C: Conversation>(mut clients: Vec<Client<C>>, buffer: &mut [u8]) {
    let deadline = Instant::now() + stop::GRACE;
    for client in &clients {
        let _ = socket::shut_reading(&client.stream);
    }
    while !clients.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return say_unfinished(clients.len());
        }
        let mut watched: Vec<Watched> =
            clients.iter().map(|client| Watched::new(&client.stream, client.wants())).collect();
        if poll(&mut watched, Some(left)).is_err() {
            return;
        }
        let mut answers = watched.iter();
        clients.retain_mut(|client| {
            let ready = answers.next().is_some_and(|answer| answer.found(client.wants()));
            report(client.address, client.step(ready, buffer, None))
        });
    }
}

/// Says how a conversation ended, unless it goes on or ended well. Returns whether it goes on.
fn report(client: SocketAddr, outcome: Result<bool, Error>) -> bool {
    match outcome {
        Ok(goes_on) => return goes_on,
        Err(Error::OutputClosed) => stop::request(),
        Err(error) => screen::note(&format!("{client}: {error}")),
    }
    false
}
