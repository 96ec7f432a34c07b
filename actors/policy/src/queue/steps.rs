//! The Scheduler's table: what each event changes, and the round that follows every one of them.

use super::classes::{self, Asker};
use super::held::{held_part, leaving};
use super::memory::Age;
use super::pace::{self, most_credit};
use super::park::comes_back_in;
use super::round::Round;
use super::{
    BUSY_POLL, Denial, Doze, Effect, Event, FailedStart, Hold, MadeRoom, ObservedModel, POLL, SETTLE_POLL,
    Stage, State, Step, View, Waiting,
};
use crate::lifecycle::Moment;
use crate::placement::{
    self, BlockReason, Blocker, Decision, Demand, DemandPriority, DeviceAllocation, Explanation, HeldPart,
    HoldTime, ModelName, Resident, ResidentState, Variant, World, claims, decide, guessed_reload,
};
use std::sync::Arc;
use std::time::Duration;

/// What follows from `event`.
pub fn step(state: &State, event: Event, view: &View<'_>) -> Step {
    let mut round = Round::new(state, view);
    let looks = matches!(
        event,
        Event::Demand { .. }
            | Event::Returned { .. }
            | Event::Asleep { .. }
            | Event::Wake { .. }
            | Event::Timer
    );
    round.note_use();
    round.take(event);
    round.settle();
    if round.state.quiet_until.is_none_or(|until| until <= view.now) {
        round.state.quiet_until = None;
        round.serve();
    }
    if looks && let Some(devices) = round.to_look_at() {
        round.effects.push(Effect::AskSnapshot(devices));
    }
    round.effects.push(round.next_look().map_or(Effect::DisarmTimer, Effect::ArmTimer));
    Step { state: round.state, effects: round.effects }
}

/// What would happen now if this model wanted to run: behind those who go before it.
pub fn explain(
    state: &State,
    view: &View<'_>,
    model: &ModelName,
    variants: &Arc<[Variant]>,
    load: Option<Duration>,
) -> Explanation {
    let mut round = Round::new(state, view);
    round.wants = round.all_wants();
    let waits = state.waiting.iter().find(|one| one.model == *model).cloned();
    let epoch = view.models.iter().find(|seen| seen.model == *model).map(|seen| seen.epoch);
    let waits = waits.or_else(|| round.waking(model, epoch?));
    let asker = waits.unwrap_or_else(|| Waiting::new(model, 0, variants, load, view.now));
    let mut held = round.held();
    let ahead = classes::in_front(state, &asker, view.now, view.settings);
    ahead.iter().for_each(|one| held.extend(round.claim(&round.demand(one))));
    let (_, rivalry) = round.rivalry(&asker);
    round.keep(&mut held, &asker, &rivalry);
    placement::explain(&round.world(&held), &round.demand(&asker))
}

impl Waiting {
    pub(super) fn new(
        model: &ModelName,
        epoch: u64,
        variants: &Arc<[Variant]>,
        load: Option<Duration>,
        since: Moment,
    ) -> Self {
        let all = |variant: &Variant| variant.needs.iter().map(|need| need.mib).sum();
        Self {
            model: model.clone(),
            epoch,
            variants: Arc::clone(variants),
            since,
            blocked_since: None,
            load,
            mib: variants.first().map_or(0, all),
            urgency: DemandPriority::default(),
            overlap: false,
            wakes: false,
            rivals: false,
            victims_asked: None,
            victims_gone: None,
        }
    }
}

/// Whose memory somebody waits for.
#[derive(Default)]
pub(super) struct Needed {
    pub(super) models: Vec<ModelName>,
    /// A demand is yet to be decided.
    all: bool,
}

/// Devices that others than the asker wait for, in the order of the snapshot.
type Rivalry = Vec<bool>;

