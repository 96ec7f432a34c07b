//! Any state, event, view and limit of a lifecycle.

use super::*;

pub(super) fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(Duration::MAX - Duration::from_nanos(1)),
        (0..100_u64).prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_secs),
    ]
}

pub(super) fn cause() -> impl Strategy<Value = StopCause> {
    prop::sample::select(vec![
        StopCause::Idle,
        StopCause::Operator,
        StopCause::Evicted,
        StopCause::StartTimeout,
        StopCause::ProbeRefused,
        StopCause::Crashed,
        StopCause::Hung,
        StopCause::Unwell,
        StopCause::Park,
        StopCause::Renewed,
        StopCause::Lost,
        StopCause::Taken,
    ])
}

pub(super) fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![moment().prop_map(Ending::Asked), moment().prop_map(Ending::Killed), Just(Ending::Stuck),]
}

pub(super) fn urgency() -> impl Strategy<Value = StopUrgency> {
    prop::sample::select(vec![StopUrgency::Drain, StopUrgency::Now, StopUrgency::Kill])
}

pub(super) fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Stopped),
        moment().prop_map(|deadline| Phase::Queued { deadline }),
        moment().prop_map(|deadline| Phase::Starting { deadline }),
        moment().prop_map(|since| Phase::Ready { since }),
        (prop::option::of(moment()), cause())
            .prop_map(|(deadline, cause)| Phase::Draining { deadline, cause }),
        (ending(), cause()).prop_map(|(ending, cause)| Phase::Stopping { ending, cause }),
        moment().prop_map(|retry_at| Phase::Failed { retry_at }),
        (moment(), cause()).prop_map(|(deadline, cause)| Phase::Parking { deadline, cause }),
        prop::option::of(moment()).prop_map(|until| Phase::Parked { until }),
        (moment(), any::<bool>()).prop_map(|(deadline, granted)| Phase::Waking { deadline, granted }),
    ]
}

pub(super) fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(u32::MAX), Just(u32::MAX - 1), any::<u32>()]
}

pub(super) fn epoch() -> impl Strategy<Value = u64> {
    prop_oneof![0..3_u64, Just(u64::MAX)]
}

pub(super) fn state() -> impl Strategy<Value = State> {
    (phase(), epoch(), number()).prop_map(|(phase, epoch, failures)| State { phase, epoch, failures })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Acquire),
        Just(Event::Start),
        urgency().prop_map(Event::Stop),
        Just(Event::Restart),
        Just(Event::Retire),
        Just(Event::Evict),
        Just(Event::Yield),
        Just(Event::Stay),
        Just(Event::Renew),
        epoch().prop_map(|epoch| Event::Reserved { epoch }),
        epoch().prop_map(|epoch| Event::Denied { epoch }),
        epoch().prop_map(|epoch| Event::Launched { epoch }),
        epoch().prop_map(|epoch| Event::Queued { epoch }),
        epoch().prop_map(|epoch| Event::Placed { epoch }),
        epoch().prop_map(|epoch| Event::ProbeSucceeded { epoch }),
        epoch().prop_map(|epoch| Event::ProbeRefused { epoch }),
        epoch().prop_map(|epoch| Event::Broken { epoch }),
        epoch().prop_map(|epoch| Event::Taken { epoch }),
        epoch().prop_map(|epoch| Event::Hung { epoch }),
        epoch().prop_map(|epoch| Event::Doubted { epoch }),
        epoch().prop_map(|epoch| Event::CheckFailed { epoch }),
        epoch().prop_map(|epoch| Event::Gone { epoch }),
        epoch().prop_map(|epoch| Event::OutOfMemory { epoch }),
        epoch().prop_map(|epoch| Event::Unreachable { epoch }),
        cause().prop_map(Event::Closed),
        cause().prop_map(Event::InUse),
        Just(Event::LeaseFreed),
        Just(Event::Deadline),
        sleeping_event(),
    ]
}

pub(super) fn sleeping_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Park),
        Just(Event::Abandoned),
        epoch().prop_map(|epoch| Event::Parked { epoch }),
        epoch().prop_map(|epoch| Event::ParkRefused { epoch }),
        epoch().prop_map(|epoch| Event::ParkFailed { epoch }),
        epoch().prop_map(|epoch| Event::Woken { epoch }),
        epoch().prop_map(|epoch| Event::WakeFailed { epoch }),
    ]
}

pub(super) fn view() -> impl Strategy<Value = View> {
    let all = (moment(), 0..3_usize, number(), moment(), any::<bool>());
    all.prop_map(|(now, waiting, leases, unused_since, may_park)| View {
        now,
        waiting,
        leases,
        unused_since,
        may_park,
    })
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let sleep = (moment(), moment(), prop::option::of(moment()));
    (moment(), moment(), moment(), prop::option::of(moment()), moment(), sleep).prop_map(as_limits)
}
