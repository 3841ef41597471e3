//! A hostile network between a client and a server on this machine: a UDP relay in one thread that
//! loses, repeats, delays, changes and cuts what it carries, by a seed.
//!
//! ```text
//! client ──▶ front :port ──▶ back (one for each client) ──▶ server
//!                    every datagram meets its fate here, in both directions
//! ```

// Each test file uses a part of this.
#![allow(dead_code)]

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socklab::kit::random::Random;
use socklab::kit::sys::poll::{poll, Watched, READABLE};

/// What happens to datagrams, in per cent of them; each way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Never arrive.
    pub loss: f64,
    /// Arrive twice, the second time late.
    pub duplicate: f64,
    /// Arrive later than some that were sent after them.
    pub reorder: f64,
    /// One bit is changed.
    pub corrupt: f64,
    /// Their end is missing.
    pub truncate: f64,
    /// Begin a pause of the whole link, after which everything arrives at once.
    pub pause: f64,
}

/// A late datagram is up to so late.
const LATE: u64 = 30_000;
/// A pause of the link.
const PAUSE: Duration = Duration::from_millis(300);
/// How often a relay that holds everything looks whether it still has to.
const LOOK: Duration = Duration::from_millis(5);
/// How many datagrams wait in the relay at most.
const QUEUE: usize = 20_000;
/// How many datagrams are kept for a test to look at.
const KEPT: usize = 200;

/// The relay; it ends when this is dropped.
pub struct Relay {
    /// The port that clients send to.
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    cut: AtomicBool,
    carried: AtomicU64,
    hold_from: AtomicU64,
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Shared {
    fn holds(&self) -> bool {
        self.carried.load(Ordering::SeqCst) >= self.hold_from.load(Ordering::SeqCst)
    }
}

impl Relay {
    /// A relay to the server at `server`.
    pub fn new(server: SocketAddr, faults: Faults, seed: u64) -> Relay {
        let front = UdpSocket::bind((server.ip(), 0)).unwrap();
        front.set_nonblocking(true).unwrap();
        let port = front.local_addr().unwrap().port();
        let shared = Arc::new(Shared { hold_from: AtomicU64::new(u64::MAX), ..Shared::default() });
        let theirs = Arc::clone(&shared);
        let random = Random::new(Some(seed));
        let carrier = Carrier { front, backs: Vec::new(), server, faults, random, underway: Vec::new() };
        let thread = thread::spawn(move || carrier.run(&theirs));
        Relay { port, shared, thread: Some(thread) }
    }

    /// From now on nothing arrives, either way: the cable is cut.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
    }

    /// Once so many datagrams have come, all wait in the relay until this is set to `u64::MAX`. Both ends are
    /// then in the middle of what they do, however fast the machine is.
    pub fn hold_from(&self, datagrams: u64) {
        self.shared.hold_from.store(datagrams, Ordering::SeqCst);
    }

    /// How many datagrams have come to it so far.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::SeqCst)
    }

    /// The first datagrams from clients, as they were sent.
    pub fn kept(&self) -> Vec<Vec<u8>> {
        self.shared.kept.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        let _ = self.thread.take().unwrap().join();
    }
}

/// The body of the thread.
struct Carrier {
    front: UdpSocket,
    backs: Vec<(SocketAddr, UdpSocket)>,
    server: SocketAddr,
    faults: Faults,
    random: Random,
    /// When, by which back, whether to the server, what.
    underway: Vec<(Instant, usize, bool, Vec<u8>)>,
}

impl Carrier {
    fn run(mut self, shared: &Shared) {
        let mut paused = Instant::now();
        let mut buffer = vec![0; 65_536];
        while !shared.end.load(Ordering::SeqCst) {
            let mut watched: Vec<Watched> = vec![Watched::new(&self.front, READABLE)];
            watched.extend(self.backs.iter().map(|(_, back)| Watched::new(back, READABLE)));
            let now = Instant::now();
            let next = self.underway.iter().map(|(due, ..)| due.saturating_duration_since(now)).min();
            let next = if shared.holds() { LOOK } else { next.unwrap_or(PAUSE).min(PAUSE) };
            poll(&mut watched, Some(next)).unwrap();
            while let Ok((length, client)) = self.front.recv_from(&mut buffer) {
                let back = self.back(client);
                let mut kept = shared.kept.lock().unwrap();
                if kept.len() < KEPT {
                    kept.push(buffer[..length].to_vec());
                }
                drop(kept);
                self.decide(back, true, &buffer[..length], &mut paused, shared);
            }
            for back in 0..self.backs.len() {
                loop {
                    match self.backs[back].1.recv(&mut buffer) {
                        Ok(length) => self.decide(back, false, &buffer[..length], &mut paused, shared),
                        // The server is not there at present.
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                        Err(_) => break,
                    }
                }
            }
            if shared.holds() {
                continue;
            }
            let now = Instant::now();
            let (due, later) = self.underway.drain(..).partition(|(due, ..)| *due <= now);
            self.underway = later;
            let mut due: Vec<_> = due;
            due.sort_by_key(|(due, ..)| *due);
            for (_, back, to_server, datagram) in due {
                let (client, socket) = &self.backs[back];
                // What cannot be sent is lost.
                let _ = match to_server {
                    true => socket.send(&datagram),
                    false => self.front.send_to(&datagram, *client),
                };
            }
        }
    }

    /// The socket that stands for a client at the server.
    fn back(&mut self, client: SocketAddr) -> usize {
        if let Some(known) = self.backs.iter().position(|(known, _)| *known == client) {
            return known;
        }
        let socket = UdpSocket::bind((self.server.ip(), 0)).unwrap();
        socket.connect(self.server).unwrap();
        socket.set_nonblocking(true).unwrap();
        self.backs.push((client, socket));
        self.backs.len() - 1
    }

    /// A datagram's fate.
    fn decide(
        &mut self,
        back: usize,
        to_server: bool,
        datagram: &[u8],
        paused: &mut Instant,
        shared: &Shared,
    ) {
        shared.carried.fetch_add(1, Ordering::SeqCst);
        let Faults { loss, duplicate, reorder, corrupt, truncate, pause } = self.faults;
        let random = &mut self.random;
        if shared.cut.load(Ordering::SeqCst) || random.chance(loss) || self.underway.len() >= QUEUE {
            return;
        }
        let now = Instant::now();
        if random.chance(pause) {
            *paused = now + PAUSE;
        }
        let copies = if random.chance(duplicate) { 2 } else { 1 };
        for copy in 0..copies {
            let mut bytes = datagram.to_vec();
            if random.chance(corrupt) && !bytes.is_empty() {
                let bit = random.below(8 * bytes.len() as u64) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            if random.chance(truncate) {
                bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            }
            let late = copy > 0 || random.chance(reorder);
            let delay = if late { Duration::from_micros(random.below(LATE)) } else { Duration::ZERO };
            self.underway.push(((now + delay).max(*paused), back, to_server, bytes));
        }
    }
}
