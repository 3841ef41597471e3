//! Dates as mail writes them: `Sat, 21 Nov 2026 09:31:35 +0000` (RFC 5322, 3.3).
//!
//! Python's `email.utils.formatdate()`. The time zone is always UTC: std does not know the local one,
//! and a reader's mail program shows every date in the reader's own zone anyway.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time as the `Date:` and `Received:` fields of a mail have it.
pub fn mail_date(time: SystemTime) -> String {
    // A clock set before 1970 shows as 1970.
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
        // 1 January 1970 was a Thursday.
        DAYS[(days % 7) as usize],
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month (from 0) and day (from 1) of a day counted from 1 January 1970, in the Gregorian
/// calendar: whole years are taken off first, then whole months.
fn civil(mut days: u64) -> (u64, usize, u64) {
    // The calendar repeats itself every 400 years, which are 146,097 days.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if leap { 366 } else { 365 };
        if days >= length {
            days -= length;
            year += 1;
            continue;
        }
        let february = if leap { 29 } else { 28 };
        for (month, length) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
        {
            if days < length {
                return (year, month, days + 1);
            }
            days -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
