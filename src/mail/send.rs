//! One message through one server: the transaction, and each recipient's verdict.
//!
//! ```text
//! MAIL FROM ──▶ RCPT TO, each ──▶ DATA ──▶ message ──▶ QUIT
//!     │             │ nobody accepted │        │
//!     └─────────────┴──────────┬──────┴────────┘ refused
//!                              ▼
//!                        RSET, then QUIT
//! ```
//!
//! A message with several recipients can be accepted for some and refused for others. It is then
//! delivered to those who were accepted, and the sender must learn who was not.

use super::dialogue::Dialogue;
use super::extensions::Extensions;
use super::message::{Letter, Stamp};
use super::reply::{Class, Reply};
use super::wire::Wire;
use crate::kit::error::Error;

/// What the server said about one recipient.
#[derive(Debug)]
pub struct Verdict {
    /// The recipient's address.
    pub address: String,
    /// The reply to RCPT.
    pub reply: Reply,
}

impl Verdict {
    /// Whether the server takes the message for this recipient.
    pub fn accepted(&self) -> bool {
        self.reply.class() == Class::Done
    }
}

/// Sends a letter on a connection that has been introduced. Returns the verdicts, of which at least
/// one is good: the server has the message. Leaves the dialogue politely either way.
pub fn send<S: Wire>(
    dialogue: &mut Dialogue<S>,
    server: &Extensions,
    letter: &Letter,
    stamp: &Stamp,
) -> Result<Vec<Verdict>, Error> {
    let outcome = transact(dialogue, server, letter, stamp);
    match outcome {
        Ok(_) => dialogue.quit()?,
        Err(_) => dialogue.give_up()?,
    }
    outcome
}

fn transact<S: Wire>(
    dialogue: &mut Dialogue<S>,
    server: &Extensions,
    letter: &Letter,
    stamp: &Stamp,
) -> Result<Vec<Verdict>, Error> {
    let message = letter.message(stamp, server.has("8BITMIME"));
    dialogue.mail(&letter.from.address, &message, server)?;
    let mut verdicts = Vec::new();
    for address in letter.recipients() {
        let reply = dialogue.rcpt(address)?;
        verdicts.push(Verdict { address: address.to_string(), reply });
    }
    if !verdicts.iter().any(Verdict::accepted) {
        return Err(refused(&verdicts));
    }
    dialogue.data(&message)?;
    Ok(verdicts)
}

/// The error that names everyone the server did not accept, and says whether trying again can help.
pub fn refused(verdicts: &[Verdict]) -> Error {
    let refusals = verdicts.iter().filter(|verdict| !verdict.accepted());
    let text: Vec<String> = refusals
        .map(|verdict| {
            let again = if verdict.reply.class() == Class::NotNow { ", try again later" } else { "" };
            format!("{} ({}{again})", verdict.address, verdict.reply.text())
        })
        .collect();
    Error::Failed(format!("not delivered to {}", text.join(", ")))
}
