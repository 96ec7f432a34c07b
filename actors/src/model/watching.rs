//! Watches a backend that serves: what its requests show, and what its process does.

use super::actor::Model;
use crate::probe;
use actix::{ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::liveness::IN_A_ROW;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Requests of this life show that something is wrong.
struct Unwell {
    epoch: u64,
    hung: bool,
    away: bool,
}

impl Model {
    /// Begins to listen to what the requests of the present door show.
    pub(super) fn watch_requests(&mut self, ctx: &mut Context<Self>) {
        let Some(door) = &self.door else { return };
        let epoch = self.state.epoch;
        let unwell = futures_util::stream::unfold(Arc::downgrade(door), move |watched| async move {
            let door = watched.upgrade()?;
            door.unwell.notified().await;
            let hung = door.hung.swap(false, Ordering::AcqRel);
            let away = door.away.swap(false, Ordering::AcqRel);
            Some((Unwell { epoch, hung, away }, watched))
        });
        self.watching = Some(ctx.add_stream(unwell));
    }

    /// Hears of a first process that dies and leaves something behind.
    pub(super) fn watch_process(&mut self, ctx: &mut Context<Self>) {
        let Some(run) = &self.run else { return };
        let epoch = self.state.epoch;
        let broke = run.broke().into_actor(self).map(move |(), model, ctx| {
            if epoch == model.state.epoch {
                if matches!(model.state.phase, Phase::Ready { .. }) {
                    model.last_error = Some(
                        "its first process has died; what it left behind has a moment to clean up".into(),
                    );
                }
                model.drive(Event::Broken { epoch }, ctx);
            }
        });
        self.breaking = Some(ctx.spawn(broke));
    }

    /// Asks a backend that serves whether it still does. One question at a time.
    pub(super) fn check(&mut self, ctx: &mut Context<Self>) {
        if self.checking.is_some() {
            return;
        }
        if let Some(far) = self.far() {
            return self.check_there(far, ctx);
        }
        if let Some(run) = &self.run {
            run.doubt();
        }
        let Some(endpoint) = self.endpoint() else { return };
        let Some(readiness) = self.questions() else { return };
        let epoch = self.state.epoch;
        let name = self.spec.name.clone();
        log::warn!("models/{name}: {IN_A_ROW} errors in a row, or a refused connection: probing it");
        let checked = async move { probe::still_serves(endpoint, readiness).await };
        let done = checked.into_actor(self).map(move |result, model, ctx| {
            model.checking = None;
            match result {
                Ok(()) => log::info!("models/{name}: its probe succeeded; it keeps running"),
                Err(why) => {
                    if matches!(model.state.phase, Phase::Ready { .. }) && epoch == model.state.epoch {
                        model.last_error = Some(
                            format!("requests failed, and its probe did, too: {why}; it is being restarted")
                                .into(),
                        );
                    }
                    model.drive(Event::CheckFailed { epoch }, ctx);
                }
            }
        });
        self.checking = Some(ctx.spawn(done));
    }
}

impl StreamHandler<Unwell> for Model {
    fn handle(&mut self, unwell: Unwell, ctx: &mut Context<Self>) {
        let epoch = unwell.epoch;
        if epoch != self.state.epoch || !matches!(self.state.phase, Phase::Ready { .. }) {
            return;
        }
        if unwell.away && self.far().is_some() {
            self.lose("it answers 503: it serves nobody now");
        } else if unwell.hung {
            let seconds = self.spec.first_byte_timeout.unwrap_or_default().as_secs_f64();
            self.last_error = Some(
                format!(
                    "no answer to {IN_A_ROW} requests in a row within first_byte_timeout ({seconds} s): it hangs, and \
                     is being restarted"
                )
                .into(),
            );
            self.drive(Event::Hung { epoch }, ctx);
        } else {
            self.drive(Event::Doubted { epoch }, ctx);
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}