impl Round<'_> {
    fn take(&mut self, event: Event) {
        let now = self.view.now;
        match event {
            Event::Demand { model, epoch, variants, load, urgency, overlap } => {
                let same = self.state.waiting.iter_mut().find(|one| one.model == model && one.epoch == epoch);
                if let Some(waiting) = same {
                    waiting.urgency = urgency;
                    return;
                }
                // Granted, and the grant is on its way to it.
                if self.lives(&model).any(|life| life == epoch) {
                    return;
                }
                self.state.waiting.retain(|one| one.model != model);
                // Whoever begins a life has ended the one before, even if nobody could tell us.
                let former: Vec<u64> = self.lives(&model).filter(|former| *former != epoch).collect();
                former.into_iter().for_each(|former| self.end(&model, former, true));
                let waiting = Waiting::new(&model, epoch, &variants, load, now);
                self.state.waiting.push(Waiting { urgency, overlap, ..waiting });
            }
            Event::Returned { model, epoch, ran } => {
                self.state.waiting.retain(|one| one.model != model || one.epoch != epoch);
                self.end(&model, epoch, ran);
            }
            Event::StartFailed { model, epoch, out_of_memory } => {
                if out_of_memory {
                    self.leave_out(&model, epoch, None);
                }
            }
            Event::Unreachable { model, epoch, why } => self.leave_out(&model, epoch, Some(why)),
            Event::Holds { model, epoch, variant, assignment } => {
                self.state.holds.retain(|hold| hold.model != model || hold.epoch != epoch);
                let parts: Vec<HeldPart> = assignment.into_iter().map(|part| held_part(part, None)).collect();
                let used_before = vec![None; parts.len()];
                let load = guessed_reload(parts.iter().map(|part| part.mib).sum());
                self.state.holds.push(Hold {
                    model,
                    epoch,
                    variant,
                    parts,
                    used_before,
                    stage: Stage::Kept,
                    doze: Doze::Awake,
                    granted: None,
                    ready: None,
                    load,
                    rivals: true,
                    credit: Duration::ZERO,
                });
            }
            Event::Parking { model, epoch } => self.begins_to_park(&model, epoch),
            Event::Asleep { model, epoch } => self.falls_asleep(&model, epoch),
            Event::StaysAwake { model, epoch } => self.stays_awake(&model, epoch),
            Event::Wake { model, epoch, urgency } => self.wants_to_wake(&model, epoch, urgency),
            Event::AllAnnounced => self.state.quiet_until = None,
            Event::EvictRefused { model, epoch } => {
                if let Some(hold) = self.hold(&model, epoch)
                    && matches!(hold.stage, Stage::Asked { .. } | Stage::Yielding { .. })
                {
                    hold.stage = Stage::Refused { until: now.saturating_add(POLL) };
                    if hold.doze == Doze::Asked {
                        hold.doze = Doze::Awake;
                    }
                }
            }
            Event::Changed | Event::SnapshotTaken | Event::Timer => {}
        }
    }

    /// Remembers what is seen of each model: when it has ended there is nothing to be seen any more.
    fn note_use(&mut self) {
        let view = self.view;
        for hold in self.state.holds.iter_mut().filter(|hold| !matches!(hold.stage, Stage::Gone { .. })) {
            let seen = view.models.iter().find(|seen| seen.model == hold.model && seen.epoch == hold.epoch);
            if let Some(ResidentState::Ready { since, .. } | ResidentState::Leaving { ready: Some(since) }) =
                seen.map(|seen| seen.standing)
                && hold.ready.is_none()
                && !matches!(hold.doze, Doze::Down { .. })
            {
                hold.ready = Some(since);
                let took = hold.granted.map(|granted| since.saturating_sub(granted));
                hold.load = took.or(seen.and_then(|seen| seen.reload)).unwrap_or(hold.load);
                hold.load = comes_back_in(hold.load, seen.and_then(|seen| seen.sleep.as_ref()));
                hold.credit = hold.credit.min(most_credit(hold.load));
            }
            for (device, mib) in seen.into_iter().flat_map(|seen| &seen.actual) {
                let on = hold.parts.iter_mut().filter(|part| part.device == *device);
                on.for_each(|part| part.actual = Some(*mib));
            }
        }
    }

    fn lives(&self, model: &ModelName) -> impl Iterator<Item = u64> {
        self.state.holds.iter().filter(move |hold| hold.model == *model).map(|hold| hold.epoch)
    }

    pub(super) fn hold(&mut self, model: &ModelName, epoch: u64) -> Option<&mut Hold> {
        self.state.holds.iter_mut().find(|hold| hold.model == *model && hold.epoch == epoch)
    }

    /// The variant of this life is not tried again for now.
    fn leave_out(&mut self, model: &ModelName, epoch: u64, offline: Option<Arc<str>>) {
        let Some(hold) = self.hold(model, epoch) else { return };
        let devices = hold.parts.iter().map(|part| Arc::clone(&part.device));
        let devices = devices.zip(hold.used_before.iter().copied()).collect();
        let (model, variant) = (model.clone(), Arc::clone(&hold.variant));
        self.state.failed.retain(|failed| failed.model != model || failed.variant != variant);
        self.state.failed.push(FailedStart { model, variant, at: self.view.now, devices, offline });
    }

    pub(super) fn seen(&self, model: &ModelName, epoch: u64) -> Option<&ObservedModel> {
        self.view.models.iter().find(|seen| seen.model == *model && seen.epoch == epoch)
    }

    /// A life is over: its memory comes back when the device shows it.
    fn end(&mut self, model: &ModelName, epoch: u64, ran: bool) {
        let (now, view) = (self.view.now, self.view);
        if !ran {
            self.give_back(|hold| hold.model == *model && hold.epoch == epoch);
            return;
        }
        let Some(hold) = self.hold(model, epoch) else { return };
        let mut asker = None;
        let before = match &hold.stage {
            Stage::Gone { .. } => return,
            Stage::Asked { used, in_favour_of, .. } | Stage::Yielding { used, in_favour_of } => {
                asker = Some(in_favour_of.clone());
                used.clone()
            }
            Stage::Kept | Stage::Refused { .. } => vec![None; hold.parts.len()],
        };
        // What was read while it loaded says nothing of what it came to use.
        let ready = hold.ready;
        for part in &mut hold.parts {
            let read_at =
                view.snapshot.get(&part.device).and_then(|device| device.taken_at.or(view.snapshot.taken_at));
            if ready.is_none_or(|ready| read_at < Some(ready)) {
                part.actual = None;
            }
        }
        // The newest snapshot may have been taken after the end already, the one before the asking was not.
        let latest = hold.parts.iter().map(|part| view.snapshot.get(&part.device)?.used_mib);
        let used = latest.zip(before).map(|(latest, before)| latest.max(before)).collect();
        hold.stage = Stage::Gone { since: now, used };
        let (parts, ready, credit) = (hold.parts.clone(), hold.ready, hold.credit);
        self.gave_up(asker, &parts, ready, credit);
    }

    /// A model has given these up, by ending or by sleeping: for somebody, or of itself.
    pub(super) fn gave_up(
        &mut self,
        asker: Option<ModelName>,
        parts: &[HeldPart],
        ready: Option<Moment>,
        credit: Duration,
    ) {
        let now = self.view.now;
        match asker {
            Some(asker) => {
                let waiting = self.state.waiting.iter_mut().find(|one| one.model == asker);
                waiting.into_iter().for_each(|waiting| waiting.victims_gone = Some(now));
            }
            // It went for nobody: its time was not spent on a swap. A load that came to nothing counts for nothing.
            None => {
                let left = ready.map_or(credit, |ready| credit.saturating_add(now.saturating_sub(ready)));
                let devices = parts.iter().map(|part| &part.device);
                pace::leave(&mut self.state.accounts, devices, left, now);
            }
        }
    }

    /// Looks at every demand, in order.
    fn serve(&mut self) {
        let now = self.view.now;
        classes::sort(&mut self.state, now, self.view.settings);
        self.let_park();
        let mut held = self.held();
        self.wants = self.all_wants();
        let mut needed = Needed::default();
        self.make_way(&mut held, &mut needed);
        for mut waiting in std::mem::take(&mut self.state.waiting) {
            let demand = self.demand(&waiting);
            if now >= waiting.since.saturating_add(self.view.settings.queue_timeout) {
                self.deny(&waiting, &demand, &held, Denial::Timeout);
                continue;
            }
            let age = self.age(&waiting);
            if age == Age::Old {
                needed.all = true;
                held.extend(self.claim(&demand));
                self.state.waiting.push(waiting);
                continue;
            }
            let (rivals, rivalry) = self.rivalry(&waiting);
            waiting.rivals |= rivals;
            self.keep(&mut held, &waiting, &rivalry);
            match decide(&World { dated: age == Age::Recent, ..self.world(&held) }, &demand) {
                // What is free, and whether that will do, is read from a snapshot that is on its way.
                Decision::Fits { .. } | Decision::Never { .. } if age == Age::Recent => {}
                Decision::Fits { .. } if waiting.wakes => {
                    held.retain(|one| one.model != waiting.model || one.standing == ResidentState::Settling);
                    held.extend(self.grant_wake(&waiting, &held));
                    continue;
                }
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
                Decision::Evict { victims, parks, .. } => {
                    for victim in &victims {
                        self.ask(victim, &mut held, &waiting, false, parks.contains(victim));
                    }
                    waiting.victims_asked.get_or_insert(now);
                    needed.models.extend(victims);
                }
                Decision::Wait { blockers, .. } => {
                    let going =
                        |one: &Blocker| matches!(one.why, BlockReason::Leaving | BlockReason::Settling);
                    if !blockers.iter().all(going) {
                        waiting.rivals = true;
                        let since = *waiting.blocked_since.get_or_insert(now);
                        self.ask_to_yield(&blockers, since, &mut held, &waiting);
                    }
                    needed.models.extend(blockers.into_iter().map(|one| one.model));
                }
            }
            held.extend(self.claim(&demand));
            self.state.waiting.push(waiting);
        }
        self.withdraw(&needed);
    }

    /// Lets those go on who were asked to yield and are in nobody's way any more.
    fn withdraw(&mut self, needed: &Needed) {
        if needed.all {
            return;
        }
        for hold in self.state.holds.iter_mut().filter(|hold| !needed.models.contains(&hold.model)) {
            if matches!(hold.stage, Stage::Yielding { .. }) {
                hold.stage = Stage::Kept;
                if hold.doze == Doze::Asked {
                    hold.doze = Doze::Awake;
                }
                let (model, epoch) = (hold.model.clone(), hold.epoch);
                self.effects.push(Effect::WithdrawYield { model, epoch });
            }
        }
    }

    /// Who else wants memory of the devices that the asker may use: whether anybody does, and on which.
    fn rivalry(&self, asker: &Waiting) -> (bool, Rivalry) {
        let mut rivalry = vec![false; self.view.snapshot.devices.len()];
        let others = self.wants.iter().filter(|(model, _)| *model != asker.model);
        for at in others.flat_map(|(_, devices)| devices) {
            rivalry.iter_mut().skip(*at).take(1).for_each(|one| *one = true);
        }
        let loading = self.state.holds.iter().filter(|hold| {
            let seen = self.seen(&hold.model, hold.epoch).map(|seen| seen.standing);
            hold.model != asker.model
                && matches!(seen, None | Some(ResidentState::Starting { wanted: true, .. }))
                && matches!(hold.stage, Stage::Kept)
        });
        let loading: Vec<usize> = loading
            .flat_map(|hold| &hold.parts)
            .filter_map(|part| self.view.snapshot.position(&part.device))
            .collect();
        let any =
            self.claimed(asker).into_iter().any(|at| rivalry.get(at) == Some(&true) || loading.contains(&at));
        (any, rivalry)
    }

    /// Devices whose memory a demand may come to need, by their places in the snapshot.
    fn claimed(&self, waiting: &Waiting) -> Vec<usize> {
        let claims = claims(self.view.snapshot, &self.demand(waiting));
        claims.iter().filter_map(|part| self.view.snapshot.position(&part.device)).collect()
    }

    /// What all who wait want; `auto_start` is nobody's rival.
    fn all_wants(&self) -> Vec<(ModelName, Vec<usize>)> {
        let wanted = self.state.waiting.iter().filter(|one| one.urgency != DemandPriority::Boot);
        wanted.map(|one| (one.model.clone(), self.claimed(one))).collect()
    }

    /// Sets how long each model keeps its memory from this asker.
    fn keep(&self, held: &mut [Resident], asker: &Waiting, rivalry: &Rivalry) {
        let View { now, snapshot, settings, .. } = *self.view;
        for one in held {
            let Some(tenure) = one.tenure else { continue };
            let rivals = |part: &HeldPart| {
                snapshot.position(&part.device).is_some_and(|at| rivalry.get(at) == Some(&true))
            };
            let ready = match one.standing {
                ResidentState::Ready { since, .. } => Some(since),
                _ => None,
            };
            let load = pace::expected(asker.load, asker.mib, tenure);
            one.kept_until = match settings.min_hold {
                HoldTime::Fixed(time) => ready.map(|ready| ready.saturating_add(time)),
                HoldTime::Auto => ready.and_then(|ready| {
                    let alone = !tenure.rivals && asker.since >= ready && !one.parts.iter().any(rivals);
                    let dwell = pace::dwell(tenure.load, load).saturating_sub(tenure.credit);
                    (!alone).then(|| ready.saturating_add(dwell))
                }),
            };
            one.patience = Some(pace::patience(settings.max_hold, tenure.load, load));
            classes::weigh(one, tenure, Asker::of(asker, now, settings), load, now, settings);
        }
    }

    fn grant(
        &mut self,
        waiting: &Waiting,
        variant: usize,
        assignment: Vec<DeviceAllocation>,
        held: &[Resident],
        explanation: Box<Explanation>,
    ) -> Resident {
        let (model, epoch) = (waiting.model.clone(), waiting.epoch);
        let name = waiting.variants.get(variant).map_or_else(|| "".into(), |one| Arc::clone(&one.name));
        let others = placement::unexplained(&self.world(held));
        let others_on =
            |part: &DeviceAllocation| others.get(self.view.snapshot.position(&part.device)?).copied();
        let parts = assignment.iter().map(|part| held_part(part.clone(), others_on(part)));
        let parts: Vec<HeldPart> = parts.collect();
        let used_before = self.used_on(&parts);
        let now = self.view.now;
        let devices = parts.iter().map(|part| &part.device);
        let load = waiting.load.unwrap_or_else(|| guessed_reload(parts.iter().map(|part| part.mib).sum()));
        let hold = Hold {
            model: model.clone(),
            epoch,
            variant: name,
            parts: parts.clone(),
            used_before,
            stage: Stage::Kept,
            doze: Doze::Awake,
            granted: Some(now),
            ready: None,
            load,
            rivals: waiting.rivals,
            credit: pace::credit(&self.state.accounts, devices, now),
        };
        self.state.holds.push(hold);
        let made_room = waiting.victims_gone.map(|gone| MadeRoom { victims_gone: gone, memory_free: now });
        self.effects.push(Effect::Grant {
            model: model.clone(),
            epoch,
            variant,
            assignment,
            explanation,
            made_room,
        });
        Resident::new(model, parts)
    }

    fn deny(&mut self, waiting: &Waiting, demand: &Demand, held: &[Resident], denial: Denial) {
        let explanation = Box::new(placement::explain(&self.world(held), demand));
        let (model, epoch) = (waiting.model.clone(), waiting.epoch);
        self.effects.push(Effect::Deny { model, epoch, denial, explanation });
    }

    /// Asks a model to go; from now on it counts as leaving.
    fn ask(&mut self, model: &ModelName, held: &mut [Resident], asker: &Waiting, busy: bool, park: bool) {
        let now = self.view.now;
        let gone = |hold: &&mut Hold| hold.model == *model && !matches!(hold.stage, Stage::Gone { .. });
        let Some(at) = self.state.holds.iter_mut().find(gone).map(|hold| hold.epoch) else { return };
        let used = self.state.holds.iter().find(|hold| hold.model == *model && hold.epoch == at);
        let used = used.map(|hold| self.used_on(&hold.parts)).unwrap_or_default();
        let in_favour_of = asker.model.clone();
        let users = self.seen(model, at).map(|seen| seen.users).unwrap_or_default();
        let class = Asker::of(asker, now, self.view.settings);
        let Some(hold) = self.hold(model, at) else { return };
        let for_whom = in_favour_of.clone();
        hold.stage = if busy {
            Stage::Yielding { used, in_favour_of: for_whom }
        } else {
            Stage::Asked { at: now, used, in_favour_of: for_whom }
        };
        if park {
            hold.doze = Doze::Asked;
        }
        let stayed = hold.ready.map_or(Duration::ZERO, |ready| now.saturating_sub(ready));
        let load = pace::expected(asker.load, asker.mib, hold.tenure());
        let due = classes::due(users, hold.tenure(), class, load);
        let left = hold.credit.saturating_add(stayed).saturating_sub(due);
        let parts = hold.parts.clone();
        pace::leave(&mut self.state.accounts, parts.iter().map(|part| &part.device), left, now);
        for one in held.iter_mut().filter(|one| one.model == *model) {
            one.standing = leaving(one.standing);
            one.dozes = park;
        }
        let model = model.clone();
        self.effects.push(if busy {
            Effect::AskYield { model, epoch: at, in_favour_of, park }
        } else {
            Effect::AskEvict { model, epoch: at, in_favour_of, park }
        });
    }

    /// Busy models have had their time when somebody has waited for `max_hold` while they were ready.
    fn ask_to_yield(&mut self, blockers: &[Blocker], since: Moment, held: &mut [Resident], asker: &Waiting) {
        let now = self.view.now;
        for blocker in blockers {
            if let BlockReason::Young { until, .. } | BlockReason::Guarded { until, .. } = blocker.why {
                self.look_at(until);
            }
        }
        // As long as somebody else comes first, the room that a yield makes would be theirs.
        if blockers.iter().any(|one| one.why == BlockReason::First) {
            return;
        }
        for blocker in blockers.iter().filter(|one| one.why == BlockReason::Busy) {
            let Some(one) = held.iter().find(|one| one.model == blocker.model) else { continue };
            let (ResidentState::Ready { since: ready, .. }, Some(patience)) = (one.standing, one.patience)
            else {
                continue;
            };
            let until = since.max(ready).saturating_add(patience).max(one.guarded_until.unwrap_or_default());
            if now >= until {
                let park = self.may_sleep(&blocker.model, held);
                self.ask(&blocker.model, held, asker, true, park);
            } else {
                self.look_at(until.min(now.saturating_add(BUSY_POLL)));
            }
        }
    }

    fn look_at(&mut self, at: Moment) {
        self.next_look = Some(self.next_look.map_or(at, |sooner| sooner.min(at)));
    }

    fn next_look(&self) -> Option<Moment> {
        let now = self.view.now;
        let settings = self.view.settings;
        let settled = self.state.holds.iter().filter_map(|hold| match hold.stage {
            Stage::Gone { since, .. } => Some(since.saturating_add(settings.settle)),
            _ => None,
        });
        let waits = !self.state.waiting.is_empty();
        let settling = self.state.holds.iter().any(|hold| matches!(hold.stage, Stage::Gone { .. }));
        let poll = waits.then(|| now.saturating_add(if settling { SETTLE_POLL } else { POLL }));
        let due = self.state.waiting.iter().map(|one| one.since.saturating_add(settings.queue_timeout));
        settled.chain(poll).chain(due).chain(self.next_look).chain(self.state.quiet_until).min()
    }

    pub(super) fn world<'b>(&'b self, held: &'b [Resident]) -> World<'b> {
        let View { now, snapshot, settings, .. } = *self.view;
        World { now, snapshot, held, settings, dated: false }
    }

    fn demand(&self, waiting: &Waiting) -> Demand {
        let Waiting { model, variants, urgency, overlap, .. } = waiting;
        let failed = |name: &str| {
            self.state.failed.iter().find(|failed| failed.model == *model && *failed.variant == *name)
        };
        let (mut excluded, mut offline) = (Vec::new(), Vec::new());
        for (at, variant) in variants.iter().enumerate() {
            match failed(&variant.name).map(|failed| &failed.offline) {
                Some(Some(why)) => offline.push((at, Arc::clone(why))),
                Some(None) => excluded.push(at),
                None => {}
            }
        }
        let (model, variants) = (model.clone(), Arc::clone(variants));
        Demand { model, variants, excluded, offline, urgency: *urgency, overlap: *overlap }
    }

    /// What those who come later must leave to this demand.
    fn claim(&self, demand: &Demand) -> Option<Resident> {
        let parts = claims(self.view.snapshot, demand).into_iter();
        let parts: Vec<HeldPart> = parts.map(|part| held_part(part, None)).collect();
        let model = demand.model.clone();
        let none = parts.is_empty();
        (!none).then(|| Resident { standing: ResidentState::First, ..Resident::new(model, parts) })
    }
}
