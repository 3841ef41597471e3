//! The messages of the UDP pinger, and which ping a reply belongs to. Pure: text in, verdict out.
//!
//! ```text
//! Ping SEQ EPOCH        SEQ from 1, EPOCH seconds since 1970 with six decimals
//! PING SEQ EPOCH        the reply, in capitals
//! ```
//!
//! UDP keeps a datagram whole and promises nothing else: it may come late, twice, in another order,
//! or from somebody who had this port before. So a reply counts for a ping only if it *is* that ping,
//! sequence number, time and all. A client that takes whatever comes next for its reply goes wrong
//! after the first late one, and stays wrong.

/// What a datagram is to the client that receives it. Numbers are sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The reply to this ping, for the first time.
    Reply(u64),
    /// A reply to this ping, which has been answered before.
    Duplicate(u64),
    /// What is left of a reply to this ping.
    Damaged(u64),
    /// No reply to any ping of ours.
    Foreign,
}

/// How many bytes may differ for a reply to count as damaged. The texts of two pings differ in about
/// as many, so more would turn strangers into damage.
const DAMAGE: usize = 2;

/// The text of one ping.
pub fn ping(sequence: u64, epoch: &str) -> String {
    format!("Ping {sequence} {epoch}")
}

/// The pings of a run, for which replies may still come.
#[derive(Debug, Default)]
pub struct Sent {
    /// The texts from sequence number `first` on, and whether each was answered.
    pings: std::collections::VecDeque<(String, bool)>,
    first: u64,
}

/// How many pings are remembered: a reply to an older one counts as foreign.
const REMEMBERED: usize = 4_096;

impl Sent {
    /// A new ping with the next sequence number, 1 for the first; returns number and text.
    pub fn next(&mut self, epoch: &str) -> (u64, &str) {
        if self.pings.len() == REMEMBERED {
            self.pings.pop_front();
            self.first += 1;
        }
        self.first = self.first.max(1);
        let sequence = self.first + self.pings.len() as u64;
        self.pings.push_back((ping(sequence, epoch), false));
        (sequence, self.pings.back().map_or("", |(text, _)| text))
    }

    /// What a received datagram is. Capitals do not matter: the sheet's server makes them, an echo
    /// server does not.
    pub fn judge(&mut self, reply: &[u8]) -> Verdict {
        let claimed = sequence_of(reply);
        if let Some(sequence) = claimed {
            if let Some((text, answered)) = self.find(sequence) {
                if reply.eq_ignore_ascii_case(text.as_bytes()) {
                    return if std::mem::replace(answered, true) {
                        Verdict::Duplicate(sequence)
                    } else {
                        Verdict::Reply(sequence)
                    };
                }
                if damaged(reply, text) {
                    return Verdict::Damaged(sequence);
                }
            }
        }
        // The number itself may be what is damaged: the latest ping that it could have been.
        let first = self.first;
        let mut candidates = self.pings.iter().enumerate().rev();
        match candidates.find(|(_, (text, _))| damaged(reply, text)) {
            Some((place, _)) => Verdict::Damaged(first + place as u64),
            None => Verdict::Foreign,
        }
    }

    fn find(&mut self, sequence: u64) -> Option<(&str, &mut bool)> {
        let place = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.pings.get_mut(place).map(|(text, answered)| (text.as_str(), answered))
    }
}

/// The sequence number that a reply claims to answer.
fn sequence_of(reply: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(reply).ok()?;
    let mut words = text.split(' ');
    if !words.next()?.eq_ignore_ascii_case("ping") {
        return None;
    }
    words.next()?.parse().ok()
}

/// Whether `reply` can have been the reply to `text`: a few bytes changed, cut short, or with more
/// behind it.
fn damaged(reply: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let shorter = reply.len().min(text.len());
    let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b);
    let differing = reply.iter().zip(text).filter(|&pair| !same(pair)).count();
    if reply.len() == text.len() {
        return differing <= DAMAGE;
    }
    // Cut or lengthened: the common part must be right, and long enough to say which ping it was.
    differing == 0 && shorter > "Ping 1 ".len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    /// Three pings, sent half a second apart.
    fn three() -> Sent {
        let mut sent = Sent::default();
        for (number, epoch) in [(1, "1763715600.123456"), (2, "1763715600.987654"), (3, "1763715601.555555")]
        {
            let (sequence, text) = sent.next(epoch);
            assert_eq!((sequence, text), (number, format!("Ping {number} {epoch}").as_str()));
        }
        sent
    }

    #[test]
    fn a_reply_counts_for_its_own_ping_whenever_it_comes() {
        let mut sent = three();
        assert_eq!(sent.judge(b"PING 2 1763715600.987654"), Verdict::Reply(2));
        assert_eq!(sent.judge(b"PING 1 1763715600.123456"), Verdict::Reply(1));
        assert_eq!(sent.judge(b"PING 1 1763715600.123456"), Verdict::Duplicate(1));
        assert_eq!(sent.judge(b"Ping 3 1763715601.555555"), Verdict::Reply(3), "an echo, no capitals");
    }

    #[test]
    fn strangers_and_damage_are_told_apart() {
        let mut sent = three();
        for foreign in [
            &b""[..],
            b"hello",
            b"PING",
            b"PING 1",
            b"PING 2 1500000000.424242",
            b"PING 18446744073709551616 1.0",
            b"\xff\x00\xfe",
        ] {
            assert_eq!(sent.judge(foreign), Verdict::Foreign, "{foreign:?}");
        }
        for (damaged, sequence) in [
            (&b"PING 2 1763715600.98765"[..], 2),
            (b"PING 2 1763715600.987654 and more", 2),
            (b"PING 2 176371x600.987654", 2),
            (b"PINK 1 1763715600.123456", 1),
            (b"PING 4 1763715601.555555", 3),
            (b"PING \xff 1763715600.123456", 1),
        ] {
            assert_eq!(sent.judge(damaged), Verdict::Damaged(sequence), "{damaged:?}");
        }
        assert_eq!(sent.judge(b"PING 2 1763715600.987654"), Verdict::Reply(2), "still to be answered");
    }

    #[test]
    fn random_bytes_and_every_truncation_match_nothing() {
        let mut random = Random::new(Some(5));
        let mut sent = three();
        let whole = b"PING 3 1763715601.555555";
        for length in 0..whole.len() {
            assert!(!matches!(sent.judge(&whole[..length]), Verdict::Reply(_) | Verdict::Duplicate(_)));
        }
        for _ in 0..20_000 {
            let length = random.below(40) as usize;
            let mut bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
            assert_eq!(sent.judge(&bytes), Verdict::Foreign, "{bytes:?}");
            bytes.splice(0..0, *b"PING 2 ");
            assert!(matches!(sent.judge(&bytes), Verdict::Foreign | Verdict::Damaged(_)), "{bytes:?}");
        }
    }

    #[test]
    fn memory_is_bounded_and_numbers_go_on() {
        let mut sent = Sent::default();
        for number in 1..=10_000u64 {
            assert_eq!(sent.next("1.0").0, number);
        }
        assert_eq!(sent.pings.len(), REMEMBERED);
        assert_eq!(sent.judge(b"PING 10000 1.0"), Verdict::Reply(10_000));
        assert_eq!(sent.judge(b"PING 5905 1.0"), Verdict::Reply(5_905));
    }
}
