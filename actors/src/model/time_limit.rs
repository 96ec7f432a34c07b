//! The time limit of a run: when its place is over, such as a job with a time limit, and from when on it has a successor.

use super::actor::Model;
use super::published::Published;
use actix::{Context, StreamHandler};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::replicas::Term;
use std::time::Instant;

/// The place of this life's run is over at another time than was known.
struct Ends {
    epoch: u64,
    at: Option<Instant>,
}

impl Published {
    /// When its place is over and its successor is due; `None`: it has no such place, or isn't replaced.
    pub(super) fn term(&self) -> Option<Term> {
        let status = self.status();
        if status.state != ModelState::Ready {
            return None;
        }
        let (ends, ready, variant) = (status.ends?, status.ready_moment?, status.variant.as_deref()?);
        let spec = self.spec.load();
        let before = spec.variants.iter().find(|one| one.name == variant)?.renew_before?;
        Some(Term::new(ready, ends, before, self.is_worth_a_successor()))
    }

    /// Somebody has used it, or it is kept whether somebody does or not.
    fn is_worth_a_successor(&self) -> bool {
        let kept = self.stays() || self.is_warm() || self.alive_time().is_none();
        let door = self.door.load();
        kept || door.as_ref().is_some_and(|door| door.first_byte().is_some() || door.gate.look().leases() > 0)
    }
}

impl Model {
    /// From now on it is known when the place of the present run is over.
    pub(super) fn watch_term(&mut self, ctx: &mut Context<Self>) {
        let Some(process) = self.process() else { return };
        let (epoch, ends) = (self.state.epoch, process.ends());
        self.note_end(*ends.borrow());
        let changes = futures_util::stream::unfold(ends, move |mut ends| async move {
            ends.changed().await.ok()?;
            let at = *ends.borrow_and_update();
            Some((Ends { epoch, at }, ends))
        });
        self.hear_in_life(ctx, changes);
    }

    fn note_end(&mut self, at: Option<Instant>) {
        let moment = at.map(|at| -> Moment { at.saturating_duration_since(self.handle.origin) });
        if let Some(run) = self.run_mut() {
            run.ends = moment;
        }
    }
}

impl StreamHandler<Ends> for Model {
    fn handle(&mut self, ends: Ends, ctx: &mut Context<Self>) {
        if ends.epoch == self.state.epoch && self.process().is_some() {
            self.note_end(ends.at);
            self.publish();
            self.look_around(true, ctx);
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}
