//! `web-server --one-at-a-time`: the sheet's web server, one request and one answer at a time.
//!
//! Sheet: CSE3214, assignment 1.
//!
//! ```text
//! Python                                         here
//! serverSocket.bind(('', 6789))                  kit::tcp::listen, in server.rs
//! serverSocket.listen(1)
//! connectionSocket, addr = serverSocket.accept() listener.accept()
//! message = connectionSocket.recv(1024)          read_head: as many reads as it takes
//! filename = message.split()[1]                  request::parse
//! f = open(filename[1:])                         site.find: below the root and nowhere else
//! connectionSocket.send(header line)             one write for the whole head
//! for i in range(0, len(outputdata)): send       64 KiB at a time, bytes and not letters
//! except IOError: 404 Not Found                  every refusal has its status
//! connectionSocket.close()                       linger: the answer must arrive first
//! ```
//!
//! On the wire:
//!
//! ```text
//! client → server   GET /HelloWorld.html HTTP/1.1\r\nHost: localhost:6789\r\n\r\n
//! server → client   HTTP/1.1 200 OK\r\nDate: …\r\nContent-Type: text/html; charset=utf-8\r\n
//!                   X-Content-Type-Options: nosniff\r\nContent-Length: 114\r\n
//!                   Connection: close\r\n\r\n<!DOCTYPE html>…
//! ```
//!
//! "Connection: close" is not decoration: HTTP/1.1 keeps connections open unless told, and a browser
//! would wait on this one for its next answer.
//!
//! Limits: GET and HEAD, files and index.html; no listing, ranges, or conditions. One client is served
//! at a time, so a browser that opens a second connection in advance, or anybody who connects and says
//! nothing, makes all others wait: 2 s for a request and 30 s for an answer. That is what threads are
//! for; see [`super::server`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::head::Scanner;
use super::input::linger;
use super::request::{self, Method, Request};
use super::response::{Content, Refusal, Response};
use super::site::{Found, Site};
use super::target::{Place, Target};
use super::{limits, log, media};
use crate::kit::error::{is_timeout, Error};
use crate::kit::{address, http_date, screen, stop, tcp};

/// How long a client may take for its request.
const REQUEST_TIME: Duration = Duration::from_secs(2);

/// How long it may take to read the answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// After how long without room to send it is looked whether the server shall end.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait when the system has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(200);

/// How much of a file is read and sent at a time.
const CHUNK: usize = 64 * 1024;

/// Serves one client after the other until the listener is shut. Returns how many there were.
pub fn serve(listener: &TcpListener, site: &Site) -> Result<u64, Error> {
    let mut clients = 0;
    loop {
        let (connection, client) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(_) if stop::requested() => return Ok(clients),
            Err(why) => match why.raw_os_error() {
                // The client has gone before we came to it.
                Some(libc::ECONNABORTED) => continue,
                // The system has run out of something, and will have it again. See accept(2).
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    thread::sleep(PAUSE);
                    continue;
                }
                _ => return Err(Error::io("cannot accept a client", &why)),
            },
        };
        clients += 1;
        match answer(&connection, site) {
            Ok(Some((line, status, sent))) => {
                let ip = address::canonical(client).ip();
                screen::mention(&log::line(ip, http_date::now(), &line, status, sent))?;
                linger(&connection);
            }
            // It said nothing: a browser's connection in reserve.
            Ok(None) => {}
            Err(why) => screen::note(&format!("{}: {}", address::show(client), Error::from(why))),
        }
    }
}

/// One request, one answer. Returns the request line, the status and the bytes of content sent.
fn answer(connection: &TcpStream, site: &Site) -> io::Result<Option<(Vec<u8>, u16, u64)>> {
    let mut message = Vec::new();
    let read = read_head(connection, &mut message)?;
    if message.is_empty() {
        return Ok(None);
    }
    let line = request::first_line(&message);
    let request = read.and_then(|()| request::parse(&message));
    let (mut file, size, kind) = match request.and_then(|request| find(&request, site)) {
        Ok(found) => found,
        Err(refusal) => return refuse(connection, line, refusal),
    };

    // Status line, header lines and the empty line that ends them.
    let date = http_date::write(http_date::now());
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: {kind}\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {size}\r\nConnection: close\r\n\r\n"
    );
    let deadline = Instant::now() + ANSWER_TIME;
    send(connection, head.as_bytes(), deadline)?;

    // The content, unless only the head was asked for.
    let mut sent = 0;
    let mut chunk = vec![0; CHUNK];
    while sent < size && !line.starts_with(b"HEAD ") {
        let most = CHUNK.min(usize::try_from(size - sent).unwrap_or(CHUNK));
        let count = file.read(&mut chunk[..most])?;
        if count == 0 {
            // The file has become shorter. Closing early is the only way left to say so.
            return Err(io::Error::other("the file became shorter while it was sent"));
        }
        send(connection, &chunk[..count], deadline)?;
        sent += count as u64;
    }
    Ok(Some((line.to_vec(), 200, sent)))
}

