//! The queue, event by event.

#![expect(clippy::unwrap_used, reason = "a test may")]

use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement, Shared};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{
    HoldTime, Need, Never, RETRY_ADDRESS, Settings, Standing, Urgency, Users, Variant,
};
use llm_manager_policy::queue::*;
use llm_manager_policy::spec::Class;
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

fn demand_of(model: &str, epoch: u64, variants: Arc<[Variant]>) -> Event {
    let (urgency, overlap) = (Urgency::default(), false);
    Event::Demand { model: model.into(), epoch, variants, load: None, urgency, overlap }
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
            settings: Settings {
                min_hold: HoldTime::Fixed(seconds(10)),
                max_hold: HoldTime::Fixed(seconds(60)),
                ..Settings::default()
            },
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
            Effect::WithdrawYield { model, epoch } => Some(format!("stay {model}{epoch}")),
            Effect::GrantWake { model, epoch } => Some(format!("wake {model}{epoch}")),
            Effect::LetPark { model, epoch, go } => Some(format!("park {model}{epoch} {go}")),
            Effect::AskSnapshot(_) => Some("look".to_owned()),
            Effect::ArmTimer(_) | Effect::DisarmTimer => None,
        };
        step.effects.iter().filter_map(told).collect()
    }

    /// Both holds follow what a swap costs.
    fn auto() -> Self {
        let mut desk = Self::new();
        (desk.settings.min_hold, desk.settings.max_hold) = (HoldTime::Auto, HoldTime::Auto);
        desk
    }

    /// A model is granted, loads for that long and is idle; the card shows it.
    fn loads(&mut self, model: &str, epoch: u64, mib: u64, load: Duration) {
        self.now += load;
        self.ready(model, epoch, false);
        self.sampled(mib);
    }

    fn demand(&mut self, model: &str, epoch: u64, mib: &[u64]) -> Vec<String> {
        self.step(demand_of(model, epoch, wants(mib)))
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
            users: Users::default(),
            sleep: None,
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
    while desk.now < waited + seconds(60) - POLL {
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
fn a_silent_address_is_passed_over_for_some_seconds() {
    let mut desk = Desk::new();
    let far = || Variant { name: "far".into(), needs: Vec::new() };
    let both: Arc<[Variant]> = [far(), wants(&[4000])[0].clone()].into();
    assert_eq!(desk.step(demand_of("a", 1, Arc::clone(&both))), ["grant a1 0"]);
    let silent = Event::Unreachable { model: "a".into(), epoch: 1, why: "no connection".into() };
    assert_eq!(desk.step(silent), [""; 0]);
    desk.returned("a", 1, true);
    assert_eq!(desk.step(demand_of("a", 2, both)), ["grant a2 4000"]);
    desk.returned("a", 2, false);
    assert_eq!(desk.step(demand_of("a", 3, [far()].into())), ["deny a3 Never(Unreachable)"]);
    desk.now += RETRY_ADDRESS;
    assert_eq!(desk.step(demand_of("a", 4, [far()].into())), ["grant a4 0"]);
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
    assert_eq!(desk.step(demand_of("big", 1, variants)), [""; 0]);
    assert_eq!(desk.demand("small", 1, &[5000]), [""; 0], "beside 3000 there would be room");
    assert_eq!(desk.demand("tiny", 1, &[2000]), [""; 0], "small came first");
    assert_eq!(desk.returned("small", 1, false), ["grant tiny1 2000"]);
}

const LOAD: Duration = Duration::from_secs(8);

#[test]
fn an_idle_model_goes_at_once_while_only_one_other_is_wanted() {
    let mut desk = Desk::auto();
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
    desk.loads("a", 1, 6000, LOAD);
    for turn in 1..5 {
        // One person goes to and fro between two models, and waits for nothing but their loads.
        let (next, resident) = if turn % 2 == 1 { ("b", "a") } else { ("a", "b") };
        desk.now += Duration::from_millis(1);
        let asked = desk.demand(next, turn + 1, &[6000]);
        assert!(asked[0].starts_with(&format!("evict {resident}")), "{turn}: {asked:?}");
        let epoch = desk.state.holds[0].epoch;
        desk.returned(resident, epoch, true);
        assert_eq!(desk.sampled(0), [""; 0], "a snapshot of the same moment may be older than the end");
        desk.now += Duration::from_millis(1);
        assert_eq!(desk.sampled(0), [format!("grant {next}{} 6000", turn + 1)]);
        desk.loads(next, turn + 1, 6000, LOAD);
    }
}

#[test]
fn models_that_compete_stay_for_nine_eighths_of_a_load() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    // Long resident: its surplus is its successor's.
    desk.now += seconds(100);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1"]);
    desk.returned("a", 1, true);
    desk.now += Duration::from_millis(1);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // Requests for a come while b loads.
    assert_eq!(desk.demand("a", 2, &[6000]), [""; 0]);
    desk.now += LOAD;
    desk.ready("b", 1, false);
    assert_eq!(desk.sampled(6000), ["evict b1"], "the first swap back is immediate");
    desk.returned("b", 1, true);
    desk.now += Duration::from_millis(1);
    assert_eq!(desk.sampled(0), ["grant a2 6000"]);
    // From now on loads are paid for.
    assert_eq!(desk.demand("b", 2, &[6000]), [""; 0]);
    desk.now += LOAD;
    desk.ready("a", 2, false);
    assert_eq!(desk.sampled(6000), [""; 0]);
    let dwell = pace::dwell(LOAD, LOAD);
    assert_eq!(dwell, seconds(9));
    assert_eq!(desk.after(dwell - Duration::from_millis(10)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(10)), ["evict a2"]);
}

#[test]
fn a_busy_model_finishes_after_three_quarters_of_a_swap_and_not_before_a_second() {
    for (load, patience) in [(LOAD, seconds(12)), (Duration::from_millis(50), pace::LEAST_BUSY)] {
        let mut desk = Desk::auto();
        desk.demand("a", 1, &[6000]);
        desk.loads("a", 1, 6000, load);
        desk.now += seconds(100);
        desk.ready("a", 1, true);
        desk.state.holds[0].ready = Some(desk.now - seconds(100));
        desk.sampled(6000);
        assert_eq!(desk.demand("b", 1, &[6000]), [""; 0]);
        assert_eq!(desk.after(patience - Duration::from_millis(10)), [""; 0], "{load:?}");
        assert_eq!(desk.after(Duration::from_millis(10)), ["yield a1"], "{load:?}");
    }
}

#[test]
fn nobody_goes_for_auto_start_alone() {
    let boot = |model: &str, urgency| Event::Demand {
        model: model.into(),
        epoch: 1,
        variants: wants(&[6000]),
        load: None,
        urgency,
        overlap: false,
    };
    let mut desk = Desk::auto();
    assert_eq!(desk.step(boot("a", Urgency::Boot)), ["grant a1 6000"]);
    let denied = [format!("deny b1 {:?}", Denial::Never(Never::NotForBoot))];
    assert_eq!(desk.step(boot("b", Urgency::Boot)), denied, "a loads");
    desk.loads("a", 1, 6000, LOAD);
    assert_eq!(desk.step(boot("b", Urgency::Boot)), denied, "a is idle");
    // While it waits for a snapshot, somebody asks for it.
    desk.now += seconds(60);
    assert_eq!(desk.step(boot("b", Urgency::Boot)), ["look"]);
    assert_eq!(desk.step(boot("b", Urgency::default())), ["look"]);
    assert_eq!(desk.sampled(6000), ["evict a1"]);
}

#[test]
fn a_device_that_tells_only_its_total_keeps_nobody_waiting() {
    let mut desk = Desk::auto();
    desk.snapshot.devices[0].used_mib = None;
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    desk.snapshot.devices[0].used_mib = None;
    desk.now += seconds(60);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1"], "an old snapshot says as much as a new one");
    assert_eq!(desk.returned("a", 1, true), ["grant b1 6000"]);
}

#[test]
fn who_has_to_go_is_asked_before_the_new_snapshot_is_there() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    desk.now += Duration::from_millis(900);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1", "look"]);
    desk.now += Duration::from_millis(20);
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    desk.now += Duration::from_millis(20);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // What is free is another matter.
    desk.now += Duration::from_millis(900);
    assert_eq!(desk.demand("c", 1, &[3000]), ["look"]);
    assert_eq!(desk.sampled(0), ["grant c1 3000"]);
}

