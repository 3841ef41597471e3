//! Loss on purpose: on the loopback interface nothing is lost by itself, and the repair could not be seen.

use crate::kit::args::Args;
use crate::kit::random::Random;
use crate::kit::usage::{Flag, Kind};

/// Which datagrams are lost, as `--loss` and `--seed` say.
#[derive(Debug, Clone)]
pub struct Loss {
    percent: f64,
    random: Random,
}

/// `--loss PERCENT`: see the repair at work where nothing is lost by itself.
pub const LOSS: Flag = Flag {
    name: "--loss",
    short: "",
    value: "PERCENT",
    kind: Kind::Percent,
    default: Some("0"),
    help: "lose so many of 100 datagrams that leave here, on purpose",
};

/// `--seed N`.
pub const SEED: Flag = Flag {
    name: "--seed",
    short: "",
    value: "N",
    kind: Kind::Count(0, u64::MAX),
    default: None,
    help: "lose the same ones each time",
};

impl Loss {
    /// None at all.
    pub fn none() -> Loss {
        Loss { percent: 0.0, random: Random::new(Some(0)) }
    }

    /// As [`LOSS`] and [`SEED`] say.
    pub fn from_args(args: &Args) -> Loss {
        Loss { percent: args.number("--loss"), random: Random::new(args.count_if("--seed")) }
    }

    /// Whether the next datagram is to be lost.
    pub fn strikes(&mut self) -> bool {
        self.random.chance(self.percent)
    }
}
