//! The queue, event by event.

#![expect(clippy::unwrap_used, reason = "a test may")]

use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{Need, Never, Settings, Standing, Variant};
use llm_manager_policy::queue::*;
use std::sync::Arc;
use std::time::Duration;

/// One card of 10 GiB, models as one sets them, and a clock.
struct Desk {
    state: State,
    now: Moment,
    snapshot: DeviceSnapshot,
    models: Vec<ModelView>,
    settings: Settings,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wants(mib: &[u64]) -> Arc<[Variant]> {
    let need = |mib: &u64| vec![Need { requirement: Requirement::parse("gpu").unwrap(), mib: *mib }];
    mib.iter().map(|mib| Variant { name: mib.to_string().into(), needs: need(mib) }).collect()
}

impl Desk {
    fn new() -> Self {
        let device = Device { total_mib: Some(10_000), used_mib: Some(0), ..Device::new("0", "gpu", "fake") };
        let now = seconds(1000);
        Self {
            state: State::default(),
            now,
            snapshot: DeviceSnapshot { devices: vec![device], taken_at: Some(now) },
            models: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// The effects in short, without timers.
    fn step(&mut self, event: Event) -> Vec<String> {
        let Self { now, snapshot, models, settings, .. } = self;
        let step = step(&self.state, event, &View { now: *now, snapshot, models, settings });
        self.state = step.state;
        let told = |effect: &Effect| match effect {
            Effect::Grant { model, epoch, assignment, .. } => {
                Some(format!("grant {model}{epoch} {}", assignment.first().map_or(0, |part| part.mib)))
            }
            Effect::Deny { model, epoch, denial, .. } => Some(format!("deny {model}{epoch} {denial:?}")),
            Effect::AskEvict { model, epoch, .. } => Some(format!("evict {model}{epoch}")),
            Effect::AskYield { model, epoch, .. } => Some(format!("yield {model}{epoch}")),
            Effect::AskSnapshot => Some("look".to_owned()),
            Effect::ArmTimer(_) | Effect::DisarmTimer => None,
        };
        step.effects.iter().filter_map(told).collect()
    }

    fn demand(&mut self, model: &str, epoch: u64, mib: &[u64]) -> Vec<String> {
        self.step(Event::Demand { model: model.into(), epoch, variants: wants(mib) })
    }

    fn returned(&mut self, model: &str, epoch: u64, ran: bool) -> Vec<String> {
        self.models.retain(|one| *one.model != *model);
        self.step(Event::Returned { model: model.into(), epoch, ran })
    }

    fn sampled(&mut self, used: u64) -> Vec<String> {
        self.snapshot.taken_at = Some(self.now);
        self.snapshot.devices[0].used_mib = Some(used);
        self.step(Event::SnapshotTaken)
    }

    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.step(Event::Timer)
    }

    /// A model that became ready just now.
    fn ready(&mut self, model: &str, epoch: u64, busy: bool) {
        self.models.retain(|one| *one.model != *model);
        let standing = Standing::Ready { since: self.now, busy, idle_since: self.now };
        self.models.push(ModelView {
            model: model.into(),
            epoch,
            standing,
            pinned: false,
            reload: None,
            actual: Vec::new(),
        });
    }
}

#[test]
fn a_victim_goes_and_its_memory_is_believed_when_it_shows() {
    let mut desk = Desk::new();
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    assert_eq!(desk.sampled(6000), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    assert_eq!(desk.after(POLL), [""; 0], "it has been asked already");
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    desk.now += POLL;
    assert_eq!(desk.sampled(5900), [""; 0], "nothing to be seen yet");
    desk.now += POLL;
    assert_eq!(desk.sampled(100), ["grant b1 5000"]);
}

#[test]
fn memory_that_never_shows_is_believed_after_a_while() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    assert_eq!(desk.after(seconds(4)), ["look"]);
    assert_eq!(desk.after(seconds(1)), ["grant b1 5000"]);
    // A start that never was leaves nothing behind.
    assert_eq!(desk.demand("c", 1, &[6000]), ["look"]);
    assert_eq!(desk.sampled(0), [""; 0]);
    assert_eq!(desk.returned("b", 1, false), ["grant c1 6000"]);
}

#[test]
fn the_order_of_arrival_is_kept_where_it_matters() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("big", 1, &[9000]), [""; 0]);
    assert_eq!(desk.demand("small", 1, &[2000]), [""; 0], "there is room, but it is claimed");
    assert_eq!(desk.demand("none", 1, &[0]), ["grant none1 0"], "it delays nobody");
    assert_eq!(desk.returned("big", 1, false), ["grant small1 2000"]);
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.demand("big", 1, &[7000]);
    desk.demand("small", 1, &[2000]);
    assert_eq!(desk.returned("a", 1, false), ["grant big1 7000", "grant small1 2000"]);
}

#[test]
fn a_model_that_has_become_busy_is_left_alone_and_yields_in_time() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    if let Standing::Ready { busy, .. } = &mut desk.models[0].standing {
        *busy = true;
    }
    assert_eq!(desk.step(Event::EvictRefused { model: "a".into(), epoch: 1 }), [""; 0]);
    let waited = desk.now;
    while desk.now < waited + desk.settings.max_hold - POLL {
        assert_eq!(desk.after(POLL), [""; 0]);
    }
    assert_eq!(desk.after(POLL), ["yield a1"]);
    assert_eq!(desk.after(POLL), [""; 0]);
    // Whoever comes again comes last.
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    assert_eq!(desk.demand("a", 2, &[6000]), ["look"]);
    desk.now += POLL;
    assert_eq!(desk.sampled(0), ["grant b1 5000"]);
}