#[test]
fn an_unrelated_device_holds_up_nobody() {
    let mut desk = Desk::auto();
    let slow = Device { total_mib: Some(10_000), used_mib: Some(0), ..Device::new("1", "slow", "fake") };
    desk.snapshot.devices.push(Device { taken_at: Some(seconds(1)), ..slow });
    desk.snapshot.devices[0].taken_at = Some(desk.now);
    desk.snapshot.taken_at = Some(seconds(1));
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
}

#[test]
fn overlap_starts_while_memory_is_being_given_back() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    let (variants, urgency) = (wants(&[6000]), Urgency::default());
    let demand = Event::Demand { model: "b".into(), epoch: 1, variants, load: None, urgency, overlap: true };
    assert_eq!(desk.step(demand), ["evict a1"]);
    assert_eq!(desk.returned("a", 1, true), ["grant b1 6000"]);
}

/// The card keeps 2000 MiB free, and models make way for other programs.
fn shared_desk() -> Desk {
    let mut desk = Desk::new();
    desk.snapshot.devices[0].shared = Shared { keep_free_mib: 2000, gives_way: true, paused_until: None };
    desk
}

#[test]
fn what_is_kept_free_is_given_to_no_model() {
    let mut desk = shared_desk();
    assert_eq!(desk.demand("a", 1, &[8001]), ["deny a1 Never(NoMemory)"]);
    assert_eq!(desk.demand("a", 2, &[8000]), ["grant a2 8000"]);
    desk.loads("a", 2, 8000, seconds(5));
    assert_eq!(desk.sampled(8000), [""; 0], "an exact fit stays");
}

