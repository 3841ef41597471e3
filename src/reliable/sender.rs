//! The sending side put together: which packet leaves next, and when.
//!
//! What is found lost goes before what is new, as far as the congestion window and the pace allow. Three
//! timers go beyond what acknowledgements bring about:
//!
//! * *judgement*: a packet behind one that arrived becomes overdue (`flight`);
//! * *probe*: packets are under way and nothing has arrived for a probe timeout. The tail of a
//!   conversation has nothing behind it that could show its loss, so up to two packets are sent, whatever the
//!   window says; their acknowledgement brings the rest to light. Twice as long each time;
//! * *window*: the peer has no room. The acknowledgement that tells of new room may be lost, so the peer is asked.

use std::time::{Duration, Instant};

use super::congestion::{Congestion, News};
use super::flight::Flight;
use super::inbox::ACK_DELAY;
use super::meter::Meter;
use super::outbox::Outbox;
use super::pace::Pace;
use super::packet::Ack;
use super::rtt::Rtt;
use super::seq::Seq;
use super::settings::Control;

/// How many packets a probe timeout lets go (RFC 9002, 6.2.4): one of two may get through.
const PROBES: usize = 2;
/// From so many probe timeouts in a row on the path counts as a new one.
const STALLED: u32 = 3;

/// How many packets are remembered beyond twice the messages that may wait.
const TRACKED: usize = 256;

/// What to put into the next packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The message, or the end, of this number.
    Item(Seq),
    /// Nothing but a question.
    Ping,
}

/// The sending side of a conversation.
#[derive(Debug)]
pub struct Sender {
    /// What there is to send.
    pub outbox: Outbox,
    /// How long an answer takes.
    pub rtt: Rtt,
    flight: Flight,
    meter: Meter,
    congestion: Congestion,
    pace: Pace,
    /// When the last packet left that has to be acknowledged; and since when none of those under way has been.
    last_sent: Instant,
    unanswered: Instant,
    /// Probe timeouts since anything arrived, and the longest wait between two.
    attempts: u32,
    longest_wait: Duration,
    /// Packets that may leave whatever the window says.
    probes: usize,
    /// Whether to ask for a sign of life.
    ping: bool,
    /// When the next packet will be overdue.
    judge_at: Option<Instant>,
    /// The peer has no room: when it is asked, and how often it was.
    blocked: Option<(Instant, u32)>,
}

impl Sender {
    /// Nothing sent yet; `first` is the number of the first packet and the first message.
    pub fn new(control: Control, first: Seq, capacity: usize, window: u16, now: Instant) -> Sender {
        Sender {
            outbox: Outbox::new(first, capacity, window),
            rtt: Rtt::default(),
            flight: Flight::new(first, 2 * capacity + TRACKED),
            meter: Meter::new(now),
            congestion: Congestion::new(control, now),
            pace: Pace::new(now),
            last_sent: now,
            unanswered: now,
            attempts: 0,
            longest_wait: Duration::MAX,
            probes: 0,
            ping: false,
            judge_at: None,
            blocked: None,
        }
    }

