//! `topology`: builds a network and reads commands until the end of the input.
//!
//! Sheet: SCC.231, part 2, "Static Routing in Mininet".
//!
//! ```text
//! Mininet                                          here
//! self.addHost('h1', ip='10.0.0.2/24', …)          net.host, net.link in super::networks
//! LinuxRouter: sysctl net.ipv4.ip_forward=1        net.router
//! routes=[('10.1.0.0/24', '192.168.0.1')]          net.route
//! TCLink(bw=10, delay="10ms", loss=1)              cable(10, 10, 1.0), run by super::relay
//! net.start(); CLI(net); net.stop()                Network::build, the loop below, Drop
//! ```
//!
//! Limits: Linux, IPv4, and root (or a system that lets users make namespaces). Cables are made by
//! this program, so they are as fast as it is: about a gigabit per second and a tenth of a
//! millisecond of delay beyond what is asked for. A second Ctrl-C kills programs that do not end; a
//! third one, or SIGKILL, ends it before it has taken the network down: `topology clean` does that then.

use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::build::Network;
use super::command::{self, Command};
use super::inside::process;
use super::namespace;
use super::plan::Plan;
use super::show;
use crate::kit::error::{reason, Error};
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::random::Random;
use crate::kit::sys::process::die_with_parent;
use crate::kit::{screen, stop};

/// How long taking the network down may take after Ctrl-C.
const TAKE_DOWN: Duration = Duration::from_secs(20);

/// A running network with the programs that were started in it.
struct Lab {
    network: Network,
    background: Vec<Child>,
}

