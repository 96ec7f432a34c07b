//! Leadership: every history of two managers and one lease up to a bound, with questions that take their time or are lost,
//! connections that break, managers that are killed or frozen; and long random ones, after which somebody has to lead soon.

use llm_manager_policy::leadership::{
    Effect, Event, LeadershipLease, LeadershipStatus, LeaseReply, Mark, Replica, SharedRunState, State,
    Terms, step,
};
use llm_manager_policy::lifecycle::Moment;
use proptest::prelude::*;
use stateright::{Checker, Model, Property};
use std::time::Duration;

/// One unit of the model's time.
const UNIT: Duration = Duration::from_secs(1);

/// A question on its way, or its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Way {
    There { held: Option<u64>, over: Option<Mark> },
    Back(LeaseReply),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Manager {
    state: State,
    way: Option<Way>,
    /// It does nothing, but what it holds it still holds.
    frozen: bool,
    /// When it last asked: it does so once in a unit of time.
    ticked: Option<Moment>,
    /// What it last heard that it should do.
    leads: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: Moment,
    managers: [Manager; 2],
    lease: LeadershipLease<usize>,
    faults: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Passes,
    Tick(usize),
    /// The database hears the question.
    Heard(usize),
    /// Its answer arrives.
    Arrives(usize),
    /// Question or answer is lost, and with it the connection.
    Lost(usize),
    Frozen(usize),
    Thawed(usize),
    /// It begins anew.
    Killed(usize),
    /// Its connection breaks while nothing is on its way.
    Cut(usize),
    Resigns(usize),
}

impl World {
    fn new(faults: u8) -> Self {
        Self { now: Moment::ZERO, managers: Default::default(), lease: LeadershipLease::default(), faults }
    }

    fn acts(&self, manager: usize, terms: &Terms) -> bool {
        self.managers[manager].state.may_act(self.now, terms)
    }

    fn drive(&mut self, who: usize, event: Event, terms: &Terms) {
        let manager = &mut self.managers[who];
        let (state, effects) = step(&manager.state, event, self.now, terms);
        manager.state = state;
        for effect in effects {
            match effect {
                Effect::Ask { over } => manager.way = Some(Way::There { held: manager.state.token, over }),
                Effect::Lead(_) => manager.leads = true,
                Effect::StandBack => manager.leads = false,
            }
        }
    }

    /// What can happen now; faults, while there are any left.
    fn actions(&self, horizon: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.now < horizon {
            actions.push(Action::Passes);
        }
        for (who, manager) in self.managers.iter().enumerate() {
            match &manager.way {
                Some(Way::There { .. }) => actions.push(Action::Heard(who)),
                Some(Way::Back(_)) if !manager.frozen => actions.push(Action::Arrives(who)),
                None if !manager.frozen && manager.ticked != Some(self.now) => {
                    actions.push(Action::Tick(who))
                }
                _ => {}
            }
            if manager.frozen {
                actions.push(Action::Thawed(who));
            }
            if self.faults > 0 {
                if manager.way.is_some() && !manager.frozen {
                    actions.push(Action::Lost(who));
                }
                if manager.way.is_none() && self.lease.lock == Some(who) {
                    actions.push(Action::Cut(who));
                }
                if !manager.frozen {
                    actions.push(Action::Frozen(who));
                }
                actions.push(Action::Killed(who));
                if manager.state.token.is_some() && !manager.frozen {
                    actions.push(Action::Resigns(who));
                }
            }
        }
        actions
    }

    fn apply(&mut self, action: Action, terms: &Terms) {
        match action {
            Action::Passes => self.now += UNIT,
            Action::Tick(who) => {
                self.managers[who].ticked = Some(self.now);
                self.drive(who, Event::Tick, terms);
            }
            Action::Heard(who) => {
                if let Some(Way::There { held, over }) = self.managers[who].way {
                    let said = self.lease.answer(&who, held, over);
                    self.managers[who].way = Some(Way::Back(said));
                }
            }
            Action::Arrives(who) => {
                if let Some(Way::Back(said)) = self.managers[who].way.take() {
                    self.drive(who, Event::Told(said), terms);
                }
            }
            Action::Lost(who) => {
                self.faults -= 1;
                self.managers[who].way = None;
                self.unlock(who);
                self.drive(who, Event::Told(LeaseReply::Nothing), terms);
            }
            Action::Cut(who) => {
                self.faults -= 1;
                self.unlock(who);
            }
            Action::Frozen(who) => {
                self.faults -= 1;
                self.managers[who].frozen = true;
            }
            Action::Thawed(who) => self.managers[who].frozen = false,
            Action::Killed(who) => {
                self.faults -= 1;
                self.unlock(who);
                self.managers[who] = Manager::default();
            }
            Action::Resigns(who) => {
                self.faults -= 1;
                let held = self.managers[who].state.token;
                self.managers[who].way = None;
                self.drive(who, Event::Resign, terms);
                self.unlock(who);
                // As the database does it: only the lease of this number is given back.
                if self.lease.holder == Some(who) && held == Some(self.lease.mark.token) {
                    self.lease.holder = None;
                }
            }
        }
    }

    fn unlock(&mut self, who: usize) {
        if self.lease.lock == Some(who) {
            self.lease.lock = None;
        }
    }
}

struct Histories {
    terms: Terms,
    faults: u8,
    horizon: Moment,
}

