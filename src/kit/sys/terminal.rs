//! What somebody has typed at a terminal and not yet finished. See termios(3).
//!
//! A terminal keeps the line that is being typed to itself, so that Backspace works, and hands it out
//! when Enter is pressed ("canonical" mode). Out of that mode every byte can be read at once, also
//! those of a line begun before: leave it, read, and come back.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// Takes away what has been typed so far and returns it: finished lines that nobody has read, then
/// the beginning of the unfinished one. Never waits. Ctrl-D stands in it as a NUL byte.
///
/// Errs when `terminal` is none. A process in the background is stopped by it (SIGTTOU), as it is
/// by reading the keyboard.
pub fn take_typed(mut terminal: &File) -> io::Result<Vec<u8>> {
    let usual = attributes(terminal)?;
    let mut at_once = usual;
    at_once.c_lflag &= !libc::ICANON;
    // A read returns what is there, and 0 bytes when that is nothing.
    at_once.c_cc[libc::VMIN] = 0;
    at_once.c_cc[libc::VTIME] = 0;
    set_attributes(terminal, &at_once)?;
    // The terminal's own buffer holds 4,095 bytes, so this ends.
    let mut typed = Vec::new();
    let read = terminal.read_to_end(&mut typed);
    set_attributes(terminal, &usual)?;
    // Ctrl-D pressed at this very moment comes as itself.
    let end = usual.c_cc[libc::VEOF];
    typed.iter_mut().filter(|byte| **byte == end).for_each(|byte| *byte = 0);
    read.map(|_| typed)
}

/// How the terminal is set up.
fn attributes(terminal: &File) -> io::Result<libc::termios> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the descriptor is open; on success, which is checked, the call has filled the struct.
    unsafe {
        super::check(libc::tcgetattr(terminal.as_raw_fd(), attributes.as_mut_ptr()))?;
        Ok(attributes.assume_init())
    }
}

/// Sets it up otherwise, at once, without throwing anything away.
fn set_attributes(terminal: &File, attributes: &libc::termios) -> io::Result<()> {
    // SAFETY: the descriptor is open and `attributes` is valid and only read.
    super::check(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, attributes) })?;
    Ok(())
}
