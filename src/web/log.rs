//! The access log, in the Common Log Format that every log reader knows.
//!
//! ```text
//! 127.0.0.1 - - [02/Jan/2024:03:04:05 +0000] "GET /HelloWorld.html HTTP/1.1" 200 114
//! ```
//!
//! The request line is the client's; without escaping it could end the line and write one of its own,
//! or send control sequences to the terminal on which the log is read.

use std::net::IpAddr;

use crate::kit::http_date::{moment, Moment};
use crate::kit::screen::escape;

/// How many bytes of a request line are logged.
const MOST: usize = 1000;

/// One line: who, when, what was asked, the status, and the bytes of content sent.
pub fn line(client: IpAddr, now: i64, request: &[u8], status: u16, sent: u64) -> String {
    let Moment { year, month, day, clock: (hour, minute, second), .. } = moment(now);
    let cut = &request[..request.len().min(MOST)];
    let more = if request.len() > MOST { "…" } else { "" };
    let request = escape(cut).replace('"', "\\\"");
    format!(
        "{client} - - [{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000] \
         \"{request}{more}\" {status} {sent}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_one_line() {
        let client = "::1".parse().unwrap();
        let line = line(client, 784_111_777, b"GET /\"\x1b[2J\n\xff\\ HTTP/1.1", 400, 7);
        let shown = r#"::1 - - [06/Nov/1994:08:49:37 +0000] "GET /\"\x1b[2J\n\xff\\ HTTP/1.1" 400 7"#;
        assert_eq!(line, shown);
    }

    #[test]
    fn a_long_request_line_is_cut() {
        let long = vec![b'x'; 5000];
        assert!(line("127.0.0.1".parse().unwrap(), 0, &long, 414, 0).len() < MOST + 100);
    }
}
