//! The place of a run: a run of this machine has one at once, one of a cluster may have to wait for it.

use super::actor::Model;
use actix::{AsyncContext, Context, StreamHandler};
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_process::{Endpoint, Standing};
use std::sync::Arc;

/// Something has changed about the place of this life's run.
struct Moved {
    epoch: u64,
}

impl Model {
    /// Where the present run is reached, once that is known.
    pub(super) fn endpoint(&self) -> Option<Arc<Endpoint>> {
        self.run.as_ref()?.standing().borrow().endpoint().cloned()
    }

    /// What was launched is probed as soon as it has a place.
    pub(super) fn settle_in(&mut self, ctx: &mut Context<Self>) {
        let Some(run) = &self.run else { return };
        let mut standing = run.standing();
        let epoch = self.state.epoch;
        let now = standing.borrow_and_update().clone();
        match now {
            Standing::Placed(endpoint) => {
                self.note_place(&endpoint);
                self.publish();
                self.drive(Event::Launched { epoch }, ctx);
            }
            Standing::Queued(why) => {
                self.wait_there(why);
                let moves = futures_util::stream::unfold(standing, move |mut standing| async move {
                    standing.changed().await.ok()?;
                    Some((Moved { epoch }, standing))
                });
                self.placing = Some(ctx.add_stream(moves));
                self.drive(Event::Queued { epoch }, ctx);
            }
        }
    }

    fn wait_there(&mut self, why: Arc<str>) {
        if self.queued_there.as_ref() != Some(&why) {
            log::info!("models/{}: waits for a place: {why}", self.spec.name);
            self.queued_there = Some(why);
            self.publish();
        }
    }

    fn note_place(&mut self, endpoint: &Endpoint) {
        self.queued_there = None;
        if let Some(current) = &mut self.current {
            current.port = endpoint.local_address().map(|address| address.port());
        }
    }

    /// It waits for its place no longer, one way or the other.
    pub(super) fn leave_place(&mut self, ctx: &mut Context<Self>) {
        self.queued_there = None;
        if let Some(placing) = self.placing.take() {
            ctx.cancel_future(placing);
        }
    }
}

impl StreamHandler<Moved> for Model {
    fn handle(&mut self, moved: Moved, ctx: &mut Context<Self>) {
        let (epoch, starts) = (moved.epoch, matches!(self.state.phase, Phase::Starting { .. }));
        if epoch != self.state.epoch || !starts || self.queued_there.is_none() {
            return;
        }
        let Some(standing) = self.run.as_ref().map(|run| run.standing().borrow().clone()) else { return };
        match standing {
            Standing::Queued(why) => self.wait_there(why),
            Standing::Placed(endpoint) => {
                log::info!("models/{}: has a place: {endpoint}", self.spec.name);
                self.note_place(&endpoint);
                self.publish();
                self.drive(Event::Placed { epoch }, ctx);
            }
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}
