//! h1spec (<https://github.com/uNetworking/h1spec>): all 33 of its cases, each under its own name.
//!
//! It was made for servers that send back the body of any request. This one serves files and answers
//! POST with 405, so two cases cannot be passed; they stand in a table of their own. Where h1spec takes
//! any status from 400 to 499, the rows say which one it is here, and that the connection is closed.

mod common;
#[path = "common/http.rs"]
mod http;

use std::io::{ErrorKind, Read};
use std::time::Duration;

use http::{probe_all, serve, site, Probe, Raw};

/// How long h1spec listens to find out that a server waits for the rest.
const A_WHILE: Duration = Duration::from_millis(500);

/// The request whose beginnings are sent. There is no `/hello` here, so the whole of it is a 404.
const WHOLE: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Beginnings of it: the server must neither answer nor close.
const FRAGMENTS: [(&str, &str); 15] = [
    ("Fragmented method", "G"),
    ("Fragmented URL 1", "GET "),
    ("Fragmented URL 2", "GET /hello"),
    ("Fragmented URL 3", "GET /hello "),
    ("Fragmented HTTP version", "GET /hello HTTP"),
    ("Fragmented request line", "GET /hello HTTP/1.1"),
    ("Fragmented request line newline 1", "GET /hello HTTP/1.1\r"),
    ("Fragmented request line newline 2", "GET /hello HTTP/1.1\r\n"),
    ("Fragmented field name", "GET /hello HTTP/1.1\r\nHos"),
    ("Fragmented field value 1", "GET /hello HTTP/1.1\r\nHost:"),
    ("Fragmented field value 2", "GET /hello HTTP/1.1\r\nHost: "),
    ("Fragmented field value 3", "GET /hello HTTP/1.1\r\nHost: localhost"),
    ("Fragmented field value 4", "GET /hello HTTP/1.1\r\nHost: localhost\r"),
    ("Fragmented request", "GET /hello HTTP/1.1\r\nHost: localhost\r\n"),
    ("Fragmented request termination", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r"),
];

/// Whole requests: name, what is sent, and the status here (`c`: and then the server closes).
#[rustfmt::skip]
const REQUESTS: [(&str, &str, &str); 16] = [
    ("Request without HTTP version", "GET / \r\n\r\n", "400c"),
    ("Request with Expect header", "GET / HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n\r\n", "200"),
    ("Valid GET request", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "200"),
    ("Valid GET request with edge cases", "GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", "200"),
    ("Invalid header characters", "GET / HTTP/1.1\r\nHost: example.com\r\nX-Invalid[]: test\r\n\r\n", "400c"),
    ("Missing Host header", "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "400c"),
    ("Multiple Host headers", "GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.org\r\n\r\n", "400c"),
    ("Overflowing negative Content-Length header", "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -123456789123456789123456789\r\n\r\n", "400c"),
    ("Negative Content-Length header", "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -1234\r\n\r\n", "400c"),
    ("Non-numeric Content-Length header", "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: abc\r\n\r\n", "400c"),
    ("Empty header value", "GET / HTTP/1.1\r\nHost: example.com\r\nX-Empty-Header: \r\n\r\n", "200"),
    ("Header containing invalid control character", "GET / HTTP/1.1\r\nHost: example.com\r\nX-Bad-Control-Char: test\x07\r\n\r\n", "400c"),
    ("Invalid HTTP version", "GET / HTTP/9.9\r\nHost: example.com\r\n\r\n", "505c"),
    ("Invalid prefix of request", "Extra lineGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "400c"),
    ("Invalid line ending", "GET / HTTP/1.1\r\nHost: example.com\r\n\rSome-Header: Test\r\n\r\n", "400c"),
    ("Conflicting Transfer-Encoding and Content-Length in varying case", "POST / HTTP/1.1\r\nHost: example.com\r\ncontent-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n", "400c"),
];

/// What only a server can pass that gives POST a meaning. Here the body is read, 405 is the answer, and
/// the connection stays in step.
#[rustfmt::skip]
const NOT_FOR_FILES: [(&str, &str, &str); 2] = [
    ("Valid POST request with body", "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello", "405"),
    ("Chunked Transfer-Encoding", "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n", "405"),
];

#[test]
fn the_rest_of_a_request_is_waited_for() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let mut waiting: Vec<Raw> = FRAGMENTS.iter().map(|_| Raw::connect(port)).collect();
    for (raw, (_, fragment)) in waiting.iter_mut().zip(FRAGMENTS) {
        raw.send(fragment.as_bytes());
    }
    // All have that while together; the first read takes it.
    let mut patience = A_WHILE;
    for (raw, (name, fragment)) in waiting.iter_mut().zip(FRAGMENTS) {
        raw.stream.set_read_timeout(Some(patience)).unwrap();
        let answer = raw.stream.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(answer, Err(ErrorKind::WouldBlock), "{name}: the server does not wait");
        patience = Duration::from_millis(1);
        raw.stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        // h1spec ends here. That it waited for the right thing shows when the rest comes.
        raw.send(WHOLE.strip_prefix(fragment).expect(name).as_bytes());
        assert_eq!(raw.answer(false).expect(name).status, 404, "{name}");
    }
    drop(waiting);
    server.stop_cleanly(&[]);
}

#[test]
fn whole_requests_get_their_verdict() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let rows = REQUESTS.into_iter().chain(NOT_FOR_FILES);
    let probes: Vec<Probe> =
        rows.map(|(name, request, verdict)| (name, request.as_bytes().to_vec(), verdict, &[][..])).collect();
    probe_all(port, &probes);
    assert_eq!(FRAGMENTS.len() + probes.len(), 33, "h1spec has so many cases");
    server.stop_cleanly(&[]);
}
