//! What the heartbeat server knows about each client. Pure: beats and times go in, events come out.
//!
//! ```text
//! Heartbeat SEQ EPOCH
//! ```
//!
//! What a sequence number says, compared with the highest seen so far:
//!
//! | beat | verdict |
//! |---|---|
//! | the next | nothing to say |
//! | further on | those between are lost, until they arrive after all |
//! | further on, or back, by more than 10,000 | a restart |
//! | 1, lower by more than 64, or lower after a stop, if sent after the highest | a restart: the client began again |
//! | lower, not seen yet | late |
//! | seen before, or too old to know | a duplicate |
//!
//! The stamp alone does not make a restart: a client may stamp what it sends again anew. The restart's
//! line compares two stamps of the *client's* clock, so it needs no synchronised clocks; a
//! client whose clock is set back between a beat and its restart shows duplicates until it is past.
//! So does one that was below 64, began again within the timeout, and whose beat 1 was lost: beat 2 may
//! as well be the old beat 2, sent again.
//!
//! Nothing here looks through all clients: they stand in the order in which they were last heard, so
//! who stops next, and who is forgotten first, is the first in a set. A stranger who sends a beat
//! from ten thousand forged addresses takes our memory up to its bound, and little of our time.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A jump by more than this is a restart and no loss.
pub const LARGEST_JUMP: u64 = 10_000;

/// The network delays no beat by more than so many; one that is further back and newer is a restart.
const LATEST: u64 = 64;

/// How many sequence numbers below the highest are remembered as seen or not.
const WINDOW: u64 = 1_024;

/// How many clients are known at once. A source address costs a stranger nothing, so the table must
/// not grow for ever: when it is full, whoever stopped longest ago is forgotten.
pub const MOST_CLIENTS: usize = 10_000;

/// How long a stopped client is remembered, so that it can come back under its name.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// The text of one beat.
pub fn beat(sequence: u64, epoch: &str) -> String {
    format!("Heartbeat {sequence} {epoch}")
}

/// A beat as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Its number, from 1.
    pub sequence: u64,
    /// When its client sent it, in microseconds since 1970 by the client's clock.
    pub sent: u64,
}

/// Reads `Heartbeat SEQ EPOCH`; `None` for anything else.
pub fn parse(datagram: &[u8]) -> Option<Beat> {
    let text = std::str::from_utf8(datagram).ok()?;
    let mut words = text.strip_suffix('\n').unwrap_or(text).split(' ');
    let (name, sequence, epoch) = (words.next()?, words.next()?, words.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !name.eq_ignore_ascii_case("heartbeat") || words.next().is_some() {
        return None;
    }
    // Python's time.time() has up to nine decimals, or none.
    let (seconds, decimals) = epoch.split_once('.').unwrap_or((epoch, "0"));
    if ![sequence, seconds, decimals].into_iter().all(digits) {
        return None;
    }
    let micros: u64 = format!("{decimals:0<6}").get(..6)?.parse().ok()?;
    let sent = seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?;
    // Room above, so that the next number always exists.
    let sequence = sequence.parse().ok().filter(|&sequence| sequence < u64::MAX / 2)?;
    Some(Beat { sequence, sent })
}

/// What there is to say about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// First heard of.
    New,
    /// These numbers, first to last, have not come.
    Lost(u64, u64),
    /// This one comes after a higher one.
    Late(u64),
    /// This one has come before.
    Duplicate(u64),
    /// The client has begun again, with this number.
    Restarted(u64),
    /// Nothing has come for the timeout.
    Stopped,
    /// Heard of again after it had stopped.
    Back,
}

/// One client.
#[derive(Debug)]
struct Client {
    highest: Beat,
    /// Bit n % WINDOW: whether number n, of the window below the highest, has come.
    seen: [u64; (WINDOW / 64) as usize],
    heard: Instant,
}

/// Every client. Each is in `clients` and in one of the two sets, under the time it was last heard.
#[derive(Debug)]
pub struct Table {
    clients: HashMap<SocketAddr, Client>,
    running: BTreeSet<(Instant, SocketAddr)>,
    stopped: BTreeSet<(Instant, SocketAddr)>,
    timeout: Duration,
    most: usize,
}

