//! `mail-server`: a small receiving mail server, so that the client can be tried without the internet.
//!
//! Sheet: CSE3214, assignment 3, which sends its mail to a provider. Most of them refuse mail from a
//! student's machine; this server takes every message and keeps it as a file.
//!
//! ```text
//! Python (aiosmtpd)                          here
//! controller = Controller(Mailbox("mailbox"))  kit::serve::serve, a thread a client
//! SMTP.smtp_EHLO, smtp_MAIL, …               super::session, without I/O
//! SMTP.smtp_DATA                             super::content
//! mailbox.Maildir.add                        super::maildir
//! ```
//!
//! The dialogue is in [`super::dialogue`]; for each message it prints
//!
//! ```text
//! 127.0.0.1:40124: from <ada@example.org> to bob@example.org: 320 bytes, mailbox/new/1795253495.M…
//! ```
//!
//! Limits: it relays nothing and has no users; whoever may connect may deliver, so keep it on the
//! loopback interface. A single mailbox for all recipients, so a message's `Delivered-To:` lines name
//! them all, hidden ones too. No AUTH, PIPELINING, CHUNKING or SMTPUTF8.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::conversation::{Conversation, Ended, Service, Trouble};
use super::envelope;
use super::maildir::Maildir;
use super::session::Rules;
use super::wire::{Plain, Wire};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::random::Random;
use crate::kit::serve::{self, Limits};
use crate::kit::tls::{self, Context, Tls};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, tcp};

/// Not 25, which needs root, but its usual stand-in.
const PORT: u16 = 2525;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);

const OPERANDS: &[Operand] = &[usage::port("2525")];

const TEXT: Flag = Flag { name: "", short: "", value: "", kind: Kind::Text, default: None, help: "" };

const FLAGS: &[Flag] = &[
    usage::bind("127.0.0.1"),
    Flag {
        name: "--mailbox",
        value: "FOLDER",
        kind: Kind::Path,
        default: Some("./mailbox"),
        help: "the Maildir that messages are stored in; made if it is missing",
        ..TEXT
    },
    Flag {
        name: "--name",
        value: "NAME",
        default: Some("localhost"),
        help: "what the server calls itself",
        ..TEXT
    },
    Flag {
        name: "--cert",
        value: "FILE",
        kind: Kind::Path,
        help: "offer STARTTLS with this certificate (PEM)",
        ..TEXT
    },
    Flag {
        name: "--key",
        value: "FILE",
        kind: Kind::Path,
        help: "its private key (PEM, not encrypted)",
        ..TEXT
    },
    Flag {
        name: "--max-size",
        value: "BYTES",
        kind: Kind::Count(1, 1 << 40),
        default: Some("26214400"),
        help: "refuse larger messages",
        ..TEXT
    },
    Flag { name: "--reject", value: "ADDR", help: "refuse this recipient; may be repeated", ..TEXT },
    Flag {
        name: "--loss",
        value: "PERCENT",
        kind: Kind::Percent,
        default: Some("0"),
        help: "in so many of 100 commands, close the connection instead of a reply",
        ..TEXT
    },
    Flag {
        name: "--delay",
        value: "SECONDS",
        kind: Kind::Seconds(3600),
        default: Some("0"),
        help: "let each reply wait so long",
        ..TEXT
    },
    Flag {
        name: "--seed",
        value: "N",
        kind: Kind::Count(0, u64::MAX),
        help: "the same losses again",
        ..TEXT
    },
    usage::MAX_CLIENTS,
    usage::idle("300"),
];

/// What `mail-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `mail-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let context = match (args.has("--cert"), args.has("--key")) {
        (true, true) => Some(tls::server(args.path("--cert"), args.path("--key"))?),
        (false, false) => None,
        _ => return Err(Error::Usage("--cert and --key belong together".to_string())),
    };
    let name = args.text("--name").to_string();
    if !envelope::is_host(&name) {
        return Err(Error::Usage(format!("--name {}: not a host's name", screen::escape(name.as_bytes()))));
    }
    let rejected = args.all("--reject").iter().map(|address| address.to_string_lossy().into_owned());
    let rules = Rules {
        name,
        largest: args.count("--max-size"),
        rejected: rejected.collect(),
        offers_tls: context.is_some(),
    };
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    let mailbox = Maildir::open(args.path("--mailbox"))?;
    let limits = Limits::from_args(args);
    let trouble = Trouble {
        loss: args.number("--loss"),
        delay: args.seconds("--delay"),
        random: Mutex::new(Random::new(args.count_if("--seed"))),
    };
    let service = Arc::new(Service { rules, mailbox, idle: limits.idle, trouble, show: screen::say });
    serve::serve(listener, limits, move |stream, client| converse(&service, context.as_ref(), stream, client))
}

/// One client, in a thread of its own: in clear, and inside TLS once it asks for it.
fn converse(
    service: &Service,
    context: Option<&Context>,
    stream: &TcpStream,
    client: SocketAddr,
) -> Result<(), Error> {
    let mut clear = Conversation::new(service, client, Plain::new(stream), false);
    clear.greet()?;
    let (Ended::StartTls, Some(context)) = (clear.serve()?, context) else { return Ok(()) };
    let mut plain = clear.into_stream()?;
    plain.allow(Some(HANDSHAKE_TIME));
    // After STARTTLS the client speaks first: there is no second greeting.
    Conversation::new(service, client, Tls::accept(context, plain)?, true).serve()?;
    Ok(())
}
