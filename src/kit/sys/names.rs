//! The name of an address: the lookup in the other direction. See getnameinfo(3).

use std::ffi::CStr;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};

use super::socket::with_name;

/// Room for a host name: NI_MAXHOST.
const LONGEST: usize = 1_025;

/// The name that the system's resolver has for `address`, or `None`. May take seconds, and may ask a
/// name server on the network. What it returns comes from there: escape it before showing it.
pub fn name_of(address: IpAddr) -> Option<Vec<u8>> {
    let mut name = [0u8; LONGEST];
    let result = with_name(SocketAddr::new(address, 0), |pointer, length| {
        // SAFETY: the first pair describes a socket address and the second `name`; both outlive the
        // call, and a null service with length 0 says that none is wanted.
        unsafe {
            let (room, none) = (name.as_mut_ptr().cast(), std::ptr::null_mut());
            libc::getnameinfo(pointer, length, room, LONGEST as u32, none, 0, libc::NI_NAMEREQD)
        }
    });
    const { assert!(size_of::<libc::socklen_t>() == size_of::<u32>()) };
    if result != 0 {
        return None;
    }
    Some(CStr::from_bytes_until_nul(&name).ok()?.to_bytes().to_vec())
}