impl Client {
    fn new(beat: Beat, now: Instant) -> Client {
        let mut client = Client { highest: beat, seen: [0; 16], heard: now };
        client.mark(beat.sequence, true);
        client
    }

    fn mark(&mut self, sequence: u64, seen: bool) {
        let bit = sequence % WINDOW;
        let word = &mut self.seen[(bit / 64) as usize];
        *word = *word & !(1 << (bit % 64)) | u64::from(seen) << (bit % 64);
    }

    fn has(&self, sequence: u64) -> bool {
        let bit = sequence % WINDOW;
        self.seen[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    }

    /// What a beat means after those before it; `stopped`: after a silence as long as the timeout.
    fn take(&mut self, beat: Beat, stopped: bool) -> Option<Event> {
        let highest = self.highest.sequence;
        if beat.sequence > highest {
            let jump = beat.sequence - highest;
            if jump > LARGEST_JUMP {
                *self = Client::new(beat, self.heard);
                return Some(Event::Restarted(beat.sequence));
            }
            for missing in beat.sequence.saturating_sub(WINDOW).max(highest) + 1..beat.sequence {
                self.mark(missing, false);
            }
            self.mark(beat.sequence, true);
            self.highest = beat;
            return (jump > 1).then_some(Event::Lost(highest + 1, beat.sequence - 1));
        }
        let back = highest - beat.sequence;
        let again = beat.sent > self.highest.sent && (beat.sequence == 1 || back > LATEST || stopped);
        // So far back that no datagram travels for so long, whatever its stamp.
        if again || back > LARGEST_JUMP {
            *self = Client::new(beat, self.heard);
            return Some(Event::Restarted(beat.sequence));
        }
        if highest - beat.sequence >= WINDOW || self.has(beat.sequence) {
            return Some(Event::Duplicate(beat.sequence));
        }
        self.mark(beat.sequence, true);
        Some(Event::Late(beat.sequence))
    }
}

impl Table {
    /// Clients that are silent for `timeout` have stopped; at most `most` are known.
    pub fn new(timeout: Duration, most: usize) -> Table {
        let (running, stopped) = (BTreeSet::new(), BTreeSet::new());
        Table { clients: HashMap::new(), running, stopped, timeout, most }
    }

    /// How many clients are known, stopped ones included.
    pub fn known(&self) -> usize {
        self.clients.len()
    }

    /// A beat from `address` at `now`. Errs when the table is full of clients that have not stopped.
    pub fn beat(&mut self, address: SocketAddr, beat: Beat, now: Instant) -> Result<Vec<Event>, TableFull> {
        if let Some(client) = self.clients.get_mut(&address) {
            self.running.remove(&(client.heard, address));
            let back = self.stopped.remove(&(client.heard, address)).then_some(Event::Back);
            client.heard = now;
            self.running.insert((now, address));
            return Ok(back.into_iter().chain(client.take(beat, back.is_some())).collect());
        }
        if self.clients.len() >= self.most {
            let (_, oldest) = self.stopped.pop_first().ok_or(TableFull)?;
            self.clients.remove(&oldest);
        }
        self.clients.insert(address, Client::new(beat, now));
        self.running.insert((now, address));
        // A client that began before this server did is not missing its earlier beats here.
        Ok(vec![Event::New])
    }

    /// Who has stopped by `now`, the one silent for longest first; forgets those that stopped long ago.
    pub fn expire(&mut self, now: Instant) -> Vec<SocketAddr> {
        let mut gone = Vec::new();
        while let Some((heard, address)) = first_heard_by(&mut self.running, now, self.timeout) {
            self.stopped.insert((heard, address));
            gone.push(address);
        }
        while let Some((_, address)) = first_heard_by(&mut self.stopped, now, self.timeout + FORGET_AFTER) {
            self.clients.remove(&address);
        }
        gone
    }

