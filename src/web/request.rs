//! The head of a request, understood or refused (RFC 9112, 3 to 6).

use super::framing::{self, Fault, Framing};
use super::head::{is_token, Fields};
use super::limits;
use super::response::Refusal;
use super::target::{is_authority, Target};

/// What the client wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The thing itself.
    Get,
    /// What GET would answer, without the content.
    Head,
    /// What can be asked here.
    Options,
    /// A method of RFC 9110 or 5789 that a server of files has no use for: 405.
    Known,
    /// CONNECT: 405 as well, and what follows it is no request.
    Connect,
    /// Any other name, `get` among them: 501. Methods are compared as they are (9110, 9.1).
    Unknown,
}

/// What `Expect` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Nothing,
    /// The client waits for `100 Continue` before it sends the body (9110, 10.1.1).
    Continue,
    /// Something that only the RFCs of tomorrow know: 417.
    Unknown,
}

/// A request that can be answered.
#[derive(Debug)]
pub struct Request<'a> {
    /// What to do.
    pub method: Method,
    /// With what.
    pub target: Target<'a>,
    /// Under which circumstances.
    pub fields: Fields<'a>,
    /// Where its body ends.
    pub framing: Framing,
    /// What the client waits for.
    pub expect: Expect,
    /// Whether it is HTTP/1.0.
    pub http_1_0: bool,
    /// Whether the client would use the connection again (9112, 9.3).
    pub keep: bool,
}

/// The first line of a head, without its ending.
pub fn first_line(head: &[u8]) -> &[u8] {
    let end = head.iter().position(|&byte| byte == b'\r' || byte == b'\n').unwrap_or(head.len());
    &head[..end]
}

/// Reads a whole head, empty line included. Errs with the status that it must be refused with; the
/// connection then has to be closed, since nobody knows where the next request begins.
pub fn parse(head: &[u8]) -> Result<Request<'_>, Refusal> {
    let head = head.strip_suffix(b"\r\n").unwrap_or(head);
    let line_end = head.windows(2).position(|pair| pair == b"\r\n").unwrap_or(head.len());
    let (line, rest) = (&head[..line_end], head.get(line_end + 2..).unwrap_or_default());
    if line.len() > limits::REQUEST_LINE {
        return Err(Refusal { status: 414, why: "the request line is too long" });
    }
    // Exactly one blank each: a reader that takes more may see other words than the one before it.
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return Err(Refusal::bad("the first line is not METHOD TARGET HTTP/1.1, with one blank each"));
    };
    if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) || target.is_empty() {
        return Err(Refusal::bad("the first line begins with no method, or has no target"));
    }
    let http_1_0 = match version {
        b"HTTP/1.0" => true,
        // A later 1.x is answered as 1.1, which it must be able to read (9110, 2.5).
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => false,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Refusal { status: 505, why: "only HTTP/1.1 and HTTP/1.0 are spoken here" });
        }
        _ => return Err(Refusal::bad("the first line does not end with HTTP/1.1")),
    };
    let fields = Fields::parse(rest, limits::FIELDS).map_err(Refusal::bad)?;
    let Some(fields) = fields else {
        return Err(Refusal { status: 431, why: "the head has too many fields" });
    };
    check_host(&fields, http_1_0)?;
    let framing = framing::of(&fields, http_1_0).map_err(refuse_framing)?;
    let method = method_of(method);
    let target = Target::parse(target)?;
    match (method, &target) {
        // Each form where it may stand (9112, 3.2.3 and 3.2.4).
        (Method::Connect, Target::Authority) | (Method::Options, Target::Server) => {}
        (_, Target::Authority | Target::Server) | (Method::Connect, _) => {
            return Err(Refusal::bad("this target does not go with this method"));
        }
        _ => {}
    }
    let keep_alive = !http_1_0 || fields.has_member("Connection", "keep-alive");
    let keep = keep_alive && !fields.has_member("Connection", "close");
    let expect = expect_of(&fields, http_1_0);
    Ok(Request { method, target, fields, framing, expect, http_1_0, keep })
}

fn method_of(name: &[u8]) -> Method {
    match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"OPTIONS" => Method::Options,
        b"POST" | b"PUT" | b"DELETE" | b"PATCH" | b"TRACE" => Method::Known,
        b"CONNECT" => Method::Connect,
        _ => Method::Unknown,
    }
}

/// Exactly one Host, and a valid one (9112, 3.2); HTTP/1.0 did not have it yet.
fn check_host(fields: &Fields, http_1_0: bool) -> Result<(), Refusal> {
    match (fields.all("Host").count(), fields.only("Host")) {
        (0, _) if http_1_0 => Ok(()),
        (1, Some(host)) if is_authority(host) => Ok(()),
        (0, _) => Err(Refusal::bad("there is no Host field")),
        (1, _) => Err(Refusal::bad("the Host field names no valid host")),
        _ => Err(Refusal::bad("there is more than one Host field")),
    }
}

