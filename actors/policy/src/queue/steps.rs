//! The Scheduler's table: what each event changes, and the round that follows every one of them.

use super::{
    ANSWER_TIME, CHANGE_MIB, Denial, Effect, Event, FRESH, FailedStart, Hold, ModelView, POLL, RETRY_VARIANT,
    SNAPSHOT_PATIENCE, Stage, State, Step, View, Waiting,
};
use crate::lifecycle::Moment;
use crate::placement::{
    self, Blocker, Decision, Demand, Explanation, Held, HeldPart, ModelName, Part, Standing, Variant, Why,
    World, claims, decide,
};
use std::sync::Arc;

/// What follows from `event`.
pub fn step(state: &State, event: Event, view: &View<'_>) -> Step {
    let mut round = Round { state: state.clone(), view, effects: Vec::new() };
    let looks = matches!(event, Event::Demand { .. } | Event::Returned { .. } | Event::Timer);
    round.note_use();
    round.take(event);
    round.settle();
    if round.state.quiet_until.is_none_or(|until| until <= view.now) {
        round.state.quiet_until = None;
        round.serve();
    }
    if looks && round.wants_snapshot() {
        round.effects.push(Effect::AskSnapshot);
    }
    round.effects.push(round.next_look().map_or(Effect::DisarmTimer, Effect::ArmTimer));
    Step { state: round.state, effects: round.effects }
}

/// What would happen now if this model wanted to run: behind those who wait already.
pub fn explain(state: &State, view: &View<'_>, model: &ModelName, variants: &Arc<[Variant]>) -> Explanation {
    let round = Round { state: state.clone(), view, effects: Vec::new() };
    let mut held = round.held();
    let ahead = state.waiting.iter().take_while(|one| one.model != *model);
    ahead.for_each(|one| held.extend(round.claim(&round.demand(&one.model, &one.variants))));
    placement::explain(&round.world(&held), &round.demand(model, variants))
}

struct Round<'a> {
    state: State,
    view: &'a View<'a>,
    effects: Vec<Effect>,
}