    /// When to call [`Table::expire`] again: when the next client will have stopped; `None` if none can.
    pub fn next(&self) -> Option<Instant> {
        self.running.first().map(|(heard, _)| *heard + self.timeout)
    }
}

/// Takes the first out of `order` if at `now` it has been silent for `silence`.
fn first_heard_by(
    order: &mut BTreeSet<(Instant, SocketAddr)>,
    now: Instant,
    silence: Duration,
) -> Option<(Instant, SocketAddr)> {
    let (heard, _) = order.first()?;
    if now.saturating_duration_since(*heard) < silence {
        return None;
    }
    order.pop_first()
}

/// The table has no place for another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableFull;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    fn client(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Feeds (number, second of sending) beats to a table, a second apart; what each one meant.
    fn events(beats: &[(u64, u64)]) -> Vec<Option<Event>> {
        let mut table = Table::new(TIMEOUT, 9);
        let start = Instant::now();
        let mut take = |(place, &(sequence, sent)): (usize, &(u64, u64))| {
            let now = start + Duration::from_secs(place as u64);
            let events = table.beat(client(1), Beat { sequence, sent }, now).unwrap();
            assert!(events.len() <= 1);
            events.first().copied()
        };
        beats.iter().enumerate().map(&mut take).collect()
    }

    #[test]
    fn lost_late_and_doubled() {
        use Event::*;
        let beats = [(1, 1), (2, 2), (4, 4), (9, 9), (3, 3), (3, 3), (4, 4), (9, 9), (10, 10)];
        let expected = [
            Some(New),
            None,
            Some(Lost(3, 3)),
            Some(Lost(5, 8)),
            Some(Late(3)),
            Some(Duplicate(3)),
            Some(Duplicate(4)),
            Some(Duplicate(9)),
            None,
        ];
        assert_eq!(events(&beats), expected);
    }

    #[test]
    fn restarts_upwards_and_downwards() {
        use Event::*;
        let beats = [(500, 500), (1, 501), (2, 502), (10_002, 503), (20_003, 504), (20_004, 505)];
        let expected =
            [Some(New), Some(Restarted(1)), None, Some(Lost(3, 10_001)), Some(Restarted(20_003)), None];
        assert_eq!(events(&beats), expected);
    }

    #[test]
    fn what_is_stamped_when_it_is_sent_again_is_late_or_doubled_and_no_restart() {
        use Event::*;
        let beats = [(1, 1), (2, 2), (5, 5), (3, 6), (3, 7), (5, 8), (6, 9)];
        let expected =
            [Some(New), None, Some(Lost(3, 4)), Some(Late(3)), Some(Duplicate(3)), Some(Duplicate(5)), None];
        assert_eq!(events(&beats), expected);
    }

    #[test]
    fn a_gap_wider_than_the_window_leaves_no_ghosts() {
        use Event::*;
        let beats = [(1, 1), (5_000, 5_000), (4_999, 4_999), (3_977, 3_977), (3_976, 3_976), (1, 1)];
        let expected = [
            Some(New),
            Some(Lost(2, 4_999)),
            Some(Late(4_999)),
            Some(Late(3_977)),
            Some(Duplicate(3_976)),
            Some(Duplicate(1)),
        ];
        assert_eq!(events(&beats), expected);
    }

    #[test]
    fn a_jump_back_of_more_than_10_000_is_a_restart_whatever_the_stamp() {
        use Event::*;
        let beats = [(20_000, 9), (10_000, 9), (9_999, 9), (10_000, 9)];
        assert_eq!(events(&beats), [Some(New), Some(Duplicate(10_000)), Some(Restarted(9_999)), None]);
    }

    #[test]
    fn a_full_table_under_a_flood_of_new_addresses_takes_the_oldest_out_without_a_search() {
        let mut table = Table::new(TIMEOUT, MOST_CLIENTS);
        let (start, beat) = (Instant::now(), Beat { sequence: 1, sent: 1 });
        let address = |number: u32| SocketAddr::from((number.to_be_bytes(), 9));
        let mut now = start;
        // Twenty times the table's size; a search through all of it each time would take minutes.
        for number in 0..20 * MOST_CLIENTS as u32 {
            now += Duration::from_millis(1);
            table.expire(now);
            table.beat(address(number), beat, now).unwrap();
        }
        assert_eq!(table.known(), MOST_CLIENTS);
        assert_eq!(table.running.len() + table.stopped.len(), MOST_CLIENTS);
        assert!(start.elapsed() < Duration::from_secs(30));
        let oldest = address(19 * MOST_CLIENTS as u32);
        assert_eq!(table.stopped.first().map(|(_, address)| *address), Some(oldest));
    }

