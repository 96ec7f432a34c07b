//! Notes the moments of a start, and tells them in the log.

use super::actor::Model;
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::Moment;
use std::sync::Arc;

impl Model {
    /// A moment on the clock of the wall.
    pub(super) fn wall_time(&self, moment: Moment) -> Option<Timestamp> {
        let now = self.handle.origin.elapsed();
        // One of the two is nothing.
        let (past, future) = (now.saturating_sub(moment), moment.saturating_sub(now));
        Timestamp::now().checked_sub(past).ok()?.checked_add(future).ok()
    }

    pub(super) fn note_port_open(&mut self) {
        if let Some(run) = &mut self.current {
            run.trace.port_open.get_or_insert_with(Timestamp::now);
        }
    }

    /// Has the first answer of the present run noted when it comes.
    pub(super) fn await_first_byte(&mut self, ctx: &mut Context<Self>) {
        let Some(door) = self.door.clone() else { return };
        let epoch = self.state.epoch;
        let answered = async move {
            door.answered.notified().await;
            door.first_byte()
        };
        let noted = answered.into_actor(self).map(move |at, model, _| {
            model.first_byte = None;
            if epoch == model.state.epoch
                && let (Some(run), Some(at)) = (&mut model.current, at)
            {
                let ago = model.handle.origin.elapsed().saturating_sub(at);
                run.trace.first_byte = Timestamp::now().checked_sub(ago).ok();
                model.tell_trace();
                model.publish();
            }
        });
        self.first_byte = Some(ctx.spawn(noted));
    }

    /// One line per start: at its first answer, or at its end without one.
    pub(super) fn tell_trace(&mut self) {
        let id = self.ledger_run.as_ref().map(|run| run.id());
        let Some(run) = self.current.as_mut().filter(|run| !run.traced) else { return };
        run.traced = true;
        let run_words = id.map_or_else(|| "a run".to_owned(), |id| format!("run {id}"));
        let name: Arc<str> = self.spec.name.as_str().into();
        log::debug!("models/{name}: start of {run_words}: {}", run.trace.words());
    }
}
