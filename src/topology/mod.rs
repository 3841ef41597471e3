//! The static-routing lab without Mininet (SCC.231, part 2).

pub mod build;
pub mod cable;
pub mod command;
pub mod explain;
pub mod networks;
pub mod plan;
pub mod relay;
pub mod state;
