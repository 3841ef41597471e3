//! The client's side of TCP: a connection that is made anew when it breaks.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::link::{connect_again, left, network_header, Cost, Event, Link};
use super::stream::Frames;
use crate::kit::error::{is_timeout, reason, Error};
use crate::kit::sys::tcp_info::{tcp_info, TcpInfo};
use crate::kit::tcp;

/// How long the server may take to close after we have.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a write may wait for a server that does not read.
const WRITING: Duration = Duration::from_secs(10);

/// Bytes of the TCP header without options, and of the time stamps option in every packet (RFC 7323).
const HEADER: u64 = 20;
const TIMESTAMPS: u64 = 12;

/// What a SYN carries beyond a later packet's options: MSS 4, SACK permitted 2 (in place of two
/// bytes of padding), window scale 3 and one byte of padding. There are two, one each way.
const SYN_EXTRA: u64 = 8;

/// A connection and what its predecessors cost.
#[derive(Debug)]
pub struct TcpLink {
    host: String,
    port: u16,
    stream: TcpStream,
    /// Kept, for a closed connection has forgotten it.
    server: SocketAddr,
    frames: Frames,
    connections: u64,
    /// Attempts to connect again that failed.
    failed: u64,
    /// Whether this stream's packets have been added.
    counted: bool,
    packets_out: u64,
    packets_in: u64,
    headers: u64,
}

impl TcpLink {
    /// Connects. A server that is not there at the start is an error at once: a wrong address
    /// should not look like a slow network.
    pub fn open(host: &str, port: u16) -> Result<TcpLink, Error> {
        let stream = connect(host, port)?;
        let server = stream.peer_addr()?;
        Ok(TcpLink {
            host: host.to_string(),
            port,
            stream,
            server,
            frames: Frames::default(),
            connections: 1,
            failed: 0,
            counted: false,
            packets_out: 0,
            packets_in: 0,
            headers: 0,
        })
    }

    /// Adds what the kernel counted for the connection that is ending, once: one that could not be
    /// replaced is still here at the end.
    fn count(&mut self) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        // Without the numbers (an old kernel) the summary shows fewer packets, and nothing fails.
        let Ok(info) = tcp_info(&self.stream) else { return };
        let TcpInfo { segments_out, segments_in, timestamps } = info;
        let packets = u64::from(segments_out) + u64::from(segments_in);
        let each = network_header(self.server).0 + HEADER + if timestamps { TIMESTAMPS } else { 0 };
        self.packets_out += u64::from(segments_out);
        self.packets_in += u64::from(segments_in);
        self.headers += packets * each + 2 * SYN_EXTRA;
    }
}

/// Connects, each message to be sent at once (Nagle's algorithm would keep it back, RFC 896).
fn connect(host: &str, port: u16) -> Result<TcpStream, Error> {
    let stream = tcp::connect(host, port)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITING))?;
    Ok(stream)
}

impl Link for TcpLink {
    fn send(&mut self, message: &[u8]) -> Result<Option<String>, Error> {
        // Success means that the kernel has taken the bytes, not that they have arrived: after the
        // server's end the first write still succeeds, and only the answer fails to come.
        Ok(self.stream.write_all(message).err().map(|why| reason(&why)))
    }

    fn receive(&mut self, deadline: Instant) -> Result<Event, Error> {
        loop {
            match self.frames.cut() {
                Ok(Some(message)) => return Ok(Event::Message(message)),
                Ok(None) => {}
                Err(noise) => return Ok(Event::Broken(format!("the server sent no message: {}", noise.0))),
            }
            let left = left(deadline);
            if left.is_zero() {
                return Ok(Event::Silence);
            }
            self.stream.set_read_timeout(tcp::patience(left))?;
            let mut chunk = [0; 2048];
            match tcp::receive(&self.stream, &mut chunk) {
                Ok(0) => return Ok(Event::Broken("the server closed the connection".to_string())),
                Ok(count) => self.frames.push(&chunk[..count]),
                Err(why) if is_timeout(&why) => return Ok(Event::Silence),
                Err(why) => return Ok(Event::Broken(reason(&why))),
            }
        }
    }

    fn mend(&mut self, why: &str, again: u32) -> Result<(), Error> {
        self.count();
        let TcpLink { host, port, failed, .. } = self;
        let again = connect_again(why, again, || connect(host, *port).inspect_err(|_| *failed += 1));
        self.stream = again?;
        self.frames = Frames::default();
        self.counted = false;
        self.connections += 1;
        Ok(())
    }

    fn finish(&mut self) -> Cost {
        // Our FIN, then the server's: with both behind us the kernel's numbers are complete.
        let _ = self.stream.shutdown(Shutdown::Write);
        let deadline = Instant::now() + CLOSING;
        while let Ok(Event::Message(_)) = self.receive(deadline) {}
        self.count();
        let network = network_header(self.server).1;
        let packets = self.packets_out + self.packets_in;
        let connections = match self.connections {
            1 => String::new(),
            many => format!(" in {many} connections"),
        };
        // Their sockets are gone, and with them what the kernel counted.
        let failed = match self.failed {
            0 => String::new(),
            many => format!("; {many} failed attempts to connect are not counted"),
        };
        Cost {
            packets_out: self.packets_out,
            packets_in: self.packets_in,
            counted: "TCP_INFO",
            headers: self.headers,
            estimate: format!(
                "{packets} packets of {network}, TCP {HEADER}, time stamps {TIMESTAMPS}, SYN {SYN_EXTRA} more{connections}{failed}"
            ),
        }
    }
}
