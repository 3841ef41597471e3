//! A file as messages, and the messages as a file again. Pure.
//!
//! The messages below arrive in order and once each, so a file needs no numbers of its own: an offer, its
//! bytes, an end with the sum of them all, and one answer.
//!
//! ```text
//!             0        1                        9                    41
//!             +--------+------------------------+--------------------+
//!  OFFER      |   1    |  size (8, big-endian)  |  name (rest)       |
//!             +--------+------------------------+--------------------+
//!  BYTES      |   2    |  1 to 1,399 bytes of the file               |
//!             +--------+------------------------+--------------------+
//!  END        |   3    |  size (8)              |  SHA-256 (32)      |
//!             +--------+------------------------+--------------------+
//!  ABANDONED  |   4    |  why (text)                                 |
//!             +--------+------------------------+--------------------+
//!  STORED     |  17    |  size (8)              |  SHA-256 (32)      |   from the receiver,
//!             +--------+------------------------+--------------------+
//!  REFUSED    |  18    |  why (text)                                 |   at any time
//!             +--------+---------------------------------------------+
//! ```

use super::MESSAGE;
use crate::kit::wire::{Reader, Writer};

/// Bytes of the file in one message at most.
pub const PIECE: usize = MESSAGE - 1;

/// The longest name or reason that is sent or shown, in bytes.
pub const LONGEST_TEXT: usize = 255;

/// The SHA-256 of a file.
pub type Sum = [u8; 32];

const OFFER: u8 = 1;
const BYTES: u8 = 2;
const END: u8 = 3;
const ABANDONED: u8 = 4;
const STORED: u8 = 17;
const REFUSED: u8 = 18;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel<'a> {
    /// A file of so many bytes will come. The name is the sender's; it is shown, and nothing is opened by it.
    Offer(u64, &'a [u8]),
    /// The next bytes of it.
    Bytes(&'a [u8]),
    /// That was all: how many bytes, and their sum.
    End(u64, Sum),
    /// The rest will not come, and why.
    Abandoned(&'a [u8]),
    /// The file is stored: how many bytes, and their sum.
    Stored(u64, Sum),
    /// It is not, and why.
    Refused(&'a [u8]),
}

impl<'a> Parcel<'a> {
    /// What a message says; `None` for one that is none of these.
    pub fn read(message: &'a [u8]) -> Option<Parcel<'a>> {
        let mut reader = Reader::new(message);
        let kind = reader.u8()?;
        match kind {
            OFFER => reader.u64().map(|size| Parcel::Offer(size, cut(reader.rest()))),
            BYTES if !reader.is_empty() => Some(Parcel::Bytes(reader.rest())),
            END | STORED => {
                let (size, sum) = (reader.u64()?, reader.array()?);
                let parcel = if kind == END { Parcel::End(size, sum) } else { Parcel::Stored(size, sum) };
                reader.is_empty().then_some(parcel)
            }
            ABANDONED => Some(Parcel::Abandoned(cut(reader.rest()))),
            REFUSED => Some(Parcel::Refused(cut(reader.rest()))),
            _ => None,
        }
    }

    /// The message that says it.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Parcel::Offer(size, name) => {
                writer.u8(OFFER);
                writer.u64(*size);
                writer.bytes(cut(name));
            }
            Parcel::Bytes(bytes) => {
                writer.u8(BYTES);
                writer.bytes(bytes);
            }
            Parcel::End(size, sum) | Parcel::Stored(size, sum) => {
                writer.u8(if matches!(self, Parcel::End(..)) { END } else { STORED });
                writer.u64(*size);
                writer.bytes(sum);
            }
            Parcel::Abandoned(why) | Parcel::Refused(why) => {
                writer.u8(if matches!(self, Parcel::Abandoned(_)) { ABANDONED } else { REFUSED });
                writer.bytes(cut(why));
            }
        }
        writer.finish()
    }
}

/// At most [`LONGEST_TEXT`] bytes of a text.
fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(LONGEST_TEXT)]
}

