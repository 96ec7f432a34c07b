//! The launch of a backend, until its door opens.

use super::actor::Model;
use super::lease::{BackendRoute, RunGate};
use super::life::{CurrentRun, Process, Serving};
use super::start_trace::StartTrace;
use crate::billing::{self, RunStart};
use actix::{Context, StreamHandler};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::Event;
use llm_manager_policy::spec::{Place, VariantSpec};
use llm_manager_policy::visible_devices;
use llm_manager_process::{LaunchError, LaunchOrder, Run};
use std::sync::Arc;

/// A lease came back while the door was watched.
struct Freed;

impl Model {
    pub(super) fn launch(&mut self, ctx: &mut Context<Self>) {
        let spec = Arc::clone(&self.spec);
        let Some(life) = &self.life else { return };
        let Some(variant) = spec.variants.get(life.grant.variant) else { return };
        let id = self.env.ledger.next_run();
        let run = CurrentRun {
            process: None,
            books: None,
            id,
            started_by: Arc::clone(&self.begun_by),
            started_at: Timestamp::now(),
            launched: self.handle.origin.elapsed(),
            ready_at: None,
            ready_moment: None,
            variant: variant.name.as_str().into(),
            pid: None,
            port: spec.port,
            place: (!variant.place.is_local()).then(|| variant.place.to_string().into()),
            ends: None,
            waits_for: Some(match &variant.place {
                Place::Url(_) => format!("an answer of {}", variant.place).into(),
                _ => "the process to start".into(),
            }),
            queued_there: None,
            served_name: None,
            manager_there: false,
            state_there: None,
            trace: StartTrace {
                placed: Some(Timestamp::now()),
                victims_gone: life.grant.made_room.and_then(|room| self.wall_time(room.victims_gone)),
                memory_free: life.grant.made_room.and_then(|room| self.wall_time(room.memory_free)),
                ..StartTrace::of(life.queued_at)
            },
            traced: false,
        };
        let order = LaunchOrder {
            run: id,
            model: spec.name.clone(),
            known_as: spec.model().to_owned(),
            variant: variant.name.clone(),
            epoch: life.epoch,
            place: variant.place.clone(),
            launch: variant.launch.clone(),
            working_dir: self.env.working_dir.clone(),
            env: environment(&life.grant.visible, variant),
            port: spec.port,
            stop_timeout: spec.stop_timeout,
            stop_command: variant.stop_command.clone(),
            slot: Arc::clone(&self.env.slot),
        };
        let launched = self.env.launcher.launch(order);
        self.await_in_life(ctx, launched, |model, result, ctx| model.launched(result, ctx));
        if let Some(life) = &mut self.life {
            life.run = Some(run);
        }
    }

    fn launched(&mut self, result: Result<Box<dyn Run>, LaunchError>, ctx: &mut Context<Self>) {
        match result {
            Ok(process) => {
                let exited = process.exited();
                self.take_over(process);
                self.await_in_life(ctx, exited, |model, report, ctx| model.exited(&report, ctx));
                self.watch_process(ctx);
                self.watch_term(ctx);
                self.watch_leaving(ctx);
                self.settle_in(ctx);
            }
            Err(error) => self.not_launched(&error, ctx),
        }
    }

    fn take_over(&mut self, process: Box<dyn Run>) {
        let books = self.open_books();
        let Some(life) = &mut self.life else { return };
        life.ran = true;
        if let Some(run) = &mut life.run {
            run.pid = process.pid();
            run.trace.launched = Some(Timestamp::now());
            run.books = books;
            run.process = Some(Process::new(&self.handle, process));
        }
    }

    fn open_books(&self) -> Option<billing::OpenRun> {
        let (life, run) = (self.life.as_ref()?, self.run()?);
        Some(self.env.ledger.run_started(RunStart {
            model: self.spec.model().into(),
            variant: Arc::clone(&run.variant),
            id: run.id,
            queued_us: life.queued_at.as_microsecond(),
            bill_loading: self.spec.bill_loading,
            started_by: Arc::clone(&run.started_by),
        }))
    }

    pub(super) fn open_door(&mut self, ctx: &mut Context<Self>) {
        let (Some(endpoint), Some(process)) = (self.endpoint(), self.process()) else { return };
        process.claim_port();
        let now = self.handle.origin.elapsed();
        let routes = self
            .variant()
            .filter(|variant| !variant.routes.are_plain())
            .map(|variant| Arc::new(variant.routes.clone()));
        let epoch = self.state.epoch;
        let Some(run) = self.run_mut() else { return };
        let (wall, took_off) = (Timestamp::now(), now.saturating_sub(run.launched));
        run.ready_at = Some(wall);
        run.trace.ready = Some(wall);
        run.ready_moment = Some(now);
        run.waits_for = None;
        if let Some(books) = &mut run.books {
            books.ready();
        }
        let way = BackendRoute {
            endpoint,
            epoch,
            variant: Arc::clone(&run.variant),
            run_id: run.booked(),
            took_off: Some(took_off),
            start: Some(run.trace),
            served_name: run.served_name.clone(),
            routes,
        };
        self.handle.last_start.store(Some(Arc::new((epoch, took_off))));
        self.past.forgive();
        self.tell_of_change();
        let door = RunGate::new(way, self.spec.max_concurrency, self.handle.origin);
        if self.handle.front().is_some() {
            // Nobody overtakes those in its front's line before the front has looked.
            door.gate.watch(true);
        }
        door.gate.open();
        self.serve_at(door, ctx);
    }

    fn serve_at(&mut self, door: RunGate, ctx: &mut Context<Self>) {
        let serving = Serving::new(&self.handle, door);
        let watched = Arc::downgrade(&serving.door);
        if let Some(life) = &mut self.life {
            life.serving = Some(serving);
        }
        let freed = futures_util::stream::unfold(watched, |watched| async move {
            let door = watched.upgrade()?;
            door.freed.notified().await;
            Some((Freed, watched))
        });
        self.hear_in_life(ctx, freed);
        self.await_first_byte(ctx);
        self.watch_requests(ctx);
        self.watch_there(ctx);
    }
}

impl StreamHandler<Freed> for Model {
    fn handle(&mut self, _: Freed, ctx: &mut Context<Self>) {
        self.drive(Event::LeaseFreed, ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}

/// The variant's own variables go before the scheduler's.
fn environment(visible: &[(String, String)], variant: &VariantSpec) -> Vec<(String, String)> {
    visible_devices::beside(visible, &variant.env).chain(variant.env.clone()).collect()
}