impl Model for Histories {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.faults)]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        actions.extend(state.actions(self.horizon));
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        next.apply(action, &self.terms);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never two act at once", |model: &Self, world: &World| {
                !(world.acts(0, &model.terms) && world.acts(1, &model.terms))
            }),
            Property::always("never two have the same lease", |_, world: &World| {
                let [one, other] = [&world.managers[0].state.token, &world.managers[1].state.token];
                one.is_none() || one != other
            }),
            Property::always("who leads knows it, and nobody else", |_, world: &World| {
                world.managers.iter().all(|manager| manager.leads == manager.state.token.is_some())
            }),
            Property::sometimes("the other takes over", |model: &Self, world: &World| {
                world.acts(1, &model.terms)
                    && world.lease.mark.token == 2
                    && world.managers[0].state.token.is_some()
            }),
            Property::sometimes("one that was frozen leads again", |model: &Self, world: &World| {
                world.acts(0, &model.terms) && world.lease.mark.token == 3
            }),
        ]
    }
}

#[test]
fn a_replica_is_found_by_its_name() {
    let replica = |name: &str, run| Replica {
        name: name.to_owned(),
        variant: "only".to_owned(),
        run,
        stands: SharedRunState::Leaving,
    };
    let standing = LeadershipStatus {
        replicas: [replica("a", 1), replica("b", 2)].into(),
        ..LeadershipStatus::default()
    };
    let run = |name| standing.replica(name).map(|found| found.run);
    assert_eq!([run("a"), run("b"), run("c")], [Some(1), Some(2), None]);
}

#[test]
fn a_lease_changes_hands_when_it_is_over_and_not_before() {
    let mut lease = LeadershipLease::default();
    assert_eq!(lease.answer(&1, None, None), LeaseReply::Yours(1), "nobody had it");
    assert_eq!(lease.answer(&1, Some(1), None), LeaseReply::Yours(1));
    let mark = Mark { token: 1, renewals: 1 };
    assert_eq!(lease.answer(&2, None, None), LeaseReply::Others(mark));
    assert_eq!((lease.lock, lease.mark), (Some(1), mark));
    assert_eq!(lease.answer(&2, None, Some(mark)), LeaseReply::Others(mark));
    assert_eq!(lease.lock, None, "its connection is ended");
    assert_eq!(lease.answer(&2, None, Some(mark)), LeaseReply::Yours(2));
    let second = Mark { token: 2, renewals: 0 };
    assert_eq!(lease.answer(&1, Some(1), None), LeaseReply::Others(second), "it comes back too late");
    assert_eq!(lease.answer(&2, None, None), LeaseReply::Others(second), "one that began anew has no lease");
    assert_eq!((lease.lock, lease.holder, lease.mark), (None, Some(2), second));
}

#[test]
fn never_two_act_at_once() {
    let terms = Terms { lease: UNIT * 3, margin: UNIT };
    let checked = Histories { terms, faults: 2, horizon: UNIT * 6 }.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
}

/// With a margin below nothing, two would: the check can fail.
#[test]
fn the_check_would_see_it() {
    struct Careless(Histories);
    impl Model for Careless {
        type State = World;
        type Action = Action;
        fn init_states(&self) -> Vec<World> {
            self.0.init_states()
        }
        fn actions(&self, state: &World, actions: &mut Vec<Action>) {
            self.0.actions(state, actions);
        }
        fn next_state(&self, last: &World, action: Action) -> Option<World> {
            self.0.next_state(last, action)
        }
        fn properties(&self) -> Vec<Property<Self>> {
            // It believes in its lease for longer than others do.
            vec![Property::sometimes("two act at once", |_, world: &World| {
                let late = Terms { lease: UNIT * 5, margin: Duration::ZERO };
                world.acts(0, &late) && world.acts(1, &late)
            })]
        }
    }
    let terms = Terms { lease: UNIT * 3, margin: UNIT };
    let histories = Histories { terms, faults: 1, horizon: UNIT * 6 };
    Careless(histories).checker().threads(2).spawn_bfs().join().assert_properties();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever happened: once nothing goes wrong any more, somebody leads within the lease and two rounds.
    #[test]
    fn somebody_leads_soon(choices in prop::collection::vec(any::<u16>(), 1..200)) {
        let terms = Terms { lease: UNIT * 3, margin: UNIT };
        let horizon = UNIT * 10_000;
        let mut world = World::new(u8::MAX);
        for choice in choices {
            let actions = world.actions(horizon);
            let action = actions[usize::from(choice) % actions.len()];
            world.apply(action, &terms);
            prop_assert!(!(world.acts(0, &terms) && world.acts(1, &terms)));
        }
        // From now on all goes well, and each asks once in a unit of time.
        for manager in &mut world.managers {
            manager.frozen = false;
        }
        let mut units = 0;
        loop {
            for who in [0, 1] {
                // What was on its way arrives first.
                for action in [Action::Heard(who), Action::Arrives(who), Action::Tick(who), Action::Heard(who), Action::Arrives(who)] {
                    let possible = world.actions(horizon).contains(&action);
                    if possible {
                        world.apply(action, &terms);
                    }
                }
            }
            if world.acts(0, &terms) || world.acts(1, &terms) {
                break;
            }
            world.apply(Action::Passes, &terms);
            units += 1;
            prop_assert!(units <= 6, "{world:?}");
        }
    }
}
