//! `mail-client`: sends a mail, with pictures, and shows the dialogue.
//!
//! Sheet: CSE3214, assignment 3 with both optional exercises (TLS; text and images). The skeleton's
//! steps are in [`super::dialogue`]; here is what stands around them; the flags are in
//! [`super::plan`].
//!
//! ```text
//! Python                                              here
//! clientSocket = socket(AF_INET, SOCK_STREAM)
//! clientSocket.connect((mailserver, 587))             kit::tcp::connect
//! ssl.create_default_context()                        kit::tls::client
//! context.wrap_socket(sock, server_hostname=…)        Tls::connect
//! smtplib.SMTP.send_message                           super::send::send
//! ```
//!
//! ```text
//! plain      greeting, EHLO, MAIL FROM …
//! starttls   greeting, EHLO, STARTTLS, handshake, EHLO again, AUTH, MAIL FROM …     port 25 or 587
//! implicit   handshake, greeting, EHLO, AUTH, MAIL FROM …                           port 465
//! ```
//!
//! EHLO comes again because nothing that was said in clear may be believed: somebody on the way could
//! have changed the list of extensions.
//!
//! Limits: one message to one server that the user names; a real mail server would look up the
//! recipient's (the MX record), keep the message, and try again for days. Text of up to 10 MiB.

use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use super::auth;
use super::dialogue::Dialogue;
use super::message::Stamp;
use super::plan::{Plan, Protection};
use super::send::{refused, send, Verdict};
use super::wire::{address_literal, Plain, Wire};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::random::Random;
use crate::kit::tls::{self, Context, Tls};
use crate::kit::{clock, mail_date, screen, tcp};

pub use super::plan::USAGE;

/// How long the TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);

/// Runs `mail-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let plan = Plan::from_args(args)?;
    let authorities = args.has("--ca").then(|| args.path("--ca"));
    let verdicts = match plan.protection {
        Protection::None => {
            let stream = connect(&plan)?;
            let mut dialogue = Dialogue::new(Plain::new(&stream), plan.timeout, Box::new(say));
            dialogue.greeting()?;
            deliver(dialogue, &own_name(&stream)?, &plan)
        }
        Protection::Implicit => {
            let context = tls::client(authorities)?;
            let stream = connect(&plan)?;
            let secure = secure(&context, &plan, Plain::new(&stream))?;
            let mut dialogue = Dialogue::new(secure, plan.timeout, Box::new(say));
            dialogue.greeting()?;
            deliver(dialogue, &own_name(&stream)?, &plan)
        }
        Protection::StartTls => {
            let context = tls::client(authorities)?;
            let stream = connect(&plan)?;
            let name = own_name(&stream)?;
            let mut dialogue = Dialogue::new(Plain::new(&stream), plan.timeout, Box::new(say));
            dialogue.greeting()?;
            if !dialogue.hello(&name)?.has("STARTTLS") {
                dialogue.quit()?;
                let text = "the server does not offer STARTTLS; nothing was sent in clear";
                return Err(Error::Failed(text.to_string()));
            }
            let dialogue = dialogue.start_tls(|plain| secure(&context, &plan, plain))?;
            deliver(dialogue, &name, &plan)
        }
    }?;
    report(&verdicts)
}

/// The TCP connection. A command goes out at once and does not wait for the ACK of the one before.
fn connect(plan: &Plan) -> Result<TcpStream, Error> {
    let stream = tcp::connect(&plan.host, plan.port)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// TLS on that connection, with a server that has proved who it is.
fn secure<'s>(context: &Context, plan: &Plan, mut plain: Plain<'s>) -> Result<Tls<Plain<'s>>, Error> {
    plain.allow(Some(plan.timeout.map_or(HANDSHAKE_TIME, |timeout| timeout.min(HANDSHAKE_TIME))));
    let tls = Tls::connect(context, &plan.host, plain)?;
    say(&format!("-- {}, certificate verified for {}", tls.description(), plan.host))?;
    Ok(tls)
}

/// One line of the transcript. A reader who has seen enough (`| head -n 1`) does not stop the mail: it
/// goes on in silence, so that the exit code still tells what became of it.
fn say(line: &str) -> Result<(), Error> {
    match screen::say(line) {
        Err(Error::OutputClosed) => Ok(()),
        outcome => outcome,
    }
}

/// What is the same on every connection: introduce, log in, send.
fn deliver<S: Wire>(mut dialogue: Dialogue<S>, name: &str, plan: &Plan) -> Result<Vec<Verdict>, Error> {
    let server = dialogue.hello(name)?;
    if let Some(login) = &plan.login {
        if let Err(error) = auth::log_in(&mut dialogue, &server, login) {
            dialogue.quit()?;
            return Err(error);
        }
    }
    send(&mut dialogue, &server, &plan.letter, &stamp())
}

/// Says what became of each recipient. Errs unless all were accepted.
fn report(verdicts: &[Verdict]) -> Result<(), Error> {
    for verdict in verdicts {
        let word = if verdict.accepted() { "accepted" } else { "refused" };
        say(&format!("-- {}: {word}", verdict.address))?;
    }
    if verdicts.iter().all(Verdict::accepted) {
        return Ok(());
    }
    Err(refused(verdicts))
}

/// How EHLO introduces this machine: by its address, for it need not have a name that the server
/// could look up. RFC 5321, 4.1.3 and 4.1.4.
fn own_name(stream: &TcpStream) -> Result<String, Error> {
    Ok(address_literal(stream.local_addr()?.ip()))
}

/// What makes this message differ from every other.
fn stamp() -> Stamp {
    let mut random = Random::new(None);
    Stamp {
        date: mail_date::mail_date(SystemTime::now()),
        unique: format!("{}.{:016x}", clock::epoch(), random.bits()),
        boundary: format!("{:016x}", random.bits()),
    }
}
