//! Logging in: AUTH PLAIN and AUTH LOGIN. RFC 4954, RFC 4616.
//!
//! Sheet: CSE3214, assignment 3, option 1: a provider takes mail from its customers only. The sheet's
//! TLS hides the password on its way; that a password has to be sent the sheet does not say.
//!
//! ```text
//! C: AUTH PLAIN ****                  base64 of "\0user\0password"
//! S: 235 welcome
//!
//! C: AUTH LOGIN                       the older form, never standardised
//! S: 334 VXNlcm5hbWU6                 base64 of "Username:"
//! C: ****
//! S: 334 UGFzc3dvcmQ6                 base64 of "Password:"
//! C: ****
//! S: 235 welcome
//! ```
//!
//! Base64 hides nothing: both are the password in clear, so they are used inside TLS only.
//!
//! Limits: providers that insist on OAuth (XOAUTH2) need an application password; most still give one.

use super::base64::encode;
use super::command::Command;
use super::dialogue::Dialogue;
use super::extensions::Extensions;
use super::reply::{Class, Reply};
use super::wire::Wire;
use crate::kit::error::Error;
use crate::kit::screen::escape;

/// The longest user name or password: far beyond any real one, far within a line.
pub const LONGEST: usize = 255;

/// Who logs in.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password; shown nowhere.
    pub password: String,
}

/// Logs in by whichever of the two ways the server offers. The connection must be inside TLS.
pub fn log_in<S: Wire>(dialogue: &mut Dialogue<S>, server: &Extensions, login: &Login) -> Result<(), Error> {
    let offered = server.parameters("AUTH").unwrap_or_default();
    let offers = |way: &str| offered.split(' ').any(|word| word == way);
    let reply = if offers("PLAIN") {
        let secret = encode(format!("\0{}\0{}", login.user, login.password).as_bytes());
        dialogue.ask(&Command::secret(format!("AUTH PLAIN {secret}"), "AUTH PLAIN ****")?)?
    } else if offers("LOGIN") {
        in_turn(dialogue, login)?
    } else {
        let text = match offered {
            "" => "the server does not offer to log in".to_string(),
            _ => format!("the server offers AUTH {} only, not PLAIN or LOGIN", escape(offered.as_bytes())),
        };
        return Err(Error::Failed(text));
    };
    if reply.code == 535 {
        let text = reply.text();
        let hint = "wrong user name or password? Many providers want an application password here";
        return Err(Error::Failed(format!("the server refuses the login: {text} ({hint})")));
    }
    dialogue.expect(&reply, Class::Done, "refuses the login")
}

/// AUTH LOGIN: the server asks for the name, then for the password.
fn in_turn<S: Wire>(dialogue: &mut Dialogue<S>, login: &Login) -> Result<Reply, Error> {
    let mut reply = dialogue.ask(&Command::new("AUTH LOGIN".to_string())?)?;
    for secret in [&login.user, &login.password] {
        if reply.class() != Class::GoOn {
            return Ok(reply);
        }
        reply = dialogue.ask(&Command::secret(encode(secret.as_bytes()), "****")?)?;
    }
    Ok(reply)
}
