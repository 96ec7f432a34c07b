//! Every history of three replicas, a few seconds long.

use super::*;
use stateright::{Checker, Model, Property};

/// By these rules.
#[derive(Clone)]
struct Histories(Replicas);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    state: State,
    stands: [ReplicaState; 3],
    now: u64,
    waits_since: Option<u64>,
    stopped: bool,
    wrong: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pass(u64),
    Comes,
    Served,
    Stop,
    Wanted,
    NoRoom(usize),
    Becomes(usize, ReplicaState),
}

impl Model for Histories {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let stands = [Down; 3];
        vec![World {
            state: State::default(),
            stands,
            now: 0,
            waits_since: None,
            stopped: false,
            wrong: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if world.now >= 15 {
            return;
        }
        acts.extend([Act::Pass(AFTER.as_secs()), Act::Pass(PAUSE.as_secs()), Act::Stop, Act::Wanted]);
        acts.push(if world.waits_since.is_some() { Act::Served } else { Act::Comes });
        for (one, stand) in world.stands.iter().enumerate() {
            match stand {
                Rising => acts.extend([
                    Act::Becomes(one, Ready),
                    Act::NoRoom(one),
                    Act::Becomes(one, Failed { retry_at: at(world.now + 2) }),
                ]),
                Ready => acts.push(Act::Becomes(one, Leaving)),
                Leaving => acts.push(Act::Becomes(one, Down)),
                Down | Failed { .. } => {}
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        let mut event = Event::Look;
        match act {
            Act::Pass(seconds) => next.now += seconds,
            Act::Comes => next.waits_since = Some(next.now),
            Act::Served => next.waits_since = None,
            Act::Stop => {
                // Whoever waits is refused, and all that run are told to go.
                (event, next.waits_since) = (Event::Stopped, None);
            }
            Act::Wanted => event = Event::Wanted,
            Act::NoRoom(replica) => {
                next.stands[replica] = Down;
                event = Event::Refused { replica, retry_after: Duration::ZERO };
            }
            Act::Becomes(replica, stand) => next.stands[replica] = stand,
        }
        next.stopped = match act {
            Act::Stop => true,
            Act::Comes | Act::Wanted => false,
            _ => next.stopped && next.waits_since.is_none(),
        };
        let (now, waits_since) = (at(next.now), next.waits_since.map(at));
        let view = View { now, waits_since, stands: &next.stands, terms: &[] };
        let step = step(&next.state, event, &view, &self.0);
        next.wrong = check(&next.stands, waits_since, now, &step, &self.0).err();
        let starts = step.effects.iter().any(|one| matches!(one, Effect::First | Effect::More { .. }));
        if next.stopped && starts {
            next.wrong = Some("started after a stop".to_owned());
        }
        for effect in &step.effects {
            match *effect {
                Effect::First if next.stands[0] == Down => next.stands[0] = Rising,
                Effect::More { replica, .. } => next.stands[replica] = Rising,
                Effect::Release(replica) => next.stands[replica] = Leaving,
                _ => {}
            }
        }
        if act == Act::Stop {
            for stand in next.stands.iter_mut().filter(|stand| stand.is_alive()) {
                *stand = Leaving;
            }
        }
        next.state = step.state;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("every step is right", |_, world: &World| world.wrong.is_none())]
    }
}

#[test]
fn every_short_history_is_right() {
    for (min, max) in [(0, 1), (0, 3), (1, 2), (2, 3), (3, 3)] {
        let checker = Histories(rules(min, max)).checker().spawn_bfs().join();
        checker.assert_properties();
        assert!(checker.unique_state_count() > 100, "{} states", checker.unique_state_count());
    }
}
