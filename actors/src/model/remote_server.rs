//! A run that is a server which somebody else runs: it is asked whether it answers, and counts as offline when it doesn't.

use super::actor::Model;
use super::probing::Progress;
use crate::probe::{self, RemoteModel};
use actix::{AsyncContext, Context, StreamHandler};
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::placement::alone;
use llm_manager_policy::readiness::{ModelNames, RemoteProbe};
use llm_manager_policy::spec::Place;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How often another manager is asked what its model does, while requests wait there.
const LOOK_THERE: Duration = Duration::from_millis(500);

/// Another manager says what its model does; `None`: nothing that one has to wait for.
struct SaidThere {
    epoch: u64,
    there: Option<RemoteModel>,
}

impl StreamHandler<SaidThere> for Model {
    fn handle(&mut self, said: SaidThere, _: &mut Context<Self>) {
        let is_now = said.epoch == self.state.epoch;
        if let Some(run) = self.run_mut().filter(|run| is_now && run.state_there != said.there) {
            run.state_there = said.there;
            self.publish();
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}

impl Model {
    /// The question to the server of the present variant; `None`: the variant is one of this machine, or of a cluster.
    pub(super) fn far(&self) -> Option<RemoteProbe> {
        let spec = &self.spec;
        let variant = self.variant()?;
        let Place::Url(_) = variant.place else { return None };
        let names = ModelNames::new(spec.model(), &spec.aliases, variant.served_name.as_deref());
        Some(RemoteProbe::new(&spec.mode, variant, names))
    }

    /// Asks until it answers, or counts as offline.
    pub(super) fn ask_there(&mut self, far: RemoteProbe, ctx: &mut Context<Self>) {
        let Some(endpoint) = self.endpoint() else { return };
        let epoch = self.state.epoch;
        let told = Progress { model: ctx.address(), epoch };
        let asking = async move { probe::until_answered(endpoint, far, Some(&told)).await };
        let task = AbortOnDropHandle::new(actix_rt::spawn(asking));
        self.await_in_life(ctx, task, move |model, result, ctx| {
            match result.unwrap_or_else(|error| Err(format!("the probe failed: {error}"))) {
                Ok(found) => {
                    model.learn(found);
                    model.drive(Event::ProbeSucceeded { epoch }, ctx);
                }
                Err(why) => model.lose(&why),
            }
        });
    }

    /// Asks whether it still answers. One question at a time.
    pub(super) fn check_there(&mut self, far: RemoteProbe, ctx: &mut Context<Self>) {
        let Some(endpoint) = self.endpoint() else { return };
        let epoch = self.state.epoch;
        log::warn!("models/{}: errors in a row, or no connection to {endpoint}: asking it", self.spec.name);
        let asking = async move { probe::until_answered::<Progress>(endpoint, far, None).await };
        self.note_check(true);
        self.await_in_life(ctx, asking, move |model, result, _| {
            model.note_check(false);
            match result {
                Ok(_) => log::info!("models/{}: it answers; it is used on", model.spec.name),
                Err(why)
                    if epoch == model.state.epoch && matches!(model.state.phase, Phase::Ready { .. }) =>
                {
                    model.lose(&why);
                }
                Err(_) => {}
            }
        });
    }

    /// It counts as a variant whose devices are offline.
    pub(super) fn lose(&mut self, why: &str) {
        log::warn!("models/{}: {why}: it counts as offline", self.spec.name);
        let why: Arc<str> = why.into();
        self.past.error = Some(Arc::clone(&why));
        if let Some(life) = &mut self.life {
            life.unreachable = Some(why);
        }
        if let Some(process) = self.process() {
            process.kill();
        }
    }

    /// While requests wait for another manager, it is asked what its model does.
    pub(super) fn watch_there(&mut self, ctx: &mut Context<Self>) {
        let is_manager = self.run().is_some_and(|run| run.manager_there);
        let Some(door) = self.door().filter(|_| is_manager) else { return };
        let name = door.served_name().unwrap_or_else(|| self.spec.model().into());
        let base = self.variant().and_then(|variant| variant.routes.base.as_deref()).unwrap_or_default();
        let Some(endpoint) = self.endpoint() else { return };
        let epoch = self.state.epoch;
        let line = probe::StateLine::new(endpoint, base, &name);
        let states = futures_util::stream::unfold(
            (line, Arc::downgrade(door)),
            move |(mut line, watched)| async move {
                loop {
                    tokio::time::sleep(LOOK_THERE).await;
                    let waits = watched.upgrade()?.gate.look().leases() > 0;
                    let there = if waits { line.ask().await? } else { None };
                    if line.is_news(&there) {
                        return Some((SaidThere { epoch, there }, (line, watched)));
                    }
                }
            },
        );
        self.hear_in_life(ctx, states);
    }

    /// Without a Scheduler: the first variant whose address has not just been silent.
    pub(super) fn reserve_alone(&mut self, epoch: u64) -> Event {
        match alone(self.spec.variants.len(), &self.past.left_out, self.handle.origin.elapsed()) {
            Some(variant) => {
                if let Some(life) = &mut self.life {
                    life.grant.variant = variant;
                }
                Event::Reserved { epoch }
            }
            None => Event::Denied { epoch },
        }
    }

    /// Without a Scheduler the Model itself remembers which address was silent.
    pub(super) fn leave_out(&mut self, variant: usize, unreachable: Option<&Arc<str>>) {
        if unreachable.is_some() && !self.env.memory.is_there() {
            self.past.left_out.insert(variant, self.handle.origin.elapsed());
        }
    }

    /// Whether the last run was one of this machine.
    pub(super) fn last_was_here(&self) -> bool {
        let last = self.past.runs.front().map(|run| &*run.variant);
        let variant = self.spec.variants.iter().find(|variant| Some(variant.name.as_str()) == last);
        variant.is_none_or(|variant| variant.place.is_local())
    }
}
