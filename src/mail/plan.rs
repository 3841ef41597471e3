//! What the user asked for: everything that can be wrong with it is found here, before anyone is called.
//!
//! The flags of `mail-client`, and the letter, the server and the login that they describe.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use super::address::Mailbox;
use super::attachment::Attachment;
use super::auth::{self, Login};
use super::message::Letter;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::screen;
use crate::kit::usage::{Flag, Kind, Usage};

/// The port for `none` and `starttls`: mail between servers.
const PORT: u16 = 25;

/// The port that speaks TLS from the first byte (RFC 8314, 3.3).
const IMPLICIT_PORT: u16 = 465;

/// The longest text; longer ones are better attached.
const LONGEST_TEXT: u64 = 10 * 1024 * 1024;

const TEXT: Flag = Flag { name: "", short: "", value: "TEXT", kind: Kind::Text, default: None, help: "" };
const FILE: Flag = Flag { value: "FILE", kind: Kind::Path, ..TEXT };

const FLAGS: &[Flag] = &[
    Flag {
        name: "--server",
        value: "HOST[:PORT]",
        help: "the mail server; required (port 25, with --tls implicit 465)",
        ..TEXT
    },
    Flag {
        name: "--from",
        value: "ADDR",
        help: "the sender: ada@example.org or 'Ada <ada@example.org>'; required",
        ..TEXT
    },
    Flag { name: "--to", value: "ADDR", help: "a recipient; required, may be repeated", ..TEXT },
    Flag { name: "--cc", value: "ADDR", help: "a recipient of a copy; may be repeated", ..TEXT },
    Flag { name: "--bcc", value: "ADDR", help: "one whom the others do not see; may be repeated", ..TEXT },
    Flag { name: "--subject", default: Some(""), help: "the subject", ..TEXT },
    Flag { name: "--body", default: Some("I love computer networks!"), help: "the text", ..TEXT },
    Flag { name: "--body-file", help: "the text from a file, - from standard input", ..FILE },
    Flag {
        name: "--attach",
        help: "a file to send along; pictures are shown inline; may be repeated",
        ..FILE
    },
    Flag { name: "--tls", value: "HOW", default: Some("none"), help: "none, starttls or implicit", ..TEXT },
    Flag { name: "--ca", help: "trust the authorities in this file (PEM) instead of the system's", ..FILE },
    Flag {
        name: "--user",
        value: "NAME",
        help: "log in; needs TLS, and the password from one of these two:",
        ..TEXT
    },
    Flag {
        name: "--password-file",
        help: "a file whose first line is the password; without it, SOCKLAB_PASSWORD",
        ..FILE
    },
    Flag {
        name: "--timeout",
        value: "SECONDS",
        kind: Kind::Seconds(1_000_000),
        help: "wait so long for a reply at most (default: RFC 5321's two to ten minutes)",
        ..TEXT
    },
];

/// What `mail-client` takes.
pub const USAGE: Usage = Usage {
    flags: FLAGS,
    required: &["--server", "--from", "--to"],
    notes: "The exit code is 0 only when every recipient was accepted and the message is queued.",
    ..Usage::NONE
};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// By STARTTLS, after the greeting.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// What `mail-client` is to do.
pub struct Plan {
    /// How the connection is protected.
    pub protection: Protection,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in, if anyone.
    pub login: Option<Login>,
    /// What is sent.
    pub letter: Letter,
    /// The user's own limit for each reply.
    pub timeout: Option<Duration>,
}

impl Plan {
    /// From the flags. Opens the files that are to be attached.
    pub fn from_args(args: &Args) -> Result<Plan, Error> {
        let protection = protection(args)?;
        let (host, port) = server(args, protection)?;
        let login = login(args, protection)?;
        let (letter, timeout) = (letter(args)?, args.seconds_if("--timeout"));
        Ok(Plan { protection, host, port, login, letter, timeout })
    }
}

/// `--tls`.
fn protection(args: &Args) -> Result<Protection, Error> {
    match args.text("--tls") {
        "none" => Ok(Protection::None),
        "starttls" => Ok(Protection::StartTls),
        "implicit" => Ok(Protection::Implicit),
        other => {
            let other = screen::escape(other.as_bytes());
            Err(Error::Usage(format!("--tls {other}: not none, starttls or implicit")))
        }
    }
}

