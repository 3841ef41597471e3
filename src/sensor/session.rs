//! Which readings have been seen: each session's last sequence numbers, for a bounded number of
//! sessions. Pure.
//!
//! ```text
//! highest = 130     ... 120 121 122 123 124 125 126 127 128 129 130
//! window              1   1   0   1   1   1   1   0   1   1   1        bit 0 is the highest
//! ```
//!
//! A sensor sends a reading again when no answer came, so the server sees some twice. It has to know
//! them, or its log has readings that were never measured. Remembering every number would let a sensor
//! fill the memory; remembering the highest alone would refuse a reading that was overtaken on its way
//! (UDP does not keep the order). A window of bits behind the highest does both, as in IPsec's
//! protection against replay (RFC 4303, 3.4.3).

use std::collections::HashMap;

use super::reading::{Reading, KINDS};
use super::statistics::Statistics;

/// How many sequence numbers a session's window holds.
const WINDOW: u32 = u128::BITS;

/// How many sessions a generation holds. One with statistics of all eight kinds takes up to about 500
/// bytes, and there are two generations for each of three transports: about 100 MB at most.
const GENERATION: usize = 32_768;

/// What a sequence number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen yet.
    New,
    /// Seen.
    Duplicate,
    /// Too far behind to know.
    Stale,
}

/// What is remembered of one session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    highest: u32,
    window: u128,
    statistics: Vec<(u8, Statistics)>,
}

impl Session {
    /// Whether a sequence number has been seen.
    pub fn judge(&self, sequence: u32) -> Verdict {
        if self.window == 0 || sequence > self.highest {
            return Verdict::New;
        }
        match self.highest - sequence {
            behind if behind >= WINDOW => Verdict::Stale,
            behind if self.window >> behind & 1 == 1 => Verdict::Duplicate,
            _ => Verdict::New,
        }
    }

    /// Remembers a new reading.
    pub fn record(&mut self, sequence: u32, reading: &Reading) {
        if self.window == 0 || sequence > self.highest {
            let ahead = sequence.saturating_sub(self.highest);
            self.window = self.window.checked_shl(ahead).unwrap_or(0);
            self.highest = sequence;
        }
        self.window |= 1u128.checked_shl(self.highest - sequence).unwrap_or(0);
        // Only the kinds of the table: a hostile sensor could otherwise have 255 of them kept.
        let known = (1..=KINDS.len()).contains(&usize::from(reading.kind));
        let Some(number) = reading.number().filter(|_| known) else { return };
        match self.statistics.iter_mut().find(|(kind, _)| *kind == reading.kind) {
            Some((_, statistics)) => statistics.add(number),
            None => self.statistics.push((reading.kind, Statistics::new(number))),
        }
    }

    /// The statistics of a kind.
    pub fn statistics(&self, kind: u8) -> Option<(u8, Statistics)> {
        self.statistics.iter().find(|(known, _)| *known == kind).copied()
    }
}

/// All sessions, by device and session number.
///
/// In two generations: new ones and used ones live in the young one; when that is full it becomes the
/// old one, and what was old is forgotten. So the last 32,768 sessions that were used are
/// always known, forgetting costs nothing, and no flood of invented sessions fills the memory.
#[derive(Debug, Default)]
pub struct Sessions {
    young: HashMap<(u32, u32), Session>,
    old: HashMap<(u32, u32), Session>,
}

impl Sessions {
    /// The session, a new one if it is not known.
    pub fn get(&mut self, device: u32, session: u32) -> &mut Session {
        let key = (device, session);
        if !self.young.contains_key(&key) && self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Value;
    use super::*;

    fn reading(number: u32) -> Reading {
        Reading { kind: 3, unit: 3, value: Value::Unsigned(number) }
    }

    #[test]
    fn each_number_is_new_once_in_any_order() {
        let mut session = Session::default();
        for sequence in [5, 1, 3, 200, 100, 73, 201] {
            assert_eq!(session.judge(sequence), Verdict::New, "{sequence}");
            session.record(sequence, &reading(sequence));
            assert_eq!(session.judge(sequence), Verdict::Duplicate, "{sequence}");
        }
        assert_eq!(session.judge(73), Verdict::Stale);
        assert_eq!(session.judge(74), Verdict::New);
        assert_eq!(session.judge(0), Verdict::Stale);
        session.record(u32::MAX, &reading(0));
        assert_eq!(session.judge(u32::MAX), Verdict::Duplicate);
        assert_eq!(session.judge(u32::MAX - 1), Verdict::New);
        assert_eq!(session.judge(201), Verdict::Stale);
        assert_eq!(session.statistics(3).unwrap().1.count, 8);
    }

    #[test]
    fn sequence_zero_is_a_number_like_any_other() {
        let mut session = Session::default();
        assert_eq!(session.judge(0), Verdict::New);
        session.record(0, &reading(1));
        assert_eq!(session.judge(0), Verdict::Duplicate);
        assert_eq!(session.judge(1), Verdict::New);
    }

    #[test]
    fn statistics_are_kept_for_known_kinds_only() {
        let mut session = Session::default();
        for kind in 0..=255 {
            session.record(u32::from(kind), &Reading { kind, ..reading(1) });
        }
        assert_eq!(session.statistics.len(), KINDS.len());
        session.record(999, &Reading { kind: 8, unit: 0, value: Value::Text("ok".to_string()) });
        assert_eq!(session.statistics(8).unwrap().1.count, 1);
    }

    #[test]
    fn a_flood_of_sessions_is_forgotten_and_a_used_one_is_not() {
        let mut sessions = Sessions::default();
        for flood in 0..4 * GENERATION as u32 {
            sessions.get(1, flood);
            let used = sessions.get(7, 7);
            if flood % 1000 == 0 {
                assert_eq!(used.judge(flood), Verdict::New);
                used.record(flood, &reading(1));
            }
        }
        assert!(sessions.young.len() + sessions.old.len() <= 2 * GENERATION);
        assert_eq!(sessions.get(7, 7).statistics(3).unwrap().1.count, 132);
    }
}
