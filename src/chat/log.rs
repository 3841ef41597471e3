//! The room's transcript on standard output, which holds up nobody.
//!
//! A terminal on which somebody has pressed Ctrl-S, or a pipe whose reader sleeps, stops whoever writes
//! to it. In `echo-server` that is one client's thread; here it would be the room. So the transcript has
//! a thread and a bounded queue of its own, and lines that do not fit are counted and left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::error::Error;
use crate::kit::{screen, stop};

/// How many lines may wait for the screen.
const MOST_LINES: usize = 1000;

/// How long the end of the program waits for the last lines to be shown.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often the end of the program asks whether its queue has room again.
const AGAIN: Duration = Duration::from_millis(10);

/// The transcript.
#[derive(Debug)]
pub struct Log {
    lines: SyncSender<Option<String>>,
    /// Taken in and not yet shown.
    unshown: Arc<AtomicU64>,
    /// Not taken in, and not yet reported.
    left_out: Arc<AtomicU64>,
}

impl Log {
    /// Starts the thread. The receiver that comes with it hears when everything has been shown.
    pub fn start() -> Result<(Log, Receiver<()>), Error> {
        let (lines, waiting) = sync_channel(MOST_LINES);
        let (done, finished) = sync_channel(1);
        let left_out = Arc::new(AtomicU64::new(0));
        let unshown = Arc::new(AtomicU64::new(0));
        let (waits, counted) = (Arc::clone(&unshown), Arc::clone(&left_out));
        thread::Builder::new().name("transcript".to_string()).spawn(move || {
            // A standard output that is closed or full is the end of the server, as for any other.
            if let Err(error) = show(&waiting, &waits, &counted) {
                if !matches!(error, Error::OutputClosed) {
                    screen::note(&error.to_string());
                }
                stop::request();
            }
            let _ = done.send(());
        })?;
        Ok((Log { lines, unshown, left_out }, finished))
    }

    /// Adds a line, if there is room. `line` may hold any characters: it is escaped when it is shown.
    pub fn say(&self, line: &str) {
        // Counted first, or the thread could show it before it is counted.
        self.unshown.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send(Some(line.to_string())).is_err() {
            self.unshown.fetch_sub(1, Ordering::Relaxed);
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment for the last lines to be shown, and says how many were not.
    pub fn finish(&self, finished: &Receiver<()>) {
        let deadline = Instant::now() + LAST_LINES;
        // The queue may be full, and `None` has to get in too.
        while self.lines.try_send(None).is_err() && Instant::now() < deadline {
            match finished.recv_timeout(AGAIN) {
                Err(RecvTimeoutError::Timeout) => {}
                // The thread has ended already, and has said why.
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if finished.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            let missing = self.unshown.load(Ordering::Relaxed) + self.left_out.load(Ordering::Relaxed);
            screen::note(&format!(
                "the last {missing} lines of the transcript are missing: nobody takes them"
            ));
        }
    }
}

/// The thread: shows line after line until the `None` that ends them.
fn show(lines: &Receiver<Option<String>>, unshown: &AtomicU64, left_out: &AtomicU64) -> Result<(), Error> {
    while let Ok(Some(line)) = lines.recv() {
        screen::say(&screen::escape(line.as_bytes()))?;
        unshown.fetch_sub(1, Ordering::Relaxed);
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            screen::note(&format!(
                "{missing} lines of the transcript were left out: the screen was too slow"
            ));
        }
    }
    Ok(())
}
