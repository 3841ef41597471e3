//! `message-client`: sends one message and closes.
//!
//! Sheets: unit B3, the example (`myclient.py`); select slides, "Client Program".
//!
//! ```text
//! Python                                          here
//! cli_sock.connect((sys.argv[1], int(sys.argv[2])))  kit::tcp::connect
//! cli_sock.sendall(sys.argv[3].encode('utf-8'))      connection.write_all
//! cli_sock.close()                                   the end of the connection's scope
//! ```
//!
//! `close` returns at once and the kernel delivers what is left in the background: the bytes, then the
//! FIN that tells the server where the message ends.
//!
//! Limits: nothing comes back, so the client does not know whether the message was read. Success means
//! that the server's kernel was connected and ours has taken the bytes.

use std::io::Write;

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::tcp;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[
    Operand { default: None, ..usage::HOST },
    Operand { default: None, ..usage::server_port("") },
    Operand {
        name: "MESSAGE",
        kind: Kind::Bytes,
        default: Some("Hello Server!"),
        help: "what to send; quote it if it has blanks",
    },
];
const FLAGS: &[Flag] = &[usage::timeout("10")];

/// What `message-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `message-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let mut connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    connection.set_write_timeout(tcp::patience(args.seconds("--timeout")))?;
    connection.write_all(args.bytes("MESSAGE")).map_err(|why| Error::io("cannot send the message", &why))
}
