//! What the server says: status, fields, content; and how the head of it is written.
//!
//! ```text
//! HTTP/1.1 200 OK
//! Date: Tue, 02 Jan 2024 03:04:05 GMT
//! Content-Type: text/html; charset=utf-8
//! Content-Length: 114
//!
//! <!DOCTYPE html>…
//! ```

use std::borrow::Cow;
use std::fs::File;

use crate::kit::http_date;

/// A request that is refused, and the reason in words, which the client gets to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 400 to 505.
    pub status: u16,
    /// One sentence, without its capital letter and full stop.
    pub why: &'static str,
}

impl Refusal {
    /// 400: this is not HTTP.
    pub fn bad(why: &'static str) -> Refusal {
        Refusal { status: 400, why }
    }
}

/// The methods that are answered, for the Allow field.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What follows the head.
#[derive(Debug)]
pub enum Content {
    /// Nothing, and no Content-Length either: 204 and 304 (RFC 9110, 8.6).
    None,
    /// Bytes that are ready.
    Bytes(Vec<u8>),
    /// A part of an open file.
    File {
        /// Open for reading.
        file: File,
        /// Offset of the first byte.
        first: u64,
        /// How many bytes.
        length: u64,
    },
}

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// The three digits.
    pub status: u16,
    /// Fields beside Date, Content-Length and Connection; their values have no line endings in them.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// What follows.
    pub content: Content,
}

impl Response {
    /// An answer with nothing but its head.
    pub fn empty(status: u16) -> Response {
        Response { status, fields: Vec::new(), content: Content::None }
    }

    /// An answer that is a page made up here.
    pub fn page(status: u16, html: String) -> Response {
        let fields = vec![
            ("Content-Type", "text/html; charset=utf-8".into()),
            // Without it some browsers guess a type from the content, and run what they take for a script.
            ("X-Content-Type-Options", "nosniff".into()),
        ];
        Response { status, fields, content: Content::Bytes(html.into_bytes()) }
    }

    /// An answer that says what is wrong.
    pub fn refusal(refusal: Refusal) -> Response {
        let Refusal { status, why } = refusal;
        let why = format!("{}{}", why[..1].to_uppercase(), &why[1..]);
        let title = format!("{status} {}", reason(status));
        let head =
            format!("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>");
        let mut response =
            Response::page(status, format!("{head}\n<h1>{title}</h1>\n<p>{why}.</p>\n</html>\n"));
        match status {
            405 => response.add("Allow", ALLOW),
            503 => response.add("Retry-After", "1"),
            _ => {}
        }
        response
    }

    /// Adds a field.
    pub fn add(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.fields.push((name, value.into()));
    }

    /// How many bytes of content there are.
    pub fn length(&self) -> u64 {
        match &self.content {
            Content::None => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { length, .. } => *length,
        }
    }

    /// The head as it goes over the wire. `connection` is the value of the Connection field, if it
    /// needs one; `now` becomes the Date (RFC 9110, 6.6.1).
    pub fn head(&self, now: i64, connection: Option<&str>) -> Vec<u8> {
        let mut head = String::with_capacity(512);
        // Our own version, whatever the client's is (RFC 9110, 6.2).
        head += &format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\n",
            self.status,
            reason(self.status),
            http_date::write(now)
        );
        for (name, value) in &self.fields {
            for part in [name, ": ", value.as_ref(), "\r\n"] {
                head += part;
            }
        }
        if !matches!(self.content, Content::None) {
            head += &format!("Content-Length: {}\r\n", self.length());
        }
        if let Some(connection) = connection {
            head += &format!("Connection: {connection}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }
}

/// The words behind the three digits, for people (RFC 9110, 15).
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_byte_for_byte() {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let mut response = Response::empty(304);
        response.add("ETag", "\"a\"");
        let head = response.head(784_111_777, None);
        assert_eq!(head, format!("HTTP/1.1 304 Not Modified\r\n{date}ETag: \"a\"\r\n\r\n").into_bytes());
        let empty = Response { status: 200, fields: Vec::new(), content: Content::Bytes(Vec::new()) };
        let text = format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\nConnection: close\r\n\r\n");
        assert_eq!(empty.head(784_111_777, Some("close")), text.into_bytes());
    }

    #[test]
    fn a_refusal_says_why_and_what_is_allowed() {
        let response = Response::refusal(Refusal { status: 405, why: "no" });
        assert!(response.fields.contains(&("Allow", ALLOW.into())));
        let Content::Bytes(page) = &response.content else { panic!("{response:?}") };
        assert!(String::from_utf8_lossy(page).contains("<p>No.</p>"));
        assert_eq!(response.length(), page.len() as u64);
    }
}
