//! The NVIDIA driver's checkpoint of the processes of a run: in which order the calls are made, and what is undone when one
//! is refused.
//!
//! After the CUDA Driver API of CUDA 13.4, section "CUDA Checkpointing", and the README and the threads of
//! NVIDIA/cuda-checkpoint (drivers 570 to 610). The processes of an engine with several of them wait for each other, so all
//! are locked before the first is checkpointed, and all are restored before the first may go on. One at a time: the driver
//! wants that for processes that share memory.

mod driver_errors;

pub use driver_errors::name_of;

/// One call of the driver, about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverCall {
    /// `cuCheckpointProcessGetRestoreThreadId`: refused for a process without CUDA.
    ThreadId(u32),
    /// `cuCheckpointProcessGetState`.
    State(u32),
    /// `cuCheckpointProcessLock`: its CUDA calls wait from now on, and its work on the card ends.
    Lock(u32),
    /// `cuCheckpointProcessCheckpoint`: what it has on cards moves into RAM.
    Checkpoint(u32),
    /// `cuCheckpointProcessRestore`: ... and back.
    Restore(u32),
    /// `cuCheckpointProcessUnlock`: its CUDA calls go on.
    Unlock(u32),
}

/// What the driver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverAnswer {
    /// It is done.
    Done,
    /// `CUprocessState`.
    State(u32),
    /// A `CUresult` other than 0.
    Refused(i32),
    /// The call was not made: the time is over.
    TooLate,
}

/// The helper's words for its orders, ...
pub const PARK: &str = "park";
/// ... and the other one.
pub const WAKE: &str = "wake";
/// Its exit code where processes are not as they were.
pub const UNFINISHED: u8 = 3;

/// `CU_PROCESS_STATE_RUNNING`.
pub const RUNNING: u32 = 0;
const INVALID_VALUE: i32 = 1;
const OUT_OF_MEMORY: i32 = 2;
const NOT_INITIALIZED: i32 = 3;
const NOT_READY: i32 = 600;

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub cause: Cause,
    /// Whether all processes run on as before.
    pub undone: bool,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// None of these processes has anything to do with CUDA.
    NoContext(Vec<u32>),
    /// A process is in this state already.
    State(u32, u32),
    /// The driver refused a call.
    Refused(DriverCall, i32),
    /// The time was over before this call.
    TooLate(DriverCall),
}

type Driver<'a> = &'a mut dyn FnMut(DriverCall) -> DriverAnswer;

/// Checkpoints all of these processes that hold a context; answers which those were.
///
/// # Errors
/// One could not be; then the others are put back.
pub fn park(pids: &[u32], driver: Driver<'_>) -> Result<Vec<u32>, Failure> {
    let untouched = |cause| Failure { cause, undone: true };
    let holders = holders(pids, driver).map_err(untouched)?;
    for (at, pid) in holders.iter().enumerate() {
        if let Err(cause) = call(DriverCall::Lock(*pid), driver) {
            return Err(Failure { cause, undone: put_back(&holders[..at], 0, driver) });
        }
    }
    for (at, pid) in holders.iter().enumerate() {
        if let Err(cause) = call(DriverCall::Checkpoint(*pid), driver) {
            return Err(Failure { cause, undone: put_back(&holders, at, driver) });
        }
    }
    Ok(holders)
}

/// Brings the processes back that [`park`] has named. Nothing is put back if that fails: a process that could not be restored
/// once can't be later either, and is ended.
///
/// # Errors
/// One could not be.
pub fn wake(holders: &[u32], driver: Driver<'_>) -> Result<(), Failure> {
    let lost = |cause| Failure { cause, undone: false };
    for pid in holders {
        call(DriverCall::Restore(*pid), driver).map_err(lost)?;
    }
    for pid in holders {
        call(DriverCall::Unlock(*pid), driver).map_err(lost)?;
    }
    Ok(())
}

fn holders(pids: &[u32], driver: Driver<'_>) -> Result<Vec<u32>, Cause> {
    let mut found = Vec::new();
    for pid in pids {
        match driver(DriverCall::ThreadId(*pid)) {
            // A shell in front of the server, or a helper of it.
            DriverAnswer::Refused(INVALID_VALUE | NOT_INITIALIZED) => continue,
            DriverAnswer::Refused(code) => return Err(Cause::Refused(DriverCall::ThreadId(*pid), code)),
            DriverAnswer::TooLate => return Err(Cause::TooLate(DriverCall::ThreadId(*pid))),
            DriverAnswer::Done | DriverAnswer::State(_) => {}
        }
        match driver(DriverCall::State(*pid)) {
            DriverAnswer::State(RUNNING) => found.push(*pid),
            DriverAnswer::State(state) => return Err(Cause::State(*pid, state)),
            DriverAnswer::Refused(code) => return Err(Cause::Refused(DriverCall::State(*pid), code)),
            DriverAnswer::Done | DriverAnswer::TooLate => {
                return Err(Cause::TooLate(DriverCall::State(*pid)));
            }
        }
    }
    if found.is_empty() { Err(Cause::NoContext(pids.to_vec())) } else { Ok(found) }
}

