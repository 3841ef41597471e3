//! What was sent, answered, refused and lost. Pure.
//!
//! Every reading sent is in exactly one of the columns: acknowledged, refused, or still waiting, which
//! in the end means lost. A reply that comes late moves its reading out of the last one; a reply that
//! comes twice, or that nobody asked for, changes nothing.

use std::collections::BTreeSet;

use super::message::{kind, open, Body, Head, DUPLICATE};
use super::statistics::Statistics;

/// How many unanswered readings are remembered; a reply to an older one is not counted any more.
const MOST_WAITING: usize = 1024;

/// What a reply says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The reading is stored.
    Acknowledged {
        /// Whether the server had it before.
        duplicate: bool,
        /// The statistics of its kind.
        statistics: Option<Statistics>,
        /// The interval that the server commands, in milliseconds.
        interval: Option<u32>,
    },
    /// It is not, with the code and the server's words (a peer's text).
    Refused(u8, Vec<u8>),
}

/// The client's books.
#[derive(Debug)]
pub struct Ledger {
    device: u32,
    session: u32,
    waiting: BTreeSet<u32>,
    /// Readings sent, each counted once.
    pub sent: u64,
    /// Readings whose storing was acknowledged.
    pub acknowledged: u64,
    /// Readings that the server refused.
    pub refused: u64,
    /// Bytes of all messages sent, those sent again included.
    pub bytes_out: u64,
    /// Bytes of all replies.
    pub bytes_in: u64,
}

impl Ledger {
    /// Books for one session.
    pub fn new(device: u32, session: u32) -> Ledger {
        let waiting = BTreeSet::new();
        let (sent, acknowledged, refused, bytes_out, bytes_in) = (0, 0, 0, 0, 0);
        Ledger { device, session, waiting, sent, acknowledged, refused, bytes_out, bytes_in }
    }

    /// A new reading is on its way.
    pub fn send(&mut self, sequence: u32) {
        self.sent += 1;
        self.waiting.insert(sequence);
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_first();
        }
    }

    /// Books a reply. Returns the sequence number and what it says if it answers a reading that waits;
    /// `None` for everything else, whoever sent it.
    pub fn receive(&mut self, bytes: &[u8]) -> Option<(u32, Reply)> {
        self.bytes_in += bytes.len() as u64;
        let (head, fields) = open(bytes).ok()?;
        let body = Body::read(fields).ok()?;
        let Head { device, session, sequence, .. } = head;
        if (device, session) != (self.device, self.session) {
            return None;
        }
        let duplicate = head.flags & DUPLICATE != 0;
        let statistics = body.statistics.map(|(_, statistics)| statistics);
        let reply = match head.kind {
            kind::ACKNOWLEDGEMENT => Reply::Acknowledged { duplicate, statistics, interval: None },
            kind::COMMAND => Reply::Acknowledged { duplicate, statistics, interval: body.interval },
            kind::ERROR => {
                let (code, why) = body.error?;
                Reply::Refused(code, why)
            }
            _ => return None,
        };
        if !self.waiting.remove(&sequence) {
            return None;
        }
        match reply {
            Reply::Acknowledged { .. } => self.acknowledged += 1,
            Reply::Refused(..) => self.refused += 1,
        }
        Some((sequence, reply))
    }

    /// Readings without an answer.
    pub fn lost(&self) -> u64 {
        self.sent - self.acknowledged - self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::write;
    use super::*;

    fn reply(kind: u8, sequence: u32, body: Body) -> Vec<u8> {
        write(&Head { version: 1, kind, device: 7, session: 9, sequence, ..Head::default() }, &body)
    }

    #[test]
    fn late_duplicate_and_foreign_replies() {
        let mut ledger = Ledger::new(7, 9);
        for sequence in 1..=3 {
            ledger.send(sequence);
        }
        let second = reply(kind::ACKNOWLEDGEMENT, 2, Body::default());
        assert!(matches!(ledger.receive(&second), Some((2, Reply::Acknowledged { .. }))));
        assert_eq!(ledger.receive(&second), None);
        assert_eq!(ledger.lost(), 2);
        let late = reply(kind::COMMAND, 1, Body { interval: Some(5), ..Body::default() });
        let (sequence, booked) = ledger.receive(&late).unwrap();
        assert!(sequence == 1 && matches!(booked, Reply::Acknowledged { interval: Some(5), .. }));
        for stranger in [
            reply(kind::ACKNOWLEDGEMENT, 4, Body::default()),
            reply(kind::READING, 3, Body::default()),
            reply(kind::ERROR, 3, Body::default()),
            reply(99, 3, Body::default()),
            write(
                &Head { version: 1, kind: 2, device: 7, session: 8, sequence: 3, ..Head::default() },
                &Body::default(),
            ),
            vec![],
            second[..40.min(second.len() - 1)].to_vec(),
        ] {
            assert_eq!(ledger.receive(&stranger), None);
        }
        let refused = reply(kind::ERROR, 3, Body { error: Some((5, b"full".to_vec())), ..Body::default() });
        assert_eq!(ledger.receive(&refused), Some((3, Reply::Refused(5, b"full".to_vec()))));
        assert_eq!((ledger.sent, ledger.acknowledged, ledger.refused, ledger.lost()), (3, 2, 1, 0));
    }
}