/// Reads into `message` up to the empty line that ends the head; nothing at all if the client never
/// began. What did arrive stays there also when it is refused, for the log.
fn read_head(connection: &TcpStream, message: &mut Vec<u8>) -> io::Result<Result<(), Refusal>> {
    let deadline = Instant::now() + REQUEST_TIME;
    let (mut scanner, mut chunk) = (Scanner::default(), [0; 1024]);
    loop {
        // Empty lines in front are no request yet (RFC 9112, 2.2).
        while message.starts_with(b"\r\n") {
            message.drain(..2);
            scanner = Scanner::default();
        }
        match scanner.scan(message) {
            Ok(Some(length)) => {
                message.truncate(length);
                return Ok(Ok(()));
            }
            Ok(None) if message.len() <= limits::HEAD => {}
            Ok(None) => return Ok(Err(Refusal { status: 431, why: "the head is too long" })),
            Err(why) => return Ok(Err(Refusal::bad(why))),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        connection.set_read_timeout(tcp::patience(left))?;
        let received = match left.is_zero() {
            // Also for a client that never pauses, and so never lets a read time out.
            true => Err(io::ErrorKind::TimedOut.into()),
            false => tcp::receive(connection, &mut chunk),
        };
        match received {
            Ok(0) if message.is_empty() => return Ok(Ok(())),
            Ok(0) => return Ok(Err(Refusal::bad("the connection ended within the head"))),
            Ok(count) => message.extend_from_slice(&chunk[..count]),
            Err(why) if is_timeout(&why) && message.is_empty() => return Ok(Ok(())),
            Err(why) if is_timeout(&why) => {
                return Ok(Err(Refusal { status: 408, why: "the request did not arrive in time" }));
            }
            Err(why) => return Err(why),
        }
    }
}

/// The file that a request means, its size and its kind.
fn find(request: &Request, site: &Site) -> Result<(File, u64, &'static str), Refusal> {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Unknown => return Err(Refusal { status: 501, why: "this method is not known here" }),
        _ => return Err(Refusal { status: 405, why: "files are only read here" }),
    }
    let Target::Path { path, .. } = request.target else {
        return Err(Refusal::bad("this target does not go with this method"));
    };
    match site.find(&Place::parse(path)?)? {
        Found::File(file, facts, name) => Ok((file, facts.len(), media::of(&name))),
        _ => Err(Refusal { status: 404, why: "there is no file of that name here" }),
    }
}

/// Sends a page that says what is wrong.
fn refuse(connection: &TcpStream, line: &[u8], refusal: Refusal) -> io::Result<Option<(Vec<u8>, u16, u64)>> {
    let mut response = Response::refusal(refusal);
    if refusal.status == 405 {
        response.fields.retain(|(name, _)| *name != "Allow");
        response.add("Allow", "GET, HEAD");
    }
    let mut message = response.head(http_date::now(), Some("close"));
    let mut sent = 0;
    if let (Content::Bytes(page), false) = (&response.content, line.starts_with(b"HEAD ")) {
        message.extend_from_slice(page);
        sent = page.len() as u64;
    }
    send(connection, &message, Instant::now() + ANSWER_TIME)?;
    Ok(Some((line.to_vec(), refusal.status, sent)))
}

/// Sends all of `bytes` before `deadline`.
fn send(mut connection: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.set_write_timeout(tcp::patience(left.min(LOOK)))?;
        match connection.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            // The client does not read; once the server shall end, nobody waits for it any more.
            Err(why) if is_timeout(&why) && !stop::requested() => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
