//! Messages out of a TCP stream: the length in each header delimits them.
//!
//! One read may bring half a message or three. [`Frames`] does the cutting without any I/O, so that
//! it is tested with every way to split a stream; [`receive`] feeds one from a connection and gives a
//! message that has begun a limited time to end.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::message::{self, Noise, LONGEST};
use crate::kit::error::is_timeout;
use crate::kit::tcp;

/// How long a message that has begun may take. Without it a peer that sends a byte now and then would
/// never be idle, and would keep its thread for ever.
pub const WHOLE: Duration = Duration::from_secs(10);

/// How much one read takes. On the stack: an idle sensor costs no buffer.
const CHUNK: usize = 2048;

/// Bytes in, messages out. Holds less than two messages.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes arrive. Errs when the bytes are no message:
    /// then nothing that follows can be read either.
    pub fn cut(&mut self) -> Result<Option<Vec<u8>>, Noise> {
        let Some(length) = message::length(&self.0)? else { return Ok(None) };
        if self.0.len() < length {
            return Ok(None);
        }
        let rest = self.0.split_off(length);
        Ok(Some(std::mem::replace(&mut self.0, rest)))
    }

    /// Whether a message has begun.
    pub fn has_begun(&self) -> bool {
        !self.0.is_empty()
    }
}

/// What came out of a connection.
#[derive(Debug)]
pub enum Received {
    /// One message's bytes, as long as its header says and otherwise unchecked.
    Message(Vec<u8>),
    /// Bytes that are no message.
    Noise(Noise),
    /// The end of the stream; true in the middle of a message.
    End(bool),
    /// A message that has begun and does not end.
    Late,
}

/// Waits for the next message: up to `first` (`None`: for ever) for its beginning and [`WHOLE`] for
/// its end. Errs with a timeout while none has begun, or as the connection does.
pub fn receive(stream: &TcpStream, frames: &mut Frames, first: Option<Duration>) -> io::Result<Received> {
    // At most one message is incomplete, so the buffer stays below CHUNK + LONGEST.
    const { assert!(LONGEST < CHUNK) };
    let mut deadline = None;
    loop {
        match frames.cut() {
            Ok(Some(message)) => {
                if deadline.is_some() {
                    stream.set_read_timeout(first)?;
                }
                return Ok(Received::Message(message));
            }
            Err(noise) => return Ok(Received::Noise(noise)),
            Ok(None) => {}
        }
        if frames.has_begun() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + WHOLE);
            stream.set_read_timeout(tcp::patience(deadline.saturating_duration_since(Instant::now())))?;
        }
        let mut chunk = [0; CHUNK];
        match tcp::receive(stream, &mut chunk) {
            Ok(0) => return Ok(Received::End(frames.has_begun())),
            Ok(count) => frames.push(&chunk[..count]),
            Err(why) if is_timeout(&why) && deadline.is_some() => return Ok(Received::Late),
            Err(why) => return Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{write, Body, Head};
    use super::*;
    use crate::kit::random::Random;

    #[test]
    fn any_split_gives_the_same_messages() {
        let messages: Vec<Vec<u8>> =
            (0..5).map(|sequence| write(&Head { sequence, ..Head::default() }, &Body::default())).collect();
        let stream = messages.concat();
        for seed in 0..200 {
            let mut random = Random::new(Some(seed));
            let mut frames = Frames::default();
            let (mut rest, mut found) = (&stream[..], Vec::new());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                frames.push(piece);
                rest = after;
                while let Some(message) = frames.cut().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages, "seed {seed}");
            assert!(!frames.has_begun());
        }
    }

    #[test]
    fn noise_is_noticed_at_its_first_byte_and_forged_lengths_at_once() {
        let mut frames = Frames::default();
        frames.push(b"G");
        assert_eq!(frames.cut(), Err(Noise("wrong magic")));
        for length in [0u16, 31, 1201, 65_535] {
            let mut frames = Frames::default();
            frames.push(&[&b"SL\x01\x01\x00\x06"[..], &length.to_be_bytes()].concat());
            assert_eq!(frames.cut(), Err(Noise("length is out of range")));
        }
    }
}
