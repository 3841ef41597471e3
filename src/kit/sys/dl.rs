//! Libraries that are loaded while the program runs. See dlopen(3), dlsym(3).
//!
//! A program that is *linked* to a library does not start where that library is missing. One that
//! *loads* it when it needs it runs everywhere, and can say what to install. Python's `ssl` module is
//! such a loaded library; C programs load their plugins this way.

use std::ffi::{c_void, CStr};
use std::ptr::NonNull;

/// A library that stays loaded until the process ends: its functions may be called from then on.
#[derive(Debug)]
pub struct Library(NonNull<c_void>);

// SAFETY: the handle is only handed to dlsym, which may be called from any thread (attributes(7):
// MT-Safe), and it is never closed.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the library with this file name from where the system keeps them, and what it depends
    /// on. Errs in the words of the dynamic linker.
    pub fn open(name: &CStr) -> Result<Library, String> {
        // SAFETY: `name` ends with a zero byte. The library's own initialisation runs; libssl's, for
        // which this is called, is made to be loaded so.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Library).ok_or_else(last_error)
    }

    /// The address of a function of this library, or of one that it depends on.
    pub fn symbol(&self, name: &CStr) -> Result<NonNull<c_void>, String> {
        // SAFETY: the handle came from dlopen and is never closed; `name` ends with a zero byte.
        let address = unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) };
        NonNull::new(address).ok_or_else(last_error)
    }
}

/// What the dynamic linker says about the call of this thread that has just failed.
fn last_error() -> String {
    // SAFETY: dlerror's text belongs to this thread and is valid until its next dl call; it is copied
    // at once.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return "unknown error".to_string();
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_there_and_one_that_is_not() {
        let library = Library::open(c"libc.so.6").unwrap();
        assert!(library.symbol(c"getpid").is_ok());
        assert!(library.symbol(c"no_such_function").unwrap_err().contains("no_such_function"));
        let missing = Library::open(c"libno-such-library.so.7").unwrap_err();
        assert!(missing.contains("cannot open shared object file"), "{missing}");
    }
}
