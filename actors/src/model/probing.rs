//! Carries out a probe: what the model asks its backend, and what it does with the end of it.

use super::actor::Model;
use super::run_end::with_last_lines;
use crate::probe::{self, ProbeFailure, ProbeListener};
use actix::{AsyncContext, Context};
use llm_manager_policy::duration_text::DurationText;
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::readiness::{self, BackendInfo, ModelNames, PastStarts, Readiness};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

impl Model {
    pub(super) fn probe(&mut self, ctx: &mut Context<Self>) {
        if let Some(far) = self.far() {
            return self.ask_there(far, ctx);
        }
        let Some(process) = self.process() else { return };
        let (epoch, Some(endpoint)) = (self.state.epoch, self.endpoint()) else { return };
        let Some(readiness) = self.readiness() else { return };
        let (listener, elsewhere) = (process.check_listener(), process.listens_elsewhere());
        let strict = !self.spec.foreign_listener;
        let name = self.spec.name.clone();
        let told = Progress { model: ctx.address(), epoch };
        let (output, tail) = (process.tail(), process.tail());
        let ready = async move {
            let check = async move { if strict { listener.await } else { Ok(()) } };
            probe::until_ready(endpoint, &name, readiness, output, check, elsewhere, &told).await
        };
        let started = self.handle.origin.elapsed();
        // A task of its own: a question every few milliseconds shouldn't wake all that the actor waits for.
        let task = AbortOnDropHandle::new(actix_rt::spawn(ready));
        self.await_in_life(ctx, task, move |model, result, ctx| {
            let result = result.unwrap_or_else(|error| Err(ProbeFailure::Broke(error.to_string())));
            match result {
                Ok(found) => {
                    model.learn(found);
                    model.drive(Event::ProbeSucceeded { epoch }, ctx);
                }
                Err(failure) => {
                    let lines: Vec<String> = tail.borrow().lines.iter().cloned().collect();
                    let after = model.handle.origin.elapsed().saturating_sub(started);
                    let text = format!("{failure} (after {})", DurationText(after));
                    model.past.error = Some(with_last_lines(text, &lines).into());
                    model.drive(Event::ProbeRefused { epoch }, ctx);
                }
            }
        });
    }

    /// The questions to the variant that was launched, with what its last start has shown.
    fn readiness(&self) -> Option<Readiness> {
        let spec = &self.spec;
        let (at, variant) = self.granted()?;
        let names = ModelNames::new(spec.model(), &spec.aliases, variant.served_name.as_deref());
        let names = names.launched_by(&variant.launch);
        let lessons = self.past.lessons.get(&at).cloned().unwrap_or_default();
        Some(Readiness::new(readiness::probes(&spec.mode, variant), names, lessons))
    }

    /// The same, trial included, for a backend that serves already.
    pub(super) fn questions(&self) -> Option<Readiness> {
        let spec = &self.spec;
        let variant = self.variant()?;
        let found = self.door().and_then(|door| door.served_name());
        let names = ModelNames::new(spec.model(), &[], found.as_deref().or(variant.served_name.as_deref()));
        Some(Readiness::new(readiness::probes(&spec.mode, variant), names, PastStarts::default()))
    }

    pub(super) fn learn(&mut self, found: BackendInfo) {
        // llama.cpp's router generates on when the client of a plain request has left.
        self.handle.engine.forget();
        if found.owner.as_deref() == Some("llamacpp") {
            self.handle.engine.learn(true);
        }
        let spec = &self.spec;
        let name = &spec.name;
        if let Some((status, text)) = found.trial_refused {
            log::warn!(
                "models/{name}: the backend refuses the request of the probe (status {status}: {text}), but counts as \
                 ready because it responds"
            );
        }
        if let Some(served) = found.served_name.as_ref().filter(|served| *served != name) {
            log::info!(
                "models/{name}: the backend knows it as `{served}`: requests are forwarded under that name"
            );
        }
        let Some((at, variant)) = self.granted() else { return };
        let name = variant.served_name.as_deref().or(found.served_name.as_deref());
        let (served_name, manager_there) = (name.map(Arc::from), found.manager);
        if let Some(run) = self.run_mut() {
            (run.served_name, run.manager_there) = (served_name, manager_there);
        }
        self.past.lessons.insert(at, found.lessons);
        self.handle.set_context(found.context);
    }
}

/// Tells the actor how far a start has come.
pub(super) struct Progress {
    pub(super) model: actix::Addr<Model>,
    pub(super) epoch: u64,
}

impl ProbeListener for Progress {
    fn port_open(&self) {
        crate::tell(&self.model, Step { epoch: self.epoch, news: News::PortOpen });
    }

    fn waits_for(&self, text: String) {
        crate::tell(&self.model, Step { epoch: self.epoch, news: News::WaitsFor(text.into()) });
    }
}

/// How far a start has come.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Step {
    epoch: u64,
    news: News,
}

enum News {
    PortOpen,
    WaitsFor(Arc<str>),
}

impl actix::Handler<Step> for Model {
    type Result = ();

    fn handle(&mut self, step: Step, _: &mut Context<Self>) {
        if step.epoch != self.state.epoch || !matches!(self.state.phase, Phase::Starting { .. }) {
            return;
        }
        match step.news {
            News::PortOpen => {
                self.note_port_open();
                if self.spec.foreign_listener
                    && let Some(process) = self.process()
                {
                    process.claim_port();
                }
            }
            News::WaitsFor(text) => {
                self.wait_for(text);
                self.publish();
            }
        }
    }
}
