//! Who sleeps for whom, and who ends so that others can sleep: one card, and RAM.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "queue_park/going.rs"]
mod going;

use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{
    DemandPriority, HoldTime, Need, ParkedMemory, PlacementSettings, ResidentState, UserClasses, Variant,
};
use llm_manager_policy::queue::{
    Doze, Effect, Event, MadeRoom, ObservedModel, Stage, State, View, explain, may_park, step,
};
use llm_manager_policy::spec::Class;
use std::sync::Arc;
use std::time::Duration;

const CARD: u64 = 24_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wake(urgency: DemandPriority) -> Event {
    Event::Wake { model: "a".into(), epoch: 1, urgency }
}

struct Desk {
    state: State,
    now: Moment,
    snapshot: DeviceSnapshot,
    models: Vec<ObservedModel>,
    settings: PlacementSettings,
}

impl Desk {
    /// A card, and so much RAM of which nothing is in use.
    fn new(ram: u64) -> Self {
        let device = |name: &str, plugin: &str, total| Device {
            total_mib: Some(total),
            used_mib: Some(0),
            ..Device::new(name, name, plugin)
        };
        let devices = vec![device("card", "fake", CARD), device("cpu", "cpu", ram)];
        let settings = PlacementSettings {
            min_hold: HoldTime::Fixed(Duration::ZERO),
            settle: seconds(5),
            ..PlacementSettings::default()
        };
        let now = seconds(10_000);
        let snapshot = DeviceSnapshot { devices, taken_at: Some(now) };
        Self { state: State::default(), now, snapshot, models: Vec::new(), settings }
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        self.snapshot.taken_at = Some(self.now);
        let Self { now, snapshot, models, settings, .. } = self;
        let step = step(&self.state, event, &View { now: *now, snapshot, models, settings });
        self.state = step.state;
        let told = |effect: &Effect| match effect {
            Effect::Grant { model, .. } => Some(format!("grant {model}")),
            Effect::GrantWake { model, .. } => Some(format!("wake {model}")),
            Effect::LetPark { model, go, .. } => Some(format!("let {model} park: {go}")),
            Effect::Deny { model, denial, .. } => Some(format!("deny {model} {denial:?}")),
            Effect::AskEvict { model, park: true, .. } => Some(format!("park {model}")),
            Effect::AskEvict { model, .. } => Some(format!("end {model}")),
            Effect::AskYield { model, park, .. } => Some(format!("yield {model} {park}")),
            _ => None,
        };
        step.effects.iter().filter_map(told).collect()
    }

    fn demand(&mut self, model: &str, mib: u64) -> Vec<String> {
        let need = Need { requirement: Requirement::parse("card").unwrap(), mib };
        let variants = Arc::from([Variant { name: "only".into(), needs: vec![need] }]);
        let (load, urgency, overlap) = (Some(seconds(20)), DemandPriority::Wanted(Class::Normal), false);
        self.step(Event::Demand { model: model.into(), epoch: 1, variants, load, urgency, overlap })
    }

    /// A model that sleeps within so much RAM, and leaves 500 MiB on the card.
    fn shows(&mut self, model: &str, standing: ResidentState, ram: Option<u64>, reload: u64) {
        self.models.retain(|one| *one.model != *model);
        let holds = |ram| vec![("card".into(), 500), ("cpu".into(), ram)];
        self.models.push(ObservedModel {
            users: UserClasses::default(),
            model: model.into(),
            epoch: 1,
            standing,
            pinned: false,
            warm: None,
            reload: Some(seconds(reload)),
            sleep: ram.map(|ram| ParkedMemory { wake: seconds(1), holds: holds(ram) }),
            actual: Vec::new(),
        });
    }

    fn ready(&mut self, model: &str, ram: Option<u64>) {
        let standing = ResidentState::Ready { since: self.now, busy: false, idle_since: self.now };
        self.shows(model, standing, ram, 20);
    }

    /// It has been told to sleep, and says so; the answer.
    fn parking(&mut self, model: &str, ram: u64) -> Vec<String> {
        self.shows(model, ResidentState::Leaving { ready: Some(self.now) }, Some(ram), 20);
        self.step(Event::Parking { model: model.into(), epoch: 1 })
    }

