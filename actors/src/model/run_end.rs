//! The end of a run: what its exit shows, what is kept of it, and what is returned.

use super::actor::Model;
use super::status::RunRecord;
use crate::billing::RunEnd;
use crate::memory::MemoryNotice;
use actix::Context;
use jiff::Timestamp;
use llm_manager_policy::duration_text::DurationText;
use llm_manager_policy::ending::{Away, Circumstances, EndCause, Signs, is_untimely};
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::oom::says_out_of_memory;
use llm_manager_process::{ExitReport, LaunchError};
use std::sync::Arc;

impl Model {
    /// Nothing is left of the run.
    pub(super) fn exited(&mut self, report: &ExitReport, ctx: &mut Context<Self>) {
        // What the cluster did has its own sentence.
        let text = match report.away {
            Some(_) => report.status.clone(),
            None => format!("{}{}", report.status, self.when_it_died(report.success)),
        };
        let is_silent = self.life.as_ref().is_some_and(|life| life.unreachable.is_some());
        if is_untimely(&self.state.phase) && !is_silent {
            let whole = match report.away {
                Some(Away::Refused) => text.clone(),
                _ => with_last_lines(text.clone(), &report.last_lines),
            };
            self.past.error = Some(whole.into());
        }
        let lines = report.last_lines.iter().map(String::as_str);
        let lacked_memory = self.env.memory.is_there() && says_out_of_memory(lines);
        if let Some(life) = &mut self.life {
            let signs = life.signs().of_exit(&self.state.phase, report.away, lacked_memory);
            life.taken = signs.taken;
            life.out_of_memory = signs.out_of_memory;
            if signs.unreachable {
                life.unreachable.get_or_insert_with(|| report.status.as_str().into());
            }
            if signs.out_of_memory {
                let variant = life.run.as_ref().map_or("", |run| &run.variant);
                let text = with_last_lines(format!("variant {variant}: {text}"), &report.last_lines);
                log::warn!("models/{}: out of memory: {text}", self.spec.name);
                self.past.out_of_memory = Some(text.into());
            }
            life.exit = Some(report.status.clone());
        }
        self.gone(ctx);
    }

    /// There is no run.
    pub(super) fn not_launched(&mut self, error: &LaunchError, ctx: &mut Context<Self>) {
        let why: Arc<str> = error.to_string().into();
        if let Some(life) = self.life.as_mut().filter(|_| matches!(error, LaunchError::NoWay { .. })) {
            life.unreachable = Some(Arc::clone(&why));
        }
        self.past.error = Some(why);
        self.gone(ctx);
    }

    fn gone(&mut self, ctx: &mut Context<Self>) {
        let end = self.close_books();
        self.drive(end, ctx);
        self.tell_of_change();
    }

    /// The run goes, and what is worth keeping of it is kept; its life ends with the event that is answered.
    pub(super) fn close_books(&mut self) -> Event {
        self.tell_trace();
        let epoch = self.state.epoch;
        let Some(life) = &mut self.life else { return Event::Gone { epoch } };
        let signs = life.signs();
        if let Some(mut run) = life.run.take() {
            let exit = life.exit.clone().unwrap_or_else(|| "not started".to_owned());
            let (queued_at, evicted_for) = (life.queued_at, life.evicted_for.clone());
            let cause = self.why_it_ended(run.ready_at.is_some(), signs);
            let evicted_for = evicted_for.filter(|_| cause == EndCause::Evicted);
            let ended_by = self.who_ended(cause, evicted_for.as_deref());
            let id = run.booked();
            if let Some(books) = run.books.take() {
                let (exit, evicted_for, ended_by) = (exit.clone(), evicted_for.clone(), ended_by.clone());
                books.ended(RunEnd { exit, cause, evicted_for, ended_by });
            }
            self.past.remember(RunRecord {
                id,
                trace: run.trace,
                variant: run.variant,
                pid: run.pid,
                queued_at,
                started_at: run.started_at,
                ready_at: run.ready_at,
                ended_at: Timestamp::now(),
                exit,
                cause,
                evicted_for,
                started_by: run.started_by,
                ended_by,
            });
        }
        signs.event(epoch)
    }

    fn why_it_ended(&self, was_ready: bool, signs: Signs) -> EndCause {
        let shutting_down = self.env.stopping.is_cancelled();
        EndCause::of(&self.state.phase, Circumstances { was_ready, signs, shutting_down })
    }

    fn when_it_died(&self, success: bool) -> String {
        let hint = match (&self.state.phase, success) {
            (Phase::Starting { .. }, true) => {
                " (the script must stay: end it with `exec`, start nothing with `&`)"
            }
            _ => "",
        };
        let after = self.run().map(|run| self.handle.origin.elapsed().saturating_sub(run.launched));
        let phase = match self.state.phase {
            Phase::Starting { .. } => "before it was ready",
            Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => "while it was parked",
            _ => "while it was ready",
        };
        format!(" {phase}, after {}{hint}", DurationText(after.unwrap_or_default()))
    }

    /// Ends the life, and gives its memory or its demand back. The epoch has moved on already when a new life begins in
    /// the same step.
    pub(super) fn end_life(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.past.exit = life.exit.clone();
        self.leave_out(life.grant.variant, life.unreachable.as_ref());
        self.env.memory.tell(MemoryNotice::Returned {
            model: self.spec.name.as_str().into(),
            epoch: life.epoch,
            ran: life.ran,
            out_of_memory: life.out_of_memory,
            unreachable: life.unreachable.clone(),
        });
    }
}

/// A line that may stand in an error, which goes to every client that waits.
fn shortened(line: &str) -> String {
    const LONGEST: usize = 300;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// An error with what the backend printed last; its first line says it all.
pub(super) fn with_last_lines(text: String, lines: &[String]) -> String {
    if lines.is_empty() {
        return format!("{text}; it printed nothing");
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("  | {}", shortened(line))).collect();
    format!("{text}\n{}", lines.join("\n"))
}