#[test]
fn a_young_model_keeps_its_room() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.after(seconds(9)), [""; 0]);
    assert_eq!(desk.after(seconds(1)), ["evict a1"]);
}

#[test]
fn who_can_never_be_served_is_told_at_once_and_who_waits_too_long_in_time() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.demand("huge", 1, &[10_001]),
        [format!("deny huge1 {:?}", Denial::Never(Never::NoMemory))]
    );
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.after(seconds(299)), [""; 0]);
    assert_eq!(desk.after(seconds(1)), ["deny b1 Timeout"]);
    assert!(desk.state.waiting.is_empty());
}

#[test]
fn a_demand_wants_a_fresh_snapshot_but_not_for_ever() {
    let mut desk = Desk::new();
    desk.now += seconds(5);
    assert_eq!(desk.demand("a", 1, &[6000]), ["look"]);
    desk.now += Duration::from_millis(30);
    assert_eq!(desk.sampled(9000), ["deny a1 Never(NoMemory)"]);
    desk.now += seconds(5);
    assert_eq!(desk.demand("a", 2, &[1000]), ["look"]);
    assert_eq!(desk.after(seconds(1)), ["grant a2 1000"]);
    desk.settings.disable_monitoring = true;
    desk.now += seconds(5);
    assert_eq!(desk.demand("b", 1, &[99_000]), ["grant b1 99000"]);
}

#[test]
fn out_of_memory_means_the_next_variant_until_something_changes() {
    let mut desk = Desk::new();
    desk.demand("other", 1, &[1000]);
    desk.ready("other", 1, true);
    assert_eq!(desk.demand("a", 1, &[8000, 4000]), ["grant a1 8000"]);
    let failed = Event::StartFailed { model: "a".into(), epoch: 1, out_of_memory: true };
    assert_eq!(desk.step(failed), [""; 0]);
    desk.returned("a", 1, false);
    assert_eq!(desk.demand("a", 2, &[8000, 4000]), ["grant a2 4000"]);
    desk.returned("a", 2, false);
    assert_eq!(desk.demand("a", 3, &[8000]), ["deny a3 Never(OutOfMemory)"]);
    desk.returned("other", 1, false);
    assert_eq!(desk.demand("a", 4, &[8000, 4000]), ["grant a4 8000"]);
    // An ordinary failure excludes nothing.
    desk.step(Event::StartFailed { model: "a".into(), epoch: 4, out_of_memory: false });
    desk.returned("a", 4, false);
    assert_eq!(desk.demand("a", 5, &[8000, 4000]), ["grant a5 8000"]);
}

#[test]
fn a_restarted_scheduler_listens_first() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    let part = desk.state.holds[0].parts[0].clone();
    desk.ready("a", 1, true);
    desk.state = State::restarted(desk.now + seconds(2));
    assert_eq!(desk.demand("b", 1, &[6000]), [""; 0]);
    let requirement = "gpu".into();
    let assignment =
        vec![llm_manager_policy::placement::Part { requirement, device: part.device, mib: part.mib }];
    let holds = Event::Holds { model: "a".into(), epoch: 1, variant: "6000".into(), assignment };
    assert_eq!(desk.step(holds), [""; 0]);
    assert_eq!(desk.step(Event::AllAnnounced), [""; 0]);
    assert_eq!(desk.state.holds.len(), 1);
    assert_eq!(desk.returned("a", 1, false), ["grant b1 6000"]);
}

#[test]
fn a_model_that_begins_anew_has_ended_before() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("a", 2, &[6000]), ["look"], "what it held has to show as free first");
    assert_eq!(desk.after(seconds(5)), ["grant a2 6000"]);
    assert_eq!(desk.returned("a", 1, true), [""; 0], "late news of the former life");
    assert_eq!(desk.state.holds.len(), 1);
    desk.sampled(0);
    assert_eq!(desk.demand("b", 5, &[9000]), [""; 0]);
    desk.returned("b", 4, true);
    assert_eq!(desk.state.waiting.len(), 1, "not the life that waits");
}

#[test]
fn memory_that_is_about_to_show_is_worth_waiting_for() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.returned("a", 1, true), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[8000, 1000]), ["look"]);
    assert_eq!(desk.after(seconds(5)), ["grant b1 8000"]);
}

#[test]
fn who_waits_may_still_get_the_best_of_its_variants() {
    let mut desk = Desk::new();
    let second = Device { id: "1".into(), ..desk.snapshot.devices[0].clone() };
    desk.snapshot.devices.push(second);
    desk.demand("a", 1, &[9000]);
    let need = |mib| vec![Need { requirement: Requirement::parse("2x gpu").unwrap(), mib }];
    let variant = |mib: u64| Variant { name: mib.to_string().into(), needs: need(mib) };
    let variants = [variant(8000), variant(3000)].into();
    assert_eq!(desk.step(Event::Demand { model: "big".into(), epoch: 1, variants }), [""; 0]);
    assert_eq!(desk.demand("small", 1, &[5000]), [""; 0], "beside 3000 there would be room");
    assert_eq!(desk.demand("tiny", 1, &[2000]), [""; 0], "small came first");
    assert_eq!(desk.returned("small", 1, false), ["grant tiny1 2000"]);
}