#[test]
fn idle_models_make_way_for_other_programs_and_busy_ones_stay() {
    let mut desk = shared_desk();
    for (model, epoch) in [("a", 1), ("b", 2)] {
        assert_eq!(desk.demand(model, epoch, &[4000]), [format!("grant {model}{epoch} 4000")]);
        desk.loads(model, epoch, 4000 * epoch, seconds(5));
    }
    desk.now += seconds(60);
    assert_eq!(desk.sampled(8000), [""; 0]);
    desk.ready("b", 2, true);
    // A game takes 500 MiB of the 2000.
    assert_eq!(desk.sampled(8500), ["evict a1"]);
    assert_eq!(desk.sampled(8700), [""; 0], "it is on its way");
    assert_eq!(desk.returned("a", 1, true), [""; 0]);
    desk.now += seconds(1);
    assert_eq!(desk.sampled(4500), [""; 0]);
    // It takes more than all of it: the busy one stays, and goes once it is idle.
    desk.now += seconds(10);
    assert_eq!(desk.sampled(9900), [""; 0]);
    desk.ready("b", 2, false);
    assert_eq!(desk.sampled(9900), ["evict b2"]);
    // Without the wish nobody goes.
    let mut desk = shared_desk();
    desk.snapshot.devices[0].shared.gives_way = false;
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, seconds(5));
    desk.now += seconds(60);
    assert_eq!(desk.sampled(9500), [""; 0]);
}

#[test]
fn a_pinned_model_stays_for_other_programs_and_goes_for_a_pause() {
    let mut desk = shared_desk();
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, seconds(5));
    desk.now += seconds(60);
    desk.models[0].pinned = true;
    assert_eq!(desk.sampled(9500), [""; 0]);
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(600));
    assert_eq!(desk.sampled(9500), ["evict a1"]);
}

#[test]
fn a_paused_device_is_given_to_nobody_and_the_busy_finish() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, seconds(5));
    desk.ready("a", 1, true);
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(600));
    assert_eq!(desk.step(Event::Changed), ["yield a1"]);
    assert_eq!(desk.step(Event::Changed), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[1000]), ["deny b1 Never(Paused)"]);
    let free = vec![Variant { name: "elsewhere".into(), needs: Vec::new() }];
    let both: Arc<[Variant]> = wants(&[1000]).iter().cloned().chain(free).collect();
    assert_eq!(desk.step(demand_of("c", 1, both)), ["grant c1 0"], "another variant is taken");
    // The pause is lifted before it has gone: it goes on.
    desk.snapshot.devices[0].shared.paused_until = None;
    assert_eq!(desk.step(Event::Changed), ["stay a1"]);
    assert_eq!(desk.demand("b", 2, &[1000]), ["grant b2 1000"]);
}

#[test]
fn a_refusal_for_a_pause_knows_when_it_is_over() {
    let mut desk = Desk::new();
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(7140));
    let Desk { state, now, snapshot, models, settings } = &desk;
    let view = View { now: *now, snapshot, models, settings };
    let explained = explain(state, &view, &"a".into(), &wants(&[1000]), None);
    assert_eq!(explained.paused_for(), Some(seconds(7140)));
    let words = "a: an operator has paused a device that it needs; 1000: gpu is paused by an operator for another 1 h 59 min";
    assert_eq!(explained.to_string(), words);
}

/// A model that is idle, and that a request of this class has just left.
fn used(desk: &mut Desk, model: &str, epoch: u64, class: Class) {
    let one = desk.models.iter_mut().find(|one| *one.model == *model && one.epoch == epoch).unwrap();
    one.users.left[class as usize] = Some(desk.now);
}

fn of_class(model: &str, epoch: u64, class: Class) -> Event {
    let (variants, urgency) = (wants(&[6000]), Urgency::Wanted(class));
    Event::Demand { model: model.into(), epoch, variants, load: Some(LOAD), urgency, overlap: false }
}

