//! While a model goes to sleep: what others may hope for.

use super::Desk;
use llm_manager_policy::queue::Event;

/// While a goes to sleep for b, somebody wants more than that leaves: it waits, and then a ends.
#[test]
fn one_on_its_way_to_sleep_is_in_the_way_of_a_large_one_and_not_for_ever() {
    let mut desk = Desk::new(64_000);
    assert_eq!(desk.demand("a", 15_000), ["grant a"]);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.demand("c", 23_900), [""; 0]);
    desk.parking("a", 8000);
    assert_eq!(desk.asleep("a", 8000, 20), ["end a"]);
}

#[test]
fn what_one_keeps_asleep_is_no_room_for_others() {
    let mut desk = Desk::new(64_000);
    desk.demand("a", 15_000);
    desk.ready("a", Some(8000));
    desk.demand("x", 5000);
    desk.ready("x", None);
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.demand("c", 19_000), ["end x"], "14500 come back, and 4000 are free");
}

#[test]
fn one_on_its_way_to_sleep_is_not_hoped_for_beyond_what_it_holds() {
    let mut desk = Desk::new(64_000);
    desk.demand("p", 1000);
    desk.ready("p", None);
    desk.models[0].pinned = true;
    desk.demand("a", 15_000);
    desk.ready("a", Some(8000));
    assert_eq!(desk.demand("b", 15_000), ["park a"]);
    desk.step(Event::Returned { model: "b".into(), epoch: 1, ran: false });
    assert_eq!(desk.demand("c", 23_001), ["deny c Never(NoMemory)"], "1000 are pinned");
    assert_eq!(desk.demand("c", 23_000), [""; 0]);
}
