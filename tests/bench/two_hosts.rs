//! Two hosts and one cable of the topology's, for `tests/bench/reliable.py`. Needs root.
//!
//! ```text
//! two_hosts RATE DELAY LOSS QUEUE SEED        Mbit/s, milliseconds one way, per cent, packets
//! a 10.7.0.1 ────────────────── b 10.7.0.2    each in a network namespace of its own
//! ```
//!
//! Prints `ready NAMESPACE_OF_A NAMESPACE_OF_B` and reads commands from standard input: `loss PERCENT`
//! changes the cable in both directions, `counters` prints what each direction has delivered, lost by
//! chance, and dropped from its full queue. The network ends with the input, or with a signal.

use std::io::{self, BufRead, BufReader, Read};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::time::Duration;

use socklab::kit::error::Error;
use socklab::kit::random::Random;
use socklab::kit::screen::{note, say};
use socklab::kit::stop;
use socklab::kit::sys::event::Event;
use socklab::kit::sys::poll::{poll, Watched, READABLE};
use socklab::topology::build::Network;
use socklab::topology::plan::{Plan, Quality, PLAIN};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("two_hosts: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    stop::start()?;
    let bell = Arc::new(Event::new()?);
    let ringer = Arc::clone(&bell);
    stop::graceful(stop::GRACE, move || ringer.ring());

    let numbers: Vec<f64> = std::env::args().skip(1).map_while(|word| word.parse().ok()).collect();
    let [rate, delay, loss, queue, seed] = numbers[..] else {
        return Err(Error::Usage("two_hosts RATE DELAY LOSS QUEUE SEED".to_string()));
    };
    let mut quality = Quality {
        rate: Some((rate * 1e6) as u64),
        delay: Duration::from_secs_f64(delay / 1e3),
        loss,
        queue: queue as usize,
        ..PLAIN
    };
    let mut plan = Plan::new("bench");
    plan.host("a", "10.7.0.2");
    plan.host("b", "10.7.0.1");
    plan.link(("a", "10.7.0.1/24"), ("b", "10.7.0.2/24"), quality);
    let mut network = Network::build(plan, &mut Random::new(Some(seed as u64)))?;
    say(&format!("ready {} {}", network.namespace("a"), network.namespace("b")))?;

    let mut input = BufReader::new(io::stdin());
    loop {
        poll(&mut [Watched::new(&io::stdin(), READABLE), Watched::new(&*bell, READABLE)], None)?;
        let mut line = String::new();
        // A command is a short line; one that comes in pieces is waited for.
        if stop::requested() || input.by_ref().take(100).read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["loss", percent] => {
                quality.loss = percent.parse().unwrap_or(quality.loss);
                network.change(0, quality);
                say("ok")?;
            }
            ["counters"] => {
                let shown = network.links[0].directions.iter().map(|direction| {
                    let counters = &direction.counters;
                    let all = [&counters.delivered, &counters.lost, &counters.dropped];
                    all.map(|counter| counter.load(Relaxed).to_string()).join(" ")
                });
                say(&shown.collect::<Vec<_>>().join(" "))?;
            }
            _ => say("loss PERCENT or counters")?,
        }
    }
}
