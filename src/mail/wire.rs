//! A connection on which every phase of the dialogue has a deadline.
//!
//! A socket's timeout (`sock.settimeout` in Python) limits one read. A peer that sends a byte a minute
//! never reaches it, and keeps its thread, or the user, waiting for as long as it likes. So each phase
//! (one reply, one command, one message) gets a time in which it must be *complete*.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::kit::tcp;
use crate::kit::tls::Tls;

/// A stream with a deadline.
pub trait Wire: Read + Write {
    /// From now on reads and writes may take so long in all; `None`: for ever.
    fn allow(&mut self, time: Option<Duration>);
}

/// An address as mail writes it where a host's name could stand: `[127.0.0.1]`, `[IPv6:::1]`. RFC 5321,
/// 4.1.3.
pub fn address_literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct Plain<'a> {
    stream: &'a TcpStream,
    deadline: Option<Instant>,
}

impl<'a> Plain<'a> {
    /// Without a deadline yet.
    pub fn new(stream: &'a TcpStream) -> Plain<'a> {
        Plain { stream, deadline: None }
    }

    /// What is left of the time, as a socket takes it. Errs when there is nothing left.
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(tcp::patience(left))
    }
}

impl Wire for Plain<'_> {
    fn allow(&mut self, time: Option<Duration>) {
        // A time beyond what the clock can count is for ever.
        self.deadline = time.and_then(|time| Instant::now().checked_add(time));
    }
}

impl<S: Wire> Wire for Tls<S> {
    fn allow(&mut self, time: Option<Duration>) {
        self.inner().allow(time);
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
pub mod script {
    //! A peer in memory: what it says, one piece a read, and what it was told.

    use super::*;
    use std::collections::VecDeque;

    /// The peer's side of a dialogue.
    #[derive(Debug, Default)]
    pub struct Script {
        says: VecDeque<Vec<u8>>,
        /// Everything that was written to it.
        pub heard: Vec<u8>,
    }

    impl Script {
        /// A peer that says these pieces, each in a read of its own, and then closes.
        pub fn new(pieces: &[&str]) -> Script {
            Script { says: pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(), heard: Vec::new() }
        }
    }

    impl Wire for Script {
        fn allow(&mut self, _time: Option<Duration>) {}
    }

    impl Read for Script {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.says.pop_front() else { return Ok(0) };
            let count = piece.len().min(into.len());
            into[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() {
                self.says.push_front(piece.split_off(count));
            }
            Ok(count)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_peer_that_drips_runs_into_the_deadline() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let dripper = std::thread::spawn(move || {
            // Until the reader has given up and the connection is closed.
            while server.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        {
            let client = client;
            let mut wire = Plain::new(&client);
            wire.allow(Some(Duration::from_millis(200)));
            let why = wire.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(crate::kit::error::is_timeout(&why), "{why}");
        }
        dripper.join().unwrap();
    }
}
