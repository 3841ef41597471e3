//! A model of the path.

use std::time::Instant;

use super::congestion::{News, FIRST_WINDOW};

/// The model.
#[derive(Debug)]
pub struct Model {}

impl Model {
    /// Knows nothing yet.
    pub fn new(_now: Instant) -> Model {
        Model {}
    }

    /// Learns.
    pub fn learn(&mut self, _news: &News) {}

    /// Begins anew.
    pub fn stall(&mut self) {}

    /// The window.
    pub fn window(&self) -> usize {
        FIRST_WINDOW
    }

    /// The pace.
    pub fn pace(&self) -> Option<f64> {
        None
    }
}
