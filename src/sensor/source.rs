//! Made-up measurements: the sheet's "data will be generated randomly", seeded. Pure.
//!
//! Each quantity is a random walk: a new value lies near the one before, as in a real room, and not
//! anywhere in the range. The kinds take turns, so that every data type of the protocol is sent.

use super::reading::{Reading, Value, KINDS};
use crate::kit::random::Random;

/// What the status says. A comma and a quote are in it for the log's sake.
const STATES: [&str; 4] = ["ok", "door open, window shut", "fan \"high\"", "größere Wartung"];

/// A sensor that measures eight things in turn.
#[derive(Debug)]
pub struct Source {
    random: Random,
    turn: usize,
    temperature: f64,
    humidity: f64,
    pressure: f64,
    illuminance: f64,
    battery: f64,
    pulses: u32,
}

impl Source {
    /// The same seed gives the same readings.
    pub fn new(seed: Option<u64>) -> Source {
        let (temperature, humidity, pressure) = (21.0, 45.0, 101_325.0);
        let (illuminance, battery) = (320.0, 3_300.0);
        let (random, turn, pulses) = (Random::new(seed), 0, 0);
        Source { random, turn, temperature, humidity, pressure, illuminance, battery, pulses }
    }

    /// The next reading.
    pub fn measure(&mut self) -> Reading {
        let kind = self.turn % KINDS.len() + 1;
        self.turn += 1;
        let (unit, value) = match kind {
            1 => (1, Value::Single(hundredths(self.walk(|s| &mut s.temperature, 0.5, -20.0, 60.0)) as f32)),
            2 => (2, Value::Single(hundredths(self.walk(|s| &mut s.humidity, 1.0, 5.0, 95.0)) as f32)),
            3 => (3, Value::Unsigned(self.walk(|s| &mut s.pressure, 40.0, 95_000.0, 106_000.0) as u32)),
            4 => (4, Value::Double(self.walk(|s| &mut s.illuminance, 15.0, 0.0, 2_000.0))),
            5 => (5, Value::Signed(self.walk(|s| &mut s.battery, 3.0, 2_400.0, 3_600.0) as i32)),
            6 => (0, Value::Bool(self.random.chance(30.0))),
            7 => {
                self.pulses = self.pulses.wrapping_add(self.random.below(20) as u32);
                (6, Value::Unsigned(self.pulses))
            }
            _ => {
                let state = STATES[self.random.below(STATES.len() as u64) as usize];
                (0, Value::Text(state.to_string()))
            }
        };
        Reading { kind: kind as u8, unit, value }
    }

    /// Moves one quantity by up to `step` up or down, within its limits.
    fn walk(&mut self, quantity: fn(&mut Source) -> &mut f64, step: f64, least: f64, most: f64) -> f64 {
        let change = (self.random.fraction() * 2.0 - 1.0) * step;
        let quantity = quantity(self);
        *quantity = (*quantity + change).clamp(least, most);
        *quantity
    }
}

/// Two decimals: no cheap sensor has more.
fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_readings_of_every_type() {
        let (mut one, mut other) = (Source::new(Some(1)), Source::new(Some(1)));
        let first: Vec<Reading> = (0..800).map(|_| one.measure()).collect();
        assert!(first.iter().all(|reading| *reading == other.measure()));
        assert_ne!(first[0], Source::new(Some(2)).measure());
        for (number, reading) in first.iter().enumerate() {
            assert_eq!(usize::from(reading.kind), number % 8 + 1);
            let mut bytes = crate::kit::wire::Writer::new();
            reading.write(&mut bytes);
            assert_eq!(Reading::read(&bytes.finish()).as_ref(), Ok(reading));
        }
    }
}