    #[test]
    fn stopped_and_back() {
        let mut table = Table::new(TIMEOUT, 9);
        let start = Instant::now();
        let beat = |sequence| Beat { sequence, sent: sequence };
        table.beat(client(1), beat(1), start).unwrap();
        table.beat(client(2), beat(1), start + Duration::from_secs(1)).unwrap();
        assert_eq!(table.next(), Some(start + TIMEOUT));
        assert!(table.expire(start + Duration::from_millis(2_999)).is_empty());
        assert_eq!(table.expire(start + TIMEOUT), [client(1)]);
        assert!(table.expire(start + TIMEOUT).is_empty(), "said once");
        let events = table.beat(client(1), beat(4), start + Duration::from_secs(9)).unwrap();
        assert_eq!(events, [Event::Back, Event::Lost(2, 3)]);
        assert_eq!(table.expire(start + Duration::from_secs(20)), [client(2), client(1)]);
        assert_eq!(table.next(), None);
        table.expire(start + Duration::from_secs(20) + FORGET_AFTER);
        assert_eq!(table.known(), 0);
    }

    #[test]
    fn a_client_that_had_stopped_and_counts_from_below_has_begun_again() {
        let mut table = Table::new(TIMEOUT, 9);
        let start = Instant::now();
        let mut beat = |sequence, sent, second| {
            table.expire(start + Duration::from_secs(second));
            table.beat(client(1), Beat { sequence, sent }, start + Duration::from_secs(second)).unwrap()
        };
        assert_eq!(beat(30, 30, 0), [Event::New]);
        assert_eq!(beat(2, 31, 1), [Event::Late(2)], "within the timeout: it may have been sent again");
        assert_eq!(beat(2, 40, 10), [Event::Back, Event::Restarted(2)]);
        assert_eq!(beat(3, 41, 11), []);
        assert_eq!(beat(2, 39, 20), [Event::Back, Event::Duplicate(2)], "older than the highest");
    }

    #[test]
    fn a_full_table_forgets_the_stopped_and_refuses_the_rest() {
        let mut table = Table::new(TIMEOUT, 3);
        let (start, beat) = (Instant::now(), Beat { sequence: 1, sent: 1 });
        for port in 1..=3 {
            table.beat(client(port), beat, start + Duration::from_secs(port.into())).unwrap();
        }
        assert_eq!(table.beat(client(4), beat, start), Err(TableFull));
        table.expire(start + Duration::from_secs(5));
        assert_eq!(table.beat(client(4), beat, start + Duration::from_secs(5)), Ok(vec![Event::New]));
        assert_eq!(table.beat(client(2), beat, start + Duration::from_secs(5)).unwrap()[0], Event::Back);
        assert_eq!(table.known(), 3);
    }

    #[test]
    fn what_is_a_heartbeat_and_what_is_not() {
        let good = Beat { sequence: 7, sent: 1_763_715_600_123_456 };
        assert_eq!(parse(b"Heartbeat 7 1763715600.123456"), Some(good));
        assert_eq!(parse(b"Heartbeat 7 1763715600.1234567\n"), Some(good));
        assert_eq!(parse(b"Heartbeat 7 5"), Some(Beat { sequence: 7, sent: 5_000_000 }));
        for bad in [
            &b""[..],
            b"Heartbeat",
            b"Heartbeat 7",
            b"Heartbeat 7 ",
            b"Heartbeat -7 1.0",
            b"Heartbeat +7 1.0",
            b"Heartbeat 7 1.",
            b"Heartbeat 7 1.0 x",
            b"Heartbeat 18446744073709551615 1.0",
            b"Heartbeat 7 18446744073709551615.0",
            b"Ping 7 1.0",
            b"Heartbeat 7 \xff",
            b"Heartbeat 7 1.\xc3\xa4",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
