//! Programs inside the network: in a running one's own shell, from another terminal, and what is left
//! of a killed one.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::build::ip;
use super::networks;
use super::plan::Plan;
use super::state::{self, Found};
use crate::kit::error::Error;
use crate::kit::screen;

/// A program in a namespace: names of hosts become addresses, `socklab` becomes this program. No shell
/// looks at the words.
pub fn process(plan: &Plan, namespace: &str, words: &[String]) -> Command {
    let mut process = Command::new("ip");
    process.args(["netns", "exec", namespace]);
    for (number, word) in words.iter().enumerate() {
        match plan.address(word) {
            _ if number == 0 && word == "socklab" => {
                process.arg(std::env::current_exe().unwrap_or_else(|_| word.into()));
            }
            Some(address) if number > 0 => {
                process.arg(address.to_string());
            }
            _ => {
                process.arg(word);
            }
        }
    }
    process
}

/// `topology exec [--net ID] HOST COMMAND…`: becomes the program, in the network that runs.
pub fn exec(words: &[String]) -> Result<(), Error> {
    let (net, words) = match words {
        [flag, id, rest @ ..] if flag == "--net" => (Some(id), rest),
        words => (None, words),
    };
    let [host, command @ ..] = words else {
        return Err(Error::Usage("topology exec HOST COMMAND…".to_string()));
    };
    if command.is_empty() {
        return Err(Error::Usage(format!("topology exec {host}: and which command?")));
    }
    let found = running(net.map(String::as_str))?;
    let plan = networks::find(&found.plan)
        .ok_or_else(|| Error::Failed(format!("{} runs a plan that this program does not know", found.id)))?;
    if plan.find(host).is_none() {
        return Err(Error::Failed(format!("{} has no node {host}", found.id)));
    }
    let why = process(&plan, &state::namespace(&found.id, host), command).exec();
    Err(Error::io("cannot run ip (Debian: apt-get install iproute2)", &why))
}

/// The network that runs, or the one that was asked for.
fn running(id: Option<&str>) -> Result<Found, Error> {
    let mut all: Vec<Found> = state::all()?.into_iter().filter(|found| found.running).collect();
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

/// `topology clean`: removes what killed runs have left, and nothing that runs or that is not ours.
pub fn clean() -> Result<(), Error> {
    for found in state::all()?.into_iter().filter(|found| !found.running) {
        for namespace in &found.made {
            // Programs that the killed run had started are still inside, and keep it alive.
            for pid in pids(namespace)? {
                let _ = Command::new("sh").args(["-c", &format!("kill -s KILL {pid}")]).status();
            }
            // It may have been noted and never made.
            if std::path::Path::new("/run/netns").join(namespace).exists() {
                ip(&["netns", "del", namespace])?;
                screen::say(&format!("removed {namespace}"))?;
            }
        }
        found.forget()?;
        screen::say(&format!("forgot {}", found.id))?;
    }
    Ok(())
}

/// The processes inside a namespace of ours.
fn pids(namespace: &str) -> Result<Vec<u32>, Error> {
    let output = Command::new("ip").args(["netns", "pids", namespace]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
