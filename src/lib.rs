//! The socket labs of five sheets, run for real.
//!
//! Read the rooms in this order; inside a room, read the files in the order its page lists them.
//!
//! | room | sheet | what is in it |
//! |---|---|---|
//! | [`echo`] | IoT lab 1; SCC.231 tasks 1 to 3 | TCP and UDP echo, one-way UDP, threads, time stamps, select |
//! | [`message`] | B3 example; select slides | one message a line, many clients at once |
//!
//! [`exercises`] is the one table of all programs; [`kit`] is the tool box the rooms share.

// Tests may unwrap; the program says what went wrong instead. More lints are in Cargo.toml.
#![deny(missing_docs)]
#![deny(clippy::unwrap_used)]

pub mod echo;
pub mod exercises;
pub mod kit;
pub mod message;
pub mod topology;
