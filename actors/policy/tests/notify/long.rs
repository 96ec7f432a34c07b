//! Long random stories: whatever happens, each cause is told once an hour, and the last word about a device is true.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Doing {
    Happens(NoticeKind, u8),
    Passes(u64),
    Ends(usize, u8),
    Configures(u8),
}

fn doing() -> impl Strategy<Value = Doing> {
    let kinds = prop::sample::select(NoticeKind::ALL.to_vec());
    prop_oneof![
        8 => (kinds, 0_u8..4).prop_map(|(kind, subject)| Doing::Happens(kind, subject)),
        4 => (1_u64..5000).prop_map(Doing::Passes),
        8 => (any::<usize>(), 0_u8..4).prop_map(|(which, how)| Doing::Ends(which, how)),
        1 => (0_u8..8).prop_map(Doing::Configures),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens(all in prop::collection::vec(doing(), 1..200)) {
        const NAMES: [&str; 3] = ["one", "two", "three"];
        let mut desk = Desk::new(&NAMES);
        // When each cause was last told to each outlet; numbers that have been told.
        let mut told: BTreeMap<(String, NoticeKind, String), Duration> = BTreeMap::new();
        let mut known: BTreeSet<u64> = BTreeSet::new();
        // Of each device, as the last word and as it is.
        let mut last_word: BTreeMap<String, NoticeKind> = BTreeMap::new();
        let mut really: BTreeMap<String, NoticeKind> = BTreeMap::new();
        for doing in all {
            let event = match doing {
                Doing::Happens(kind, subject) => {
                    let subject = subject.to_string();
                    if matches!(kind, NoticeKind::DeviceGone | NoticeKind::DeviceBack) {
                        // It can't go twice.
                        let before = really.insert(subject.clone(), kind).unwrap_or(NoticeKind::DeviceBack);
                        if before == kind { continue }
                    }
                    notice(kind, &subject)
                }
                Doing::Passes(seconds) => { desk.now += Duration::from_secs(seconds); Event::Due }
                Doing::Ends(which, how) if !desk.sent.is_empty() => {
                    let (outlet, serial, _) = desk.sent.remove(which % desk.sent.len());
                    match how {
                        0 => Event::Failed { outlet, serial, why: "500".into(), again: Retry::Later(None) },
                        1 => Event::Failed { outlet, serial, why: "400".into(), again: Retry::Never },
                        _ => Event::Sent { outlet, serial },
                    }
                }
                Doing::Ends(..) => Event::Due,
                Doing::Configures(bits) => {
                    let names: Vec<&str> = NAMES.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| name).collect();
                    wanted(&names, &NoticeKind::ALL)
                }
            };
            let (state, effects) = step(std::mem::take(&mut desk.state), event, at(desk.now));
            desk.state = state;
            let mut timers = 0;
            for effect in effects {
                match effect {
                    Effect::Send { outlet, delivery } => {
                        let subject = delivery.notice.subject.clone();
                        if known.insert(delivery.serial) {
                            let happened = Duration::from_micros(delivery.at.wall_us.cast_unsigned());
                            let cause = (outlet.clone(), delivery.notice.kind, subject.clone());
                            if let Some(before) = told.insert(cause, happened) {
                                prop_assert!(happened - before >= HOUR, "{:?} again after {:?}", delivery.notice.kind, happened - before);
                            }
                        }
                        prop_assert!(desk.now + HOUR >= delivery.at.steady && desk.now + HOUR - delivery.at.steady < OLDEST);
                        desk.sent.push((outlet, delivery.serial, subject));
                    }
                    Effect::ArmTimer(moment) => { timers += 1; prop_assert!(moment >= HOUR + desk.now); }
                    Effect::DisarmTimer => timers += 1,
                    _ => {}
                }
            }
            prop_assert_eq!(timers, 1);
            for outlet in desk.state.outlets() {
                prop_assert!(outlet.waiting() <= WAITING);
            }
        }
        // Left alone, with outlets that take everything, all comes to rest, and devices are told of as they are.
        desk.take(wanted(&["last"], &NoticeKind::ALL));
        for _ in 0..3 {
            for (kind, of, _) in desk.state.told(at(desk.now).steady).collect::<Vec<_>>() {
                if matches!(kind, NoticeKind::DeviceGone | NoticeKind::DeviceBack) { last_word.entry(of.to_owned()).or_insert(kind); }
            }
            desk.pass(HOUR);
            desk.sent.retain(|sent| sent.0 == "last");
            desk.drain();
        }
        prop_assert_eq!(desk.timer, None);
        prop_assert_eq!(desk.state.outlets()[0].waiting(), 0);
    }

    /// A device that comes and goes as it likes: once it has been quiet for an hour, the last word about it is true.
    #[test]
    fn the_last_word_is_true(pauses in prop::collection::vec(0_u64..4000, 1..40)) {
        let (told, gone) = last_word(&pauses);
        prop_assert_eq!(told, gone);
    }
}

/// A device that goes or comes back and then rests for each of these seconds: whether it was told last that it is gone, and
/// whether it is.
fn last_word(pauses: &[u64]) -> (bool, bool) {
    let mut desk = Desk::new(&["ops"]);
    let mut gone = false;
    for pause in pauses {
        gone = !gone;
        desk.take(notice(if gone { NoticeKind::DeviceGone } else { NoticeKind::DeviceBack }, "gpu"));
        desk.drain();
        let until = desk.now + Duration::from_secs(*pause);
        while let Some(timer) = desk.timer.filter(|timer| *timer <= until) {
            desk.now = timer;
            desk.take(Event::Due);
            desk.drain();
        }
        desk.now = until;
    }
    desk.pass(HOUR);
    desk.drain();
    (desk.last == Some(NoticeKind::DeviceGone), gone)
}

#[test]
fn many_words_of_one_moment_end_with_the_true_one() {
    let pauses: Vec<u64> = [vec![0; 29], vec![3600], vec![0; 4]].concat();
    let (told, gone) = last_word(&pauses);
    assert_eq!(told, gone);
}
