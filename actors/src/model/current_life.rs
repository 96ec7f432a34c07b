//! What the rest of a Model asks of its present life, and how work is tied to it.

use super::actor::Model;
use super::lease::RunGate;
use super::life::{CurrentRun, Process};
use actix::{ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use futures_util::{Stream, StreamExt};
use llm_manager_policy::spec::VariantSpec;
use std::future::Future;
use std::sync::Arc;

impl Model {
    /// What was launched.
    pub(super) fn run(&self) -> Option<&CurrentRun> {
        self.life.as_ref()?.run.as_ref()
    }

    pub(super) fn run_mut(&mut self) -> Option<&mut CurrentRun> {
        self.life.as_mut()?.run.as_mut()
    }

    /// What the launch has come to.
    pub(super) fn process(&self) -> Option<&Process> {
        self.run()?.process.as_ref()
    }

    pub(super) fn door(&self) -> Option<&Arc<RunGate>> {
        self.life.as_ref()?.serving.as_ref().map(|serving| &serving.door)
    }

    /// The leases of its backend, as they were last looked at.
    pub(super) fn seen_leases(&self) -> u32 {
        let serving = self.life.as_ref().and_then(|life| life.serving.as_ref());
        serving.map_or(0, |serving| serving.seen.leases())
    }

    /// The position of the variant that was granted, and the variant.
    pub(super) fn granted(&self) -> Option<(usize, &VariantSpec)> {
        let at = self.life.as_ref()?.grant.variant;
        Some((at, self.spec.variants.get(at)?))
    }

    pub(super) fn variant(&self) -> Option<&VariantSpec> {
        self.granted().map(|(_, variant)| variant)
    }

    /// Who needs its memory, in words.
    pub(super) fn evictor(&self) -> &str {
        self.life.as_ref().and_then(|life| life.evicted_for.as_deref()).unwrap_or("another model")
    }

    /// Waits for something on behalf of the present life. If that ends first, nothing follows.
    pub(super) fn await_in_life<F>(
        &self,
        ctx: &mut Context<Self>,
        what: F,
        then: impl FnOnce(&mut Self, F::Output, &mut Context<Self>) + 'static,
    ) where
        F: Future + 'static,
    {
        let Some(life) = &self.life else { return };
        let tie = life.ties.token();
        let work = tie.clone().run_until_cancelled_owned(what).into_actor(self);
        ctx.spawn(work.map(move |output, model, ctx| {
            // Both may have come at once.
            if let Some(output) = output.filter(|_| !tie.is_cancelled()) {
                then(model, output, ctx);
            }
        }));
    }

    /// Hears what comes of a stream until the present life ends.
    pub(super) fn hear_in_life<T: 'static>(
        &self,
        ctx: &mut Context<Self>,
        stream: impl Stream<Item = T> + 'static,
    ) where
        Self: StreamHandler<T>,
    {
        if let Some(life) = &self.life {
            ctx.add_stream(stream.take_until(life.ties.token().cancelled_owned()));
        }
    }
}
