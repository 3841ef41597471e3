//! Dates as HTTP writes them (RFC 9110, 5.6.7), from and to seconds since 1970.
//!
//! ```text
//! Sun, 06 Nov 1994 08:49:37 GMT    the one form that is written: IMF-fixdate
//! Sunday, 06-Nov-94 08:49:37 GMT   read as well: RFC 850, with a year of two digits
//! Sun Nov  6 08:49:37 1994         read as well: C's asctime
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAY: i64 = 86_400;

/// The time now, in whole seconds since 1970.
pub fn now() -> i64 {
    seconds(SystemTime::now())
}

/// A time in whole seconds since 1970, rounded down; before 1970 it counts backwards.
pub fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX - 1);
            -whole - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// A moment in UTC, in the calendar's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The year, four digits.
    pub year: i64,
    /// The month's three letters.
    pub month: &'static str,
    /// The month, 1 to 12.
    pub month_number: i64,
    /// The day of the month, from 1.
    pub day: i64,
    /// The weekday's three letters.
    pub weekday: &'static str,
    /// Hour, minute, second.
    pub clock: (i64, i64, i64),
}

/// The moment `seconds` after the beginning of 1970.
pub fn moment(seconds: i64) -> Moment {
    // The forms above have four digits for the year; times beyond are shown as the nearest they can.
    let seconds = seconds.clamp(days_before(0, 1, 1) * DAY, days_before(10_000, 1, 1) * DAY - 1);
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // A first guess at the year, from the mean length of a year, is at most one too early or late.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    while days_before(year, 1, 1) > days {
        year -= 1;
    }
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days_before(year, month, 1) <= days).unwrap_or(1);
    Moment {
        year,
        month: MONTHS[month as usize - 1],
        month_number: month,
        day: days - days_before(year, month, 1) + 1,
        // The first of January 1970 was a Thursday, which is place 3.
        weekday: DAYS[(days + 3).rem_euclid(7) as usize],
        clock: (second / 3600, second / 60 % 60, second % 60),
    }
}

/// How many days lie between the first of January 1970 and this day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap days of all years before this one: every fourth, but not every hundredth, but every
    // four-hundredth.
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let to_1970 = 1969 * 365 + 1969 / 4 - 1969 / 100 + 1969 / 400;
    let today = i64::from(month > 2 && is_leap(year));
    past * 365 + leap_days - to_1970 + BEFORE_MONTH[month as usize - 1] + today + day - 1
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn write(seconds: i64) -> String {
    let Moment { year, month, day, weekday, clock: (hour, minute, second), .. } = moment(seconds);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Reads any of the three forms; `None` for everything else. `now` decides the century of a year of
/// two digits: a date that seems more than 50 years ahead is meant to be past.
pub fn read(text: &[u8], now: i64) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [weekday, day, month, year, clock, "GMT"] => {
            known(&DAYS, weekday.strip_suffix(',')?)?;
            build(digits(year, 4)?, month, digits(day, 2)?, clock)
        }
        [weekday, date, clock, "GMT"] => {
            known(&LONG_DAYS, weekday.strip_suffix(',')?)?;
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let this_year = moment(now).year;
            let year = this_year - this_year % 100 + digits(year, 2)?;
            let year = if year > this_year + 50 { year - 100 } else { year };
            build(year, month, digits(day, 2)?, clock)
        }
        // A day below ten is written with a blank in front, which makes an empty word.
        [weekday, month, "", day, clock, year] => {
            known(&DAYS, weekday)?;
            build(digits(year, 4)?, month, digits(day, 1)?, clock)
        }
        [weekday, month, day, clock, year] => {
            known(&DAYS, weekday)?;
            build(digits(year, 4)?, month, digits(day, 2)?, clock)
        }
        _ => None,
    }
}

/// The place of a word in a list of names.
fn known(names: &[&str], word: &str) -> Option<i64> {
    names.iter().position(|name| *name == word).map(|place| place as i64)
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Seconds since 1970 from a date's parts, each checked.
fn build(year: i64, month: &str, day: i64, clock: &str) -> Option<i64> {
    let month = known(&MONTHS, month)? + 1;
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    // Second 60 is a leap second.
    let fits = (1..=length).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let whole = fits && parts.next().is_none();
    whole.then(|| days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: i64 = 784_111_777;

    #[test]
    fn the_example_of_the_rfc_in_its_three_forms() {
        assert_eq!(write(THEN), "Sun, 06 Nov 1994 08:49:37 GMT");
        let forms =
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
        for form in forms {
            assert_eq!(read(form.as_bytes(), 1_800_000_000), Some(THEN), "{form}");
        }
        assert_eq!(read(b"Wed Nov 16 08:49:37 1994", 0), Some(THEN + 10 * DAY));
    }

    #[test]
    fn writing_and_reading_agree_over_the_centuries() {
        // A step that is no multiple of anything in the calendar.
        for seconds in (-2_000_000_000..20_000_000_000).step_by(1_234_567) {
            assert_eq!(read(write(seconds).as_bytes(), 0), Some(seconds), "{}", write(seconds));
        }
        assert_eq!(write(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(write(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(&write(i64::MIN)[5..16], "01 Jan 0000");
    }

    #[test]
    fn a_year_of_two_digits_is_the_nearest_one() {
        let now = read(b"Sat, 01 Jan 2022 00:00:00 GMT", 0).unwrap();
        let year = |text: &str| moment(read(text.as_bytes(), now).unwrap()).year;
        assert_eq!(year("Sunday, 06-Nov-72 08:49:37 GMT"), 2072);
        assert_eq!(year("Sunday, 06-Nov-73 08:49:37 GMT"), 1973);
    }

    #[test]
    fn what_is_no_date() {
        let nonsense = [
            "",
            "0",
            "garbage",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:1 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06  Nov 1994 08:49:37 GMT",
        ];
        for text in nonsense {
            assert_eq!(read(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(read(b"\xff", 0), None);
    }

    #[test]
    fn times_of_files_before_1970() {
        use std::time::Duration;
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_millis(1500)), -2);
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1500)), 1);
    }
}
