//! The web: a server of files over HTTP/1.1 and a client, CSE3214 assignment 1 with both optional
//! exercises. Read the files in this order.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`basic`] | `web-server --one-at-a-time` | assignment 1 | accept, read a request, send a file or 404, close |
//! | [`server`] | `web-server` | optional exercise 1 | a thread per connection |
//! | [`client`] | `web-client` | optional exercise 2 | connect, send GET, show the answer |
//!
//! What makes the server real; everything down to [`listing`] is bytes in, bytes out, without I/O:
//!
//! | file | what it does |
//! |---|---|
//! | [`head`] | where a head ends, and its fields; for both sides |
//! | [`framing`] | where a body ends: length or chunks; for both sides |
//! | [`request`] | the head of a request, understood or refused |
//! | [`target`], [`percent`] | from the request target to names below the root |
//! | [`conditional`], [`range`] | 304, 412, 206 and 416 |
//! | [`response`], [`media`], [`listing`], [`log`] | heads, error pages, types, listings, log lines |
//! | [`limits`] | every limit |
//! | [`site`] | the files |
//! | [`answer`](mod@answer) | from a request to its answer |
//! | [`input`], [`output`], [`connection`] | the conversation |
//!
//! and the client: [`reply`] reads an answer, [`url`] follows a redirect, [`crate::kit::save`] writes a file.

pub mod answer;
pub mod basic;
pub mod client;
pub mod conditional;
pub mod connection;
pub mod framing;
pub mod head;
pub mod input;
pub mod limits;
pub mod listing;
pub mod log;
pub mod media;
pub mod output;
pub mod percent;
pub mod range;
pub mod reply;
pub mod request;
pub mod response;
pub mod server;
pub mod site;
pub mod target;
pub mod url;