/// `--server HOST[:PORT]`; an IPv6 address with a port needs its brackets.
fn server(args: &Args, protection: Protection) -> Result<(String, u16), Error> {
    let text = required(args, "--server", "the mail server, for example 127.0.0.1:2525")?;
    let usual = if protection == Protection::Implicit { IMPLICIT_PORT } else { PORT };
    split_port(text, usual).ok_or_else(|| {
        Error::Usage(format!("--server {}: not HOST or HOST:PORT", screen::escape(text.as_bytes())))
    })
}

/// Host and port; `usual` where there is no port.
fn split_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        // A colon inside brackets, or one of several without brackets, belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, port.parse().ok()?)
        }
        _ => (text, usual),
    };
    (!host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic())).then(|| (host.to_string(), port))
}

/// `--user` and the password.
fn login(args: &Args, protection: Protection) -> Result<Option<Login>, Error> {
    if !args.has("--user") {
        return Ok(None);
    }
    if protection == Protection::None {
        let text = "--user: a password is only sent inside TLS; add --tls starttls or --tls implicit";
        return Err(Error::Usage(text.to_string()));
    }
    let password = if args.has("--password-file") {
        let mut text = read_text(args.path("--password-file"), auth::LONGEST as u64 * 2)?;
        text.truncate(text.find(['\r', '\n']).unwrap_or(text.len()));
        text
    } else {
        let text = "--user: give the password by --password-file FILE or in SOCKLAB_PASSWORD";
        std::env::var("SOCKLAB_PASSWORD").map_err(|_| Error::Usage(text.to_string()))?
    };
    let user = args.text("--user").to_string();
    for (what, value) in [("the user name", &user), ("the password", &password)] {
        if value.is_empty() || value.len() > auth::LONGEST || value.chars().any(char::is_control) {
            let most = auth::LONGEST;
            return Err(Error::Usage(format!("{what} must be one line of 1 to {most} bytes")));
        }
    }
    Ok(Some(Login { user, password }))
}

/// The letter that the flags describe.
fn letter(args: &Args) -> Result<Letter, Error> {
    let mailboxes = |flag: &'static str| -> Result<Vec<Mailbox>, Error> {
        args.all(flag).iter().map(|text| Mailbox::parse(flag, &text.to_string_lossy())).collect()
    };
    let from = Mailbox::parse("--from", required(args, "--from", "the sender's address")?)?;
    required(args, "--to", "a recipient's address")?;
    let subject = args.text("--subject").to_string();
    if subject.chars().any(char::is_control) {
        let text = "--subject: a subject is one line without control characters";
        return Err(Error::Usage(text.to_string()));
    }
    let text = match args.has("--body-file") {
        true => read_text(args.path("--body-file"), LONGEST_TEXT)?,
        false => args.text("--body").to_string(),
    };
    let attachments = args.all("--attach").iter().map(|file| Attachment::open(Path::new(file)));
    Ok(Letter {
        from,
        to: mailboxes("--to")?,
        cc: mailboxes("--cc")?,
        bcc: mailboxes("--bcc")?,
        subject,
        text,
        attachments: attachments.collect::<Result<_, _>>()?,
    })
}

/// The value of a flag that must be given.
fn required<'a>(args: &'a Args, flag: &'static str, what: &str) -> Result<&'a str, Error> {
    if args.has(flag) {
        return Ok(args.text(flag));
    }
    Err(Error::Usage(format!("{flag} is missing: {what}")))
}

/// The text of a file, or of standard input for `-`; at most `most` bytes of UTF-8.
fn read_text(file: &Path, most: u64) -> Result<String, Error> {
    let shown = screen::file_name(file);
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|why| Error::io(format!("cannot read {shown}"), &why))?;
    if bytes.len() as u64 > most {
        return Err(Error::Failed(format!("{shown} has over {most} bytes (--attach takes any size)")));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::Failed(format!("{shown} is not UTF-8 text (--attach takes any bytes)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_and_without_a_port() {
        for (text, host, port) in [
            ("mail.lab", "mail.lab", 25),
            ("mail.lab:2525", "mail.lab", 2525),
            ("127.0.0.1:587", "127.0.0.1", 587),
            ("::1", "::1", 25),
            ("[::1]", "[::1]", 25),
            ("[::1]:2525", "[::1]", 2525),
        ] {
            assert_eq!(split_port(text, 25), Some((host.to_string(), port)), "{text}");
        }
        for text in ["", ":25", "mail.lab:", "mail.lab:x", "mail.lab:99999", "a b", "a\r\nb"] {
            assert_eq!(split_port(text, 25), None, "{text:?}");
        }
    }
}
