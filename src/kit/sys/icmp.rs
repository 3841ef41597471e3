//! ICMP sockets: open, filter, receive with time stamp and hop count, the error queue. See icmp(7),
//! raw(7), ip(7), ipv6(7), cmsg(3).
//!
//! | socket | who may | what it receives |
//! |---|---|---|
//! | raw, IPv4 | root (CAP_NET_RAW) | every ICMP packet of this host, IP header in front, checksum unchecked |
//! | raw, IPv6 | root | the same without the header; the kernel has checked the checksum |
//! | datagram | groups in `net.ipv4.ping_group_range` | replies to its own requests; errors in the error queue |
//!
//! The raw socket is not connected: a connected one takes packets from its peer only, and never
//! sees the errors of the routers on the way.

use std::io;
use std::mem::{size_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::socket::{bind, set_option};

/// `ICMP_FILTER` of linux/icmp.h: a set bit keeps that type out.
const ICMP_FILTER: i32 = 1;
/// `ICMP6_FILTER` of linux/icmpv6.h: the same for the 256 types of ICMPv6.
const ICMPV6_FILTER: i32 = 1;

/// Room for every control message asked for below, several times over.
const CONTROL: usize = 512;

/// The ICMP types that a pinger reads.
const V4_WANTED: [u8; 6] = [0, 3, 4, 5, 11, 12];
const V6_WANTED: [u8; 5] = [1, 2, 3, 4, 129];

/// An ICMP socket. std's `UdpSocket` carries it: its calls (`sendto`, SO_RCVTIMEO, …) are the same
/// for every socket of these address families.
#[derive(Debug)]
pub struct IcmpSocket {
    /// The socket.
    pub socket: UdpSocket,
    /// Whether it is a raw one.
    pub raw: bool,
    /// Whether it is for IPv6.
    pub v6: bool,
}

/// What one receive call brought. Its bytes are in the caller's buffer.
#[derive(Debug)]
pub struct Received {
    /// How many bytes are in the buffer.
    pub length: usize,
    /// Who sent them; for the error queue, where the failed packet was going.
    pub from: Option<IpAddr>,
    /// When the kernel took the packet in, since 1970.
    pub stamp: Option<Duration>,
    /// Its time to live (IPv6: hop limit) on arrival, where the kernel tells it apart from the bytes.
    pub ttl: Option<u8>,
    /// What the error queue says about the packet in the buffer, one that we had sent.
    pub error: Option<Queued>,
}

/// One entry of the error queue (`struct sock_extended_err`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The error as a system call would report it.
    pub errno: i32,
    /// Whether an ICMP packet told it; otherwise this host did.
    pub by_icmp: bool,
    /// The ICMP type.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The rest: the next hop's MTU of "fragmentation needed".
    pub info: u32,
    /// Who sent the ICMP packet.
    pub offender: Option<IpAddr>,
}

impl IcmpSocket {
    /// Opens a raw socket, or, when this process may not, the kernel's ICMP datagram socket. Errs with
    /// what the raw socket said (EPERM, EACCES) when neither is allowed.
    pub fn open(v6: bool) -> io::Result<IcmpSocket> {
        match IcmpSocket::open_as(v6, true) {
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                IcmpSocket::open_as(v6, false).map_err(|_| why)
            }
            other => other,
        }
    }

    fn open_as(v6: bool, raw: bool) -> io::Result<IcmpSocket> {
        let (family, protocol) = match v6 {
            false => (libc::AF_INET, libc::IPPROTO_ICMP),
            true => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
        };
        let kind = if raw { libc::SOCK_RAW } else { libc::SOCK_DGRAM } | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes three plain numbers.
        let descriptor = super::check(unsafe { libc::socket(family, kind, protocol) })?;
        // SAFETY: the descriptor is new and nobody else's; OwnedFd closes it on every way out.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        if raw {
            filter(&socket, v6)?;
        } else {
            // Binding to port 0 makes the kernel choose the identifier: it is the "port" of this kind.
            let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            bind(&socket, SocketAddr::new(any, 0))?;
            watch_errors(&socket, v6)?;
        }
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        let (level, option) = match v6 {
            false => (libc::IPPROTO_IP, libc::IP_RECVTTL),
            true => (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
        };
        if v6 || !raw {
            // The raw socket of IPv4 has it in the header.
            set_option(&socket, level, option, 1)?;
        }
        Ok(IcmpSocket { socket: UdpSocket::from(socket), raw, v6 })
    }

    /// Waits for a packet, as long as the socket's read timeout says. A datagram socket that has an
    /// error waiting fails with it; [`take_error`] then tells the whole story.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        receive(&self.socket, buffer, 0)
    }
}

/// Keeps every ICMP type away but those a pinger reads; on loopback that includes our own requests,
/// which a raw socket would otherwise read first.
fn filter(socket: &OwnedFd, v6: bool) -> io::Result<()> {
    let mut blocked = [u32::MAX; 8];
    let wanted: &[u8] = if v6 { &V6_WANTED } else { &V4_WANTED };
    for kind in wanted {
        blocked[usize::from(kind / 32)] &= !(1 << (kind % 32));
    }
    let (level, option, words) = match v6 {
        false => (libc::SOL_RAW, ICMP_FILTER, 1),
        true => (libc::IPPROTO_ICMPV6, ICMPV6_FILTER, blocked.len()),
    };
    let length = (words * size_of::<u32>()) as libc::socklen_t;
    // SAFETY: pointer and length describe the first `words` numbers of `blocked`, which outlives it.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, blocked.as_ptr().cast(), length) };
    super::check(result)?;
    Ok(())
}

