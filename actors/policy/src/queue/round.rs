//! What one step of the Scheduler's table works on.

use super::{Effect, State, View};
use crate::lifecycle::Moment;
use crate::placement::ModelName;

/// The state as it becomes, and what is to be done.
pub(super) struct Round<'a> {
    pub(super) state: State,
    pub(super) view: &'a View<'a>,
    pub(super) effects: Vec<Effect>,
    /// When something that was waited for in this round is due.
    pub(super) next_look: Option<Moment>,
    /// Which devices each demand wants memory of, as it was when the round began.
    pub(super) wants: Vec<(ModelName, Vec<usize>)>,
}

impl<'a> Round<'a> {
    pub(super) fn new(state: &State, view: &'a View<'a>) -> Self {
        Self { state: state.clone(), view, effects: Vec::new(), next_look: None, wants: Vec::new() }
    }
}
