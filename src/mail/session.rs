//! The server's side of the dialogue, without any I/O: lines go in, replies come out. RFC 5321, 4.1.
//!
//! ```text
//!          EHLO/HELO          MAIL            RCPT                DATA
//! (start) ──────────▶ ready ────────▶ from ────────▶ from, to ──────────▶ message, then ready again
//!                       ▲               RSET, EHLO     │ ▲ │ RCPT again
//!                       └──────────────────────────────┘ └─┘
//! ```
//!
//! A command at the wrong place is answered with 503 and changes nothing. This server relays nothing:
//! whoever the recipients are, the message ends in its own mailbox.

use super::command;
use super::envelope::{self, Envelope};
use super::reply::Reply;
use crate::kit::line::{Ending, Line};

/// The most recipients of one message; RFC 5321, 4.5.3.1.8, asks for at least 100.
pub const MOST_RECIPIENTS: usize = 100;

/// After so many refused commands a client is let go: it guesses, floods, or does not speak SMTP.
pub const MOST_ERRORS: u32 = 20;

/// After so many recipients of one message beyond the most a client is let go too. An honest one goes on
/// with the rest of its list, to learn who has to wait for the next message (RFC 5321, 4.5.3.1.10), so
/// these are no errors.
pub const MOST_SURPLUS: u32 = 1000;

/// What a server is set up to do.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What it calls itself.
    pub name: String,
    /// The largest message in bytes.
    pub largest: u64,
    /// Recipients it refuses.
    pub rejected: Vec<String>,
    /// Whether it can change to TLS.
    pub offers_tls: bool,
}

/// What to do after a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this reply and wait for the next command.
    Reply(Reply),
    /// Send this reply, then receive the message; [`Session::received`] ends it.
    Receive(Reply),
    /// Send this reply, then change to TLS with a session made by [`Session::secured`].
    StartTls(Reply),
    /// Send this reply and close.
    Close(Reply),
}

/// One client's conversation.
#[derive(Debug)]
pub struct Session<'a> {
    rules: &'a Rules,
    /// As the client called itself; `None` before EHLO.
    client: Option<String>,
    /// Whether it said EHLO and not HELO.
    extended: bool,
    /// Whether the connection is inside TLS.
    secure: bool,
    envelope: Option<Envelope>,
    errors: u32,
    /// Recipients of this message beyond the most.
    surplus: u32,
}

