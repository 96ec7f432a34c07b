//! The front of a model with several replicas: one line for all of them, and the decision how many there are, which is
//! `llm_manager_policy::replicas`'. A model with one replica never comes here.

use super::actor::Model;
use super::messages::{By, Reconfigure, Refused};
use super::published::{Published, ReplicaPeer};
use super::replica_link::ReplicaNotice;
use super::waiters::StartRequest;
use actix::{AsyncContext, Context, Handler};
use llm_manager_policy::duration_text::DurationText;
use llm_manager_policy::lifecycle::{Event, Refusal, StopUrgency};
use llm_manager_policy::placement::DemandPriority as PlacementUrgency;
use llm_manager_policy::replicas::{self, Effect, ReplicaState, ScaleReason, Term, View};
use std::sync::Arc;
use std::time::Duration;

impl Model {
    fn has_crew(&self) -> bool {
        !self.handle.crew().is_empty()
    }

    /// Whether another replica serves, or will: then those who wait don't depend on this one.
    pub(super) fn others_serve(&self) -> bool {
        let now = self.handle.origin.elapsed();
        self.handle.crew().iter().any(|mate| mate.face.stand(now).is_alive())
    }

    /// Who wants the first replica: while others serve, it is one more like them, for which nobody has to go.
    pub(super) fn urgency_now(&mut self) -> PlacementUrgency {
        if self.has_crew() && self.others_serve() && !self.waiters.any_operator() {
            return PlacementUrgency::Boot;
        }
        self.waiters.urgency()
    }

    /// Whether somebody waits for this very backend.
    pub(super) fn is_awaited(&mut self) -> bool {
        if self.has_crew() && self.others_serve() { self.waiters.any_order() } else { self.waiters.any() }
    }

    /// It is ready, or has room: whoever waits gets in, at whichever replica there is room.
    pub(super) fn grant_waiters(&mut self) {
        self.waiters.answer_orders();
        if let Some((_, front)) = self.handle.front() {
            front.tell(ReplicaNotice::Changed);
        } else if self.has_crew() {
            self.serve_line();
        } else if let Some(door) = self.door().cloned() {
            self.waiters.serve(std::slice::from_ref(&door));
        } else {
            log::error!("models/{}: internal error: waiters granted without an open gate", self.spec.name);
        }
    }

    fn serve_line(&mut self) {
        let doors = self.handle.open_doors();
        if !doors.is_empty() {
            self.waiters.serve(&doors);
        }
    }

    /// An operator's start of a model that serves already, by whichever replica; false: none does.
    pub(super) fn is_started(&mut self, ctx: &mut Context<Self>) -> bool {
        let serves = self.has_crew() && !self.handle.open_doors().is_empty();
        if serves {
            self.waiters.answer_orders();
        }
        self.turn(replicas::Event::Wanted, ctx);
        serves
    }

    /// Before an operator's stop: those in the line are refused by whichever replica they might have got.
    pub(super) fn stop_crew(&mut self, ctx: &mut Context<Self>) {
        if self.has_crew() {
            self.front.untold.clear();
            let refused = self.refused(Refusal::Stopped);
            self.waiters.refuse_all(&refused);
            self.turn(replicas::Event::Stopped, ctx);
        }
    }

    /// Those who wait are refused, as far as they depend on this backend.
    pub(super) fn refuse_waiters(&mut self, refusal: Refusal, refused: &Refused) {
        let retry_after = refused.retry_after.unwrap_or_default();
        if let Some((replica, front)) = self.handle.front() {
            if refusal == Refusal::NoMemory {
                front.tell(ReplicaNotice::NoRoom { replica, retry_after });
            }
        } else if refusal != Refusal::Stopped && self.has_crew() && self.others_serve() {
            if refusal == Refusal::NoMemory {
                self.front.no_room = Some(retry_after);
            }
            self.waiters.refuse_orders(refused);
            return;
        }
        self.waiters.refuse_all(refused);
    }

    /// After each event: a front looks at its crew, and a replica tells its front if it has `changed`.
    pub(super) fn look_around(&mut self, changed: bool, ctx: &mut Context<Self>) {
        if let Some((_, front)) = self.handle.front() {
            if changed {
                front.tell(ReplicaNotice::Changed);
            }
        } else {
            self.turn(replicas::Event::Look, ctx);
        }
    }

    /// Serves the line, and sees to it that there are as many replicas as there should be.
    fn turn(&mut self, event: replicas::Event, ctx: &mut Context<Self>) {
        let crew = self.handle.crew();
        if crew.is_empty() || std::mem::replace(&mut self.front.busy, true) {
            return;
        }
        self.serve_line();
        self.demand_anew();
        let now = self.handle.origin.elapsed();
        let stands: Vec<ReplicaState> = std::iter::once(self.handle.stand(now))
            .chain(crew.iter().map(|mate| mate.face.stand(now)))
            .collect();
        let waits_since = self.waiters.longest().map(|waited| now.saturating_sub(waited));
        let rules = self.spec.replicas;
        let faces = || std::iter::once(&*self.handle).chain(crew.iter().map(|mate| &*mate.face));
        let terms: Vec<Option<Term>> =
            if rules.spare == 0 { Vec::new() } else { faces().map(Published::term).collect() };
        let view = View { now, waits_since, stands: &stands, terms: &terms };
        let refused = if event == replicas::Event::Look { self.front.no_room.take() } else { None };
        let event = refused.map_or(event, |retry_after| replicas::Event::Refused { replica: 0, retry_after });
        let step = replicas::step(&self.front.state, event, &view, &rules);
        self.front.state = step.state;
        if let Some(looking) = self.front.looking.take() {
            ctx.cancel_future(looking);
        }
        for effect in step.effects {
            self.see_to(effect, now, &crew, ctx);
        }
        self.keep(&step.kept, &crew, ctx);
        self.tell_next(&stands, &crew);
        self.front.busy = false;
    }