fn refuse_framing(fault: Fault) -> Refusal {
    match fault {
        Fault::Bad(why) => Refusal::bad(why),
        Fault::TooLong => Refusal { status: 413, why: "the body is too large" },
        Fault::UnknownCoding => {
            Refusal { status: 501, why: "the only transfer coding known here is chunked" }
        }
    }
}

fn expect_of(fields: &Fields, http_1_0: bool) -> Expect {
    let mut members = fields.members("Expect");
    match (http_1_0, members.next(), members.next()) {
        (true, ..) | (_, None, _) => Expect::Nothing,
        (_, Some(only), None) if only.eq_ignore_ascii_case(b"100-continue") => Expect::Continue,
        _ => Expect::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> u16 {
        parse(text.as_bytes()).map_or_else(|refusal| refusal.status, |_| 0)
    }

    #[test]
    fn request_lines() {
        let table = [
            ("GET / HTTP/1.1", 0),
            ("GET / HTTP/1.0", 0),
            ("GET / HTTP/1.9", 0),
            ("get / HTTP/1.1", 0),
            ("OPTIONS * HTTP/1.1", 0),
            ("CONNECT a:443 HTTP/1.1", 0),
            ("GET http://other/x HTTP/1.1", 0),
            ("GET / HTTP/2.0", 505),
            ("PRI * HTTP/2.0", 505),
            ("GET / HTTP/9.9", 505),
            ("GET / HTTP/0.9", 505),
            ("GET / HTTP/1.10", 400),
            ("GET / HTTP/11", 400),
            ("GET / http/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            (" GET / HTTP/1.1", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET\t/\tHTTP/1.1", 400),
            ("GET /", 400),
            ("GET / ", 400),
            ("GET  HTTP/1.1", 400),
            ("G@T / HTTP/1.1", 400),
            ("Extra lineGET / HTTP/1.1", 400),
            ("GET / a HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("GET a:443 HTTP/1.1", 400),
            ("CONNECT / HTTP/1.1", 400),
            ("GET x HTTP/1.1", 400),
            ("", 400),
        ];
        for (line, expected) in table {
            assert_eq!(status(&format!("{line}\r\nHost: a\r\n\r\n")), expected, "{line:?}");
        }
        let long = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 14));
        assert_eq!(status(&long(limits::REQUEST_LINE)), 0);
        assert_eq!(status(&long(limits::REQUEST_LINE + 1)), 414);
    }

    #[test]
    fn hosts_rfc_9112_3_2() {
        let table = [
            ("HTTP/1.1", "Host: a\r\n", 0),
            ("HTTP/1.1", "hoSt:\ta:6789\r\nempty:\r\n", 0),
            ("HTTP/1.1", "", 400),
            ("HTTP/1.1", "Host: a\r\nHost: a\r\n", 400),
            ("HTTP/1.1", "Host:\r\n", 400),
            ("HTTP/1.1", "Host: a b\r\n", 400),
            ("HTTP/1.1", "Host: a/b\r\n", 400),
            ("HTTP/1.1", "Host: a, b\r\n", 400),
            ("HTTP/1.0", "", 0),
            ("HTTP/1.0", "Host: a/b\r\n", 400),
            ("HTTP/1.0", "Host: a\r\nHost: b\r\n", 400),
        ];
        for (version, lines, expected) in table {
            assert_eq!(status(&format!("GET / {version}\r\n{lines}\r\n")), expected, "{version} {lines:?}");
        }
    }

    #[test]
    fn keeping_the_connection_rfc_9112_9_3() {
        let table = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: x, CLOSE\r\n", false),
            ("1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ];
        for (version, lines, keep) in table {
            let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
            assert_eq!(parse(text.as_bytes()).unwrap().keep, keep, "{version} {lines:?}");
        }
    }

    #[test]
    fn expectations_and_methods() {
        let expect = |version: &str, value: &str| {
            let text = format!("GET / HTTP/{version}\r\nHost: a\r\nExpect: {value}\r\n\r\n");
            parse(text.as_bytes()).unwrap().expect
        };
        assert_eq!(expect("1.1", "100-Continue"), Expect::Continue);
        assert_eq!(expect("1.1", "more"), Expect::Unknown);
        assert_eq!(expect("1.1", "100-continue, more"), Expect::Unknown);
        assert_eq!(expect("1.0", "100-continue"), Expect::Nothing);
        for (name, method) in [("HEAD", Method::Head), ("TRACE", Method::Known), ("head", Method::Unknown)] {
            let text = format!("{name} / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(parse(text.as_bytes()).unwrap().method, method);
        }
    }

    #[test]
    fn framing_faults_and_counts() {
        let table = [
            ("Content-Length: 5\r\n".to_string(), 0),
            ("Content-Length: 99999999999999999999\r\n".to_string(), 413),
            ("Transfer-Encoding: gzip\r\n".to_string(), 501),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n".to_string(), 400),
            ("X: y\r\n".repeat(99), 0),
            ("X: y\r\n".repeat(100), 431),
        ];
        for (lines, expected) in table {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")), expected, "{lines:.40}");
        }
    }
}
