//! Binary data: numbers and text as the bytes they are on the wire. Read the files in this order.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`client`] | `pack-client` | IoT lab, task 1.4 | pack some values and send the bytes |
//! | [`server`] | `pack-server` | IoT lab, task 1.4 | read as many bytes as the format has, unpack them |
//! | [`program`] | `pack`, `unpack` | IoT lab, task 1.4 | the same without a network, to try formats |
//! | [`mod@format`] | | | a format string, parsed: byte order, sizes, alignment |
//! | [`codec`] | | | values to bytes and back |
//! | [`value`] | | | one value: from the command line, and as Python shows it |
//! | [`float`] | | | half-precision numbers, and the shortest text of a float |
//!
//! Formats, sizes and errors are those of Python's
//! [`struct`](https://docs.python.org/3/library/struct.html); `tests/pack.rs` compares 100,000 random
//! formats and values with CPython's.

pub mod client;
pub mod codec;
pub mod float;
pub mod format;
pub mod program;
pub mod server;
pub mod value;