impl<'a> Session<'a> {
    /// For a client that has just connected.
    pub fn new(rules: &'a Rules) -> Session<'a> {
        Session { rules, client: None, extended: false, secure: false, envelope: None, errors: 0, surplus: 0 }
    }

    /// The same client inside TLS: everything it said before is forgotten (RFC 3207, 4.2).
    pub fn secured(rules: &'a Rules) -> Session<'a> {
        Session { secure: true, ..Session::new(rules) }
    }

    /// The first words.
    pub fn greeting(&self) -> Reply {
        Reply::new(220, &format!("{} ESMTP socklab", self.rules.name))
    }

    /// Takes one command, read with a limit that a command may not exceed.
    pub fn command(&mut self, line: &Line) -> Step {
        let step = self.answer(line);
        match step {
            Step::Reply(Reply { code: 500.., .. }) => self.errors += 1,
            Step::Reply(Reply { code: 452, .. }) => self.surplus += 1,
            _ => return step,
        }
        if self.errors >= MOST_ERRORS {
            return Step::Close(self.reply(421, "too many errors"));
        }
        if self.surplus >= MOST_SURPLUS {
            return Step::Close(self.reply(421, "too many recipients"));
        }
        step
    }

    fn answer(&mut self, line: &Line) -> Step {
        if line.ending == Ending::Full || line.text.len() > command::LONGEST {
            return Step::Reply(Reply::new(500, "a command has at most 512 bytes"));
        }
        if line.ending != Ending::CrLf {
            return Step::Reply(Reply::new(500, "a command ends with CR LF (nc -C sends it)"));
        }
        let Some(text) = printable(&line.text) else {
            return Step::Reply(Reply::new(500, "a command is printable ASCII"));
        };
        let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.hello(argument, true),
            "HELO" => self.hello(argument, false),
            "MAIL" => Step::Reply(self.mail(argument)),
            "RCPT" => Step::Reply(self.rcpt(argument)),
            "DATA" => self.data(argument),
            "RSET" => {
                self.envelope = None;
                Step::Reply(Reply::new(250, "forgotten"))
            }
            "NOOP" => Step::Reply(Reply::new(250, "nothing done")),
            // An honest answer would tell spammers who is here (RFC 5321, 7.3).
            "VRFY" => Step::Reply(Reply::new(252, "cannot say, but will take mail for it")),
            "QUIT" => Step::Close(self.reply(221, "goodbye")),
            "STARTTLS" => self.start_tls(argument),
            "EXPN" | "HELP" | "AUTH" | "TURN" | "BDAT" => {
                Step::Reply(Reply::new(502, "this server does not have that command"))
            }
            _ => Step::Reply(Reply::new(500, "no such command")),
        }
    }

    /// EHLO and HELO. Both begin anew (RFC 5321, 4.1.4).
    fn hello(&mut self, argument: &str, extended: bool) -> Step {
        if !envelope::is_host(argument) {
            return Step::Reply(Reply::new(501, "say who you are: EHLO name or EHLO [address]"));
        }
        self.client = Some(argument.to_string());
        self.extended = extended;
        self.envelope = None;
        let mut text = format!("{} greets {argument}", self.rules.name);
        if extended {
            text += &format!("\nSIZE {}\n8BITMIME", self.rules.largest);
            if self.rules.offers_tls && !self.secure {
                text += "\nSTARTTLS";
            }
        }
        Step::Reply(Reply::new(250, &text))
    }

    fn mail(&mut self, argument: &str) -> Reply {
        if self.client.is_none() {
            return Reply::new(503, "EHLO first");
        }
        if self.envelope.is_some() {
            return Reply::new(503, "one sender a message; RSET forgets it");
        }
        let (from, parameters) = match envelope::path(argument, "FROM:") {
            Ok(parts) => parts,
            Err(why) => return Reply::new(501, why),
        };
        for parameter in parameters.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
                _ if !self.extended => return Reply::new(555, "parameters need EHLO"),
                ("SIZE", size) => match size.parse::<u64>() {
                    Ok(size) if size > self.rules.largest => {
                        return Reply::new(552, &format!("the limit is {} bytes", self.rules.largest));
                    }
                    Ok(_) => {}
                    Err(_) => return Reply::new(501, "SIZE is a number of bytes"),
                },
                ("BODY", "7BIT" | "8BITMIME") => {}
                _ => return Reply::new(555, "unknown parameter"),
            }
        }
        self.envelope = Some(Envelope { from, to: Vec::new() });
        self.surplus = 0;
        Reply::new(250, "the sender is noted")
    }

    fn rcpt(&mut self, argument: &str) -> Reply {
        let Some(envelope) = &mut self.envelope else {
            return Reply::new(503, "MAIL FROM first");
        };
        let (to, parameters) = match envelope::path(argument, "TO:") {
            Ok(parts) => parts,
            Err(why) => return Reply::new(501, why),
        };
        if to.is_empty() {
            return Reply::new(501, "a recipient has an address");
        }
        if !parameters.is_empty() {
            return Reply::new(555, "unknown parameter");
        }
        if self.rules.rejected.iter().any(|address| address.eq_ignore_ascii_case(&to)) {
            return Reply::new(550, "no such mailbox here");
        }
        if envelope.to.len() == MOST_RECIPIENTS {
            return Reply::new(452, &format!("at most {MOST_RECIPIENTS} recipients a message"));
        }
        envelope.to.push(to);
        Reply::new(250, "the recipient is noted")
    }

    fn data(&mut self, argument: &str) -> Step {
        let reply = match &self.envelope {
            _ if !argument.is_empty() => Reply::new(501, "DATA stands alone"),
            None => Reply::new(503, "MAIL FROM first"),
            Some(envelope) if envelope.to.is_empty() => Reply::new(503, "RCPT TO first"),
            Some(_) => {
                return Step::Receive(Reply::new(354, "go on, and end with a line that is a single dot"))
            }
        };
        Step::Reply(reply)
    }

    fn start_tls(&mut self, argument: &str) -> Step {
        let reply = match argument {
            _ if !self.rules.offers_tls => Reply::new(502, "this server has no certificate"),
            _ if self.secure => Reply::new(503, "this is TLS already"),
            "" => return Step::StartTls(Reply::new(220, "begin the handshake")),
            _ => Reply::new(501, "STARTTLS stands alone"),
        };
        Step::Reply(reply)
    }

    /// Who the message is from and for, and as what the client introduced itself: for the trace that
    /// is written in front of it.
    pub fn envelope(&self) -> Option<(&Envelope, &str)> {
        Some((self.envelope.as_ref()?, self.client.as_deref()?))
    }

    /// By which protocol the message came, as `Received:` names it (RFC 3848).
    pub fn protocol(&self) -> &'static str {
        match (self.extended, self.secure) {
            (false, _) => "SMTP",
            (true, false) => "ESMTP",
            (true, true) => "ESMTPS",
        }
    }

    /// The message has been received, for better or worse: the next one may follow.
    pub fn received(&mut self) {
        self.envelope = None;
    }

    /// A reply that begins with the server's name, as those that open and close a channel do.
    pub fn reply(&self, code: u16, text: &str) -> Reply {
        Reply::new(code, &format!("{} {text}", self.rules.name))
    }
}

/// The line as text, trailing blanks taken off, if it is printable ASCII.
fn printable(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| text.trim_end())
}
