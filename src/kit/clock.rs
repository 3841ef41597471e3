//! Time stamps as the sheets print them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 with six decimals, `1763715600.123456`: Python's `time.time()`.
///
/// The wall clock may be set while a program runs, so it is for showing when something happened.
/// How long something took is measured with `std::time::Instant`, which never goes back.
pub fn epoch() -> String {
    // A clock set before 1970 shows as 0: the stamps have no sign.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    epoch_text(now)
}

/// The same for a given time since 1970.
fn epoch_text(since_1970: Duration) -> String {
    format!("{}.{:06}", since_1970.as_secs(), since_1970.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_decimals_with_leading_zeros() {
        assert_eq!(epoch_text(Duration::new(1_763_715_600, 42_999)), "1763715600.000042");
    }
}