    fn asleep(&mut self, model: &str, ram: u64, reload: u64) -> Vec<String> {
        let (since, idle_since) = (self.now, self.now);
        self.shows(model, ResidentState::Parked { since, wanted: false, idle_since }, Some(ram), reload);
        self.now += seconds(1);
        self.step(Event::Asleep { model: model.into(), epoch: 1 })
    }

    fn after(&mut self, more: u64) -> Vec<String> {
        self.now += seconds(more);
        self.step(Event::Timer)
    }

    /// One that was granted, served, and sleeps now for nobody.
    fn sleeper(&mut self, model: &str, mib: u64, ram: u64, reload: u64) {
        assert_eq!(self.demand(model, mib), [format!("grant {model}")]);
        self.ready(model, Some(ram));
        assert_eq!(self.parking(model, ram), [format!("let {model} park: true")]);
        assert_eq!(self.asleep(model, ram, reload), [""; 0]);
        self.now += seconds(10);
        self.step(Event::Timer);
    }

    fn held(&self, model: &str) -> Vec<(String, u64)> {
        let hold = self.state.holds.iter().find(|hold| *hold.model == *model).unwrap();
        hold.parts.iter().map(|part| (part.device.to_string(), part.mib)).collect()
    }
}

fn on(parts: &[(&str, u64)]) -> Vec<(String, u64)> {
    parts.iter().map(|(device, mib)| ((*device).to_owned(), *mib)).collect()
}

/// A further replica is a comfort: awake or from scratch, it takes what is free.
#[test]
fn nobody_goes_for_the_wake_of_one_that_is_a_comfort() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    assert_eq!(desk.parking("a", 8000), ["let a park: true"]);
    desk.asleep("a", 8000, 20);
    assert_eq!(desk.after(1), ["grant b"]);
    desk.ready("b", Some(8000));
    assert_eq!(
        desk.step(wake(DemandPriority::Boot)),
        ["deny a Never(NotForBoot)"],
        "b is idle, and stays all the same"
    );
    assert_eq!(desk.held("a"), on(&[("card", 500), ("cpu", 8000)]), "it goes on sleeping");
    assert_eq!(desk.step(wake(DemandPriority::default())), ["park b"], "for those who want it b goes");
}

#[test]
fn an_idle_model_sleeps_for_another_and_wakes_in_its_turn() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    assert_eq!(desk.parking("a", 8000), ["let a park: true"]);
    assert_eq!(desk.held("a"), on(&[("card", 15_000), ("cpu", 8000)]), "both, until it sleeps");
    assert_eq!(desk.asleep("a", 8000, 20), [""; 0], "no look at the card is newer than its sleep");
    assert_eq!(desk.held("a"), on(&[("card", 500), ("cpu", 8000)]));
    assert_eq!(desk.after(1), ["grant b"]);
    // While b is busy the wake waits; then b sleeps for it.
    let standing = ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now };
    desk.shows("b", standing, Some(8000), 20);
    assert_eq!(desk.step(wake(DemandPriority::default())), [""; 0]);
    desk.ready("b", Some(8000));
    assert_eq!(desk.step(Event::Changed), ["park b"]);
    desk.parking("b", 8000);
    assert_eq!(desk.asleep("b", 8000, 20), [""; 0]);
    assert_eq!(desk.after(1), ["wake a"]);
    assert_eq!(desk.held("a"), on(&[("card", 15_000)]));
}

#[test]
fn what_sleeps_and_what_serves_are_no_strangers_though_another_device_was_seen_long_ago() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.demand("b", 15_000), ["grant b"]);
    desk.ready("b", Some(8000));
    // The card has just been looked at, RAM before all that.
    desk.snapshot.devices[0].used_mib = Some(15_000);
    desk.now += seconds(2);
    let view = View {
        now: desk.now,
        snapshot: &DeviceSnapshot { taken_at: Some(seconds(10_000)), ..desk.snapshot.clone() },
        models: &desk.models,
        settings: &desk.settings,
    };
    let why = explain(&desk.state, &view, &"a".into(), &Arc::from([]), None).to_string();
    assert!(!why.contains("other programs") && why.contains("b (which is parked)"), "{why}");
}

