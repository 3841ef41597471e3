//! TAP devices: network interfaces whose other end is a file descriptor. And the namespaces they are
//! made in. See the kernel's Documentation/networking/tuntap.rst, netdevice(7), setns(2).

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

/// Makes the TAP interface `name` inside the network namespace `namespace` (an open file under
/// `/run/netns`), and returns the descriptor that reads the frames sent into it and writes the
/// frames it receives. The interface is gone when the descriptor closes.
///
/// Where the interface appears is decided by the namespace in which `/dev/net/tun` was opened. So a
/// thread that is used for nothing else enters it, makes the interface, and ends; the rest of the
/// process stays where it is, and no name can clash with an interface outside.
///
/// Errs with `PermissionDenied` without CAP_NET_ADMIN there, with `NotFound` without `/dev/net/tun`.
pub fn open_inside(namespace: &File, name: &str) -> io::Result<File> {
    let (namespace, name) = (namespace.try_clone()?, name.to_string());
    let maker = thread::Builder::new().name("tap".to_string()).spawn(move || {
        enter(&namespace)?;
        let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        attach(&device, &name)?;
        Ok(device)
    })?;
    maker.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes the TAP device failed")))
}

/// Moves the calling thread into a network namespace.
fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `namespace` is borrowed; the call changes only
    // which interfaces this thread sees.
    super::check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// Turns a descriptor of `/dev/net/tun` into the other end of a new TAP interface.
fn attach(device: &File, name: &str) -> io::Result<()> {
    // SAFETY: ifreq is plain data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::other(format!("{name}: an interface's name has at most 15 bytes")));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    // Whole Ethernet frames (TAP, not TUN), without a header of the driver's own in front.
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open; TUNSETIFF reads and writes one ifreq, which `request` is.
    super::check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &mut request) })?;
    Ok(())
}

/// Tells the interface whether a cable is plugged in. Without carrier it keeps its addresses and
/// routes, and sends nothing: what pulling a plug does.
pub fn set_carrier(device: &impl AsFd, plugged: bool) -> io::Result<()> {
    let value = libc::c_int::from(plugged);
    // SAFETY: the descriptor is open; TUNSETCARRIER reads one int, which `value` is.
    super::check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), libc::TUNSETCARRIER, &value) })?;
    Ok(())
}

/// Asks the kernel to wake the calling thread within a nanosecond of when it wants, instead of the
/// usual 50 microseconds by which it groups timers to save power. See PR_SET_TIMERSLACK, prctl(2).
pub fn wake_precisely() -> io::Result<()> {
    // SAFETY: prctl with PR_SET_TIMERSLACK takes one number and changes only this thread's timers.
    super::check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) })?;
    Ok(())
}
