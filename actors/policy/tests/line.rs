//! The line of those who wait: higher classes first, and nobody starves.

use llm_manager_policy::line::{PATIENCE, passes};
use llm_manager_policy::spec::Class::{self, Batch, Interactive, Normal};
use proptest::prelude::*;
use std::time::Duration;

fn line(classes: &[(Class, u64)]) -> Vec<Option<(Class, Duration)>> {
    classes.iter().map(|(class, seconds)| Some((*class, Duration::from_secs(*seconds)))).collect()
}

#[test]
fn higher_classes_pass_lower_ones_that_have_not_waited_long() {
    let passed = |line: &[(Class, u64)], class| passes(self::line(line).into_iter(), class);
    assert_eq!(passed(&[], Interactive), 0);
    assert_eq!(passed(&[(Batch, 1), (Normal, 1), (Batch, 1)], Interactive), 3);
    assert_eq!(passed(&[(Normal, 1), (Batch, 1)], Normal), 1);
    assert_eq!(passed(&[(Batch, 1)], Batch), 0);
    assert_eq!(passed(&[(Batch, 1), (Interactive, 1), (Batch, 1)], Interactive), 1);
    assert_eq!(passed(&[(Batch, 30), (Batch, 29)], Interactive), 1);
    assert_eq!(passes([Some((Batch, Duration::ZERO)), None].into_iter(), Interactive), 0);
}

proptest! {
    #[test]
    fn nobody_is_passed_who_has_waited_long_and_a_class_keeps_its_order(
        arrivals in prop::collection::vec((0..3_u8, 0..20_u64), 1..100),
    ) {
        // Class, arrival, number; nobody is served meanwhile.
        let mut line: Vec<(Class, u64, usize)> = Vec::new();
        let mut now = 0;
        for (number, (class, pause)) in arrivals.into_iter().enumerate() {
            now += pause;
            let class = [Batch, Normal, Interactive][usize::from(class)];
            let seen = line.iter().map(|(class, at, _)| Some((*class, Duration::from_secs(now - at))));
            let at = line.len() - passes(seen, class);
            for (other, since, _) in &line[at..] {
                prop_assert!(Duration::from_secs(now - since) < PATIENCE && *other < class);
            }
            line.insert(at, (class, now, number));
        }
        for class in [Batch, Normal, Interactive] {
            let own = line.iter().filter(|(other, ..)| *other == class).map(|(.., number)| *number);
            prop_assert!(own.is_sorted());
        }
    }
}