#[test]
fn what_it_wanted_awake_is_taken_back() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.step(wake(DemandPriority::default())), ["wake a"]);
    assert_eq!(desk.step(Event::Asleep { model: "a".into(), epoch: 1 }), [""; 0]);
    assert_eq!(desk.held("a"), on(&[("card", 500), ("cpu", 8000)]));
    assert!(desk.state.waiting.is_empty());
}

#[test]
fn it_ends_where_sleep_is_not_enough_or_there_is_no_ram() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 23_900), ["end a"], "500 MiB would stay");
    let mut desk = Desk::new(4000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["end a"], "RAM has 4000 MiB");
    let mut desk = Desk::new(4000);
    desk.demand("a", 15_000);
    desk.ready("a", Some(8000));
    assert_eq!(desk.parking("a", 8000), ["let a park: false"], "one that nobody asked to");
}

#[test]
fn the_cheapest_sleeper_ends_for_one_that_is_dearer() {
    let mut desk = Desk::new(10_000);
    desk.sleeper("cheap", 15_000, 4000, 10);
    desk.sleeper("dear", 15_000, 4000, 500);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(4000));
    let view =
        View { now: desk.now, snapshot: &desk.snapshot, models: &desk.models, settings: &desk.settings };
    assert!(may_park(&desk.state, &view).contains(&("a".into(), true)));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    // There is no room yet: it waits for that of the other.
    assert_eq!(desk.parking("a", 4000), ["end cheap"]);
    desk.models.retain(|one| &*one.model != "cheap");
    desk.step(Event::Returned { model: "cheap".into(), epoch: 1, ran: true });
    desk.now += seconds(10);
    assert_eq!(desk.step(Event::Timer), ["let a park: true"]);
    // Nobody ends for one that costs less to load than they do.
    let mut desk = Desk::new(5000);
    desk.sleeper("dear", 15_000, 4000, 500);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(4000));
    assert_eq!(desk.demand("b", 15_000), ["end a"]);
}

#[test]
fn others_that_fill_the_ram_end_the_cheapest_sleeper() {
    let mut desk = Desk::new(10_000);
    desk.sleeper("cheap", 15_000, 4000, 10);
    desk.sleeper("dear", 15_000, 4000, 500);
    // The two use what they hold, and somebody else has come.
    desk.snapshot.devices[1].used_mib = Some(11_000);
    desk.now += seconds(1);
    assert_eq!(desk.step(Event::SnapshotTaken), ["end cheap"]);
    assert_eq!(desk.step(Event::SnapshotTaken), [""; 0], "it has been asked");
}

#[test]
fn others_that_fill_the_ram_end_nobody_who_is_kept_or_has_none_of_it() {
    let full = |change: &dyn Fn(&mut Desk)| {
        let mut desk = Desk::new(10_000);
        desk.sleeper("cheap", 15_000, 4000, 10);
        desk.sleeper("dear", 15_000, 4000, 500);
        change(&mut desk);
        desk.snapshot.devices[1].used_mib = Some(11_000);
        desk.now += seconds(1);
        desk.step(Event::SnapshotTaken)
    };
    let cheap = |desk: &Desk| desk.models.iter().position(|one| &*one.model == "cheap").unwrap();
    let pinned = |desk: &mut Desk| {
        let at = cheap(desk);
        desk.models[at].pinned = true;
    };
    assert_eq!(full(&pinned), ["end dear"]);
    let warm = |desk: &mut Desk| {
        let at = cheap(desk);
        desk.models[at].warm = Some(Class::Normal);
    };
    assert_eq!(full(&warm), ["end dear"]);
    let elsewhere = |desk: &mut Desk| {
        let holds = desk.state.holds.iter_mut().filter(|hold| &*hold.model == "cheap");
        holds.for_each(|hold| hold.parts.retain(|part| &*part.device == "card"));
    };
    assert_eq!(full(&elsewhere), ["end dear"]);
}

