//! How much may be under way: the question, and its simplest answer.
//!
//! Receiver's window and congestion window are two things. The peer's window says what the *peer* has
//! room for; this says what the *network* between has. Nobody tells: it has to be found out from
//! what arrives, when, and what does not.

use std::time::{Duration, Instant};

use super::classic::Classic;
use super::meter::Speed;
use super::rate::Model;
use super::seq::Seq;
use super::settings::Control;

/// How much a sender begins with (RFC 6928).
pub const FIRST_WINDOW: usize = 10;
/// The least: one to be lost and one to tell of it.
pub const LEAST_WINDOW: usize = 2;

/// What one acknowledgement, or a timer, has brought to light.
#[derive(Debug)]
pub struct News {
    /// The time.
    pub now: Instant,
    /// How many packets arrived.
    pub arrived: usize,
    /// How many are found lost.
    pub lost: usize,
    /// The last of those.
    pub last_lost: Option<Seq>,
    /// The number that the next packet will have.
    pub next: Seq,
    /// How many packets were under way before this.
    pub flying_before: usize,
    /// How many still are.
    pub flying: usize,
    /// The round trip of the latest packet.
    pub rtt: Option<Duration>,
    /// The delivery rate.
    pub speed: Option<Speed>,
    /// How many packets had been delivered when the latest of those that arrived was sent.
    pub delivered_then: u64,
    /// How many have been delivered by now.
    pub delivered: u64,
}

/// The congestion control of one sender.
#[derive(Debug)]
pub enum Congestion {
    /// A window that never changes.
    Fixed(usize),
    /// Slow start and additive increase.
    Classic(Classic),
    /// A model of the path.
    Rate(Model),
}

impl Congestion {
    /// The one that the settings ask for.
    pub fn new(control: Control, now: Instant) -> Congestion {
        match control {
            Control::Fixed(window) => Congestion::Fixed(window.max(1)),
            Control::Classic => Congestion::Classic(Classic::new()),
            Control::Rate => Congestion::Rate(Model::new(now)),
        }
    }

    /// Learns from what happened.
    pub fn learn(&mut self, news: &News) {
        match self {
            Congestion::Fixed(_) => {}
            Congestion::Classic(classic) => classic.learn(news),
            Congestion::Rate(model) => model.learn(news),
        }
    }

    /// Nothing has arrived for several timeouts: the path may have become another one. Packets before `next` belong
    /// to the old one.
    pub fn stall(&mut self, next: Seq) {
        match self {
            Congestion::Fixed(_) => {}
            Congestion::Classic(classic) => classic.stall(next),
            Congestion::Rate(model) => model.stall(next),
        }
    }

    /// How many packets may be under way.
    pub fn window(&self) -> usize {
        match self {
            Congestion::Fixed(window) => *window,
            Congestion::Classic(classic) => classic.window(),
            Congestion::Rate(model) => model.window(),
        }
    }

    /// How many packets may leave in a second, `rtt` being the round trip; `None`: as they come.
    pub fn rate(&self, rtt: Duration) -> Option<f64> {
        match self {
            Congestion::Rate(model) => model.pace(rtt),
            _ => None,
        }
    }
}
