//! Mail: SMTP, MIME and TLS, as a client and as a small receiving server. Read the files in this order.
//!
//! | file | what it is | sheet |
//! |---|---|---|
//! | [`dialogue`] | the skeleton's steps: greeting, EHLO, MAIL, RCPT, DATA, QUIT | CSE3214 A3 |
//! | [`client`], [`plan`] | `mail-client`: its connection, and what the user asks for | |
//! | [`command`], [`reply`], [`address`] | what is sent, what comes back, and whom it is about | |
//! | [`message`], [`stuffing`] | the message, and how its dots survive | |
//! | [`text`], [`base64`], [`header`], [`attachment`] | MIME: text beyond ASCII, pictures, names of files | option 2 |
//! | [`auth`] | logging in, inside TLS ([`crate::kit::tls`]) | option 1 |
//! | [`send`], [`extensions`], [`transcript`], [`wire`] | several recipients, what the server can do, what is shown, deadlines | |
//! | [`server`], [`conversation`] | `mail-server` | |
//! | [`session`], [`envelope`] | its replies, without any I/O | |
//! | [`content`], [`maildir`] | where a message ends; how it is stored so that none is lost | |

pub mod address;
pub mod attachment;
pub mod auth;
pub mod base64;
pub mod client;
#[cfg(test)]
mod client_transcripts;
pub mod command;
pub mod content;
pub mod conversation;
pub mod dialogue;
pub mod envelope;
pub mod extensions;
pub mod header;
pub mod maildir;
pub mod message;
pub mod plan;
pub mod reply;
pub mod send;
pub mod server;
#[cfg(test)]
mod server_transcripts;
pub mod session;
pub mod stuffing;
pub mod text;
pub mod transcript;
pub mod wire;
