//! One client's connection: request, answer, request, answer, until one of the two has had enough.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::answer::answer;
use super::framing::Framing;
use super::input::{linger, Input, Trouble, TOO_LARGE};
use super::output::Output;
use super::request::{self, Expect, Method, Request};
use super::response::{Content, Refusal, Response};
use super::site::Site;
use super::{limits, log};
use crate::kit::error::Error;
use crate::kit::sys::send::unread;
use crate::kit::{http_date, screen, stop};

/// What all connections share.
#[derive(Debug)]
pub struct Service {
    /// The files.
    pub site: Site,
    /// How long a client may be silent between two requests; `None`: for ever.
    pub idle: Option<Duration>,
    /// Whether requests are logged.
    pub log: bool,
    /// Requests answered so far.
    pub requests: AtomicU64,
    /// Bytes of content sent so far.
    pub sent: AtomicU64,
    /// Set when the log cannot be written any more.
    pub log_failed: AtomicBool,
}

/// The interim answer that lets a client send its body (RFC 9110, 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Serves one connection. Errs only when the log's reader has gone.
pub fn converse(service: &Service, stream: &TcpStream, client: SocketAddr) -> Result<(), Error> {
    let mut input = Input::new(stream, service.idle);
    let mut output = Output::new(stream, service.idle)?;
    loop {
        match exchange(service, &mut input, &mut output, client)? {
            After::Next => {}
            // To close with bytes unread would send a reset. Usually there are none, and this is all.
            After::Close if input.pending().is_empty() && unread(stream).is_ok_and(|count| count == 0) => {
                return Ok(())
            }
            After::Close | After::Linger => {
                linger(stream);
                return Ok(());
            }
        }
    }
}

/// How it goes on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// With the next request.
    Next,
    /// With the end, as agreed.
    Close,
    /// With the end, though the client may still be sending.
    Linger,
}

/// One request and its answer.
fn exchange(
    service: &Service,
    input: &mut Input,
    output: &mut Output,
    client: SocketAddr,
) -> Result<After, Error> {
    let head = match input.head() {
        Ok(head) => head,
        // Whoever is cut off because the server ends has done nothing wrong.
        Err(Trouble::Refuse(_)) if stop::requested() => return Ok(After::Linger),
        Err(Trouble::Gone) => return Ok(After::Close),
        Err(Trouble::Refuse(refusal)) => {
            let line = request::first_line(input.pending()).to_vec();
            return refuse(service, output, client, &line, refusal);
        }
    };
    let line = request::first_line(&head);
    let request = match request::parse(&head) {
        Ok(request) => request,
        Err(refusal) => return refuse(service, output, client, line, refusal),
    };
    let framed = match take_body(input, output, &request) {
        Ok(framed) => framed,
        Err(Trouble::Gone) => return Ok(After::Close),
        Err(Trouble::Refuse(refusal)) => return refuse(service, output, client, line, refusal),
    };
    let now = http_date::now();
    let response = answer(&service.site, &request, now);
    // A request that was nonsense may have been two requests for somebody else.
    let keep = request.keep && framed && response.status != 400 && !stop::requested();
    let connection = match (keep, request.http_1_0) {
        (true, true) => Some("keep-alive"),
        (true, false) => None,
        (false, _) => Some("close"),
    };
    let head = response.head(now, connection);
    let nothing = Content::None;
    let content = if request.method == Method::Head { &nothing } else { &response.content };
    let (sent, outcome) = output.send(head, content);
    record(service, client, now, line, response.status, sent)?;
    Ok(match outcome {
        Ok(()) if keep => After::Next,
        Ok(()) if framed && response.status != 400 => After::Close,
        // A file that has become shorter, or a client that does not read: no more words.
        Err(_) => After::Close,
        Ok(()) => After::Linger,
    })
}

/// Takes the request's body off the stream before the answer, so that the next request begins where
/// we look for it. Returns false if it was left there: then the connection cannot be used again.
fn take_body(input: &mut Input, output: &mut Output, request: &Request) -> Result<bool, Trouble> {
    let served = matches!(request.method, Method::Get | Method::Head | Method::Options);
    match (request.framing, request.expect) {
        // What follows a CONNECT is not HTTP.
        _ if request.method == Method::Connect => return Ok(false),
        (Framing::Untold | Framing::Length(0), _) => return Ok(true),
        // A client that waits for 100 may, or may not, send the body after a refusal.
        (_, Expect::Unknown) => return Ok(false),
        (_, Expect::Continue) if !served => return Ok(false),
        (Framing::Length(length), _) if length > limits::BODY => {
            return if served { Err(TOO_LARGE.into()) } else { Ok(false) };
        }
        (_, Expect::Continue) if input.pending().is_empty() => {
            output.write(CONTINUE).map_err(|_| Trouble::Gone)?;
        }
        _ => {}
    }
    input.discard(request.framing)?;
    Ok(true)
}

/// Says what is wrong with a request that cannot be read, and ends the connection.
fn refuse(
    service: &Service,
    output: &mut Output,
    client: SocketAddr,
    line: &[u8],
    refusal: Refusal,
) -> Result<After, Error> {
    let now = http_date::now();
    let response = Response::refusal(refusal);
    // HEAD has no content even when the request is refused, as far as it could be read.
    let nothing = Content::None;
    let content = if line.starts_with(b"HEAD ") { &nothing } else { &response.content };
    let (sent, _) = output.send(response.head(now, Some("close")), content);
    record(service, client, now, line, response.status, sent)?;
    Ok(After::Linger)
}

/// Counts and logs one answer.
fn record(
    service: &Service,
    client: SocketAddr,
    now: i64,
    line: &[u8],
    status: u16,
    sent: u64,
) -> Result<(), Error> {
    service.requests.fetch_add(1, Ordering::Relaxed);
    service.sent.fetch_add(sent, Ordering::Relaxed);
    if !service.log || service.log_failed.load(Ordering::Relaxed) {
        return Ok(());
    }
    match screen::say(&log::line(client.ip(), now, line, status, sent)) {
        Ok(()) => Ok(()),
        Err(Error::OutputClosed) => Err(Error::OutputClosed),
        // A full disk takes the log, not the service.
        Err(why) => {
            if !service.log_failed.swap(true, Ordering::Relaxed) {
                screen::note(&format!("{why}; going on without the access log"));
            }
            Ok(())
        }
    }
}
