//! The web server's HTTP, probe by probe: what is sent byte for byte, and the verdict that the RFC gives.
//! The rows follow the sections of RFC 9112 (how messages are framed) and RFC 9110 (what they mean).

mod common;
#[path = "common/http.rs"]
mod http;

use http::{get, probe_all, serve, site, Probe, DATE};

/// A request that stands alone.
fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// `GET /alphabet.txt` with a field line, without its ending.
fn alphabet(line: &str) -> Vec<u8> {
    get("/alphabet.txt", &format!("{line}\r\n"))
}

fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}").into_bytes()
}

#[test]
fn request_lines_rfc_9112_2_and_3() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let long = |length: usize| get(&format!("/{}", "x".repeat(length)), "");
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9112 2.2 an empty line in front", raw("\r\n\r\nGET /page.html HTTP/1.1\r\nHost: a\r\n\r\n"), "200", &[]),
        ("9112 2.2 a bare LF in front", raw("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9112 2.2 bare LF lines", raw("GET / HTTP/1.1\nHost: a\n\n"), "400c", &["~CR LF"]),
        ("9112 2.2 a bare CR in a value", get("/", "X: a\rb\r\n"), "400c", &[]),
        ("9112 2.2 a bare CR as a line ending", raw("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"), "400c", &[]),
        ("9112 2.2 a blank before the first field", raw("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "400c", &[]),
        ("9112 2.3 HTTP/1.2 is answered as 1.1", raw("GET /page.html HTTP/1.2\r\nHost: a\r\n\r\n"), "200", &[]),
        ("9112 2.3 HTTP/1.10", raw("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9112 2.3 http/1.1", raw("GET / http/1.1\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9110 15.6.6 HTTP/2.0", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505c", &[]),
        ("9110 15.6.6 HTTP/9.9", raw("GET / HTTP/9.9\r\nHost: a\r\n\r\n"), "505c", &[]),
        ("9112 3 no version", raw("GET /\r\n\r\n"), "400c", &[]),
        ("9112 3 no version but its blank", raw("GET / \r\n\r\n"), "400c", &[]),
        ("9112 3 two blanks", raw("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9112 3 tabs", raw("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9112 3 a blank in the target", get("/a b.txt", ""), "400c", &[]),
        ("9112 3 something before the method", raw("Extra lineGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "400c", &[]),
        ("9112 3 garbage", raw("\x16\x03\x01\x02\r\n\r\n"), "400c", &[]),
        ("9112 3 a target of 8000 bytes", long(8000), "404", &[]),
        ("9112 3 a target of 9000 bytes", long(9000), "414c", &[]),
        ("9112 3 a target of 100,000 bytes", long(100_000), "414c", &[]),
        ("9112 3.2 no Host", raw("GET / HTTP/1.1\r\n\r\n"), "400c", &[]),
        ("9112 3.2 two Hosts", raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "400c", &[]),
        ("9112 3.2 an empty Host", raw("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "400c", &[]),
        ("9112 3.2 a blank in the Host", raw("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "400c", &[]),
        ("9112 3.2 a slash in the Host", raw("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "400c", &[]),
        ("9112 3.2 HTTP/1.0 needs none", raw("GET /page.html HTTP/1.0\r\n\r\n"), "200c", &["Connection: close"]),
        ("9112 3.2.1 no slash", get("alphabet.txt", ""), "400c", &[]),
        ("9112 3.2.1 a fragment", get("/alphabet.txt#x", ""), "400c", &[]),
        ("9112 3.2.1 bytes over 0x7f", get("/gr\u{f6}\u{df}e", ""), "400c", &[]),
        ("9112 3.2.2 absolute-form", get("http://other:80/alphabet.txt?x", ""), "200", &["~abcdef"]),
        ("9112 3.2.2 absolute-form, no path", get("http://other", ""), "200", &["~alphabet.txt"]),
        ("9112 3.2.2 absolute-form, bad host", get("http://u@other/", ""), "400c", &[]),
        ("9112 3.2.2 absolute-form needs a Host too", raw("GET http://a/ HTTP/1.1\r\n\r\n"), "400c", &[]),
        ("9112 3.2.3 authority-form", raw("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), "405c", &[]),
        ("9112 3.2.4 GET *", get("*", ""), "400c", &[]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn fields_rfc_9112_5() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9112 5.1 a blank before the colon", get("/", "X : y\r\n"), "400c", &[]),
        ("9112 5.1 no colon", get("/", "X\r\n"), "400c", &[]),
        ("9112 5.1 no name", get("/", ": y\r\n"), "400c", &[]),
        ("9110 5.1 an invalid name", get("/", "X-Invalid[]: y\r\n"), "400c", &[]),
        ("9112 5.2 a folded line", get("/", "X: y\r\n z\r\n"), "400c", &[]),
        ("9110 5.5 NUL in a value", get("/", "X: a\0b\r\n"), "400c", &[]),
        ("9110 5.5 another control character", get("/", "X: a\x07\r\n"), "400c", &[]),
        ("9110 5.5 bytes over 0x7f in a value", get("/page.html", "X: gr\u{f6}\u{df}e\r\n"), "200", &[]),
        ("9110 5.5 an empty value, tabs, odd case", raw("GET /page.html HTTP/1.1\r\nhoSt:\ta\r\nempty:\r\n\r\n"), "200", &[]),
        ("6585 5 a field of 9000 bytes", get("/page.html", &format!("X: {}\r\n", "x".repeat(9000))), "200", &[]),
        ("6585 5 a field of 100,000 bytes", get("/", &format!("X: {}\r\n", "x".repeat(100_000))), "431c", &[]),
        ("6585 5 two hundred fields", get("/", &"X: y\r\n".repeat(200)), "431c", &[]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn bodies_rfc_9112_6_and_7() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let with_body = |lines: &str, body: &str| [get("/page.html", lines), body.as_bytes().to_vec()].concat();
    let chunked = |body: &str| with_body("Transfer-Encoding: chunked\r\n", body);
    let large = 70_000;
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9112 6.1 both lengths", with_body("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), "400c", &[]),
        ("9112 6.1 an unknown coding", with_body("Transfer-Encoding: xchunked\r\n", "5\r\nHello\r\n0\r\n\r\n"), "501c", &[]),
        ("9112 6.1 identity", with_body("Transfer-Encoding: identity\r\n", ""), "501c", &[]),
        ("9112 6.1 chunked twice", with_body("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400c", &[]),
        ("9112 6.1 chunked is not last", with_body("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), "400c", &[]),
        ("9112 6.1 in HTTP/1.0", raw("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400c", &[]),
        ("9112 6.2 two lengths", with_body("Content-Length: 5\r\nContent-Length: 6\r\n", "Hello"), "400c", &[]),
        ("9112 6.3 the same length twice", with_body("Content-Length: 5\r\nContent-Length: 5\r\n", "Hello"), "400c", &[]),
        ("9112 6.3 a list", with_body("Content-Length: 5, 5\r\n", "Hello"), "400c", &[]),
        ("9112 6.2 +5", with_body("Content-Length: +5\r\n", "Hello"), "400c", &[]),
        ("9112 6.2 -1", with_body("Content-Length: -1\r\n", ""), "400c", &[]),
        ("9112 6.2 a number below all bounds", with_body("Content-Length: -123456789123456789123456789\r\n", ""), "400c", &[]),
        ("9112 6.2 0x5", with_body("Content-Length: 0x5\r\n", "Hello"), "400c", &[]),
        ("9112 6.2 1_0", with_body("Content-Length: 1_0\r\n", "HelloHello"), "400c", &[]),
        ("9112 6.2 5 5", with_body("Content-Length: 5 5\r\n", "Hello"), "400c", &[]),
        ("9112 6.2 no number", with_body("Content-Length: abc\r\n", ""), "400c", &[]),
        ("9112 6.2 nothing", with_body("Content-Length:\r\n", ""), "400c", &[]),
        ("9112 6.2 2^64", with_body("Content-Length: 18446744073709551616\r\n", ""), "413c", &[]),
        ("9112 6.3 no Host is found before the body", raw("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), "400c", &[]),
        ("9112 6.3 GET with a body", with_body("Content-Length: 5\r\n", "GET /"), "200", &["=<p>page</p>"]),
        ("9112 7.1 GET with chunks", chunked("5;x=y\r\nHello\r\n00a\r\n1234567890\r\n0\r\nHost: evil\r\n\r\n"), "200", &[]),
        ("9112 7.1 0x5", chunked("0x5\r\nHello\r\n0\r\n\r\n"), "400c", &[]),
        ("9112 7.1 2^64+5", chunked("10000000000000005\r\nHello\r\n0\r\n\r\n"), "400c", &[]),
        ("9112 7.1 bare LF", chunked("5\nHello\n0\n\n"), "400c", &[]),
        ("9112 7.1 longer than its size", chunked("5\r\nHello!\r\n0\r\n\r\n"), "400c", &[]),
        ("9112 7.1.1 an extension without end", chunked(&format!("5;{}", "x".repeat(9000))), "400c", &[]),
        ("9112 7.1.2 trailers without end", chunked(&format!("0\r\n{}", "X: y\r\n".repeat(9000))), "400c", &[]),
        ("9112 7.1.2 a trailer that is no field", chunked("0\r\nHost : a\r\n\r\n"), "400c", &[]),
        ("9110 15.5.14 a body that is too large", with_body(&format!("Content-Length: {large}\r\n"), ""), "413c", &[]),
        ("9110 15.5.14 the same in chunks", chunked(&format!("{large:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(large))), "413c", &[]),
        ("9112 6 POST with a body", post("Content-Length: 5\r\n", "GET /"), "405", &["Allow: GET, HEAD, OPTIONS"]),
        ("9112 6 POST with a large body", post("Content-Length: 10000000\r\n", "GET / HTTP/1.1\r\n\r\n"), "405c", &[]),
        ("9112 6 an unknown method with a body", raw("FOO / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"), "501", &[]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn connections_rfc_9112_9() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let two = |first: &str| [get("/alphabet.txt", first), get("/page.html", "")].concat();
    let old = "GET /page.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9112 9.3 kept open in 1.1", get("/page.html", ""), "200", &["!Connection"]),
        ("9112 9.3 kept open in 1.0 if asked", raw(old), "200", &["Connection: keep-alive"]),
        ("9112 9.3 closed in 1.0 otherwise", raw("GET /page.html HTTP/1.0\r\n\r\n"), "200c", &["Connection: close"]),
        ("9112 9.3.2 pipelined", two(""), "200,200", &["=<p>page</p>"]),
        ("9112 9.3.2 pipelined, a body between", [get("/dir", "Content-Length: 3\r\n"), raw("abc"), get("/page.html", "")].concat(), "301,200", &[]),
        ("9112 9.6 closed if asked", get("/page.html", "Connection: x, Close\r\n"), "200c", &["Connection: close"]),
        ("9112 9.6 nothing after close", two("Connection: close\r\n"), "200c", &["~abc"]),
        ("9112 9.6 errors close", [get("/", "X : y\r\n"), get("/page.html", "")].concat(), "400c", &["Connection: close"]),
        ("9110 15.5.5 a 404 does not close", get("/missing", ""), "404", &["!Connection"]),
    ];
    probe_all(port, &probes);

    // 9112 9.6: an error answer survives what the client is still sending when it is refused.
    for _ in 0..20 {
        let mut raw = http::Raw::connect(port);
        raw.send(&[get("/", "X : y\r\n"), vec![b'x'; 200_000]].concat());
        assert_eq!(raw.answer(false).expect("the answer arrives").status, 400);
    }
    // A client that has shut its sending side still gets its answer.
    let mut half = http::Raw::connect(port);
    half.send(&get("/alphabet.txt", ""));
    half.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(half.answer(false).expect("an answer").text(), http::ALPHABET);
    half.at_end();
    // One byte at a time.
    let mut slow = http::Raw::connect(port);
    for byte in get("/alphabet.txt", "") {
        slow.send(&[byte]);
    }
    assert_eq!(slow.answer(false).expect("an answer").status, 200);
    server.stop_cleanly(&[]);
}

#[test]
fn every_beginning_of_a_request_is_waited_for() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let request = get("/alphabet.txt", "X: y\r\n");
    let mut waiting: Vec<http::Raw> = (0..request.len()).map(|_| http::Raw::connect(port)).collect();
    for (end, raw) in waiting.iter_mut().enumerate() {
        raw.send(&request[..end]);
    }
    for (end, raw) in waiting.iter_mut().enumerate() {
        raw.send(&request[end..]);
        assert_eq!(raw.answer(false).expect("an answer").text(), http::ALPHABET, "cut at {end}");
    }
    drop(waiting);
    server.stop_cleanly(&[]);
}

#[test]
fn methods_and_expectations_rfc_9110_9_and_10() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let method = |name: &str, target: &str| raw(&format!("{name} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let allow: &[&str] = &["Allow: GET, HEAD, OPTIONS"];
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9110 9.1 methods are case-sensitive", method("get", "/"), "501", &[]),
        ("9110 9.1 unknown", method("FOO", "/"), "501", &[]),
        ("9110 9.1 no token", method("G@T", "/"), "400c", &[]),
        ("9110 15.5.6 POST", method("POST", "/"), "405", allow),
        ("9110 15.5.6 DELETE", method("DELETE", "/alphabet.txt"), "405", allow),
        ("9110 9.3.2 HEAD", method("HEAD", "/alphabet.txt"), "200", &["Content-Length: 26"]),
        ("9110 9.3.2 HEAD of what is missing", method("HEAD", "/missing"), "404", &[]),
        ("9110 9.3.2 HEAD of a folder", method("HEAD", "/dir"), "301", &["Location: /dir/"]),
        ("9110 9.3.2 HEAD of a listing", method("HEAD", "/dir/"), "200", &[]),
        ("9110 9.3.2 HEAD that is malformed", raw("HEAD / HTTP/1.1\r\n\r\n"), "400c", &[]),
        ("9110 9.3.7 OPTIONS *", method("OPTIONS", "*"), "204", allow),
        ("9110 9.3.7 OPTIONS /", method("OPTIONS", "/"), "204", allow),
        ("9110 9.3.8 TRACE", method("TRACE", "/"), "405", allow),
        ("9110 10.1.1 Expect without a body", alphabet("Expect: 100-continue"), "200", &[]),
        ("9110 10.1.1 Expect with a body", [get("/page.html", "Expect: 100-Continue\r\nContent-Length: 5\r\n")].concat(), "100c", &[]),
        ("9110 10.1.1 Expect, and the body is there", [get("/page.html", "Expect: 100-continue\r\nContent-Length: 2\r\n"), raw("xy")].concat(), "200", &[]),
        ("9110 10.1.1 Expect of a POST: the end at once", post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""), "405c", allow),
        ("9110 10.1.1 Expect in 1.0 is ignored", raw("GET /page.html HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), "200c", &[]),
        ("9110 10.1.1 an unknown expectation", alphabet("Expect: more"), "417", &[]),
    ];
    // The row that ends with 100 has to be answered after the body has come; see below.
    let (waiting, rows): (Vec<Probe>, Vec<Probe>) = probes.into_iter().partition(|probe| probe.2 == "100c");
    probe_all(port, &rows);
    let mut client = http::Raw::connect(port);
    client.send(&waiting[0].1);
    assert_eq!(client.answer(false).expect("100 comes before the body").status, 100);
    client.send(b"Hello");
    assert_eq!(client.answer(false).expect("then the answer").status, 200);

    // 9110 9.3.2: HEAD is GET without the content, field by field.
    for target in ["/alphabet.txt", "/dir/", "/dir", "/missing", "/"] {
        let got = http::ask(port, &method("GET", target));
        let head = http::ask(port, &method("HEAD", target));
        let without_date = |head: &str| {
            head.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_date(&got.head), without_date(&head.head), "{target}");
    }
    server.stop_cleanly(&[]);
}

#[test]
fn conditions_rfc_9110_13() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let tag = http::ask(port, &get("/alphabet.txt", "")).field("ETag").unwrap().to_string();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    let (tag_line, modified) = (format!("ETag: {tag}"), format!("Last-Modified: {DATE}"));
    let unchanged: &[&str] = &[&tag_line, &modified];
    let (older, later) = ("Tue, 02 Jan 2024 03:04:04 GMT", "Wed, 03 Jan 2024 00:00:00 GMT");
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9110 8.8 validators", get("/alphabet.txt", ""), "200", unchanged),
        ("9110 13.1.2 the same tag", alphabet(&format!("If-None-Match: {tag}")), "304", unchanged),
        ("9110 13.1.2 weakly the same", alphabet(&format!("If-None-Match: \"x\", W/{tag}")), "304", &[]),
        ("9110 13.1.2 *", alphabet("If-None-Match: *"), "304", &[]),
        ("9110 13.1.2 another tag", alphabet("If-None-Match: \"x\""), "200", &[]),
        ("9110 13.2.2 tags go before dates", alphabet(&format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {DATE}")), "200", &[]),
        ("9110 13.1.3 the same date", alphabet(&format!("If-Modified-Since: {DATE}")), "304", unchanged),
        ("9110 13.1.3 a later date", alphabet(&format!("If-Modified-Since: {later}")), "304", &[]),
        ("9110 13.1.3 an older date", alphabet(&format!("If-Modified-Since: {older}")), "200", &[]),
        ("9110 5.6.7 RFC 850", alphabet("If-Modified-Since: Tuesday, 02-Jan-24 03:04:05 GMT"), "304", &[]),
        ("9110 5.6.7 asctime", alphabet("If-Modified-Since: Tue Jan  2 03:04:05 2024"), "304", &[]),
        ("9110 13.1.3 no date", alphabet("If-Modified-Since: yesterday"), "200", &[]),
        ("9110 13.1.1 If-Match, another", alphabet("If-Match: \"x\""), "412", &[]),
        ("9110 13.1.1 If-Match, the same", alphabet(&format!("If-Match: {tag}")), "200", &[]),
        ("9110 13.1.1 If-Match is strong", alphabet(&format!("If-Match: W/{tag}")), "412", &[]),
        ("9110 13.1.4 changed since", alphabet(&format!("If-Unmodified-Since: {older}")), "412", &[]),
        ("9110 13.1.4 not changed since", alphabet(&format!("If-Unmodified-Since: {DATE}")), "200", &[]),
        ("9110 13.2.1 only where it would be 200", get("/missing", "If-Match: \"x\"\r\n"), "404", &[]),
        ("9110 13.2.1 not for OPTIONS", raw("OPTIONS / HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n"), "204", &[]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn ranges_rfc_9110_14() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let tag = http::ask(port, &get("/alphabet.txt", "")).field("ETag").unwrap().to_string();
    let range = |value: &str| alphabet(&format!("Range: {value}"));
    let none: &[&str] = &["Content-Range: bytes */26"];
    let whole: &[&str] = &["=abcdefghijklmnopqrstuvwxyz", "!Content-Range", "Accept-Ranges: bytes"];
    let huge = "9".repeat(40);
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("9110 14.2 0-4", range("bytes=0-4"), "206", &["Content-Range: bytes 0-4/26", "=abcde"]),
        ("9110 14.2 5-", range("bytes=5-"), "206", &["Content-Range: bytes 5-25/26"]),
        ("9110 14.2 -5", range("bytes=-5"), "206", &["Content-Range: bytes 21-25/26", "=vwxyz"]),
        ("9110 14.1.2 -0", range("bytes=-0"), "416", none),
        ("9110 14.1.2 -100", range("bytes=-100"), "206", &["Content-Range: bytes 0-25/26"]),
        ("9110 14.1.2 20-99", range("bytes=20-99"), "206", &["Content-Range: bytes 20-25/26", "=uvwxyz"]),
        ("9110 14.1.2 a huge last", range(&format!("bytes=0-{huge}")), "206", &["Content-Range: bytes 0-25/26"]),
        ("9110 14.1.2 a huge first", range(&format!("bytes={huge}-")), "416", none),
        ("9110 15.5.17 26-", range("bytes=26-"), "416", none),
        ("9110 14.1.1 5-2", range("bytes=5-2"), "416", none),
        ("9110 14.1.1 no range", range("bytes=abc"), "416", none),
        ("9110 14.2 another unit", range("lines=0-4"), "200", whole),
        ("9110 14.2 several", range("bytes=0-1,4-5"), "200", whole),
        ("9110 14.2 very many", range(&format!("bytes={}", "0-,".repeat(1000))), "200", whole),
        ("9110 14.2 twice", range("bytes=0-1\r\nRange: bytes=4-5"), "200", whole),
        ("9110 14.2 HEAD has none", raw("HEAD /alphabet.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\n\r\n"), "200", &["Content-Length: 26"]),
        ("9110 14.2 an empty file", get("/empty.txt", "Range: bytes=0-\r\n"), "416", &["Content-Range: bytes */0"]),
        ("9110 13.1.5 the same tag", alphabet(&format!("Range: bytes=0-4\r\nIf-Range: {tag}")), "206", &["=abcde"]),
        ("9110 13.1.5 another tag", range("bytes=0-4\r\nIf-Range: \"x\""), "200", whole),
        ("9110 13.1.5 a weak tag", alphabet(&format!("Range: bytes=0-4\r\nIf-Range: W/{tag}")), "200", whole),
        ("9110 13.1.5 the same date", alphabet(&format!("Range: bytes=0-4\r\nIf-Range: {DATE}")), "206", &["=abcde"]),
        ("9110 13.1.5 another date", range("bytes=0-4\r\nIf-Range: Wed, 03 Jan 2024 00:00:00 GMT"), "200", whole),
        ("9110 13.2.2 conditions go first", range("bytes=0-4\r\nIf-None-Match: *"), "304", &[]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}
