//! Ctrl-C and SIGTERM: who is told, and how long replies under way may take.
//!
//! `main` calls [`start`] before any other thread exists. From then on one thread waits for the two
//! signals, and for SIGHUP (the terminal has gone), and every other thread is never interrupted by
//! them. What a signal does:
//!
//! - by default (clients) the process leaves at once with 128 + its number, as a shell would say it:
//!   130 for SIGINT; [`leave_with`] chooses another code;
//! - after [`graceful`] (servers) the first signal sets a flag that [`requested`] reads and wakes
//!   whoever is blocked; the program then ends by itself, and is ended when it takes longer than the
//!   grace it asked for. A second signal ends it at once, or makes it hurry ([`hurry_with`]). (One that
//!   comes before a server has said that it listens finds no server yet: it just leaves, with 130 or 143.)
//!
//! SIGQUIT (Ctrl-\) ends a program as everywhere, except one that has something to say in between
//! ([`on_quit`]), and one that would leave something behind ([`ask_on_quit`]).

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
const ECHO: Duration = Duration::from_millis(20);

/// What the first signal does.
struct Plan {
    /// The exit code of a program that just leaves; `None` means 128 + the signal.
    code: Option<i32>,
    /// How long a graceful program may take; `None` means it just leaves.
    grace: Option<Duration>,
    /// What wakes the threads of a graceful program.
    wake: Vec<Box<dyn Fn() + Send>>,
    /// What a program that just leaves does before.
    tidy: Vec<Box<dyn Fn() + Send>>,
    quit: Quit,
    /// What the second signal does instead of ending the process.
    hurry: Option<Box<dyn Fn() + Send>>,
}

/// What SIGQUIT does.
enum Quit {
    /// It ends the process at once: what a user presses Ctrl-\ for.
    Kills,
    /// It is a question, and this answers it.
    Tells(Box<dyn Fn() + Send>),
    /// It is a request to end, like the other signals.
    Asks,
}

/// The signals that the thread waits for. SIGHUP stands last: `start` may leave it out.
const WATCHED: [i32; 4] = [signal::SIGINT, signal::SIGTERM, signal::SIGQUIT, signal::SIGHUP];

static PLAN: Mutex<Plan> = Mutex::new(Plan {
    code: None,
    grace: None,
    wake: Vec::new(),
    tidy: Vec::new(),
    quit: Quit::Kills,
    hurry: None,
});
static REQUESTED: AtomicBool = AtomicBool::new(false);
static SPARED: AtomicBool = AtomicBool::new(false);

/// Blocks the signals and starts the thread that waits for them. Call it once, first in `main`.
pub fn start() -> io::Result<()> {
    // Under nohup a program outlives its terminal: SIGHUP stays ignored.
    let nohup = signal::is_ignored(signal::SIGHUP)?;
    signal::block(if nohup { &WATCHED[..WATCHED.len() - 1] } else { &WATCHED })?;
    thread::Builder::new().name("signals".to_string()).spawn(watch)?;
    Ok(())
}

/// From now on a signal ends the process with `code`: a client whose sheet names Ctrl-C as a way out.
pub fn leave_with(code: i32) {
    plan().code = Some(code);
}

/// From now on a program that just leaves calls `tidy` first: to remove an unfinished file, say. It runs
/// while the other threads run, and has to be quick.
pub fn before_leaving(tidy: impl Fn() + Send + 'static) {
    plan().tidy.push(Box::new(tidy));
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

/// Runs `body`, during which Ctrl-C and Ctrl-\ do nothing to this process: a terminal sends them to
/// every program in the foreground, and they are meant for the one that `body` waits for.
pub fn spared<T>(body: impl FnOnce() -> T) -> T {
    SPARED.store(true, Ordering::SeqCst);
    let result = body();
    SPARED.store(false, Ordering::SeqCst);
    result
}

/// From now on a second signal calls `hurry`, and it takes a third one to end a graceful program at once:
/// for one that would leave something behind. Its grace is not longer for that.
pub fn hurry_with(hurry: impl Fn() + Send + 'static) {
    plan().hurry = Some(Box::new(hurry));
}

/// From now on SIGQUIT calls `tell`, in the thread that waits for signals, and the program goes on.
pub fn on_quit(tell: impl Fn() + Send + 'static) {
    plan().quit = Quit::Tells(Box::new(tell));
}

/// From now on SIGQUIT is a request to end, like the other signals: for a program that would leave
/// something behind if it were killed.
pub fn ask_on_quit() {
    plan().quit = Quit::Asks;
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
        let typed = matches!(first, signal::SIGINT | signal::SIGQUIT);
        if !(typed && SPARED.load(Ordering::SeqCst)) {
            break first;
        }
    };
    let (code, grace) = {
        let plan = plan();
        (plan.code, plan.grace)
    };
    let Some(grace) = grace else {
        for tidy in &plan().tidy {
            tidy();
        }
        process::exit(code.unwrap_or(128 + first));
    };
    request();
    thread::sleep(ECHO);
    let _ = next_signal(Some(Duration::ZERO));
    let deadline = Instant::now() + (grace + LAST_WORDS).saturating_sub(ECHO);
    let next = || next_signal(Some(deadline.saturating_duration_since(Instant::now())));
    let mut again = next();
    let hurry = plan().hurry.take();
    if let (Some(_), Some(hurry)) = (again, hurry) {
        hurry();
        again = next();
    }
    if let Some(last) = again {
        process::exit(128 + last);
    }
    // In a thread of its own, and waited for only a moment: standard error may be a full pipe that
    // nobody empties, and that may be what holds the program up.
    let words = format!("not finished {} s after the signal; ending now", (grace + LAST_WORDS).as_secs_f64());
    let _ = thread::Builder::new().spawn(move || screen::note(&words));
    thread::sleep(ECHO);
    process::exit(0);
}

/// The number of the next signal; `None` when `timeout` passes first, or when waiting is impossible.
fn next_signal(timeout: Option<Duration>) -> Option<i32> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match signal::wait(&WATCHED, left) {
            Ok(Some(signal::SIGQUIT)) => match &plan().quit {
                Quit::Tells(tell) => tell(),
                Quit::Asks => return Some(signal::SIGQUIT),
                // Returns only if the system refuses; then it counts as the polite request.
                Quit::Kills => return signal::die_of(signal::SIGQUIT).err().map(|_| signal::SIGTERM),
            },
            Ok(Some(number)) => return Some(number),
            Ok(None) if left.is_none_or(|left| !left.is_zero()) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