    /// Learns from an acknowledgement how many messages have arrived for good; `None` if it speaks of
    /// packets or messages that were never sent.
    pub fn acknowledge(&mut self, ack: &Ack, now: Instant) -> Option<usize> {
        if ack.latest.after(self.flight.next()) >= 0 || !self.outbox.has_sent(ack.next) {
            return None;
        }
        let flying_before = self.flight.flying();
        let (mut arrived, mut rtt, mut delivered_then) = (0, None, 0);
        let mut bits = ack.arrived;
        while bits != 0 {
            let behind = bits.trailing_zeros();
            bits &= bits - 1;
            let packet = Seq(ack.latest.0.wrapping_sub(behind));
            let Some(sent) = self.flight.arrive(packet) else { continue };
            arrived += 1;
            self.meter.arrived(sent.stamp, sent.time, now);
            delivered_then = delivered_then.max(sent.stamp.delivered());
            if behind == 0 {
                // No delay means that it waited for longer than can be said: its own answer was lost, and this is
                // the answer to a later question. Taken for a round trip of seconds, it would put off the next
                // probe until the peer is given up.
                rtt = ack.delay().map(|delay| now.saturating_duration_since(sent.time).saturating_sub(delay));
            }
            if let Some(message) = sent.message {
                self.outbox.arrived(message);
            }
        }
        // What earlier acknowledgements told of and was lost with them.
        let (flight, meter) = (&mut self.flight, &mut self.meter);
        let messages = self.outbox.acknowledge(ack.next, ack.window, |packet| {
            if flight.settle(packet) {
                arrived += 1;
                meter.settled(now);
            }
        });
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt);
        }
        if arrived > 0 {
            (self.attempts, self.probes, self.unanswered) = (0, 0, now);
        }
        let news = News { arrived, flying_before, rtt, delivered_then, ..self.no_news(now) };
        self.judge(news);
        Some(messages)
    }

    fn no_news(&self, now: Instant) -> News {
        News {
            now,
            arrived: 0,
            lost: 0,
            last_lost: None,
            next: self.flight.next(),
            flying_before: self.flight.flying(),
            flying: 0,
            rtt: None,
            speed: None,
            delivered_then: 0,
            delivered: self.meter.delivered(),
        }
    }

    /// Finds what is lost, and tells the congestion control.
    fn judge(&mut self, mut news: News) {
        let outbox = &mut self.outbox;
        self.judge_at = self.flight.judge(self.rtt.loss_delay(), news.now, |packet, sent| {
            news.lost += 1;
            news.last_lost = Some(packet);
            if let Some(message) = sent.message {
                outbox.lose(message, packet);
            }
        });
        news.flying = self.flight.flying();
        self.meter.lost(news.lost);
        news.speed = self.meter.speed(self.rtt.least(), news.now);
        if news.arrived > 0 || news.lost > 0 {
            self.congestion.learn(&news);
        }
    }

    /// Runs the timers that are due.
    pub fn tick(&mut self, now: Instant) {
        if self.judge_at.is_some_and(|at| at <= now) {
            self.judge(self.no_news(now));
        }
        if self.probe_at().is_some_and(|at| at <= now) {
            self.attempts += 1;
            self.probes = PROBES;
            self.meter.restart(now);
            if self.attempts >= STALLED {
                self.congestion.stall(self.flight.next());
            }
        }
        if self.flight.is_idle() && self.outbox.is_blocked() && self.outbox.next_lost().is_none() {
            let (at, asked) = *self.blocked.get_or_insert((now + self.wait(0), 0));
            if at <= now {
                self.ping = true;
                self.blocked = Some((now + self.wait(asked + 1), asked + 1));
            }
        } else if !self.outbox.is_blocked() {
            self.blocked = None;
        }
    }

    fn wait(&self, attempt: u32) -> Duration {
        let first = self.rtt.wait(ACK_DELAY, 0);
        self.rtt.wait(ACK_DELAY, attempt).min(self.longest_wait.max(first))
    }

    /// When nothing has arrived for too long, if anything is under way.
    fn probe_at(&self) -> Option<Instant> {
        (!self.flight.is_idle() && self.probes == 0).then(|| self.last_sent + self.wait(self.attempts))
    }

    /// Never waits longer than this from now on: the peer has closed, and will not stay for ever.
    pub fn hurry(&mut self, longest_wait: Duration) {
        self.longest_wait = longest_wait;
    }

    /// Asks for a sign of life, unless an answer is awaited already.
    pub fn ask(&mut self) {
        self.ping |= self.flight.is_idle();
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.flight.is_idle()
    }

    /// Since when packets are under way and none of them has arrived.
    pub fn unanswered(&self) -> Option<Instant> {
        (!self.flight.is_idle()).then_some(self.unanswered)
    }

    fn may_send(&self) -> bool {
        self.flight.flying() < self.congestion.window()
    }

    /// What leaves now, if anything; the caller sends it and calls `sent`.
    pub fn next(&mut self, now: Instant) -> Option<Next> {
        if self.probes > 0 {
            let item = self.outbox.oldest().or_else(|| self.outbox.next_fresh());
            return Some(item.map_or(Next::Ping, Next::Item));
        }
        if self.may_send() {
            match self.outbox.next_lost().or_else(|| self.outbox.next_fresh()) {
                Some(number) if self.pace.allows(now) => return Some(Next::Item(number)),
                Some(_) => {}
                None => self.meter.limit(self.flight.flying()),
            }
        }
        self.ping.then_some(Next::Ping)
    }

    /// Notes that `next` leaves; returns its packet number and whether its message had been sent before.
    pub fn sent(&mut self, next: Next, now: Instant) -> (Seq, bool) {
        let packet = self.flight.next();
        let stamp = self.meter.stamp(self.flight.flying(), now);
        self.probes = self.probes.saturating_sub(1);
        self.ping = false;
        self.last_sent = now;
        if self.flight.is_idle() {
            self.unanswered = now;
        }
        let (message, again) = match next {
            Next::Ping => (None, false),
            Next::Item(number) => {
                self.pace.leave(self.congestion.rate(self.rtt.smoothed()), now);
                (Some(number), self.outbox.sent(number, packet))
            }
        };
        self.flight.send(message, stamp, now);
        (packet, again)
    }

    /// When `tick` or `next` has something to do though nothing came; `now` or earlier: at once.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let ready = self.may_send() && self.outbox.has_more();
        let send = ready.then(|| if self.pace.allows(now) { now } else { self.pace.due() });
        let at_once = (self.probes > 0 || self.ping).then_some(now);
        let blocked = self.blocked.filter(|_| self.flight.is_idle()).map(|(at, _)| at);
        [self.judge_at, self.probe_at(), blocked, send, at_once].into_iter().flatten().min()
    }

    /// How many packets may be under way.
    pub fn window(&self) -> usize {
        self.congestion.window()
    }

    /// How many packets are remembered.
    pub fn tracked(&self) -> usize {
        self.flight.len()
    }
}
