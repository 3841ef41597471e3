//! The socket labs of five sheets, run for real.
//!
//! Read the rooms in this order; inside a room, read the files in the order its page lists them.
//!
//! | room | sheet | what is in it |
//! |---|---|---|
//! | [`echo`] | IoT lab 1; SCC.231 tasks 1 to 3 | TCP and UDP echo, one-way UDP, threads, time stamps, select |
//! | [`message`] | B3 example; select slides | one message a line, many clients at once |
//! | [`chat`] | B3 lab task | a chat for two in turns, and a room for many |
//! | [`pack`] | IoT lab 1, task 1.4 | numbers and text as bytes |
//! | [`sensor`] | IoT lab 1, deliverables | a protocol of our own, over TCP and UDP |
//! | [`traffic`] | IoT lab 1, deliverables | what a capture holds, layer by layer |
//! | [`web`] | CSE3214, assignment 1 | HTTP/1.1: a server of files, a client |
//! | [`ping`] | CSE3214 assignments 2 and 4 | UDP ping, heartbeat, ICMP ping, trace |
//! | [`mail`] | CSE3214 assignment 3 | SMTP, MIME, TLS: a client, and a server that loses nothing |
//! | [`reliable`] | IoT lab 1, beyond | messages in order, exactly once, over UDP |
//! | [`topology`] | SCC.231, part 2 | hosts, switches, routers and cables in one program |
//!
//! [`exercises`] is the one table of all programs, grouped by [`sheets`]; [`kit`] is the tool box the rooms share.

// Tests may unwrap; the program says what went wrong instead. More lints are in Cargo.toml.
#![deny(missing_docs)]
#![deny(clippy::unwrap_used)]

pub mod chat;
pub mod echo;
pub mod exercises;
pub mod kit;
pub mod mail;
pub mod message;
pub mod pack;
pub mod ping;
pub mod reliable;
pub mod sensor;
pub mod sheets;
pub mod topology;
pub mod traffic;
pub mod web;
