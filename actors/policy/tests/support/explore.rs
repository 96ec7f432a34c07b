//! The search of `lifecycle_model` and `queue_model`: every world, and where it goes by itself.

use super::{Setup, World};
use stateright::Model;
use std::collections::HashMap;

/// All reachable worlds, and for each the worlds to which it moves by itself.
pub(super) fn explore(setup: &Setup) -> (Vec<World>, Vec<Vec<usize>>) {
    let mut worlds = setup.init_states();
    let mut numbers: HashMap<World, usize> = HashMap::from([(worlds[0].clone(), 0)]);
    let mut moves = Vec::new();
    let mut actions = Vec::new();
    while moves.len() < worlds.len() {
        let world = worlds[moves.len()].clone();
        assert_eq!(world.violation, None, "see the other test");
        actions.clear();
        Setup::forced(&world, &mut actions);
        let own = actions.len();
        actions.clear();
        setup.actions(&world, &mut actions);
        let mut nexts = Vec::new();
        for (at, action) in actions.iter().enumerate() {
            let Some(next) = setup.next_state(&world, *action) else { continue };
            let number = *numbers.entry(next.clone()).or_insert_with(|| {
                worlds.push(next);
                worlds.len() - 1
            });
            if at < own {
                nexts.push(number);
            }
        }
        moves.push(nexts);
    }
    (worlds, moves)
}
