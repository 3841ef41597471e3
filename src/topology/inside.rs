//! Programs inside the network: in a running one's own shell, from another terminal, and what is left
//! of a killed one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::ip;
use super::plan::Plan;
use super::state::{self, Found};
use super::{namespace, networks};
use crate::kit::error::Error;
use crate::kit::screen::{self, escape};
use crate::kit::sys::process::with_signals;

/// A program in a namespace. Whole words that are names of hosts become addresses, and `socklab`
/// becomes this program; no shell looks at the words. Programs that start others by name, as a shell
/// does, find `socklab` too: its folder is the last one on their PATH.
pub fn process(plan: &Plan, namespace: &str, words: &[String]) -> Command {
    let myself = myself();
    let mut process = Command::new("ip");
    process.args(["netns", "exec", namespace]);
    for (number, word) in words.iter().enumerate() {
        match (plan.address(word), &myself) {
            (Some(address), _) if number > 0 => process.arg(address.to_string()),
            (_, Some(myself)) if word == "socklab" => process.arg(myself),
            _ => process.arg(word),
        };
    }
    if let Some(folder) = myself.as_deref().and_then(Path::parent) {
        let mut path =
            std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or(DEFAULT_PATH.into());
        path.push(":");
        path.push(folder);
        process.env("PATH", path);
    }
    with_signals(&mut process);
    process
}

/// Where programs are found when nobody says. Not nowhere: an empty entry would be the current folder.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// This program's file. When it has been built anew while it runs, the kernel calls the old file
/// `… (deleted)`, and the new one has its name.
fn myself() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    let name = path.as_os_str().as_bytes();
    let name = name.strip_suffix(b" (deleted)").filter(|_| !path.exists()).unwrap_or(name);
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

/// `topology exec [--net ID] HOST COMMAND…`: becomes the program, in the network that runs.
pub fn exec(words: &[&str]) -> Result<(), Error> {
    let (net, words) = match words {
        ["--net", id, rest @ ..] => (Some(*id), rest),
        words => (None, words),
    };
    let [host, command @ ..] = words else {
        return Err(Error::Usage("topology exec [--net ID] HOST COMMAND…".to_string()));
    };
    if command.is_empty() {
        return Err(Error::Usage(format!("topology exec {host}: and which command?")));
    }
    let found = running(net)?;
    let plan = networks::find(&found.plan)
        .ok_or_else(|| Error::Failed(format!("{} runs a plan that this program does not know", found.id)))?;
    if plan.find(host).is_none() {
        return Err(Error::Failed(format!("{} has no node {}", found.id, escape(host.as_bytes()))));
    }
    let command: Vec<String> = command.iter().map(ToString::to_string).collect();
    let why = process(&plan, &state::namespace_of(&found.id, host), &command).exec();
    Err(Error::io("cannot run ip (Debian: apt-get install iproute2)", &why))
}

/// The network that runs, or the one that was asked for.
fn running(id: Option<&str>) -> Result<Found, Error> {
    let mut all: Vec<Found> = state::register()?.found.into_iter().filter(|found| found.running).collect();
    let names = all.iter().map(|found| found.id.clone()).collect::<Vec<_>>().join(", ");
    if let Some(id) = id {
        all.retain(|found| found.id == id);
    }
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), _) => Err(Error::Usage(format!("several networks run ({names}): say which with --net ID"))),
        (None, _) if id.is_some() && !names.is_empty() => {
            Err(Error::Failed(format!("there is no such network; running: {names}")))
        }
        (None, _) => Err(Error::Failed("no network runs: start one with `socklab topology`".to_string())),
    }
}

/// `topology clean`: removes what killed runs have left, and nothing that runs or that is not ours. One
/// that cannot be removed does not keep the others.
pub fn clean() -> Result<(), Error> {
    // Held to the end: until then nobody can begin to run what is being removed.
    let register = state::register()?;
    let mut outcome = Ok(());
    for found in register.found.iter().filter(|found| !found.running) {
        match remove(found) {
            Err(Error::OutputClosed) => return Err(Error::OutputClosed),
            Err(error) => {
                screen::note(&format!("{} is not removed: {error}", found.id));
                outcome = Err(Error::Exit(1));
            }
            Ok(()) => screen::say(&format!("forgot {}", found.id))?,
        }
    }
    outcome
}

/// Removes what one killed run has left.
fn remove(found: &Found) -> Result<(), Error> {
    let made = || found.made.iter().filter(|made| namespace::exists(&made.name));
    if made().any(|made| made.number.is_some() && made.number == namespace::own()) {
        return Err(Error::Failed("this terminal is inside it, so leave that first".to_string()));
    }
    let (ours, others): (Vec<_>, Vec<_>) = made().partition(|made| state::is_ours(made));
    // Programs that the killed run had started may still be inside, and would keep it alive.
    let numbers: Vec<u64> = ours.iter().filter_map(|made| made.number).collect();
    namespace::end_programs(&numbers);
    for made in ours {
        ip(&["netns", "del", &made.name])?;
        screen::say(&format!("removed {}", made.name))?;
    }
    for made in others {
        screen::note(&format!("left {}: it is not the one that {} had made", made.name, found.id));
    }
    found.forget()
}
