//! The static-routing lab without Mininet: hosts, switches, routers and cables in one program.
//!
//! Sheet: SCC.231, part 2. Read the files in this order.
//!
//! | file | what it holds | pure |
//! |---|---|---|
//! | [`plan`] | a network on paper: nodes, links, addresses, routes | yes |
//! | [`networks`] | `tutorial`, the sheet's, and `continents`; copy one and change it | yes |
//! | [`shell`], [`show`] | the program: builds a network, reads commands; what they show | |
//! | [`command`] | what a line of input means | yes |
//! | [`build`] | from the plan to namespaces, bridges, cables, addresses, routes | |
//! | [`cable`], [`relay`] | rate, delay, loss: the arithmetic, and the threads that do it | the first |
//! | [`explain`] | which way a packet takes, and what is wrong with it | yes |
//! | [`picture`] | the network drawn as SVG | yes |
//! | [`inside`], [`state`], [`namespace`] | from another terminal; what a killed run has left; what is ours | |

pub mod build;
pub mod cable;
pub mod command;
pub mod explain;
pub mod inside;
pub mod namespace;
pub mod networks;
pub mod picture;
pub mod plan;
pub mod relay;
pub mod shell;
pub mod show;
pub mod state;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::nearest::nearest;
use crate::kit::random::Random;
use crate::kit::screen::{self, escape};
use crate::kit::sys::limits;
use crate::kit::usage::{Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[Operand {
    name: "NAME",
    kind: Kind::Text,
    default: Some("tutorial"),
    help: "tutorial or continents; or exec [--net ID] HOST COMMAND…; or clean; or picture [NAME]",
}];
const FLAGS: &[Flag] = &[Flag {
    name: "--seed",
    short: "",
    value: "N",
    kind: Kind::Count(0, u64::MAX),
    default: None,
    help: "lose the same packets each time",
}];

/// What `topology` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    list: Some("WORD"),
    notes: "Needs root, or a system that lets users make namespaces and open /dev/net/tun.\n\
            Type help at its prompt. It takes everything down when it ends; after kill -9: topology clean.\n\
            exec runs a program in the network of another terminal; picture prints an SVG, without root.",
    ..Usage::NONE
};

/// Set in the environment of the program that has re-entered itself in a user namespace.
const ENTERED: &str = "SOCKLAB_USER_NAMESPACE";

/// Runs `topology`.
pub fn run(args: &Args) -> Result<(), Error> {
    let words: Vec<&str> = args.list().iter().map(|word| text(word)).collect::<Result<_, Error>>()?;
    let (name, seed) = (args.text("NAME"), args.count_if("--seed"));
    if seed.is_some() && ["exec", "clean", "picture"].contains(&name) {
        return Err(Error::Usage(format!("--seed is for a network that is built, not for {name}")));
    }
    match (name, &words[..]) {
        ("exec", words) => as_root().and_then(|()| inside::exec(words)),
        ("clean", []) => as_root().and_then(|()| inside::clean()),
        ("picture", []) => screen::payload(picture::svg(&networks::tutorial()).as_bytes()),
        ("picture", [name]) => screen::payload(picture::svg(&plan(name)?).as_bytes()),
        ("clean" | "picture", [_, word, ..]) | ("clean", [word]) => Err(too_many(word)),
        (name, []) => build(name, seed),
        // The words of `exec` are not ours, so the parser takes no flag after NAME for us.
        (name, ["--seed", seed]) => build(name, Some(number(seed)?)),
        (name, [word]) if word.starts_with("--seed=") => build(name, Some(number(&word["--seed=".len()..])?)),
        (_, [word, ..]) => Err(too_many(word)),
    }
}

/// The value of `--seed`.
fn number(text: &str) -> Result<u64, Error> {
    let wrong = || Error::Usage(format!("--seed {}: not a whole number", escape(text.as_bytes())));
    text.parse().map_err(|_| wrong())
}

/// Builds the network of that name and reads commands for it.
fn build(name: &str, seed: Option<u64>) -> Result<(), Error> {
    let plan = plan(name)?;
    if !limits::is_root() {
        return enter_user_namespace();
    }
    shell::run(plan, &mut Random::new(seed))
}

fn too_many(word: &str) -> Error {
    Error::Usage(format!("one argument too many: {}", escape(word.as_bytes())))
}

fn text(word: &OsString) -> Result<&str, Error> {
    word.to_str().ok_or_else(|| Error::Usage(format!("{}: not UTF-8 text", escape(word.as_bytes()))))
}

/// The built-in network of that name.
fn plan(name: &str) -> Result<plan::Plan, Error> {
    networks::find(name).ok_or_else(|| {
        let names = networks::names();
        let near = nearest(name, names.iter().copied());
        let hint =
            near.map_or(format!("there are {}", names.join(" and ")), |near| format!("did you mean {near}?"));
        Error::Usage(format!("there is no network {}: {hint}", escape(name.as_bytes())))
    })
}

/// What is needed where there is no way round it.
const NEEDED: &str = "needs root (sudo), or user namespaces and /dev/net/tun open to you";

fn as_root() -> Result<(), Error> {
    if limits::is_root() {
        return Ok(());
    }
    Err(Error::Failed("needs root (sudo): another user's network cannot be entered".to_string()))
}

/// Runs this program again as root of a user namespace of its own, with a private `/run`, where the
/// system allows it. Only for building: another terminal cannot enter such a network. All of it lives in
/// namespaces without a name, so after `kill -9` nothing is left but a program that had made itself a daemon.
fn enter_user_namespace() -> Result<(), Error> {
    let allowed = Command::new("unshare").args(["-rnm", "true"]).output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_ok();
    if !allowed || !device || std::env::var_os(ENTERED).is_some() {
        return Err(Error::Failed(NEEDED.to_string()));
    }
    let again = "mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"";
    let why = Command::new("unshare")
        .args(["-rnm", "sh", "-c", again])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(ENTERED, "1")
        .exec();
    Err(Error::io("cannot run unshare", &why))
}