/// `a` is ready on the card, and busy with a request of this class.
fn busy_with(class: Class) -> Desk {
    let mut desk = Desk::auto();
    desk.step(of_class("a", 1, class));
    desk.loads("a", 1, 6000, LOAD);
    let now = desk.now;
    desk.models[0].standing = Standing::Ready { since: now, busy: true, idle_since: now };
    desk.models[0].users.now = Some(class);
    desk
}

#[test]
fn the_highest_class_gets_the_memory_first_and_a_demand_rises_with_its_requests() {
    for rises in [false, true] {
        let mut desk = busy_with(Class::Normal);
        assert_eq!(desk.step(of_class("b", 1, Class::Batch)), [] as [&str; 0]);
        assert_eq!(desk.step(of_class("c", 1, Class::Normal)), [] as [&str; 0]);
        if rises {
            desk.step(of_class("b", 1, Class::Interactive));
        }
        desk.models[0].users.now = None;
        desk.ready("a", 1, false);
        desk.now += LOAD * 2;
        assert_eq!(desk.sampled(6000), ["evict a1"]);
        desk.returned("a", 1, true);
        desk.now += seconds(1);
        let winner = if rises { "grant b1 6000" } else { "grant c1 6000" };
        assert_eq!(desk.sampled(0), [winner], "rises: {rises}");
    }
}

#[test]
fn a_lower_class_waits_until_the_higher_one_has_been_away_for_its_hold() {
    for (class, between) in [(Class::Normal, 1), (Class::Batch, 2)] {
        let mut desk = busy_with(Class::Interactive);
        desk.sampled(6000);
        desk.step(of_class("b", 1, class));
        // However long it takes: they are there.
        assert!(!desk.after(LOAD * 4).contains(&"yield a1".to_owned()));
        desk.models[0].users.now = None;
        let ready = desk.now - LOAD * 5;
        desk.models[0].standing = Standing::Ready { since: ready, busy: false, idle_since: desk.now };
        used(&mut desk, "a", 1, Class::Interactive);
        let hold = LOAD * 2 * 9 / 8 * between;
        desk.sampled(6000);
        assert_eq!(desk.after(hold - seconds(1)), [] as [&str; 0], "{class:?}");
        assert_eq!(desk.after(seconds(1)), ["evict a1"], "{class:?}");
    }
}

#[test]
fn a_higher_class_does_not_wait_for_the_stay_of_a_lower_one() {
    // Idle: at once. Busy: after a second. The same class waits for 9/16, or 3/4, of two loads.
    for (class, idle, busy) in [
        (Class::Interactive, seconds(0), pace::LEAST_BUSY),
        (Class::Batch, LOAD * 2 * 9 / 16, LOAD * 2 * 3 / 4),
    ] {
        for is_busy in [false, true] {
            let mut desk = busy_with(Class::Batch);
            if !is_busy {
                desk.ready("a", 1, false);
                used(&mut desk, "a", 1, Class::Batch);
                // Somebody else wants it, too: they compete.
                desk.state.holds[0].rivals = true;
                desk.state.holds[0].credit = Duration::ZERO;
            }
            let (wait, wanted) = if is_busy { (busy, "yield a1") } else { (idle, "evict a1") };
            desk.sampled(6000);
            let mut told = desk.step(of_class("b", 1, class));
            if wait > seconds(0) {
                assert!(!told.contains(&wanted.to_owned()), "{class:?} {is_busy}: {told:?}");
                let early = desk.after(wait - Duration::from_millis(10));
                assert_eq!(early, [] as [&str; 0], "{class:?} {is_busy}");
                told = desk.after(Duration::from_millis(10));
            }
            assert!(told.contains(&wanted.to_owned()), "{class:?} {is_busy}: {told:?}");
        }
    }
}

#[test]
fn who_has_waited_long_is_passed_by_nobody_and_turns_out_anybody() {
    let mut desk = busy_with(Class::Interactive);
    desk.sampled(6000);
    desk.step(of_class("b", 1, Class::Batch));
    assert_eq!(desk.after(classes::AGE - seconds(1)), [] as [&str; 0]);
    desk.step(of_class("c", 1, Class::Interactive));
    assert_eq!(desk.after(seconds(1)), ["yield a1"]);
    desk.returned("a", 1, true);
    desk.now += seconds(1);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // It asks again, before it has heard of that: it has what it wants.
    assert_eq!(desk.step(of_class("b", 1, Class::Interactive)), [] as [&str; 0]);
    assert!(desk.state.waiting.iter().all(|one| *one.model != *"b"), "{:?}", desk.state.waiting);
    // With a short queue_timeout it comes of age sooner: it must not be refused for being passed.
    desk.settings.queue_timeout = seconds(20);
    assert_eq!(classes::age(&desk.settings), seconds(10));
}