#[test]
fn the_cheapest_ends_whichever_came_first() {
    let mut desk = Desk::new(10_000);
    desk.sleeper("dear", 15_000, 4000, 500);
    desk.sleeper("cheap", 15_000, 4000, 10);
    desk.snapshot.devices[1].used_mib = Some(11_000);
    desk.now += seconds(1);
    assert_eq!(desk.step(Event::SnapshotTaken), ["end cheap"]);
    let asked = desk.state.holds.iter().filter(|hold| matches!(hold.stage, Stage::Asked { .. }));
    assert_eq!(asked.map(|hold| &*hold.model).collect::<Vec<_>>(), ["cheap"]);
}

#[test]
fn a_sleeper_that_has_nothing_of_what_is_lacking_does_not_end() {
    let mut desk = Desk::new(6000);
    desk.sleeper("cheap", 15_000, 1000, 9);
    let holds = desk.state.holds.iter_mut().filter(|hold| &*hold.model == "cheap");
    holds.for_each(|hold| hold.parts.retain(|part| &*part.device == "card"));
    desk.sleeper("other", 15_000, 4000, 10);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(4000));
    assert_eq!(desk.parking("a", 4000), ["end other"]);
}

#[test]
fn a_wake_goes_as_those_who_want_it() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    let standing = ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now };
    assert_eq!(desk.demand("c", 15_000), ["grant c"]);
    desk.shows("c", standing, None, 20);
    let a = desk.models.iter().position(|one| &*one.model == "a").unwrap();
    desk.models[a].users.now = Some(Class::Interactive);
    desk.step(wake(DemandPriority::Wanted(Class::Interactive)));
    let waiting: Vec<_> = desk.state.waiting.iter().map(|one| (&*one.model, one.urgency)).collect();
    assert_eq!(waiting, [("a", DemandPriority::Wanted(Class::Interactive))]);
}

#[test]
fn one_that_refuses_to_sleep_has_not_been_asked_to() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    assert_eq!(desk.state.holds[0].doze, Doze::Asked);
    desk.step(Event::EvictRefused { model: "a".into(), epoch: 1 });
    assert_eq!(desk.state.holds[0].doze, Doze::Awake);
}

/// For other programs what a sleeper gives up may be enough; a paused device is left altogether.
#[test]
fn a_model_sleeps_for_other_programs_and_ends_for_a_pause() {
    for paused in [false, true] {
        let mut desk = Desk::new(64_000);
        assert_eq!(desk.demand("a", 15_000), ["grant a"]);
        desk.ready("a", Some(8000));
        desk.now += seconds(60);
        let shared = &mut desk.snapshot.devices[0].shared;
        if paused {
            shared.paused_until = Some(seconds(20_000));
        } else {
            (shared.keep_free_mib, shared.gives_way) = (2000, true);
            // A game has 8000 MiB of the 24000.
            desk.snapshot.devices[0].used_mib = Some(23_000);
        }
        let expected = if paused { "end a" } else { "park a" };
        assert_eq!(desk.step(Event::SnapshotTaken), [expected], "paused: {paused}");
    }
}

#[test]
fn no_more_sleepers_end_than_have_to() {
    let mut desk = Desk::new(8000);
    desk.sleeper("cheap", 15_000, 4000, 9);
    desk.sleeper("other", 15_000, 4000, 10);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(4000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    assert_eq!(desk.parking("a", 4000), ["end cheap"]);
}

#[test]
fn until_the_card_shows_it_a_sleeper_holds_what_it_had_and_no_more() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.parking("a", 8000), ["let a park: true"]);
    assert_eq!(desk.asleep("a", 8000, 20), [""; 0]);
    assert_eq!(desk.demand("b", 9001), [""; 0]);
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.demand("b", 9000), ["grant b"]);
}

#[test]
fn one_that_cannot_sleep_after_all_holds_what_it_did_before() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.parking("a", 8000), ["let a park: true"]);
    assert_eq!(desk.held("a"), on(&[("card", 15_000), ("cpu", 8000)]));
    desk.step(Event::StaysAwake { model: "a".into(), epoch: 1 });
    assert_eq!(desk.held("a"), on(&[("card", 15_000)]));
}

