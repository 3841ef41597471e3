//! The tool box: the only code that the rooms share. A thing moves in when a second room needs it.
//!
//! | file | what it gives |
//! |---|---|
//! | [`usage`], [`args`] | the command line: declared in a table, parsed and explained by it |
//! | [`mod@nearest`] | "did you mean …?" |
//! | [`error`] | what failed, why, and the exit code it means |
//! | [`stop`] | Ctrl-C and SIGTERM: who is told, and how long replies under way may take |
//! | [`address`] | host names to addresses, addresses to text |
//! | [`tcp`], [`udp`] | sockets that are open, announced, and whose failures say what to do |
//! | [`serve`] | the accept loop: a thread per client, a cap, an idle limit, an orderly end |
//! | `places` | who is being served: its counting gate |
//! | `crew` | its threads, which stay a moment for the next client |
//! | `awake` | a moment of waiting awake, while there are fewer clients than processors |
//! | [`select`] | the other design: one thread that serves every client by readiness |
//! | [`mod@line`] | lines of bounded length out of any stream of bytes |
//! | [`keyboard`] | lines typed by the user, while a peer is watched |
//! | [`screen`] | transcript, diagnostics and prompts; peers' bytes escaped |
//! | [`clock`], [`http_date`], [`mail_date`] | time stamps, and dates as HTTP and mail write them |
//! | [`progress`] | a progress bar, on a terminal |
//! | [`save`] | a file from the network: whole under its name, or not there |
//! | [`stats`] | what a pinger says at the end: loss, min/avg/max/mdev |
//! | [`checksum`] | the Internet checksum |
//! | [`tls`] | a stream encrypted by the system's OpenSSL, the server's name always verified |
//! | [`random`] | a small seeded generator |
//! | [`wire`] | binary messages in network byte order, CRC-32 |
//! | [`sys`] | the calls std does not wrap |

pub mod address;
pub mod args;
#[cfg(test)]
mod args_tests;
mod awake;
pub mod checksum;
pub mod clock;
mod crew;
pub mod error;
pub mod http_date;
pub mod keyboard;
pub mod line;
pub mod mail_date;
pub mod nearest;
mod places;
pub mod progress;
pub mod random;
pub mod save;
pub mod screen;
pub mod select;
pub mod serve;
pub mod stats;
pub mod stop;
pub mod sys;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod usage;
pub mod wire;