/// What the receiver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Begin a file of so many bytes, which the sender calls so.
    Begin(u64, &'a [u8]),
    /// Append these bytes.
    Append(&'a [u8]),
    /// That was all: so many bytes, as offered. They are the file if their sum is this one, which is the caller's
    /// to find out.
    Whole(u64, Sum),
    /// Give it up: the sender says why.
    GiveUp(&'a [u8]),
    /// Refuse: this is not what a sender may say here.
    Refuse(&'static str),
}

/// A file that is arriving: what has come so far, and what may come next.
#[derive(Debug, Default)]
pub struct Arriving {
    /// What was offered; `None` before the offer.
    size: Option<u64>,
    received: u64,
}

impl Arriving {
    /// Takes the next message. After `Whole`, `GiveUp` and `Refuse` nothing more should be asked.
    pub fn take<'a>(&mut self, message: &'a [u8]) -> Step<'a> {
        match (Parcel::read(message), self.size) {
            (Some(Parcel::Offer(size, name)), None) => {
                self.size = Some(size);
                Step::Begin(size, name)
            }
            (Some(Parcel::Bytes(bytes)), Some(size)) => {
                if bytes.len() as u64 > size - self.received {
                    return Step::Refuse("more bytes than were offered");
                }
                self.received += bytes.len() as u64;
                Step::Append(bytes)
            }
            (Some(Parcel::End(size, sum)), Some(offered)) => {
                if size != offered || self.received != offered {
                    Step::Refuse("the size is not what was offered")
                } else {
                    Step::Whole(size, sum)
                }
            }
            (Some(Parcel::Abandoned(why)), _) => Step::GiveUp(why),
            (Some(_), _) => Step::Refuse("a message out of its turn"),
            (None, _) => Step::Refuse("no message of a sender: is there another program at the other end?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Sum = [7; 32];

    #[test]
    fn there_and_back_and_every_truncation() {
        let all = [
            Parcel::Offer(7, b"name"),
            Parcel::Offer(0, b""),
            Parcel::Bytes(b"x"),
            Parcel::End(u64::MAX, [7; 32]),
            Parcel::Abandoned(b"why"),
            Parcel::Stored(0, [0; 32]),
            Parcel::Refused(b""),
        ];
        for parcel in all {
            let message = parcel.write();
            assert_eq!(Parcel::read(&message), Some(parcel.clone()));
            for cut in 0..message.len() {
                // A shorter text is a text; a shorter number or sum is nothing.
                assert_ne!(Parcel::read(&message[..cut]), Some(parcel.clone()));
            }
            let longer = [&message[..], &[0]].concat();
            assert_ne!(Parcel::read(&longer), Some(parcel));
        }
        for nothing in [&b""[..], &[0], &[2], &[5, 0], &[255; 60]] {
            assert_eq!(Parcel::read(nothing), None);
        }
        assert_eq!(Parcel::Refused(&[b'x'; 2000]).write().len(), 1 + LONGEST_TEXT);
        assert_eq!(Parcel::Bytes(&[0; PIECE]).write().len(), MESSAGE);
    }

    #[test]
    fn a_file_arrives() {
        let mut file = Arriving::default();
        assert_eq!(file.take(&Parcel::Offer(5, b"f").write()), Step::Begin(5, b"f"));
        assert_eq!(file.take(&Parcel::Bytes(b"hel").write()), Step::Append(b"hel"));
        assert_eq!(file.take(&Parcel::Bytes(b"lo").write()), Step::Append(b"lo"));
        assert_eq!(file.take(&Parcel::End(5, SUM).write()), Step::Whole(5, SUM));
        let mut empty = Arriving::default();
        empty.take(&Parcel::Offer(0, b"").write());
        assert_eq!(empty.take(&Parcel::End(0, SUM).write()), Step::Whole(0, SUM));
    }

    #[test]
    fn what_a_wrong_or_hostile_sender_may_not_say() {
        let offer = Parcel::Offer(3, b"f").write();
        let abc = Parcel::Bytes(b"abc").write();
        let end = |size| Parcel::End(size, SUM).write();
        let wrong: [(&str, Vec<Vec<u8>>); 8] = [
            ("bytes first", vec![abc.clone()]),
            ("the end first", vec![end(0)]),
            ("a second offer", vec![offer.clone(), offer.clone()]),
            ("too many bytes", vec![offer.clone(), abc.clone(), Parcel::Bytes(b"d").write()]),
            ("too few bytes", vec![offer.clone(), end(3)]),
            ("another size", vec![offer.clone(), abc.clone(), end(4)]),
            ("the receiver's word", vec![offer.clone(), Parcel::Stored(3, SUM).write()]),
            ("nonsense", vec![offer.clone(), vec![99]]),
        ];
        for (what, messages) in wrong {
            let mut file = Arriving::default();
            let (last, before) = messages.split_last().unwrap();
            for message in before {
                assert!(!matches!(file.take(message), Step::Refuse(_)), "{what}");
            }
            assert!(matches!(file.take(last), Step::Refuse(_)), "{what}");
        }
        let mut file = Arriving::default();
        file.take(&offer);
        assert_eq!(file.take(&Parcel::Abandoned(b"shrank").write()), Step::GiveUp(b"shrank"));
    }
}