impl Round<'_> {
    fn take(&mut self, event: Event) {
        let now = self.view.now;
        match event {
            Event::Demand { model, epoch, variants } => {
                self.state.waiting.retain(|one| one.model != model);
                // Whoever begins a life has ended the one before, even if nobody could tell us.
                let former: Vec<u64> = self.lives(&model).filter(|former| *former != epoch).collect();
                former.into_iter().for_each(|former| self.end(&model, former, true));
                self.state.waiting.push(Waiting { model, epoch, variants, since: now, blocked_since: None });
            }
            Event::Returned { model, epoch, ran } => {
                self.state.waiting.retain(|one| one.model != model || one.epoch != epoch);
                self.end(&model, epoch, ran);
            }
            Event::StartFailed { model, epoch, out_of_memory } => {
                let hold = self.state.holds.iter().find(|hold| hold.model == model && hold.epoch == epoch);
                if let (true, Some(hold)) = (out_of_memory, hold) {
                    let devices = hold.parts.iter().map(|part| Arc::clone(&part.device));
                    let devices = devices.zip(hold.used_before.iter().copied()).collect();
                    let variant = Arc::clone(&hold.variant);
                    self.state.failed.retain(|failed| failed.model != model || failed.variant != variant);
                    self.state.failed.push(FailedStart { model, variant, at: now, devices });
                }
            }
            Event::Holds { model, epoch, variant, assignment } => {
                self.state.holds.retain(|hold| hold.model != model || hold.epoch != epoch);
                let parts: Vec<HeldPart> = assignment.into_iter().map(|part| held_part(part, None)).collect();
                let used_before = vec![None; parts.len()];
                let stage = Stage::Kept;
                self.state.holds.push(Hold { model, epoch, variant, parts, used_before, stage });
            }
            Event::AllAnnounced => self.state.quiet_until = None,
            Event::EvictRefused { model, epoch } => {
                if let Some(hold) = self.hold(&model, epoch)
                    && matches!(hold.stage, Stage::Asked { .. })
                {
                    hold.stage = Stage::Refused { until: now.saturating_add(POLL) };
                }
            }
            Event::Changed | Event::SnapshotTaken | Event::Timer => {}
        }
    }

    /// Remembers what the devices say of each model: when it has ended they say nothing any more.
    fn note_use(&mut self) {
        let view = self.view;
        for hold in self.state.holds.iter_mut().filter(|hold| !matches!(hold.stage, Stage::Gone { .. })) {
            let seen = view.models.iter().find(|seen| seen.model == hold.model && seen.epoch == hold.epoch);
            for (device, mib) in seen.into_iter().flat_map(|seen| &seen.actual) {
                let on = hold.parts.iter_mut().filter(|part| part.device == *device);
                on.for_each(|part| part.actual = Some(*mib));
            }
        }
    }

    fn lives(&self, model: &ModelName) -> impl Iterator<Item = u64> {
        self.state.holds.iter().filter(move |hold| hold.model == *model).map(|hold| hold.epoch)
    }

    fn hold(&mut self, model: &ModelName, epoch: u64) -> Option<&mut Hold> {
        self.state.holds.iter_mut().find(|hold| hold.model == *model && hold.epoch == epoch)
    }

    fn seen(&self, model: &ModelName, epoch: u64) -> Option<&ModelView> {
        self.view.models.iter().find(|seen| seen.model == *model && seen.epoch == epoch)
    }

    fn used_on(&self, parts: &[HeldPart]) -> Vec<Option<u64>> {
        parts.iter().map(|part| self.view.snapshot.get(&part.device)?.used_mib).collect()
    }

    /// A life is over: its memory comes back when the device shows it.
    fn end(&mut self, model: &ModelName, epoch: u64, ran: bool) {
        let (now, view) = (self.view.now, self.view);
        if !ran {
            self.give_back(|hold| hold.model == *model && hold.epoch == epoch);
            return;
        }
        let Some(hold) = self.hold(model, epoch) else { return };
        let before = match &hold.stage {
            Stage::Gone { .. } => return,
            Stage::Asked { used, .. } => used.clone(),
            Stage::Kept | Stage::Refused { .. } => vec![None; hold.parts.len()],
        };
        // The newest snapshot may have been taken after the end already, the one before the asking was not.
        let latest = hold.parts.iter().map(|part| view.snapshot.get(&part.device)?.used_mib);
        let used = latest.zip(before).map(|(latest, before)| latest.max(before)).collect();
        hold.stage = Stage::Gone { since: now, used };
    }

    /// Lets go of these reservations, and of failures on the same devices: something has changed.
    fn give_back(&mut self, is_back: impl Fn(&Hold) -> bool) {
        let (back, left): (Vec<Hold>, Vec<Hold>) = self.state.holds.drain(..).partition(is_back);
        self.state.holds = left;
        self.state.failed.retain(|failed| {
            let on = |hold: &Hold| {
                hold.parts.iter().any(|part| failed.devices.iter().any(|(device, _)| *device == part.device))
            };
            !back.iter().any(|hold| hold.model != failed.model && on(hold))
        });
    }

    /// Lets go of the memory that has come back, and of failures that something has changed about.
    fn settle(&mut self) {
        let view = self.view;
        self.give_back(|hold| is_back(hold, view));
        self.state.failed.retain(|failed| {
            let fell = failed.devices.iter().any(|(device, before)| {
                let used = view.snapshot.get(device).and_then(|device| device.used_mib);
                used.zip(*before).is_some_and(|(used, before)| used.saturating_add(CHANGE_MIB) <= before)
            });
            !fell && view.now < failed.at.saturating_add(RETRY_VARIANT)
        });
    }

    /// Looks at every demand, in order.
    fn serve(&mut self) {
        let now = self.view.now;
        let mut held = self.held();
        for mut waiting in std::mem::take(&mut self.state.waiting) {
            let demand = self.demand(&waiting.model, &waiting.variants);
            if now >= waiting.since.saturating_add(self.view.settings.queue_timeout) {
                self.deny(&waiting, &demand, &held, Denial::Timeout);
                continue;
            }
            if self.is_stale(&waiting) {
                held.extend(self.claim(&demand));
                self.state.waiting.push(waiting);
                continue;
            }
            match decide(&self.world(&held), &demand) {
                Decision::Fits { variant, assignment } => {
                    let why = Box::new(placement::explain(&self.world(&held), &demand));
                    let granted = self.grant(&waiting, variant, assignment, &held, why);
                    held.push(granted);
                    continue;
                }
                Decision::Never { reason } => {
                    self.deny(&waiting, &demand, &held, Denial::Never(reason));
                    continue;
                }
                Decision::Evict { victims, .. } => {
                    for victim in &victims {
                        self.ask(victim, &mut held, &waiting.model, false);
                    }
                }
                Decision::Wait { blockers, .. } => {
                    let going = |one: &Blocker| matches!(one.why, Why::Leaving | Why::Settling);
                    if !blockers.iter().all(going) {
                        let since = *waiting.blocked_since.get_or_insert(now);
                        self.ask_to_yield(&blockers, since, &mut held, &waiting.model);
                    }
                }
            }
            held.extend(self.claim(&demand));
            self.state.waiting.push(waiting);
        }
    }

    fn grant(
        &mut self,
        waiting: &Waiting,
        variant: usize,
        assignment: Vec<Part>,
        held: &[Held],
        explanation: Box<Explanation>,
    ) -> Held {
        let (model, epoch) = (waiting.model.clone(), waiting.epoch);
        let name = waiting.variants.get(variant).map_or_else(|| "".into(), |one| Arc::clone(&one.name));
        let others = placement::unexplained(&self.world(held));
        let others_on = |part: &Part| others.get(self.view.snapshot.position(&part.device)?).copied();
        let parts = assignment.iter().map(|part| held_part(part.clone(), others_on(part)));
        let parts: Vec<HeldPart> = parts.collect();
        let used_before = self.used_on(&parts);
        let hold = Hold {
            model: model.clone(),
            epoch,
            variant: name,
            parts: parts.clone(),
            used_before,
            stage: Stage::Kept,
        };
        self.state.holds.push(hold);
        self.effects.push(Effect::Grant { model: model.clone(), epoch, variant, assignment, explanation });
        let standing = Standing::Starting { wanted: true, since: self.view.now };
        Held { model, parts, standing, pinned: false, reload: None }
    }

    fn deny(&mut self, waiting: &Waiting, demand: &Demand, held: &[Held], denial: Denial) {
        let explanation = Box::new(placement::explain(&self.world(held), demand));
        let (model, epoch) = (waiting.model.clone(), waiting.epoch);
        self.effects.push(Effect::Deny { model, epoch, denial, explanation });
    }

    /// Asks a model to go; from now on it counts as leaving.
    fn ask(&mut self, model: &ModelName, held: &mut [Held], in_favour_of: &ModelName, busy: bool) {
        let now = self.view.now;
        let gone = |hold: &&mut Hold| hold.model == *model && !matches!(hold.stage, Stage::Gone { .. });
        let Some(at) = self.state.holds.iter_mut().find(gone).map(|hold| hold.epoch) else { return };
        let used = self.state.holds.iter().find(|hold| hold.model == *model && hold.epoch == at);
        let used = used.map(|hold| self.used_on(&hold.parts)).unwrap_or_default();
        if let Some(hold) = self.hold(model, at) {
            hold.stage = Stage::Asked { at: now, used };
        }
        for one in held.iter_mut().filter(|one| one.model == *model) {
            one.standing = leaving(one.standing);
        }
        let (model, in_favour_of) = (model.clone(), in_favour_of.clone());
        self.effects.push(if busy {
            Effect::AskYield { model, epoch: at, in_favour_of }
        } else {
            Effect::AskEvict { model, epoch: at, in_favour_of }
        });
    }

    /// Busy models have had their time when somebody has waited for `max_hold` while they were ready.
    fn ask_to_yield(&mut self, blockers: &[Blocker], since: Moment, held: &mut [Held], asker: &ModelName) {
        // As long as somebody else comes first, the room that a yield makes would be theirs.
        if blockers.iter().any(|one| one.why == Why::First) {
            return;
        }
        for blocker in blockers.iter().filter(|one| one.why == Why::Busy) {
            let standing = held.iter().find(|one| one.model == blocker.model).map(|one| one.standing);
            if let Some(Standing::Ready { since: ready, .. }) = standing
                && self.view.now >= since.max(ready).saturating_add(self.view.settings.max_hold)
            {
                self.ask(&blocker.model, held, asker, true);
            }
        }
    }

    fn is_stale(&self, waiting: &Waiting) -> bool {
        !self.view.settings.disable_monitoring
            && self.view.snapshot.taken_at.is_none_or(|at| at.saturating_add(FRESH) < waiting.since)
            && self.view.now < waiting.since.saturating_add(SNAPSHOT_PATIENCE)
    }

    fn wants_snapshot(&self) -> bool {
        let gone = self.state.holds.iter().any(|hold| matches!(hold.stage, Stage::Gone { .. }));
        let stale = self.state.waiting.iter().any(|waiting| self.is_stale(waiting));
        !self.view.settings.disable_monitoring && (gone && !self.state.waiting.is_empty() || stale)
    }

    fn next_look(&self) -> Option<Moment> {
        let now = self.view.now;
        let settings = self.view.settings;
        let settled = self.state.holds.iter().filter_map(|hold| match hold.stage {
            Stage::Gone { since, .. } => Some(since.saturating_add(settings.settle)),
            _ => None,
        });
        let waits = !self.state.waiting.is_empty();
        let poll = waits.then(|| now.saturating_add(POLL));
        let due = self.state.waiting.iter().map(|one| one.since.saturating_add(settings.queue_timeout));
        settled.chain(poll).chain(due).chain(self.state.quiet_until).min()
    }

    fn world<'b>(&'b self, held: &'b [Held]) -> World<'b> {
        let View { now, snapshot, settings, .. } = *self.view;
        World { now, snapshot, held, settings }
    }

    fn demand(&self, model: &ModelName, variants: &Arc<[Variant]>) -> Demand {
        let failed = |name: &str| {
            self.state.failed.iter().any(|failed| failed.model == *model && *failed.variant == *name)
        };
        let excluded = variants.iter().enumerate().filter(|(_, variant)| failed(&variant.name));
        let excluded = excluded.map(|(at, _)| at).collect();
        Demand { model: model.clone(), variants: Arc::clone(variants), excluded }
    }

    /// What those who come later must leave to this demand.
    fn claim(&self, demand: &Demand) -> Option<Held> {
        let parts = claims(self.view.snapshot, demand).into_iter();
        let parts: Vec<HeldPart> = parts.map(|part| held_part(part, None)).collect();
        let model = demand.model.clone();
        let none = parts.is_empty();
        (!none).then_some(Held { model, parts, standing: Standing::First, pinned: false, reload: None })
    }

    /// The reservations as placement sees them.
    fn held(&self) -> Vec<Held> {
        let now = self.view.now;
        let one = |hold: &Hold| {
            let seen = self.seen(&hold.model, hold.epoch);
            let shown = seen.map(|seen| seen.standing);
            // A model that we don't see yet is about to start.
            let shown = shown.unwrap_or(Standing::Starting { wanted: true, since: now });
            let standing = match (&hold.stage, shown) {
                (Stage::Gone { .. }, _) => Standing::Settling,
                (Stage::Asked { at, .. }, _) if now < at.saturating_add(ANSWER_TIME) => leaving(shown),
                (Stage::Refused { until }, Standing::Ready { since, idle_since, .. }) if now < *until => {
                    Standing::Ready { since, busy: true, idle_since }
                }
                (Stage::Refused { until }, Standing::Starting { since, .. }) if now < *until => {
                    Standing::Starting { wanted: true, since }
                }
                _ => shown,
            };
            let mut parts = hold.parts.clone();
            // What has ended holds what it used, not what it might have used.
            if standing == Standing::Settling {
                parts.iter_mut().for_each(|part| part.mib = part.actual.take().unwrap_or(part.mib));
            }
            let pinned = seen.is_some_and(|seen| seen.pinned);
            let reload = seen.and_then(|seen| seen.reload);
            Held { model: hold.model.clone(), parts, standing, pinned, reload }
        };
        self.state.holds.iter().map(one).collect()
    }
}

