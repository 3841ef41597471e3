//! Dates as mail writes them: `Sat, 21 Nov 2026 09:31:35 +0000` (RFC 5322, 3.3).
//!
//! Python's `email.utils.formatdate()`. The time zone is always UTC: std does not know the local one,
//! and a reader's mail program shows every date in the reader's own zone anyway.

use std::time::SystemTime;

use super::http_date::{moment, seconds, Moment};

/// A time as the `Date:` and `Received:` fields of a mail have it. A clock set before 1970 shows as 1970.
pub fn mail_date(time: SystemTime) -> String {
    let Moment { year, month, day, weekday, clock: (hour, minute, second), .. } =
        moment(seconds(time).max(0));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_that_date_1_agrees_with() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_795_253_495, "Sat, 21 Nov 2026 09:31:35 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
            (13_574_563_200, "Tue, 29 Feb 2400 00:00:00 +0000"),
            (13_574_649_600, "Wed, 01 Mar 2400 00:00:00 +0000"),
        ] {
            assert_eq!(mail_date(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }
}
