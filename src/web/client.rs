//! `web-client`: asks a server for a file and shows the answer.
//!
//! Sheet: CSE3214, assignment 1, optional exercise 2.
//!
//! ```text
//! Python                                           here
//! client.py server_host server_port filename       socklab web-client HOST PORT PATH
//! clientSocket.connect((host, int(port)))          kit::tcp::connect
//! clientSocket.send("GET /… HTTP/1.1\r\n…")        request, one write
//! while True: data = clientSocket.recv(1024)       reply::Reader: until the answer says it ends
//! print data                                       status line, fields, an empty line, body
//! ```
//!
//! On the wire:
//!
//! ```text
//! client → server   GET /HelloWorld.html HTTP/1.1\r\n
//!                   Host: 127.0.0.1:6789\r\nUser-Agent: socklab\r\nAccept: */*\r\nConnection: close\r\n\r\n
//! server → client   HTTP/1.1 200 OK\r\n…\r\nContent-Length: 114\r\n\r\n<!DOCTYPE html>…
//! ```
//!
//! Why not just read until the server closes? Because that cannot tell a whole file from one whose
//! connection broke. An answer says where it ends (RFC 9112, 6.3), and one that ends before is an error.
//!
//! Limits: no TLS, no cookies, no cache, one request a connection. A server that sends a little now and
//! then is waited for as long as it does. The status line and the fields are shown escaped; the body is
//! written as it is, except to a terminal.

use std::io::Write;
use std::path::Path;

use super::framing::Framing;
use super::reply::{Head, Reader};
use super::url::Url;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::save::{Download, Existing};
use crate::kit::screen::{self, escape};
use crate::kit::tcp;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[
    Operand { default: None, ..usage::HOST },
    Operand { default: None, ..usage::server_port("") },
    Operand {
        name: "PATH",
        kind: Kind::Bytes,
        default: None,
        help: "what to ask for; a slash is put in front if it has none",
    },
];
const FLAGS: &[Flag] = &[
    usage::output("save the body there instead of showing it; with a progress bar on a terminal"),
    usage::switch("--fail", "exit with 1 when the status is 400 or more, and save nothing"),
    usage::switch("--head", "ask for the head only (HEAD)"),
    Flag {
        name: "--follow",
        short: "",
        value: "N",
        kind: Kind::Count(0, 50),
        default: Some("0"),
        help: "follow up to N redirects and fail at one more; 0 shows a redirect as any answer",
    },
    usage::timeout("10"),
];

/// What `web-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `web-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    if args.has("--head") && args.has("--output") {
        let why = "--head brings no body that --output could save; the head goes to standard output";
        return Err(Error::Usage(why.to_string()));
    }
    let mut url = Url::new(args.text("HOST"), args.port("PORT"), args.bytes("PATH"));
    let most = args.count("--follow");
    for _ in 0..=most {
        match ask(&url, args, most > 0)? {
            None => return Ok(()),
            Some(next) => url = next,
        }
    }
    Err(Error::Failed(format!("redirected once more after {most} redirects (--follow N says how many)")))
}

/// One request, one answer. Returns where to ask next, if the answer is a redirect and `follow` says
/// to go there.
fn ask(url: &Url, args: &Args, follow: bool) -> Result<Option<Url>, Error> {
    let to_head = args.has("--head");
    let mut connection = tcp::connect(&url.host, url.port)?;
    let timeout = args.seconds("--timeout");
    connection.set_read_timeout(tcp::patience(timeout))?;
    connection.set_write_timeout(tcp::patience(timeout))?;
    let sent = connection.write_all(request(url, to_head).as_bytes());
    sent.map_err(|why| Error::io("cannot send the request", &why))?;

    let mut reader = Reader::new(&connection);
    let head = reader.head(timeout)?;
    match show(&head) {
        // As in `-o FILE | head -n 1`: who reads no further still wants the file.
        Err(Error::OutputClosed) if args.has("--output") => {}
        shown => shown?,
    }
    if follow {
        if let Some(next) = redirect(&head, url)? {
            return Ok(Some(next));
        }
    }
    if args.has("--fail") && head.status >= 400 {
        return Err(Error::Failed(format!("the server answered {}", escape(head.status_line()))));
    }
    let framing = head.framing(to_head)?;
    if args.has("--output") {
        save(&mut reader, framing, args.path("--output"))?;
    } else {
        let mut payload = screen::Payload::new();
        reader.body(framing, |part| payload.write(part))?;
        payload.finish()?;
    }
    Ok(None)
}

/// The request, byte for byte.
fn request(url: &Url, to_head: bool) -> String {
    let method = if to_head { "HEAD" } else { "GET" };
    format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: socklab\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.target,
        url.authority()
    )
}

/// Shows the status line, the fields and the empty line.
fn show(head: &Head) -> Result<(), Error> {
    screen::say(&escape(head.status_line()))?;
    for (name, value) in head.fields()?.iter() {
        screen::say(&format!("{}: {}", escape(name), escape(value)))?;
    }
    screen::say("")
}

/// Where an answer redirects to, if it does. Errs when we cannot go there.
fn redirect(head: &Head, url: &Url) -> Result<Option<Url>, Error> {
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = head.fields()?.only("Location") else { return Ok(None) };
    let next = url.follow(location);
    let cannot = |why| Error::Failed(format!("cannot follow the redirect to {}: {why}", escape(location)));
    next.map(Some).map_err(cannot)
}

/// Saves the body.
fn save(reader: &mut Reader<&std::net::TcpStream>, framing: Framing, path: &Path) -> Result<(), Error> {
    let total = match framing {
        Framing::Length(length) => Some(length),
        _ => None,
    };
    let mut download = Download::begin(path, total, Existing::Replaced)?;
    reader.body(framing, |part| download.write(part))?;
    download.finish()
}
