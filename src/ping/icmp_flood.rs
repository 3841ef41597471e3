//! `ping -f`: the next request as soon as the last one is answered, or after 10 ms.
//!
//! A dot is printed for each request and taken back for each reply, so the dots that stay are the
//! packets lost. iputils writes each of them with a system call; here they are collected and written
//! a few times a second, which is what makes this loop faster.
//!
//! One request waits for one reply: a duplicate does not send another one, or two hosts that double
//! packets would drive each other up.

use std::time::{Duration, Instant};

use super::icmp_ping::Run;
use crate::kit::error::Error;
use crate::kit::{screen, stop};

/// A hundred a second when nothing comes back; fewer where the kernel's tick, to which it rounds a wait up, is
/// long.
const WITHOUT_REPLY: Duration = Duration::from_millis(10);

/// How often the dots are brought up to date.
const REDRAW: Duration = Duration::from_millis(50);

/// How many dots are printed at once; more losses than fit a screen need no picture.
const MOST_DOTS: u64 = 4_096;

impl Run {
    /// Sends `count` requests as fast as they are answered, then waits for the last replies.
    pub(super) fn flood(&mut self, count: u64) -> Result<(), Error> {
        let (mut dots, mut drawn) = (0, Instant::now());
        while self.pings.sent() < count && !stop::requested() {
            let sent = self.send()?;
            let (mut now, deadline) = (sent, sent + WITHOUT_REPLY);
            while now < deadline && !stop::requested() && !self.take(WITHOUT_REPLY)? {
                now = Instant::now();
            }
            if sent - drawn >= REDRAW {
                self.draw(&mut dots)?;
                drawn = sent;
            }
        }
        while let (Some(sent), false) = (self.pings.oldest(), stop::requested()) {
            let left = (sent + self.patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.give_up()?;
            } else {
                self.take(left)?;
            }
        }
        self.draw(&mut dots)
    }

    /// Prints as many dots as replies are missing, or takes some back.
    fn draw(&self, shown: &mut u64) -> Result<(), Error> {
        if self.quiet {
            return Ok(());
        }
        let missing = {
            let stats = self.stats();
            stats.transmitted.saturating_sub(stats.received).min(MOST_DOTS)
        };
        let change = missing.abs_diff(*shown) as usize;
        let text = if missing >= *shown { ".".repeat(change) } else { "\u{8} \u{8}".repeat(change) };
        *shown = missing;
        screen::payload(text.as_bytes())
    }
}