/// Makes the kernel keep ICMP errors about this socket's packets in its error queue, with who sent
/// them, instead of one number. Works for UDP and ICMP datagram sockets, and needs no privilege.
pub fn watch_errors(socket: &impl AsFd, v6: bool) -> io::Result<()> {
    match v6 {
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

/// Sets the time to live (IPv6: hop limit) of what is sent from now on.
pub fn set_ttl(socket: &impl AsFd, v6: bool, ttl: u8) -> io::Result<()> {
    match v6 {
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_TTL, ttl.into()),
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, ttl.into()),
    }
}

/// Takes the oldest entry from a socket's error queue, without waiting; the packet that failed goes to
/// `buffer`. Errs with EAGAIN when the queue is empty.
pub fn take_error(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    receive(socket, buffer, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
}

/// The control messages' buffer, aligned as their headers must be.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; CONTROL]);

/// recvmsg(2), retried after an interruption, with its control messages read.
fn receive(socket: &impl AsFd, buffer: &mut [u8], flags: i32) -> io::Result<Received> {
    let mut control = Control([MaybeUninit::uninit(); CONTROL]);
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a msghdr of zeros is valid: null pointers with length 0.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    let length = loop {
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = CONTROL as _;
        // SAFETY: each pointer in `message` comes with the length of the live buffer that it points to.
        let result = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &mut message, flags) };
        match usize::try_from(result) {
            Ok(length) => break length,
            Err(_) => match io::Error::last_os_error() {
                why if why.kind() == io::ErrorKind::Interrupted => {}
                why => return Err(why),
            },
        }
    };
    // SAFETY: `name` was zeroed and then at most overwritten by the kernel.
    let name = unsafe { name.assume_init() };
    let from = if message.msg_namelen == 0 { None } else { address(&name) };
    let mut received = Received { length, from, stamp: None, ttl: None, error: None };
    // SAFETY: the kernel has filled `message` and its control buffer; CMSG_FIRSTHDR stays inside it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !header.is_null() {
        // SAFETY: a header that CMSG_FIRSTHDR or CMSG_NXTHDR returns lies whole inside the buffer.
        unsafe { note(&mut received, header) };
        // SAFETY: the same; the result is null or lies inside the buffer.
        header = unsafe { libc::CMSG_NXTHDR(&message, header) };
    }
    Ok(received)
}

/// Enters one control message into `received`.
///
/// # Safety
/// `header` must point to a control message that lies whole inside a live buffer.
unsafe fn note(received: &mut Received, header: *const libc::cmsghdr) {
    // SAFETY: the caller's promise; headers are aligned, data may not be.
    let (level, kind, length, data) = unsafe {
        let length = (*header).cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
        ((*header).cmsg_level, (*header).cmsg_type, length, libc::CMSG_DATA(header))
    };
    let fits = |size: usize| length >= size;
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) if fits(size_of::<libc::timespec>()) => {
            // SAFETY: the data is long enough for a timespec, which any bytes are.
            let time = unsafe { ptr::read_unaligned(data.cast::<libc::timespec>()) };
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            received.stamp = Some(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)));
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)
            if fits(size_of::<libc::c_int>()) =>
        {
            // SAFETY: the data is long enough for an int, which any bytes are.
            let ttl = unsafe { ptr::read_unaligned(data.cast::<libc::c_int>()) };
            received.ttl = u8::try_from(ttl).ok();
        }
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            if fits(size_of::<libc::sock_extended_err>()) =>
        {
            const ENTRY: usize = size_of::<libc::sock_extended_err>();
            // SAFETY: the data is long enough for the entry, which any bytes are.
            let entry = unsafe { ptr::read_unaligned(data.cast::<libc::sock_extended_err>()) };
            let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
            let rest = (length - ENTRY).min(size_of::<libc::sockaddr_storage>());
            // SAFETY: the offender's address follows the entry (SO_EE_OFFENDER); `rest` bytes of it are
            // inside the message and fit into `name`, whose zeros make any prefix a valid value.
            let name = unsafe {
                ptr::copy_nonoverlapping(data.add(ENTRY), name.as_mut_ptr().cast::<u8>(), rest);
                name.assume_init()
            };
            let by_icmp = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6].contains(&entry.ee_origin);
            received.error = Some(Queued {
                errno: i32::try_from(entry.ee_errno).unwrap_or(libc::EPROTO),
                by_icmp,
                kind: entry.ee_type,
                code: entry.ee_code,
                info: entry.ee_info,
                offender: address(&name),
            });
        }
        _ => {}
    }
}

/// The IP address in a socket address of either family.
fn address(name: &libc::sockaddr_storage) -> Option<IpAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_storage is as large and as aligned as every socket address.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            Some(IpAddr::V4(Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes())))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            Some(IpAddr::V6(Ipv6Addr::from(name.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_datagram_stands_in_the_error_queue_with_its_sender() {
        for (any, closed) in [("127.0.0.1:0", "127.0.0.1:1"), ("[::1]:0", "[::1]:1")] {
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(closed).unwrap();
            let v6 = any.starts_with('[');
            watch_errors(&socket, v6).unwrap();
            let mut buffer = [0; 64];
            assert!(take_error(&socket, &mut buffer).is_err(), "nothing has failed yet");
            socket.send(b"knock").unwrap();
            let entry = take_error(&socket, &mut buffer).unwrap();
            assert_eq!(&buffer[..entry.length], b"knock");
            let error = entry.error.unwrap();
            assert_eq!((error.errno, error.by_icmp), (libc::ECONNREFUSED, true));
            assert_eq!((error.kind, error.code), if v6 { (1, 4) } else { (3, 3) });
            assert_eq!(error.offender, Some(closed.parse::<SocketAddr>().unwrap().ip()));
        }
    }
}
