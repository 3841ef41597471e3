//! Who asks twice has an address: the cookie of the handshake.
//!
//! Anybody can write a datagram with somebody else's address as its sender. A server that keeps state for such
//! a datagram can be filled; one that sends more than it was sent can be aimed at others. So the first packet of
//! a conversation is answered with a cookie alone, no longer than itself, and nothing is remembered:
//! the cookie is a keyed hash of address, session and time, which can be computed again when it
//! comes back. That it comes back shows that the address is real (RFC 9000, 8.1, and the
//! SYN cookies of TCP).
//!
//! The hash is std's SipHash, which was made for this: without the key nobody can forge one. std offers it with a
//! fixed key only, so the secret is fed in front of the rest. That is sound for a keyed hash of this
//! kind, though not the form that was analysed; and std may change the function behind
//! the type, which does no harm, since cookies never leave the process that made them but to return to it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A cookie is good in the period in which it was made and in the next one: 8 to 16 seconds.
const PERIOD: Duration = Duration::from_secs(8);
/// How long an old packet of a handshake could open a conversation again.
pub const LIFE: Duration = Duration::from_secs(2 * 8);

/// Makes and checks cookies.
#[derive(Debug)]
pub struct Jar {
    secret: [u8; 16],
    /// The beginning of period 0: the first time it was asked.
    start: Option<Instant>,
}

impl Jar {
    /// A jar whose cookies nobody can forge who does not know `secret`.
    pub fn new(secret: [u8; 16]) -> Jar {
        Jar { secret, start: None }
    }

    fn period(&mut self, now: Instant) -> u64 {
        let start = *self.start.get_or_insert(now);
        now.saturating_duration_since(start).as_secs() / PERIOD.as_secs()
    }

    fn bake(&self, peer: SocketAddr, session: u64, period: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.secret, peer, session, period).hash(&mut hasher);
        // 0 means "no cookie yet".
        hasher.finish().max(1)
    }

    /// The cookie for a peer.
    pub fn cookie(&mut self, peer: SocketAddr, session: u64, now: Instant) -> u64 {
        let period = self.period(now);
        self.bake(peer, session, period)
    }

    /// Whether a cookie was made for this peer and session, lately.
    pub fn accepts(&mut self, cookie: u64, peer: SocketAddr, session: u64, now: Instant) -> bool {
        let period = self.period(now);
        let recent = [Some(period), period.checked_sub(1)];
        recent.into_iter().flatten().any(|period| self.bake(peer, session, period) == cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_peer_its_session_and_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let peer = "192.0.2.1:4000".parse().unwrap();
        let mut jar = Jar::new(*b"sixteen secrets!");
        let cookie = jar.cookie(peer, 7, at(0));
        assert_eq!(cookie, jar.cookie(peer, 7, at(7)), "nothing is remembered, and the same comes out");
        for (seconds, good) in [(0, true), (15, true), (16, false), (100, false)] {
            assert_eq!(jar.accepts(cookie, peer, 7, at(seconds)), good, "after {seconds} s");
        }
        assert!(!jar.accepts(cookie, peer, 8, at(0)));
        assert!(!jar.accepts(cookie, "192.0.2.1:4001".parse().unwrap(), 7, at(0)));
        assert!(!jar.accepts(cookie, "192.0.2.2:4000".parse().unwrap(), 7, at(0)));
        assert!(!jar.accepts(0, peer, 7, at(0)));
        assert!(!Jar::new(*b"sixteen secrets?").accepts(cookie, peer, 7, at(0)));
    }
}
