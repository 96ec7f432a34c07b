//! Notes the moments of a start, and tells them in the log.

use super::actor::Model;
use actix::Context;
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
        if let Some(run) = self.run_mut() {
            run.trace.port_open.get_or_insert_with(Timestamp::now);
        }
    }

    /// Has the first answer of the present run noted when it comes.
    pub(super) fn await_first_byte(&mut self, ctx: &mut Context<Self>) {
        let Some(door) = self.door().cloned() else { return };
        let answered = async move {
            door.answered.notified().await;
            door.first_byte()
        };
        self.await_in_life(ctx, answered, |model, at, _| {
            let now = model.handle.origin.elapsed();
            if let (Some(run), Some(at)) = (model.run_mut(), at) {
                let ago = now.saturating_sub(at);
                run.trace.first_byte = Timestamp::now().checked_sub(ago).ok();
                model.tell_trace();
                model.publish();
            }
        });
    }

    /// One line per start: at its first answer, or at its end without one.
    pub(super) fn tell_trace(&mut self) {
        let name: Arc<str> = self.spec.name.as_str().into();
        let Some(run) = self.run_mut().filter(|run| !run.traced) else { return };
        run.traced = true;
        let run_words = run.booked().map_or_else(|| "a run".to_owned(), |id| format!("run {id}"));
        log::debug!("models/{name}: start of {run_words}: {}", run.trace.words());
    }
}