fn held_part(part: Part, unexplained_before: Option<i64>) -> HeldPart {
    HeldPart { device: part.device, mib: part.mib, actual: None, unexplained_before }
}

/// The same model, told to go.
fn leaving(standing: Standing) -> Standing {
    match standing {
        Standing::Ready { since, .. } => Standing::Leaving { ready: Some(since) },
        Standing::Starting { .. } => Standing::Leaving { ready: None },
        other => other,
    }
}

/// Whether the memory of a process that is gone has come back.
fn is_back(hold: &Hold, view: &View<'_>) -> bool {
    let Stage::Gone { since, used } = &hold.stage else { return false };
    if view.settings.disable_monitoring || view.now >= since.saturating_add(view.settings.settle) {
        return true;
    }
    // As Ollama has it, three quarters are enough: nobody knows the rest to the MiB.
    let shows = |part: &HeldPart, before_end: Option<u64>, before_start: Option<u64>| {
        let device = view.snapshot.get(&part.device);
        let now = device.filter(|device| device.online).and_then(|device| device.used_mib);
        let most = part.actual.unwrap_or(part.mib);
        let freed = most / 4 * 3;
        let fell =
            before_end.is_some_and(|before| now.is_some_and(|now| now.saturating_add(freed) <= before));
        // It used less than it might have, or ended before a device could show it.
        let is_low = before_start.is_some_and(|before| now.is_some_and(|now| now <= before + (most - freed)));
        freed == 0 || fell || is_low
    };
    let parts = hold.parts.iter().zip(used).zip(&hold.used_before);
    view.snapshot.taken_at > Some(*since)
        && parts.into_iter().all(|((part, end), start)| shows(part, *end, *start))
        || hold.parts.iter().all(|part| part.mib == 0 && part.actual.unwrap_or(0) == 0)
}
