//! Notify: who is told what, how often, and what a broken outlet costs the others.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "notify/long.rs"]
mod long;

use llm_manager_policy::notify::{
    At, CAUSES, DropReason, Effect, Event, HOUR, Notice, NoticeKind, OLDEST, OutletConfig, Retry, State,
    WAITING, step,
};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn at(steady: Duration) -> At {
    // An hour has passed before anything begins, as in the actor.
    At { steady: HOUR + steady, wall_us: i64::try_from(steady.as_micros()).unwrap() }
}

fn notice(kind: NoticeKind, subject: &str) -> Event {
    let (title, text) = (format!("{subject}!"), "It happened.".to_owned());
    Event::Happened(Notice { kind, subject: subject.to_owned(), title, text })
}

fn wanted(names: &[&str], kinds: &[NoticeKind]) -> Event {
    let one = |name: &&str| OutletConfig { name: (*name).to_owned(), kinds: kinds.to_vec(), changed: false };
    Event::Configured(names.iter().map(one).collect())
}

/// A state that is driven by hand.
struct Desk {
    state: State,
    now: Duration,
    timer: Option<Duration>,
    /// What is under way: outlet, number, subject.
    sent: Vec<(String, u64, String)>,
    /// What it was told last.
    last: Option<NoticeKind>,
    left_out: Vec<DropReason>,
}

impl Desk {
    fn new(names: &[&str]) -> Self {
        let mut desk = Self {
            state: State::default(),
            now: Duration::ZERO,
            timer: None,
            sent: Vec::new(),
            last: None,
            left_out: Vec::new(),
        };
        desk.take(wanted(names, &NoticeKind::ALL));
        desk
    }