#[test]
fn a_wake_leaves_what_others_hold() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.demand("small", 6000), ["grant small"]);
    assert_eq!(desk.demand("large", 15_000), ["grant large"]);
    assert_eq!(desk.step(wake(DemandPriority::default())), [""; 0]);
    assert_eq!(desk.demand("next", 9000), [""; 0]);
    let gone = Event::Returned { model: "large".into(), epoch: 1, ran: false };
    assert_eq!(desk.step(gone), ["wake a"], "3000 MiB are left, for `small` has the rest");
}

#[test]
fn a_sleeper_in_the_way_of_a_large_one_ends_and_is_no_deadlock() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    let standing = ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now };
    assert_eq!(desk.demand("c", 15_000), ["grant c"]);
    desk.shows("c", standing, None, 20);
    assert_eq!(desk.demand("b", 24_000), [""; 0]);
    assert_eq!(desk.step(wake(DemandPriority::default())), [""; 0], "behind b");
    desk.shows("a", ResidentState::Starting { wanted: true, since: desk.now }, Some(8000), 20);
    desk.ready("c", None);
    let mut said = desk.step(Event::Changed);
    said.sort();
    assert_eq!(said, ["end a", "end c"]);
}

#[test]
fn an_explanation_says_who_sleeps() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    desk.demand("b", 15_000);
    desk.ready("b", Some(8000));
    // Each model has lives of its own.
    for epoch in [1, 7] {
        desk.state.holds.iter_mut().filter(|hold| &*hold.model == "b").for_each(|hold| hold.epoch = epoch);
        desk.models.iter_mut().filter(|one| &*one.model == "b").for_each(|one| one.epoch = epoch);
        let view =
            View { now: desk.now, snapshot: &desk.snapshot, models: &desk.models, settings: &desk.settings };
        let why = explain(&desk.state, &view, &"a".into(), &Arc::from([]), None).to_string();
        assert!(why.starts_with("a: only fits without b (which is parked)"), "{epoch}: {why}");
    }
}

#[test]
fn a_wake_wants_what_that_model_needs() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("x", 6000, 1000, 20);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.demand("c", 10_000), ["grant c"]);
    desk.shows("c", ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now }, None, 20);
    assert_eq!(desk.step(wake(DemandPriority::default())), [""; 0], "14500 MiB more, and 13000 are free");
}

#[test]
fn who_falls_asleep_again_waits_no_more_and_others_do() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.demand("c", 15_000), ["grant c"]);
    desk.shows("c", ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now }, None, 20);
    desk.demand("b", 15_000);
    desk.step(wake(DemandPriority::default()));
    desk.step(Event::Asleep { model: "a".into(), epoch: 1 });
    let waiting: Vec<_> = desk.state.waiting.iter().map(|one| &*one.model).collect();
    assert_eq!(waiting, ["b"]);
}

#[test]
fn nobody_ends_who_is_pinned_or_kept_warm_so_that_another_may_sleep() {
    for (pinned, warm) in [(true, None), (false, Some(Class::Normal))] {
        let mut desk = Desk::new(8000);
        desk.sleeper("cheap", 15_000, 4000, 9);
        desk.sleeper("other", 15_000, 4000, 10);
        let cheap = desk.models.iter_mut().find(|one| &*one.model == "cheap").unwrap();
        (cheap.pinned, cheap.warm) = (pinned, warm);
        assert_eq!(desk.demand("a", 15_000), ["grant a"]);
        desk.ready("a", Some(4000));
        assert_eq!(desk.parking("a", 4000), ["end other"]);
    }
}

#[test]
fn one_that_need_not_go_after_all_has_not_been_asked_to_sleep() {
    let mut desk = Desk::new(64_000);
    desk.settings.max_hold = HoldTime::Fixed(seconds(30));
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.shows(
        "a",
        ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now },
        Some(8000),
        20,
    );
    desk.step(Event::Changed);
    assert_eq!(desk.demand("b", 15_000), [""; 0]);
    assert_eq!(desk.after(30), ["yield a true"]);
    assert_eq!(desk.state.holds[0].doze, Doze::Asked);
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.state.holds[0].doze, Doze::Awake);
}