fn call(call: DriverCall, driver: Driver<'_>) -> Result<(), Cause> {
    match driver(call) {
        DriverAnswer::Done | DriverAnswer::State(_) => Ok(()),
        DriverAnswer::Refused(code) => Err(Cause::Refused(call, code)),
        DriverAnswer::TooLate => Err(Cause::TooLate(call)),
    }
}

/// Restores the first `asleep` of those that are locked, and has all of them go on; true if each could be.
fn put_back(locked: &[u32], asleep: usize, driver: Driver<'_>) -> bool {
    let mut all = true;
    for pid in locked.iter().take(asleep) {
        all &= driver(DriverCall::Restore(*pid)) == DriverAnswer::Done;
    }
    for pid in locked {
        all &= driver(DriverCall::Unlock(*pid)) == DriverAnswer::Done;
    }
    all
}

impl DriverCall {
    /// The process.
    pub const fn pid(self) -> u32 {
        let (Self::ThreadId(pid)
        | Self::State(pid)
        | Self::Lock(pid)
        | Self::Checkpoint(pid)
        | Self::Restore(pid)
        | Self::Unlock(pid)) = self;
        pid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The states of processes, as the driver keeps them; the call with this number is refused.
    struct World {
        states: BTreeMap<u32, u32>,
        calls: Vec<DriverCall>,
        refuse: Vec<usize>,
    }

    impl World {
        fn new(holders: &[u32], refuse: &[usize]) -> Self {
            let states = holders.iter().map(|pid| (*pid, RUNNING)).collect();
            Self { states, calls: Vec::new(), refuse: refuse.to_vec() }
        }

        fn answer(&mut self, call: DriverCall) -> DriverAnswer {
            let number = self.calls.len();
            self.calls.push(call);
            let Some(state) = self.states.get_mut(&call.pid()) else {
                return DriverAnswer::Refused(INVALID_VALUE);
            };
            if self.refuse.contains(&number) {
                return DriverAnswer::Refused(801);
            }
            let (needs, becomes) = match call {
                DriverCall::ThreadId(_) => return DriverAnswer::Done,
                DriverCall::State(_) => return DriverAnswer::State(*state),
                DriverCall::Lock(_) => (0, 1),
                DriverCall::Checkpoint(_) => (1, 2),
                DriverCall::Restore(_) => (2, 1),
                DriverCall::Unlock(_) => (1, 0),
            };
            if *state != needs {
                return DriverAnswer::Refused(401);
            }
            *state = becomes;
            DriverAnswer::Done
        }

        fn all(&self, state: u32) -> bool {
            self.states.values().all(|one| *one == state)
        }
    }

    #[test]
    fn what_could_not_be_put_back_is_said() {
        for (refused, expected) in
            [(None, true), (Some(DriverCall::Restore(1)), false), (Some(DriverCall::Unlock(2)), false)]
        {
            let mut driver = |call: DriverCall| {
                if Some(call) == refused { DriverAnswer::Refused(801) } else { DriverAnswer::Done }
            };
            assert_eq!(put_back(&[1, 2], 1, &mut driver), expected, "{refused:?}");
        }
    }

    #[test]
    fn all_are_locked_before_the_first_is_checkpointed_and_back() {
        let mut world = World::new(&[7, 9], &[]);
        assert_eq!(park(&[5, 7, 9], &mut |call| world.answer(call)), Ok(vec![7, 9]));
        let order: Vec<_> = world.calls.iter().skip(5).copied().collect();
        assert_eq!(
            order,
            [DriverCall::Lock(7), DriverCall::Lock(9), DriverCall::Checkpoint(7), DriverCall::Checkpoint(9)]
        );
        world.calls.clear();
        assert_eq!(wake(&[7, 9], &mut |call| world.answer(call)), Ok(()));
        assert_eq!(
            world.calls,
            [DriverCall::Restore(7), DriverCall::Restore(9), DriverCall::Unlock(7), DriverCall::Unlock(9)]
        );
        assert!(world.all(RUNNING));
    }

    #[test]
    fn one_that_another_program_holds_is_left_alone() {
        let mut world = World::new(&[7, 9], &[]);
        world.states.insert(9, 1);
        let failure = park(&[7, 9], &mut |call| world.answer(call)).unwrap_err();
        assert_eq!(failure, Failure { cause: Cause::State(9, 1), undone: true });
        assert_eq!(world.states[&7], RUNNING);
    }

    proptest! {
        /// Whatever is refused, all run or all sleep, unless it says so.
        #[test]
        fn nothing_is_left_in_between(
            holders in proptest::collection::btree_set(1_u32..20, 0..6),
            others in proptest::collection::btree_set(20_u32..30, 0..4),
            refuse in proptest::collection::vec(0_usize..40, 0..4),
        ) {
            let holders: Vec<u32> = holders.into_iter().collect();
            let pids: Vec<u32> = holders.iter().copied().chain(others).collect();
            let mut world = World::new(&holders, &refuse);
            match park(&pids, &mut |call| world.answer(call)) {
                Ok(parked) => {
                    prop_assert_eq!(&parked, &holders);
                    prop_assert!(!parked.is_empty() && world.all(2));
                    world.refuse.clear();
                    prop_assert_eq!(wake(&parked, &mut |call| world.answer(call)), Ok(()));
                    prop_assert!(world.all(RUNNING));
                }
                Err(failure) => prop_assert_eq!(failure.undone, world.all(RUNNING)),
            }
        }
    }
}
