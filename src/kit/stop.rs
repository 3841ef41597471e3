//! Ctrl-C and SIGTERM: who is told, and how long replies under way may take.
//!
//! `main` calls [`start`] before any other thread exists. From then on one thread waits for the two
//! signals, and for SIGHUP (the terminal has gone), and every other thread is never interrupted by them. What a signal does:
//!
//! - by default (clients) the process leaves at once with 128 + its number, as a shell would say it:
//!   130 for SIGINT; [`leave_with`] chooses another code;
//! - after [`graceful`] (servers) the first signal sets a flag that [`requested`] reads and wakes
//!   whoever is blocked; the program then ends by itself, and is ended when it takes longer than the
//!   grace it asked for. A second signal ends it at once.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::screen;
use super::sys::signal;

/// How long a server lets replies under way take once it has been asked to stop.
pub const GRACE: Duration = Duration::from_secs(5);

/// How much longer than its grace a program may take to say how it ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A second signal this soon after the first is the same request delivered twice: timeout(1), for
/// one, signals its child and then the whole process group.
const ECHO: Duration = Duration::from_millis(100);

/// What the first signal does.
struct Plan {
    /// The exit code of a program that just leaves; `None` means 128 + the signal.
    code: Option<i32>,
    /// How long a graceful program may take; `None` means it just leaves.
    grace: Option<Duration>,
    /// What wakes the threads of a graceful program.
    wake: Vec<Box<dyn Fn() + Send>>,
}

static PLAN: Mutex<Plan> = Mutex::new(Plan { code: None, grace: None, wake: Vec::new() });
static REQUESTED: AtomicBool = AtomicBool::new(false);
static SPARED: AtomicBool = AtomicBool::new(false);

/// What ends a program.
const SIGNALS: [i32; 3] = [signal::SIGINT, signal::SIGTERM, signal::SIGHUP];

/// Blocks the signals and starts the thread that waits for them. Call it once, first in `main`.
pub fn start() -> io::Result<()> {
    // Under nohup a program outlives its terminal: SIGHUP stays ignored.
    let nohup = signal::is_ignored(signal::SIGHUP)?;
    signal::block(if nohup { &SIGNALS[..2] } else { &SIGNALS })?;
    thread::Builder::new().name("signals".to_string()).spawn(watch)?;
    Ok(())
}

/// From now on a signal ends the process with `code`: a client whose sheet names Ctrl-C as a way out.
pub fn leave_with(code: i32) {
    plan().code = Some(code);
}

/// From now on a signal asks this program to end by itself within `grace`, and calls `wake` so that
/// a thread that is blocked can look at [`requested`]. May be called once for each thing to wake.
pub fn graceful(grace: Duration, wake: impl Fn() + Send + 'static) {
    let mut plan = plan();
    plan.grace = Some(grace);
    if requested() {
        wake();
    }
    plan.wake.push(Box::new(wake));
}

/// Runs `body`, during which Ctrl-C does nothing to this process: a terminal sends it to every program
/// in the foreground, and it is meant for the one that `body` waits for.
pub fn spared<T>(body: impl FnOnce() -> T) -> T {
    SPARED.store(true, Ordering::SeqCst);
    let result = body();
    SPARED.store(false, Ordering::SeqCst);
    result
}

/// Whether a graceful program has been asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Asks this program to stop as a signal would: for a server that has nobody left to write to.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
    for wake in &plan().wake {
        wake();
    }
}

/// The plan, even after a panic elsewhere: it is whole between any two of its statements.
fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of the thread that waits.
fn watch() {
    let first = loop {
        let first = next_signal(None).unwrap_or(signal::SIGTERM);
        if first != signal::SIGINT || !SPARED.load(Ordering::SeqCst) {
            break first;
        }
    };
    let (code, grace) = {
        let plan = plan();
        (plan.code, plan.grace)
    };
    let Some(grace) = grace else {
        process::exit(code.unwrap_or(128 + first));
    };
    request();
    thread::sleep(ECHO);
    let _ = next_signal(Some(Duration::ZERO));
    if let Some(second) = next_signal(Some((grace + LAST_WORDS).saturating_sub(ECHO))) {
        process::exit(128 + second);
    }
    screen::note(&format!(
        "not finished {} s after the signal; ending now",
        (grace + LAST_WORDS).as_secs_f64()
    ));
    process::exit(0);
}

/// The number of the next signal; `None` when `timeout` passes first, or when waiting is impossible.
fn next_signal(timeout: Option<Duration>) -> Option<i32> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match signal::wait(&SIGNALS, left) {
            Ok(Some(number)) => return Some(number),
            Ok(None) if left.is_none_or(|left| !left.is_zero()) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
