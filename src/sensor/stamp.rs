//! Time stamps of messages. Pure, but for [`now`].

use std::time::{SystemTime, UNIX_EPOCH};

use super::message::Head;

/// This machine's clock, in microseconds since 1970; 0 for one that is set before.
pub fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as seconds with six decimals.
pub fn text(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// How far the sensor's clock is behind ours, the message's way here included: `+0.000250 s`. For
/// show only: either clock may have jumped.
pub fn difference(now: u64, head: &Head) -> String {
    let unit: i128 = match head.time_unit {
        0 => 1_000_000_000,
        3 => 1_000_000,
        6 => 1_000,
        9 => 1,
        _ => return "of an unknown unit".to_string(),
    };
    let nanoseconds = i128::from(now) * 1_000 - i128::from(head.timestamp) * unit;
    let sign = if nanoseconds < 0 { '-' } else { '+' };
    let micros = nanoseconds.unsigned_abs() / 1_000;
    format!("{sign}{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_in_every_unit_and_at_the_ends() {
        let now = 1_763_715_600_000_250;
        for (time_unit, timestamp, shown) in [
            (6, 1_763_715_600_000_000, "+0.000250 s"),
            (0, 1_763_715_601, "-0.999750 s"),
            (3, 1_763_715_600_000, "+0.000250 s"),
            (9, 1_763_715_600_000_000_000, "+0.000250 s"),
            (6, 0, "+1763715600.000250 s"),
            (0, u64::MAX, "-18446744071945836014.999750 s"),
            (7, 0, "of an unknown unit"),
        ] {
            let head = Head { time_unit, timestamp, ..Head::default() };
            assert_eq!(difference(now, &head), shown);
        }
        assert_eq!(text(1_000_042), "1.000042");
    }
}
