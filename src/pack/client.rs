//! `pack-client`: packs some values and sends the bytes.
//!
//! Sheet: IoT lab 1, "Sending binary data via sockets", task 1.4.
//!
//! ```text
//! Python                                           here
//! packed_data = struct.pack("=iif", 1, 4, 2.7)     program::pack_arguments
//! sock.connect(server_address)                     kit::tcp::connect
//! print('Sending "%s"' % hexlify(packed_data))     Sending "0100000004000000cdcc2c40"
//! sock.sendall(packed_data)                        connection.write_all
//! sock.close()                                     the end of the connection's scope
//! ```
//!
//! On the wire: `01 00 00 00  04 00 00 00  cd cc 2c 40`, and nothing that says what they mean. Both
//! programs must be given the same format; the default's `=` works while both machines are of the
//! same byte order, and `!` always.
//!
//! Limits: the server does not answer, so that the client cannot know whether the values arrived.

use std::io::Write;

use super::program::{hex, pack_arguments, parse};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, tcp};

/// The sheet's values.
const VALUES: [&[u8]; 3] = [b"1", b"4", b"2.7"];

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("10001")];
const FLAGS: &[Flag] = &[FORMAT, usage::timeout("10")];

/// `--format F`, of the client and the server.
pub const FORMAT: Flag = Flag {
    name: "--format",
    short: "",
    value: "F",
    kind: Kind::Bytes,
    default: Some("=iif"),
    help: "the types of the values, as for Python's struct; see `socklab pack --help`",
};

/// What `pack-client` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    list: Some("VALUE"),
    flags_anywhere: true,
    notes: "Without values and with the default format it sends the sheet's: 1 4 2.7",
    ..Usage::NONE
};

/// Runs `pack-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let format = parse(args.bytes("--format"))?;
    let mut values: Vec<&[u8]> = args.list().iter().map(|value| value.as_encoded_bytes()).collect();
    if values.is_empty() && format.values > 0 {
        values.extend(VALUES);
    }
    let bytes = pack_arguments(&format, &values)?;
    let mut connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    connection.set_write_timeout(tcp::patience(args.seconds("--timeout")))?;
    screen::say(&format!("Sending \"{}\"", hex(&bytes)))?;
    connection.write_all(&bytes).map_err(|why| Error::io("cannot send the values", &why))
}