    fn take(&mut self, event: Event) {
        let (state, effects) = step(std::mem::take(&mut self.state), event, at(self.now));
        self.state = state;
        for effect in effects {
            match effect {
                Effect::Send { outlet, delivery } => {
                    self.last = Some(delivery.notice.kind);
                    self.sent.push((outlet, delivery.serial, delivery.notice.subject.clone()));
                }
                Effect::LeaveOut { why, .. } => self.left_out.push(why),
                Effect::ArmTimer(moment) => self.timer = Some(moment.saturating_sub(HOUR)),
                Effect::DisarmTimer => self.timer = None,
                Effect::SendTest { .. } | Effect::RefuseTest { .. } => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.take(Event::Due);
    }

    fn arrives(&mut self, place: usize) {
        let (outlet, serial, _) = self.sent.remove(place);
        self.take(Event::Sent { outlet, serial });
    }

    fn fails(&mut self, place: usize, again: Retry) {
        let (outlet, serial, _) = self.sent.remove(place);
        self.take(Event::Failed { outlet, serial, why: "500".to_owned(), again });
    }

    /// All that is under way arrives, and what comes after it; the subjects.
    fn drain(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while !self.sent.is_empty() {
            told.push(self.sent[0].2.clone());
            self.arrives(0);
        }
        told
    }
}

#[test]
fn its_times_are_an_hour_and_a_day() {
    assert_eq!((HOUR, OLDEST), (Duration::from_secs(3600), Duration::from_secs(86_400)));
}

#[test]
fn somebody_should_look_soon_where_something_stands_still() {
    let urgent: BTreeSet<_> = NoticeKind::ALL.into_iter().filter(|kind| kind.is_urgent()).collect();
    assert_eq!(
        urgent,
        BTreeSet::from([
            NoticeKind::ModelFailed,
            NoticeKind::Budget100,
            NoticeKind::DeviceGone,
            NoticeKind::RowsWaiting
        ])
    );
}

#[test]
fn no_more_causes_are_remembered_than_are_told() {
    let mut state = State::default();
    let now = at(Duration::ZERO).steady;
    for number in 0..=CAUSES {
        state.remember(NoticeKind::ModelFailed, number.to_string(), SECOND, now);
    }
    assert_eq!(state.told(now).count(), CAUSES);
}

#[test]
fn each_outlet_has_its_own_deliveries() {
    let mut desk = Desk::new(&["ops", "other"]);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_ne!(desk.sent[0].1, desk.sent[1].1);
    desk.arrives(1);
    let sent: Vec<_> = desk.state.outlets().iter().map(|one| one.sent).collect();
    assert_eq!(sent, [0, 1]);
}

#[test]
fn a_cause_is_told_once_an_hour() {
    let mut desk = Desk::new(&["ops"]);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    desk.take(notice(NoticeKind::ModelFailed, "b"));
    desk.take(notice(NoticeKind::Budget100, "a"));
    assert_eq!(desk.drain(), ["a", "b", "a"]);
    desk.pass(HOUR - SECOND);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_eq!(desk.drain(), [] as [&str; 0]);
    desk.pass(SECOND);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_eq!(desk.drain(), ["a"]);
}

#[test]
fn what_was_told_before_a_restart_is_remembered() {
    let mut state = State::default();
    state.remember(NoticeKind::ModelFailed, "a".to_owned(), HOUR / 2, at(Duration::ZERO).steady);
    let mut desk = Desk { state, ..Desk::new(&[]) };
    desk.take(wanted(&["ops"], &NoticeKind::ALL));
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert!(desk.sent.is_empty());
    let told: Vec<_> =
        desk.state.told(at(desk.now).steady).map(|(kind, of, ago)| (kind, of.to_owned(), ago)).collect();
    assert_eq!(told, [(NoticeKind::ModelFailed, "a".to_owned(), HOUR / 2)]);
    desk.pass(HOUR / 2);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_eq!(desk.drain(), ["a"]);
}

#[test]
fn what_was_told_an_hour_ago_is_forgotten() {
    let mut state = State::default();
    for (subject, ago) in [("now", Duration::ZERO), ("just", HOUR - SECOND), ("long", HOUR)] {
        state.remember(NoticeKind::ModelFailed, subject.to_owned(), ago, at(Duration::ZERO).steady);
    }
    let told = state.told(at(Duration::ZERO).steady).map(|(_, of, _)| of.to_owned());
    assert_eq!(told.collect::<Vec<_>>(), ["just", "now"]);
}

#[test]
fn it_is_known_when_the_next_try_may_be_and_that_something_was_told() {
    let mut desk = Desk::new(&["ops"]);
    let next = |desk: &Desk| desk.state.outlets()[0].next_try_in(at(desk.now).steady);
    assert_eq!((next(&desk), desk.state.last_told()), (None, 0), "nothing waits");
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_eq!((next(&desk), desk.state.last_told()), (None, 1), "it is under way");
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    assert_eq!(desk.state.last_told(), 1, "told already");
    let (outlet, serial, _) = desk.sent.remove(0);
    let (why, again) = ("busy".to_owned(), Retry::Later(Some(SECOND * 30)));
    desk.take(Event::Failed { outlet, serial, why, again });
    assert_eq!(next(&desk), Some(SECOND * 30));
}

#[test]
fn a_device_that_comes_and_goes_is_told_as_it_is_in_the_end() {
    let mut desk = Desk::new(&["ops"]);
    let count = |desk: &mut Desk| desk.drain().len();
    desk.take(notice(NoticeKind::DeviceGone, "gpu"));
    desk.take(notice(NoticeKind::DeviceBack, "gpu"));
    assert_eq!(count(&mut desk), 2);
    // Gone once more, and it stays so.
    desk.take(notice(NoticeKind::DeviceGone, "gpu"));
    assert_eq!(count(&mut desk), 0);
    assert_eq!(desk.timer, Some(HOUR));
    desk.pass(HOUR);
    assert_eq!(count(&mut desk), 1);
    // Back and gone again within its hour: nothing is to be told, now or later.
    desk.take(notice(NoticeKind::DeviceBack, "gpu"));
    assert_eq!(count(&mut desk), 1, "its own hour is over");
    desk.take(notice(NoticeKind::DeviceGone, "gpu"));
    desk.take(notice(NoticeKind::DeviceBack, "gpu"));
    desk.pass(HOUR * 2);
    assert_eq!(count(&mut desk), 0);
}

#[test]
fn a_broken_outlet_is_tried_less_and_less_and_holds_up_nobody() {
    let mut desk = Desk::new(&["broken", "well"]);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    let mut pauses = Vec::new();
    for _ in 0..11 {
        assert_eq!(desk.sent[0].0, "broken");
        let before = desk.now;
        desk.fails(0, Retry::Later(None));
        while desk.sent.iter().all(|sent| sent.0 != "broken") {
            desk.now = desk.timer.unwrap();
            desk.take(Event::Due);
        }
        pauses.push((desk.now - before).as_secs());
        desk.sent.sort();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert!(desk.sent.iter().any(|sent| sent.0 == "well"), "it has its word since the beginning");
    let broken = desk.state.outlets()[0].clone();
    assert_eq!((broken.last_error.as_deref(), broken.waiting()), (Some("500"), 1));
    desk.arrives(0);
    let mended = &desk.state.outlets()[0];
    assert_eq!((mended.last_error.as_deref(), mended.waiting(), mended.sent), (None, 0, 1));
}

#[test]
fn a_server_may_ask_for_a_longer_pause_and_a_refusal_is_final() {
    let mut desk = Desk::new(&["ops"]);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    desk.take(notice(NoticeKind::ModelFailed, "b"));
    desk.fails(0, Retry::Later(Some(Duration::from_secs(40))));
    assert_eq!(desk.timer, Some(Duration::from_secs(40)));
    desk.pass(Duration::from_secs(40));
    desk.fails(0, Retry::Never);
    assert_eq!((&*desk.left_out, desk.sent[0].2.as_str()), (&[DropReason::Refused][..], "b"));
    // A server can't ask for a week.
    desk.fails(0, Retry::Later(Some(Duration::MAX)));
    assert_eq!(desk.timer, Some(desk.now + HOUR));
}

#[test]
fn the_line_is_bounded_and_what_is_too_old_is_left_out() {
    let mut desk = Desk::new(&["ops"]);
    for number in 0..WAITING + 10 {
        desk.take(notice(NoticeKind::ModelFailed, &number.to_string()));
    }
    assert_eq!((desk.state.outlets()[0].waiting(), desk.left_out.len()), (WAITING, 10));
    assert_eq!(desk.state.outlets()[0].left_out, 10);
    desk.arrives(0);
    assert_eq!(desk.sent[0].2, "11", "the first was under way; 1 to 10 were left out");
    desk.fails(0, Retry::Later(None));
    desk.pass(OLDEST);
    assert_eq!((desk.state.outlets()[0].waiting(), desk.timer), (0, None));
    assert_eq!(desk.state.outlets()[0].left_out, 10 + WAITING as u64 - 1);
    assert_eq!(desk.left_out.iter().filter(|why| **why == DropReason::TooOld).count(), WAITING - 1);
}

#[test]
fn a_changed_outlet_is_tried_at_once_and_one_that_is_gone_is_forgotten() {
    let mut desk = Desk::new(&["ops", "other"]);
    desk.take(notice(NoticeKind::ModelFailed, "a"));
    desk.fails(0, Retry::Later(None));
    let changed =
        OutletConfig { name: "ops".to_owned(), kinds: vec![NoticeKind::Certificate], changed: true };
    desk.take(Event::Configured(vec![changed]));
    assert_eq!(desk.left_out, [DropReason::Gone]);
    assert_eq!(desk.sent.last().unwrap().0, "ops");
    // What was under way to the other one comes back to nobody.
    desk.arrives(0);
    let of_ops = desk.sent.len() - 1;
    desk.arrives(of_ops);
    desk.take(notice(NoticeKind::ModelFailed, "b"));
    assert!(desk.sent.is_empty(), "it isn't told of models any more");
}

#[test]
fn one_test_at_a_time() {
    let test = || Event::Test { outlet: "ops".to_owned() };
    let (state, _) = step(State::default(), wanted(&["ops"], &[]), at(Duration::ZERO));
    let (state, effects) = step(state, test(), at(SECOND));
    assert!(matches!(&effects[0], Effect::SendTest { outlet, serial: 1 } if outlet == "ops"), "{effects:?}");
    let (state, effects) = step(state, test(), at(SECOND));
    assert_eq!(effects[0], Effect::RefuseTest { busy: true });
    let error = Some("403".to_owned());
    let (state, _) =
        step(state, Event::Tested { outlet: "ops".to_owned(), error: error.clone() }, at(SECOND));
    assert_eq!(state.outlets()[0].last_error, error);
    let (state, effects) = step(state, test(), at(SECOND));
    assert!(matches!(&effects[0], Effect::SendTest { serial: 2, .. }), "{effects:?}");
    let (state, _) = step(state, Event::Tested { outlet: "ops".to_owned(), error: None }, at(SECOND));
    assert_eq!((&state.outlets()[0].last_error, state.outlets()[0].last_sent_us), (&None, Some(1_000_000)));
    let unknown = Event::Test { outlet: "nobody".to_owned() };
    assert_eq!(step(state, unknown, at(SECOND)).1[0], Effect::RefuseTest { busy: false });
}
