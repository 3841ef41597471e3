//! What the kernel knows about a TCP connection: TCP_INFO, see tcp(7) and linux/tcp.h.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// The part of the kernel's `struct tcp_info` that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Packets sent, pure acknowledgements, SYN and FIN included.
    pub segments_out: u32,
    /// Packets received.
    pub segments_in: u32,
    /// Whether both sides put time stamps into every packet (RFC 7323).
    pub timestamps: bool,
}

/// Where the fields lie in the struct. The kernel appends fields and never moves one.
const OPTIONS: usize = 5;
const SEGMENTS_OUT: usize = 136;
const SEGMENTS_IN: usize = 140;
/// As much of it as is asked for.
const LENGTH: usize = 144;
/// TCPI_OPT_TIMESTAMPS.
const TIMESTAMPS: u8 = 1;

/// Reads the numbers of a connection. Errs with `Unsupported` on a kernel that does not count
/// segments (before 4.2).
pub fn tcp_info(stream: &TcpStream) -> io::Result<TcpInfo> {
    let mut bytes = [0u8; LENGTH];
    let mut length = LENGTH as libc::socklen_t;
    // SAFETY: pointer and length describe `bytes`, and the kernel writes at most so many; the
    // descriptor is open for as long as `stream` is borrowed.
    let result = unsafe {
        let (bytes, length) = (bytes.as_mut_ptr().cast(), &raw mut length);
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, bytes, length)
    };
    super::check(result)?;
    if (length as usize) < LENGTH {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(TcpInfo {
        segments_out: number(SEGMENTS_OUT),
        segments_in: number(SEGMENTS_IN),
        timestamps: bytes[OPTIONS] & TIMESTAMPS != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn a_new_connection_has_sent_a_few_segments() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();
        let info = tcp_info(&near).unwrap();
        // SYN, ACK, and the byte; at least the SYN and ACK of the other side.
        assert!((3..10).contains(&info.segments_out), "{info:?}");
        assert!((1..10).contains(&info.segments_in), "{info:?}");
    }
}
