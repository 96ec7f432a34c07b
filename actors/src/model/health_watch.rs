//! Watches a backend that serves: what its requests show, and what its process does.

use super::actor::Model;
use crate::probe;
use actix::{Context, StreamHandler};
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
        let Some(door) = self.door() else { return };
        let epoch = self.state.epoch;
        let unwell = futures_util::stream::unfold(Arc::downgrade(door), move |watched| async move {
            let door = watched.upgrade()?;
            door.unwell.notified().await;
            let hung = door.hung.swap(false, Ordering::AcqRel);
            let away = door.away.swap(false, Ordering::AcqRel);
            Some((Unwell { epoch, hung, away }, watched))
        });
        self.hear_in_life(ctx, unwell);
    }

    /// Hears of a first process that dies and leaves something behind.
    pub(super) fn watch_process(&mut self, ctx: &mut Context<Self>) {
        let Some(process) = self.process() else { return };
        let (epoch, broke) = (self.state.epoch, process.broke());
        self.await_in_life(ctx, broke, move |model, (), ctx| {
            if epoch == model.state.epoch {
                if matches!(model.state.phase, Phase::Ready { .. }) {
                    model.past.error = Some(
                        "its first process has died; what it left behind has a moment to clean up".into(),
                    );
                }
                model.drive(Event::Broken { epoch }, ctx);
            }
        });
    }

    fn is_checking(&self) -> bool {
        let serving = self.life.as_ref().and_then(|life| life.serving.as_ref());
        serving.is_some_and(|serving| serving.checking)
    }

    pub(super) fn note_check(&mut self, checking: bool) {
        if let Some(serving) = self.life.as_mut().and_then(|life| life.serving.as_mut()) {
            serving.checking = checking;
        }
    }

    /// Asks a backend that serves whether it still does. One question at a time.
    pub(super) fn check(&mut self, ctx: &mut Context<Self>) {
        if self.is_checking() {
            return;
        }
        if let Some(far) = self.far() {
            return self.check_there(far, ctx);
        }
        if let Some(process) = self.process() {
            process.doubt();
        }
        let Some(endpoint) = self.endpoint() else { return };
        let Some(readiness) = self.questions() else { return };
        let epoch = self.state.epoch;
        let name = self.spec.name.clone();
        log::warn!("models/{name}: {IN_A_ROW} errors in a row, or a refused connection: probing it");
        let checked = async move { probe::still_serves(endpoint, readiness).await };
        self.note_check(true);
        self.await_in_life(ctx, checked, move |model, result, ctx| {
            model.note_check(false);
            match result {
                Ok(()) => log::info!("models/{name}: its probe succeeded; it keeps running"),
                Err(why) => {
                    if matches!(model.state.phase, Phase::Ready { .. }) && epoch == model.state.epoch {
                        model.past.error = Some(
                            format!("requests failed, and its probe did, too: {why}; it is being restarted")
                                .into(),
                        );
                    }
                    model.drive(Event::CheckFailed { epoch }, ctx);
                }
            }
        });
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
            self.past.error = Some(
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
