//! The static-routing lab without Mininet: hosts, switches, routers and cables in one program.
//!
//! Sheet: SCC.231, part 2. Read the files in this order.
//!
//! | file | what it holds | pure |
//! |---|---|---|
//! | [`plan`] | a network on paper: nodes, links, addresses, routes | yes |
//! | [`networks`] | `tutorial`, the sheet's, and `continents`; copy one and change it | yes |
//! | [`shell`] | the program: builds a network, reads commands | |
//! | [`command`] | what a line of input means | yes |
//! | [`build`] | from the plan to namespaces, bridges, cables, addresses, routes | |
//! | [`cable`], [`relay`] | rate, delay, loss: the arithmetic, and the threads that do it | the first |
//! | [`explain`] | which way a packet takes, and what is wrong with it | yes |
//! | [`inside`], [`state`] | from another terminal; what a killed run has left | |

pub mod build;
pub mod cable;
pub mod command;
pub mod explain;
pub mod inside;
pub mod networks;
pub mod plan;
pub mod relay;
pub mod shell;
pub mod state;

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::nearest::nearest;
use crate::kit::random::Random;
use crate::kit::screen::escape;
use crate::kit::sys::limits;
use crate::kit::usage::{Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[Operand {
    name: "NAME",
    kind: Kind::Text,
    default: Some("tutorial"),
    help: "tutorial or continents; or exec [--net ID] HOST COMMAND…; or clean",
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
            Type help at its prompt. It takes everything down when it ends; after kill -9: topology clean.",
};

/// Set in the environment of the program that has re-entered itself in a user namespace.
const ENTERED: &str = "SOCKLAB_USER_NAMESPACE";

/// Runs `topology`.
pub fn run(args: &Args) -> Result<(), Error> {
    let words: Vec<String> = args.list().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let name = args.text("NAME");
    if !limits::is_root() {
        return enter_user_namespace(name);
    }
    match (name, &words[..]) {
        ("exec", words) => inside::exec(words),
        ("clean", []) => inside::clean(),
        (name, []) => {
            let plan = networks::find(name).ok_or_else(|| {
                let near = nearest(name, networks::NAMES.into_iter());
                let hint = near.map_or(format!("there are {}", networks::NAMES.join(" and ")), |near| {
                    format!("did you mean {near}?")
                });
                Error::Usage(format!("there is no network {}: {hint}", escape(name.as_bytes())))
            })?;
            let network = build::Network::build(plan, &mut Random::new(args.count_if("--seed")))?;
            shell::run(network)
        }
        (_, [word, ..]) => Err(Error::Usage(format!("one argument too many: {}", escape(word.as_bytes())))),
    }
}

/// Runs this program again as root of a user namespace of its own, with a private `/run`, where the
/// system allows it. Only for building: another terminal cannot enter such a network.
fn enter_user_namespace(name: &str) -> Result<(), Error> {
    const NEEDED: &str = "needs root (sudo), or user namespaces and /dev/net/tun open to you";
    let allowed = Command::new("unshare").args(["-rnm", "true"]).output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_ok();
    if !allowed || !device || std::env::var_os(ENTERED).is_some() || matches!(name, "exec" | "clean") {
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