/// Dropped before the network: background programs end with it.
impl Drop for Lab {
    fn drop(&mut self) {
        self.network.end_programs();
        for child in &mut self.background {
            // One that has left its namespace (nsenter) was not found there.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Shared with the thread that takes the network down after Ctrl-C.
type Shared = Arc<Mutex<Option<Lab>>>;

/// Takes the network down on every other way out: the end of the input, an error, a panic.
struct Leaving(Shared);

impl Drop for Leaving {
    fn drop(&mut self) {
        drop(lock(&self.0).take());
    }
}

/// Builds a network from `plan` and reads commands until `exit` or the end of the input, then takes it
/// down. Errs with the exit code of the first command that failed, when the commands come from a pipe.
pub fn run(plan: Plan, random: &mut Random) -> Result<(), Error> {
    let lab: Shared = Arc::new(Mutex::new(None));
    let taken = Arc::clone(&lab);
    // Before anything is made. Ctrl-\ is a way out like Ctrl-C, or it would leave everything behind.
    stop::ask_on_quit();
    stop::hurry_with(namespace::hurry);
    stop::graceful(TAKE_DOWN, move || {
        let taken = Arc::clone(&taken);
        let take_down = move || {
            // Waits for a command that has the lock; building looks at `stop::requested`.
            drop(lock(&taken).take());
            std::process::exit(0);
        };
        // In a thread where there can be one, so that a second signal is heard meanwhile.
        if thread::Builder::new().spawn(take_down.clone()).is_err() {
            take_down();
        }
    });
    let _leaving = Leaving(Arc::clone(&lab));
    let mut place = lock(&lab);
    let network = Network::build(plan, random)?;
    let runs = format!("network {} runs", network.id());
    *place = Some(Lab { network, background: Vec::new() });
    drop(place);
    screen::note(&runs);
    let person = std::io::stdin().is_terminal();
    match read_commands(&lab, person)? {
        Some(code) if !person => Err(Error::Exit(code)),
        _ => Ok(()),
    }
}

/// Carries out commands until there are no more; returns the exit code of the first that failed.
fn read_commands(lab: &Shared, person: bool) -> Result<Option<u8>, Error> {
    let mut keyboard = Keyboard::open()?;
    let mut failed = None;
    while let Typed::Line(line) = keyboard.line("socklab> ", None)? {
        if stop::requested() {
            break;
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        // At the keyboard Ctrl-C is for the command, at the prompt it ends the network; so is Ctrl-\,
        // which ping answers with how it is doing. Without a keyboard nobody waits for a prompt, and
        // they end the network always.
        let outcome = match parse(lab, &line) {
            Ok(Command::Exit) => break,
            Ok(command) if person => stop::spared(|| execute(lab, command, person)),
            Ok(command) => execute(lab, command, person),
            Err(why) => Err(Error::Failed(why)),
        };
        match outcome {
            Ok(()) => {}
            Err(Error::OutputClosed) => return Err(Error::OutputClosed),
            Err(error) => {
                if !matches!(error, Error::Exit(_)) {
                    screen::note(&error.to_string());
                }
                failed.get_or_insert(error.exit_code());
            }
        }
    }
    Ok(failed)
}

fn lock(lab: &Mutex<Option<Lab>>) -> MutexGuard<'_, Option<Lab>> {
    lab.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something with the lab, which is there until it is taken down.
fn with<T: Default>(lab: &Shared, body: impl FnOnce(&mut Lab) -> Result<T, Error>) -> Result<T, Error> {
    lock(lab).as_mut().map_or_else(|| Ok(T::default()), body)
}

fn parse(lab: &Shared, line: &str) -> Result<Command, String> {
    let guard = lock(lab);
    command::parse(line, |word| guard.as_ref().is_some_and(|lab| lab.network.plan.find(word).is_some()))
}

/// Carries out one command.
fn execute(lab: &Shared, command: Command, person: bool) -> Result<(), Error> {
    if let Command::Run(host, words, false) = command {
        return foreground(lab, &host, &words, person);
    }
    let mut lines = Vec::new();
    let outcome = with(lab, |lab| lab.execute(command, &mut lines));
    // With the lab unlocked: a screen that does not take them must not keep a signal waiting.
    for line in lines {
        screen::say(&line)?;
    }
    outcome
}

/// Runs a program on a host and waits for it. The lab stays unlocked meanwhile, so that a signal can
/// take it down, and the program with it.
fn foreground(lab: &Shared, host: &str, words: &[String], person: bool) -> Result<(), Error> {
    let started = with(lab, |lab| {
        let mut process = process(&lab.network.plan, &lab.network.namespace(host), words);
        die_with_parent(&mut process);
        // Commands that come from a pipe must not read the commands that follow.
        let child = process.stdin(if person { Stdio::inherit() } else { Stdio::null() }).spawn();
        Ok(Some(child.map_err(|why| cannot_run(host, &why))?))
    })?;
    let Some(mut child) = started else { return Ok(()) };
    match code(child.wait().map_err(|why| cannot_run(host, &why))?) {
        0 => Ok(()),
        // It has ended with the network, which is no failure of its own.
        _ if stop::requested() => Ok(()),
        code => {
            screen::note(&format!("{host}: {}: exit code {code}", words.join(" ")));
            Err(Error::Exit(code))
        }
    }
}

fn cannot_run(host: &str, why: &std::io::Error) -> Error {
    Error::Failed(format!("{host}: cannot run it: {} (Debian: apt-get install iproute2)", reason(why)))
}

/// A process's exit code; 128 + the signal's number when it was killed by one.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}

impl Lab {
    /// Every command but a program in the foreground. What it shows is added to `out`.
    fn execute(&mut self, command: Command, out: &mut Vec<String>) -> Result<(), Error> {
        self.background.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        match command {
            Command::Nothing | Command::Exit => {}
            Command::Help => out.extend(command::HELP.lines().map(str::to_string)),
            Command::Nodes => show::nodes(&self.network, out),
            Command::Links => show::links(&self.network, out),
            Command::Dump => show::dump(&self.network, out),
            Command::Routes => show::routes(&self.network, out)?,
            Command::PingAll => show::ping_all(&self.network, out)?,
            Command::Explain(one, other) => show::explain(&self.network, &one, &other, out)?,
            Command::Plug(one, other, plugged) => {
                let link = self.link(&one, &other)?;
                self.network.plug(link, plugged)?;
            }
            Command::Change(one, other, change) => {
                let link = self.link(&one, &other)?;
                let quality = change.of(self.network.links[link].quality);
                self.network.change(link, quality);
            }
            Command::Run(host, words, _) => self.start(&host, &words)?,
        }
        Ok(())
    }

    fn link(&self, one: &str, other: &str) -> Result<usize, Error> {
        let link = self.network.plan.link_between(one, other);
        link.ok_or_else(|| Error::Failed(format!("there is no cable between {one} and {other}: see `links`")))
    }

    /// Starts a program in the background, in a process group of its own: Ctrl-C is not for it.
    fn start(&mut self, host: &str, words: &[String]) -> Result<(), Error> {
        let mut process = process(&self.network.plan, &self.network.namespace(host), words);
        die_with_parent(&mut process);
        let child = process.stdin(Stdio::null()).process_group(0).spawn();
        self.background.push(child.map_err(|why| cannot_run(host, &why))?);
        Ok(())
    }
}