#[test]
fn a_grant_says_when_those_that_sleep_for_it_did() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    desk.parking("a", 8000);
    desk.asleep("a", 8000, 20);
    let victims_gone = desk.now;
    desk.now += seconds(1);
    desk.snapshot.taken_at = Some(desk.now);
    let Desk { state, now, snapshot, models, settings } = &desk;
    let step = step(state, Event::Timer, &View { now: *now, snapshot, models, settings });
    let told = step.effects.iter().find_map(|effect| match effect {
        Effect::Grant { made_room, .. } => *made_room,
        _ => None,
    });
    assert_eq!(told, Some(MadeRoom { victims_gone, memory_free: *now }));
}

#[test]
fn a_sleeper_gives_back_what_it_really_used_but_for_what_it_keeps() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    desk.models[0].actual = vec![("card".into(), 12_000)];
    desk.step(Event::Changed);
    assert_eq!(desk.parking("a", 8000), ["let a park: true"]);
    assert_eq!(desk.asleep("a", 8000, 20), [""; 0]);
    assert_eq!(desk.demand("b", 12_001), [""; 0], "500 asleep, and 11500 that are yet to show");
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.demand("b", 12_000), ["grant b"]);
}

/// The card had 2000 MiB in use before it came, and 500 of its own stay: so much and a quarter of the 14500 that come back.
#[test]
fn the_memory_of_a_sleeper_is_back_when_the_card_is_as_before_but_for_what_it_keeps() {
    let mut desk = Desk::new(64_000);
    desk.snapshot.devices[0].used_mib = Some(2000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    desk.snapshot.devices[0].used_mib = Some(9000);
    desk.step(Event::SnapshotTaken);
    desk.parking("a", 8000);
    desk.asleep("a", 8000, 20);
    let ghosts =
        |desk: &Desk| desk.state.holds.iter().filter(|hold| matches!(hold.stage, Stage::Gone { .. })).count();
    for (used, left) in [(6126, 1), (6125, 0)] {
        desk.now += Duration::from_millis(500);
        desk.snapshot.devices[0].used_mib = Some(used);
        desk.step(Event::SnapshotTaken);
        assert_eq!(ghosts(&desk), left, "{used}");
    }
}

/// What others used when it came is not taken for its own later, neither on the card nor in RAM.
#[test]
fn a_sleeper_remembers_what_others_used_where_it_sleeps() {
    let mut desk = Desk::new(64_000);
    (desk.snapshot.devices[0].used_mib, desk.snapshot.devices[1].used_mib) = (Some(2000), Some(3000));
    desk.sleeper("a", 15_000, 8000, 20);
    let hold = desk.state.holds.iter().find(|hold| &*hold.model == "a").unwrap();
    let others = hold.parts.iter().map(|part| (&*part.device, part.unexplained_before));
    assert_eq!(others.collect::<Vec<_>>(), [("card", Some(2000)), ("cpu", Some(3000))]);
}

#[test]
fn nobody_ends_for_one_that_is_as_dear() {
    let mut desk = Desk::new(5000);
    desk.sleeper("other", 15_000, 4000, 20);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(4000));
    // Awake it loses 20 s of loading less 1 s of waking, as the one does that has just fallen asleep.
    let other = desk.models.iter_mut().find(|one| &*one.model == "other").unwrap();
    other.standing = ResidentState::Parked { since: desk.now, wanted: false, idle_since: desk.now };
    assert_eq!(desk.parking("a", 4000), ["let a park: false"]);
}

#[test]
fn one_that_wakes_is_counted_once_by_those_behind_it() {
    let mut desk = Desk::new(64_000);
    desk.sleeper("a", 15_000, 8000, 20);
    assert_eq!(desk.demand("c", 15_000), ["grant c"]);
    desk.shows("c", ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now }, None, 20);
    assert_eq!(desk.step(wake(DemandPriority::default())), [""; 0]);
    assert_eq!(desk.demand("d", 9000), [""; 0], "behind a");
    desk.models.retain(|one| &*one.model != "c");
    let gone = Event::Returned { model: "c".into(), epoch: 1, ran: false };
    assert_eq!(desk.step(gone), ["wake a", "grant d"], "15000 and 9000 are all of the card");
}
