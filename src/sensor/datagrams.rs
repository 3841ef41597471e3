//! The datagrams of `sensor-server`: UDP and reliable UDP on one port, told apart by their first bytes.
//!
//! ```text
//!                      ┌─ "SL" ─▶ Desk::answer ─▶ a datagram back, once
//!  datagram ─▶ ours? ──┤
//!                      └─ "RU" ─▶ Listener ─▶ messages in order, each once ─▶ Desk::answer ─▶ Connection::send
//! ```
//!
//! One thread for all of it. Where TCP's kernel repeats and acknowledges by itself, here this loop has to, so it
//! waits no longer than until the listener's next timer.
//!
//! Limits: a sensor that takes no answers is let go when as many wait for it as its buffer holds. Reliable sensors
//! beyond `--max-clients` are told that there is no place: there is no queue of the kernel's in which they could wait.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use super::desk::{answer_to_noise, Answer, Desk, Transport};
use crate::kit::error::Error;
use crate::kit::{address, screen, stop, udp};
use crate::reliable::driver::{explain, Port};
use crate::reliable::listener::{Event, Key};
use crate::reliable::loss::Loss;
use crate::reliable::settings::{Control, Settings, State};

/// What a conversation with a sensor is like: it waits for each answer, so few messages are there at once. Ten
/// thousand hostile ones, each with all its places filled out of order, take 220 MB.
const SETTINGS: Settings = Settings {
    buffer: 16,
    give_up: Duration::from_secs(10),
    keep_alive: Duration::from_secs(3),
    linger: Duration::from_secs(1),
    control: Control::Rate,
};

/// How often to look for sensors that have been silent for too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long conversations may take to close when the server ends.
const CLOSING: Duration = Duration::from_secs(1);

/// The server's datagrams.
#[derive(Debug)]
pub struct Datagrams {
    port: Port,
    /// When each reliable sensor was last heard.
    heard: HashMap<Key, Instant>,
    /// How long one may be silent; `None`: for ever.
    idle: Option<Duration>,
}

impl Datagrams {
    /// Listens, for at most `most` reliable conversations.
    pub fn open(
        host: &str,
        port: u16,
        usual: u16,
        most: usize,
        idle: Option<Duration>,
    ) -> Result<Datagrams, Error> {
        let port = Port::open(host, port, usual, SETTINGS, most, Loss::none())?;
        Ok(Datagrams { port, heard: HashMap::new(), idle })
    }

    /// Answers until the server is asked to stop, then closes the conversations. An error, such as an output that
    /// nobody reads any more, ends the server.
    pub fn serve(mut self, desk: &Desk) -> Result<(), Error> {
        let mut outcome = Ok(());
        let mut look = Instant::now() + LOOK_EVERY;
        while outcome.is_ok() && !stop::requested() {
            outcome = self.turn(desk, Some(look).filter(|_| !self.heard.is_empty()));
            if Instant::now() >= look {
                self.let_idle_go();
                look = Instant::now() + LOOK_EVERY;
            }
        }
        if outcome.is_err() {
            stop::request();
        }
        self.close();
        outcome
    }

    /// One turn of the loop: what came as plain UDP is answered on the spot, the rest as events.
    fn turn(&mut self, desk: &Desk, deadline: Option<Instant>) -> Result<(), Error> {
        let mut failed = None;
        self.port.turn(deadline, |sender, datagram, socket| {
            if let Err(error) = plain(desk, sender, datagram, socket) {
                failed = Some(error);
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        while let Some((key, event)) = self.port.listener.event() {
            self.take(desk, key, event)?;
        }
        Ok(())
    }

    /// What happened in a conversation.
    fn take(&mut self, desk: &Desk, key: Key, event: Event) -> Result<(), Error> {
        let peer = address::canonical(key.peer);
        match event {
            Event::Opened => drop(self.heard.insert(key, Instant::now())),
            Event::Message(message) => {
                // After its noise, or once it was let go, a sensor's words are not heard any more.
                let listening = self.port.listener.connection(&key).map(|connection| connection.state());
                if listening != Some(State::Open) {
                    return Ok(());
                }
                self.heard.insert(key, Instant::now());
                let (reply, go_on) = match ask(desk, &message, peer, Transport::Reliable)? {
                    Some(Answer::Reply(reply)) => (reply, true),
                    Some(Answer::Noise(noise)) => (answer_to_noise(noise), false),
                    Some(Answer::Nothing) | None => return Ok(()),
                };
                if let Some(connection) = self.port.listener.connection(&key) {
                    if connection.send(&reply).is_err() || !go_on {
                        connection.close();
                    }
                }
            }
            Event::Closed => {
                if let Some(connection) = self.port.listener.connection(&key) {
                    connection.close();
                }
            }
            Event::Ended => drop(self.heard.remove(&key)),
            Event::Failed(failure) => {
                self.heard.remove(&key);
                screen::note(&explain(failure, peer, SETTINGS.give_up.as_secs()).to_string());
            }
        }
        Ok(())
    }

    /// Closes conversations in which nothing is said: that the sensor's machine answers is not enough.
    /// One that is still there when the same time has passed again is forgotten.
    fn let_idle_go(&mut self) {
        let Some(idle) = self.idle else { return };
        let silent = |(key, heard): (&Key, &Instant)| (heard.elapsed() >= idle).then_some(*key);
        for key in self.heard.iter().filter_map(silent).collect::<Vec<_>>() {
            match self.port.listener.connection(&key) {
                Some(connection) if connection.state() == State::Open => {
                    connection.close();
                    self.heard.insert(key, Instant::now());
                    let (peer, seconds) = (address::show(key.peer), idle.as_secs_f64());
                    screen::note(&format!("{peer}: let go after {seconds} s of silence"));
                }
                _ => {
                    self.heard.remove(&key);
                    self.port.listener.abandon(&key);
                }
            }
        }
    }

    /// Answers have been given; what is left is to say that no more will come.
    fn close(mut self) {
        for key in self.heard.keys() {
            if let Some(connection) = self.port.listener.connection(key) {
                connection.close();
            }
        }
        let deadline = Instant::now() + CLOSING;
        while !self.heard.is_empty() && Instant::now() < deadline {
            if self.port.turn(Some(deadline), |_, _, _| {}).is_err() {
                return;
            }
            while let Some((key, event)) = self.port.listener.event() {
                if matches!(event, Event::Ended | Event::Failed(_)) {
                    self.heard.remove(&key);
                }
            }
        }
    }
}

/// A datagram of plain UDP.
fn plain(desk: &Desk, sender: SocketAddr, datagram: &[u8], socket: &UdpSocket) -> Result<(), Error> {
    let peer = address::canonical(sender);
    if udp::looks_like_a_server(sender, socket) {
        desk.refuse(peer, "sent from a server's port");
    } else if let Some(Answer::Reply(reply)) = ask(desk, datagram, peer, Transport::Udp)? {
        // A reply that cannot be sent is lost, as any datagram may be.
        let _ = socket.send_to(&reply, sender);
    }
    Ok(())
}

/// The desk's answer; `None` after a panic, which std's hook has reported, and which must not end the
/// service for all others.
fn ask(desk: &Desk, message: &[u8], peer: SocketAddr, transport: Transport) -> Result<Option<Answer>, Error> {
    panic::catch_unwind(AssertUnwindSafe(|| desk.answer(message, peer, transport))).ok().transpose()
}
