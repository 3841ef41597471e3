//! Sending files, and looking at how much lies in the kernel's buffers, sent or received.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Sends up to `count` bytes of a file from `offset` on, inside the kernel: they go from the page
/// cache to the socket without a copy in this process. Returns how many were sent; 0 means that the
/// file has ended. See sendfile(2).
pub fn send_file(socket: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    let mut from =
        libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: both descriptors are open, and `from` is ours and outlives the call.
    let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &mut from, count) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// How many bytes given to the socket the peer's kernel has not acknowledged yet. See tcp(7), SIOCOUTQ.
pub fn unacknowledged(socket: &TcpStream) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (the number that TIOCOUTQ has too) writes one int, into `count`.
    super::check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &mut count) })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many bytes have arrived on the socket that nobody has read yet. See tcp(7), SIOCINQ.
pub fn unread(socket: &TcpStream) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: SIOCINQ (the number that FIONREAD has too) writes one int, into `count`.
    super::check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &mut count) })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn a_header_and_a_part_of_a_file() {
        let path = std::env::temp_dir().join(format!("socklab-send-{}", std::process::id()));
        File::create(&path).unwrap().write_all(b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"head ").unwrap();
        assert_eq!(send_file(&near, &file, 2, 5).unwrap(), 5);
        assert_eq!(send_file(&near, &file, 10, 5).unwrap(), 0);
        assert_eq!(unread(&far).unwrap(), 10);
        let mut text = [0; 10];
        far.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"head 23456");
        drop(near);
        assert_eq!(far.read(&mut text).unwrap(), 0);
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn what_a_silent_reader_has_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_far, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(&near).unwrap(), 0);
        near.set_nonblocking(true).unwrap();
        while near.write(&[0; 65536]).is_ok() {}
        assert!(unacknowledged(&near).unwrap() > 0);
    }
}
