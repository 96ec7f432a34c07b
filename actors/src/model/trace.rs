//! Trace: when a start got how far, from the wish to the first byte of an answer.

use super::actor::Model;
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::Moment;
use std::fmt::Write as _;
use std::sync::Arc;

/// The way of one start, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The model was first wanted.
    pub asked: Timestamp,
    /// The scheduler has chosen a variant and reserved its memory.
    pub placed: Option<Timestamp>,
    /// The last process of those that had to go was gone; `None`: nobody had to.
    pub victims_gone: Option<Timestamp>,
    /// The devices showed the memory as free.
    pub memory_free: Option<Timestamp>,
    /// The process was there.
    pub launched: Option<Timestamp>,
    /// Somebody listened on its port.
    pub port_open: Option<Timestamp>,
    /// It served.
    pub ready: Option<Timestamp>,
    /// The head of its first answer came.
    pub first_byte: Option<Timestamp>,
}

impl Trace {
    pub(super) fn of(asked: Timestamp) -> Self {
        Self {
            asked,
            placed: None,
            victims_gone: None,
            memory_free: None,
            launched: None,
            port_open: None,
            ready: None,
            first_byte: None,
        }
    }

    /// The moments in the order in which they come.
    pub fn moments(&self) -> [(&'static str, Option<Timestamp>); 8] {
        [
            ("asked", Some(self.asked)),
            // Before the reservation: it is made when they are.
            ("victims gone", self.victims_gone),
            ("memory free", self.memory_free),
            ("placed", self.placed),
            ("launched", self.launched),
            ("port open", self.port_open),
            ("ready", self.ready),
            ("first byte", self.first_byte),
        ]
    }

    /// `asked 2026-11-28T12:00:00Z, placed +0.001 s, ...`: each measured from the wish.
    fn words(&self) -> String {
        let mut words = format!("asked {}", self.asked);
        for (name, at) in self.moments().into_iter().skip(1) {
            let Some(at) = at else { continue };
            let seconds = at.duration_since(self.asked).as_secs_f64();
            // Writing to a text can't fail.
            let _ = write!(words, ", {name} +{seconds:.3} s");
        }
        words
    }
}

impl Model {
    /// A moment on the clock of the wall.
    pub(super) fn wall_time(&self, moment: Moment) -> Option<Timestamp> {
        Timestamp::now().checked_sub(self.handle.origin.elapsed().saturating_sub(moment)).ok()
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
        let name: Arc<str> = self.handle.spec.name.as_str().into();
        log::debug!("models/{name}: start of {run_words}: {}", run.trace.words());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_tell_how_long_after_the_wish_each_moment_came() {
        let asked: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let after = |ms| asked.checked_add(std::time::Duration::from_millis(ms)).ok();
        let trace = Trace { placed: after(1), launched: after(4), ready: after(1310), ..Trace::of(asked) };
        assert_eq!(
            trace.words(),
            "asked 2026-11-28T12:00:00Z, placed +0.001 s, launched +0.004 s, ready +1.310 s"
        );
    }
}
