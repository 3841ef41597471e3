//! `sensor-server`: receives readings over TCP, UDP and reliable UDP, shows and logs each, answers each.
//!
//! Sheet: IoT lab 1, deliverable task 1, the first optional one (a thread per client) and the second
//! (reception and order over UDP).
//!
//! ```text
//! Python                                               here
//! threading.Thread(target=client, args=(conn, addr))   kit::serve, a thread per client
//! data = conn.recv(n) until the message is whole       stream::receive
//! data, addr = udp.recvfrom(n)                         datagrams::Datagrams, one thread for all
//! struct.unpack(">2sBBBBHIIIQ", data[:28])             message::open
//! zlib.crc32(data)                                     kit::wire::crc32
//! ```
//!
//! On the wire (`docs/sensor-protocol.md` has the bytes):
//!
//! ```text
//! sensor → server   READING          device 7, sequence 1, temperature 21.5 Cel      47 bytes
//! server → sensor   ACKNOWLEDGEMENT  server time, 1 reading, min, mean, max          63 bytes
//! ```
//!
//! All transports hand their bytes to one [`Desk`], which knows nothing of sockets. Datagrams, of UDP and of
//! reliable UDP, are received in `datagrams.rs`.
//!
//! Limits: no authentication; anyone who reaches the port can report readings. Duplicates are known
//! for the last 128 readings of a session and the last 32,768 sessions of each transport; see
//! [`super::session`]. Each reading is shown and logged before it is answered, so a standard output that
//! nobody reads, or a log that is a pipe without a reader, stops the service once the pipe is full.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::datagrams::Datagrams;
use super::desk::{answer_to_noise, Answer, Desk, Transport};
use super::log::Log;
use super::stream::{self, Frames, Received};
use super::{LEAST_INTERVAL, MOST_INTERVAL};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::serve::{serve, Limits};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, tcp};

/// The port of all transports.
const PORT: u16 = 7001;

/// How often a free port of TCP is given back because UDP's of the same number is taken.
const PORT_ATTEMPTS: usize = 16;

const OPERANDS: &[Operand] = &[usage::port("7001")];
const FLAGS: &[Flag] = &[
    usage::bind("127.0.0.1"),
    Flag {
        name: "--log",
        short: "",
        value: "FILE",
        kind: Kind::Path,
        default: None,
        help: "append each reading to FILE as a line of CSV",
    },
    Flag {
        name: "--interval",
        short: "-i",
        value: "SECONDS",
        kind: Kind::Seconds(3600),
        default: None,
        help: "command every sensor to report at this interval, 0.05 to 3600",
    },
    usage::MAX_CLIENTS,
    usage::idle("300"),
];

/// What `sensor-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `sensor-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let interval = args.seconds_if("--interval");
    if interval.is_some_and(|interval| !(LEAST_INTERVAL..=MOST_INTERVAL).contains(&interval)) {
        return Err(Error::Usage("--interval: sensors report every 0.05 to 3600 seconds".to_string()));
    }
    let interval = interval.map(|interval| interval.as_millis() as u32);
    let mut log = if args.has("--log") { Some(Log::open(args.path("--log"))?) } else { None };
    if let Some(Err(why)) = log.as_mut().map(Log::begin) {
        // Not the end: readings are answered with an error, and stored once there is room again.
        screen::note(&Error::io("cannot write the log yet", &why).to_string());
    }
    let limits = Limits::from_args(args);
    let (listener, datagrams) = open(args.text("--bind"), args.port("PORT"), limits)?;
    let desk = Arc::new(Desk::new(log, interval));

    let udp_desk = Arc::clone(&desk);
    let udp = move || datagrams.serve(&udp_desk);
    let udp = thread::Builder::new().name("datagrams".to_string()).spawn(udp)?;
    let tcp_desk = Arc::clone(&desk);
    serve(listener, limits, move |connection, client| converse(connection, client, &tcp_desk, limits.idle))?;
    // Whatever ended it has asked for the stop that also ends the other thread.
    udp.join().map_err(|_| Error::Failed("the thread for datagrams failed".to_string()))??;

    let counts = desk.counts();
    screen::note(&format!(
        "received {} readings, {} of them again; refused {}; not stored {}",
        counts.stored + counts.duplicates,
        counts.duplicates,
        counts.refused,
        counts.failed
    ));
    Ok(())
}

/// Opens both sockets on one port number.
fn open(host: &str, port: u16, limits: Limits) -> Result<(TcpListener, Datagrams), Error> {
    for attempt in 1.. {
        let listener = tcp::listen(host, port, PORT)?;
        let address = listener.local_addr()?;
        // The address that TCP took: a name may have several.
        let host = address.ip().to_string();
        match Datagrams::open(&host, address.port(), PORT, limits.clients, limits.idle) {
            Ok(datagrams) => return Ok((listener, datagrams)),
            Err(error) if port != 0 || attempt == PORT_ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
    Err(Error::Failed("no port is free for both TCP and UDP".to_string()))
}

/// One sensor's connection, in a thread of its own.
fn converse(
    mut connection: &TcpStream,
    client: SocketAddr,
    desk: &Desk,
    idle: Option<Duration>,
) -> Result<(), Error> {
    let mut frames = Frames::default();
    loop {
        let noise = match stream::receive(connection, &mut frames, idle)? {
            Received::Late => {
                let seconds = stream::WHOLE.as_secs();
                return Err(Error::Failed(format!("a message took longer than {seconds} s")));
            }
            Received::Message(bytes) => match desk.answer(&bytes, client, Transport::Tcp)? {
                Answer::Reply(reply) => {
                    connection.write_all(&reply)?;
                    continue;
                }
                Answer::Nothing => continue,
                Answer::Noise(noise) => noise,
            },
            Received::Noise(noise) => {
                desk.refuse(client, noise.0);
                noise
            }
            Received::End(false) => return Ok(()),
            Received::End(true) => {
                desk.refuse(client, "the stream ended within a message");
                return Ok(());
            }
        };
        // Nobody can say where the next message begins. Bytes that are still unread turn our close
        // into a reset, which may overtake this answer: it is a courtesy.
        return Ok(connection.write_all(&answer_to_noise(noise))?);
    }
}