    fn see_to(&mut self, effect: Effect, now: Duration, crew: &[ReplicaPeer], ctx: &mut Context<Self>) {
        match effect {
            Effect::First => self.drive(Event::Acquire, ctx),
            Effect::More { replica, why } => {
                let why: Arc<str> = match why {
                    ScaleReason::Waited(waited) => {
                        format!("`scale_up_after`: a request has waited for {}", DurationText(waited))
                    }
                    ScaleReason::Few => format!("`replicas.min`, which is {}", self.spec.replicas.min),
                    ScaleReason::Succeeds(old) => self.words_of_succession(old, crew),
                }
                .into();
                match replica.checked_sub(1).and_then(|further| crew.get(further)) {
                    Some(mate) => mate.link.tell(ReplicaNotice::Start { why }),
                    None => self.start_one_more(why, ctx),
                }
            }
            Effect::Retire(replica) => match replica.checked_sub(1) {
                None => self.drive(Event::Retire, ctx),
                Some(further) => {
                    crew.get(further).into_iter().for_each(|mate| mate.link.tell(ReplicaNotice::Retire))
                }
            },
            Effect::Release(replica) => {
                if let Some(mate) = replica.checked_sub(1).and_then(|further| crew.get(further)) {
                    mate.link.tell(ReplicaNotice::Release);
                }
            }
            Effect::LookAt(at) => {
                let pause = at.saturating_sub(now).max(Duration::from_millis(1));
                self.front.looking = Some(ctx.run_later(pause, |model, ctx| {
                    model.front.looking = None;
                    model.turn(replicas::Event::Look, ctx);
                }));
            }
        }
    }

    /// Why one is started although there are enough.
    fn words_of_succession(&self, old: usize, crew: &[ReplicaPeer]) -> String {
        let mate = old.checked_sub(1).and_then(|further| crew.get(further));
        let status = mate.map_or_else(|| self.handle.status(), |mate| mate.face.status());
        let name = replicas::name(&self.spec.name, old + 1);
        let ends = status.ends_at.map_or_else(String::new, |at| format!(" at {at:.0}"));
        format!("`renew_before`: the place of {name} is over{ends}")
    }

    fn start_one_more(&mut self, why: Arc<str>, ctx: &mut Context<Self>) {
        self.ordered_by = Some(By::rule(why));
        self.waiters.order(StartRequest::Boot(None));
        self.drive(Event::Start, ctx);
    }

    fn keep(&mut self, kept: &[bool], crew: &[ReplicaPeer], ctx: &mut Context<Self>) {
        let mut kept = kept.iter().copied();
        if self.handle.set_stays(kept.next().unwrap_or_default()) {
            self.apply_alive_time(ctx);
        }
        for (mate, stays) in crew.iter().zip(kept) {
            if mate.face.set_stays(stays) {
                mate.link.tell(ReplicaNotice::Kept);
            }
        }
    }

    /// The configuration has changed: replicas hear of it one after the other, each when nothing else is under way, so that a launch
    /// that has changed never takes all of them down at once.
    pub(super) fn tell_crew_later(&mut self, news: &Reconfigure) {
        let crew = self.handle.crew();
        self.front.untold = crew
            .iter()
            .enumerate()
            .map(|(at, mate)| {
                let news = Reconfigure {
                    spec: mate.face.spec.load_full(),
                    timeouts: news.timeouts,
                    relaunched: Arc::clone(&news.relaunched),
                };
                (at, news)
            })
            .collect();
    }

    fn tell_next(&mut self, stands: &[ReplicaState], crew: &[ReplicaPeer]) {
        let is_settled =
            |stand: &ReplicaState| !matches!(stand, ReplicaState::Rising | ReplicaState::Leaving);
        while let Some((at, news)) = self.front.untold.pop_front() {
            let serves = stands.get(at + 1).is_some_and(|stand| *stand == ReplicaState::Ready);
            if serves && !news.relaunched.is_empty() && !stands.iter().all(is_settled) {
                self.front.untold.push_front((at, news));
                return;
            }
            let restarts = serves && !news.relaunched.is_empty();
            if let Some(mate) = crew.get(at) {
                mate.link.tell(ReplicaNotice::Reconfigure(news));
            }
            if restarts {
                // It tells when it has begun to drain, and when it is ready again.
                return;
            }
        }
    }
}

impl Handler<ReplicaNotice> for Model {
    type Result = ();

    fn handle(&mut self, notice: ReplicaNotice, ctx: &mut Context<Self>) {
        match notice {
            ReplicaNotice::Start { why } => self.start_one_more(why, ctx),
            ReplicaNotice::Kept => self.apply_alive_time(ctx),
            ReplicaNotice::Release => {
                self.ordered_by = Some(By::rule("a smaller `replicas.max`"));
                self.drive(Event::Stop(StopUrgency::Drain), ctx);
            }
            ReplicaNotice::Retire => self.drive(Event::Retire, ctx),
            ReplicaNotice::Reconfigure(news) => {
                self.reconfigure(news, ctx);
                self.look_around(true, ctx);
            }
            ReplicaNotice::Changed => self.turn(replicas::Event::Look, ctx),
            ReplicaNotice::NoRoom { replica, retry_after } => {
                self.turn(replicas::Event::Refused { replica, retry_after }, ctx);
            }
        }
    }
}
