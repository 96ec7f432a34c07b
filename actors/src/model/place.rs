//! The place of a run: a run of this machine has one at once, one of a cluster may have to wait for it.

use super::actor::Model;
use actix::{Context, StreamHandler};
use llm_manager_policy::lifecycle::{Event, GONE_HERE, Phase};
use llm_manager_process::{BackendAddress, PlacementState};
use std::sync::Arc;
use std::time::Duration;

/// How long after being killed something may be left of a run in a cluster.
const GONE_THERE: Duration = Duration::from_secs(65);

/// Something has changed about the place of this life's run.
struct Moved {
    epoch: u64,
}

impl Model {
    /// How long after being killed something may be left of the present run. A cluster has to hear it from the node: Kubernetes' is
    /// taken for lost after a minute, and Slurm's gives up as late (`UnkillableStepTimeout`). The end of the program doesn't wait for that.
    pub(super) fn gone_timeout(&self) -> Duration {
        let is_there = self.run().is_some_and(|run| run.place.is_some());
        if is_there && !self.env.stopping.is_cancelled() { GONE_THERE } else { GONE_HERE }
    }

    /// Where the present run is reached, once that is known.
    pub(super) fn endpoint(&self) -> Option<Arc<BackendAddress>> {
        self.process()?.standing().borrow().endpoint().cloned()
    }

    /// What was launched is probed as soon as it has a place.
    pub(super) fn settle_in(&mut self, ctx: &mut Context<Self>) {
        let Some(process) = self.process() else { return };
        let mut standing = process.standing();
        let epoch = self.state.epoch;
        let now = standing.borrow_and_update().clone();
        match now {
            PlacementState::Placed(endpoint) => {
                self.note_place(&endpoint);
                self.publish();
                self.drive(Event::Launched { epoch }, ctx);
            }
            PlacementState::Queued(why) => {
                self.wait_there(why);
                let moves = futures_util::stream::unfold(standing, move |mut standing| async move {
                    standing.changed().await.ok()?;
                    Some((Moved { epoch }, standing))
                });
                self.hear_in_life(ctx, moves);
                self.drive(Event::Queued { epoch }, ctx);
            }
        }
    }

    /// Hears of it when whoever has given the present run its place takes it away: nobody new should go there.
    pub(super) fn watch_leaving(&mut self, ctx: &mut Context<Self>) {
        let Some(process) = self.process() else { return };
        let (epoch, mut leaves) = (self.state.epoch, process.leaves());
        // A place that is never taken away has nobody who would say so.
        let told = async move { leaves.wait_for(Option::is_some).await.ok().and_then(|why| why.clone()) };
        self.await_in_life(ctx, told, move |model, why, ctx| {
            let Some(why) = why.filter(|_| epoch == model.state.epoch) else { return };
            if matches!(model.state.phase, Phase::Starting { .. } | Phase::Ready { .. }) {
                model.past.error = Some(why);
            }
            model.drive(Event::Taken { epoch }, ctx);
        });
    }

    fn wait_there(&mut self, why: Arc<str>) {
        let Some(run) = self.life.as_mut().and_then(|life| life.run.as_mut()) else { return };
        if run.queued_there.as_ref() != Some(&why) {
            log::info!("models/{}: waits for a place: {why}", self.spec.name);
            run.queued_there = Some(why);
            self.publish();
        }
    }

    fn note_place(&mut self, endpoint: &BackendAddress) {
        if let Some(run) = self.run_mut() {
            run.queued_there = None;
            run.port = endpoint.local_address().map(|address| address.port());
        }
    }

    /// It waits for its place, and why.
    pub(super) fn queued_there(&self) -> Option<&Arc<str>> {
        self.run()?.queued_there.as_ref()
    }
}

impl StreamHandler<Moved> for Model {
    fn handle(&mut self, moved: Moved, ctx: &mut Context<Self>) {
        let (epoch, starts) = (moved.epoch, matches!(self.state.phase, Phase::Starting { .. }));
        if epoch != self.state.epoch || !starts || self.queued_there().is_none() {
            return;
        }
        let Some(standing) = self.process().map(|process| process.standing().borrow().clone()) else {
            return;
        };
        match standing {
            PlacementState::Queued(why) => self.wait_there(why),
            PlacementState::Placed(endpoint) => {
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
