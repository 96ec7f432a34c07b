//! The NVIDIA driver's checkpoint of the processes of a run: in which order the calls are made, what is undone when one is
//! refused, and what a refusal means.
//!
//! After the CUDA Driver API of CUDA 13.4, section "CUDA Checkpointing", and the README and the threads of
//! NVIDIA/cuda-checkpoint (drivers 570 to 610). The processes of an engine with several of them wait for each other, so all
//! are locked before the first is checkpointed, and all are restored before the first may go on. One at a time: the driver
//! wants that for processes that share memory.

use std::fmt;

/// One call of the driver, about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
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
pub enum Answer {
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
    Refused(Call, i32),
    /// The time was over before this call.
    TooLate(Call),
}

type Driver<'a> = &'a mut dyn FnMut(Call) -> Answer;

/// Checkpoints all of these processes that hold a context; answers which those were.
///
/// # Errors
/// One could not be; then the others are put back.
pub fn park(pids: &[u32], driver: Driver<'_>) -> Result<Vec<u32>, Failure> {
    let untouched = |cause| Failure { cause, undone: true };
    let holders = holders(pids, driver).map_err(untouched)?;
    for (at, pid) in holders.iter().enumerate() {
        if let Err(cause) = call(Call::Lock(*pid), driver) {
            return Err(Failure { cause, undone: put_back(&holders[..at], 0, driver) });
        }
    }
    for (at, pid) in holders.iter().enumerate() {
        if let Err(cause) = call(Call::Checkpoint(*pid), driver) {
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
        call(Call::Restore(*pid), driver).map_err(lost)?;
    }
    for pid in holders {
        call(Call::Unlock(*pid), driver).map_err(lost)?;
    }
    Ok(())
}

fn holders(pids: &[u32], driver: Driver<'_>) -> Result<Vec<u32>, Cause> {
    let mut found = Vec::new();
    for pid in pids {
        match driver(Call::ThreadId(*pid)) {
            // A shell in front of the server, or a helper of it.
            Answer::Refused(INVALID_VALUE | NOT_INITIALIZED) => continue,
            Answer::Refused(code) => return Err(Cause::Refused(Call::ThreadId(*pid), code)),
            Answer::TooLate => return Err(Cause::TooLate(Call::ThreadId(*pid))),
            Answer::Done | Answer::State(_) => {}
        }
        match driver(Call::State(*pid)) {
            Answer::State(RUNNING) => found.push(*pid),
            Answer::State(state) => return Err(Cause::State(*pid, state)),
            Answer::Refused(code) => return Err(Cause::Refused(Call::State(*pid), code)),
            Answer::Done | Answer::TooLate => return Err(Cause::TooLate(Call::State(*pid))),
        }
    }
    if found.is_empty() { Err(Cause::NoContext(pids.to_vec())) } else { Ok(found) }
}

fn call(call: Call, driver: Driver<'_>) -> Result<(), Cause> {
    match driver(call) {
        Answer::Done | Answer::State(_) => Ok(()),
        Answer::Refused(code) => Err(Cause::Refused(call, code)),
        Answer::TooLate => Err(Cause::TooLate(call)),
    }
}

/// Restores the first `asleep` of those that are locked, and has all of them go on; true if each could be.
fn put_back(locked: &[u32], asleep: usize, driver: Driver<'_>) -> bool {
    let mut all = true;
    for pid in locked.iter().take(asleep) {
        all &= driver(Call::Restore(*pid)) == Answer::Done;
    }
    for pid in locked {
        all &= driver(Call::Unlock(*pid)) == Answer::Done;
    }
    all
}

impl Call {
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

    /// As the driver names it.
    pub const fn function(self) -> &'static str {
        match self {
            Self::ThreadId(_) => "cuCheckpointProcessGetRestoreThreadId",
            Self::State(_) => "cuCheckpointProcessGetState",
            Self::Lock(_) => "cuCheckpointProcessLock",
            Self::Checkpoint(_) => "cuCheckpointProcessCheckpoint",
            Self::Restore(_) => "cuCheckpointProcessRestore",
            Self::Unlock(_) => "cuCheckpointProcessUnlock",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::ThreadId(_) | Self::State(_) => "look at",
            Self::Lock(_) => "lock",
            Self::Checkpoint(_) => "checkpoint",
            Self::Restore(_) => "restore",
            Self::Unlock(_) => "unlock",
        }
    }
}

/// The driver's name of a `CUresult`.
pub const fn name_of(code: i32) -> &'static str {
    match code {
        INVALID_VALUE => "CUDA_ERROR_INVALID_VALUE",
        OUT_OF_MEMORY => "CUDA_ERROR_OUT_OF_MEMORY",
        NOT_INITIALIZED => "CUDA_ERROR_NOT_INITIALIZED",
        34 => "CUDA_ERROR_STUB_LIBRARY",
        36 => "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER",
        46 => "CUDA_ERROR_DEVICE_UNAVAILABLE",
        100 => "CUDA_ERROR_NO_DEVICE",
        101 => "CUDA_ERROR_INVALID_DEVICE",
        201 => "CUDA_ERROR_INVALID_CONTEXT",
        304 => "CUDA_ERROR_OPERATING_SYSTEM",
        401 => "CUDA_ERROR_ILLEGAL_STATE",
        NOT_READY => "CUDA_ERROR_NOT_READY",
        800 => "CUDA_ERROR_NOT_PERMITTED",
        801 => "CUDA_ERROR_NOT_SUPPORTED",
        802 => "CUDA_ERROR_SYSTEM_NOT_READY",
        803 => "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        999 => "CUDA_ERROR_UNKNOWN",
        _ => "an error that has no name here",
    }
}

/// What a refusal means, and the way out.
const fn meaning(call: Call, code: i32) -> &'static str {
    match (call, code) {
        // UVM and IPC: "does not support UVM or IPC memory" (README); GB10 and other platforms: the same code.
        (Call::Checkpoint(_) | Call::Lock(_), 801) => {
            "it uses managed memory (UVM), or memory that several processes share (CUDA IPC, as tensor parallelism does), or \
             this driver can't checkpoint on this machine at all; use the engine's own `park: {with: vllm}` or `sglang`, or \
             one card without managed memory (llama.cpp: no GGML_CUDA_ENABLE_UNIFIED_MEMORY)"
        }
        (Call::Restore(_), 801) => "what it had on the card can't come back as it was",
        (_, 801) => "this driver can't checkpoint on this machine; 570 or newer on Linux can",
        // MIG: this code, although there is memory (cuda-checkpoint, thread 42).
        (Call::Checkpoint(_), OUT_OF_MEMORY) => {
            "RAM has no room for what it has on the card, or the card is divided by MIG, which can't be checkpointed; free \
             RAM, or take `park` off the variants on MIG slices"
        }
        (Call::Restore(_), OUT_OF_MEMORY) => "the card has not enough free memory for it any more",
        // Threads 6, 25 and 37 of cuda-checkpoint.
        (_, 304 | 800) => {
            "the system doesn't let the manager control it; it needs the right to trace the process (CAP_SYS_PTRACE, or \
             kernel.yama.ptrace_scope = 0 and the same user), and persistence mode (nvidia-smi -pm 1)"
        }
        (Call::Lock(_), NOT_READY) => "its work on the card did not end in time",
        (_, 401) => "it is in another state; did another program lock or checkpoint it?",
        (_, NOT_INITIALIZED | INVALID_VALUE) => {
            "the driver doesn't know it as a process with CUDA; has it ended?"
        }
        _ => "nothing more is known",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::NoContext(pids) => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                write!(
                    f,
                    "none of its processes ({}) uses CUDA; does the server run in a container, or without a card?",
                    pids.join(", ")
                )?;
            }
            Cause::State(pid, state) => {
                let word = match state {
                    1 => "locked",
                    2 => "checkpointed",
                    3 => "broken by a checkpoint that failed",
                    4 => "being checkpointed",
                    5 => "being restored",
                    _ => "in a state that has no name here",
                };
                write!(f, "process {pid} is {word} already; does another program do that?")?;
            }
            Cause::Refused(call, code) => {
                let (verb, pid) = (call.verb(), call.pid());
                let (name, meaning) = (name_of(*code), meaning(*call, *code));
                write!(f, "NVIDIA's driver can't {verb} process {pid} ({name}, {code}): {meaning}")?;
            }
            Cause::TooLate(call) => {
                write!(f, "`timeout` of `park` was over before process {} could be ", call.pid())?;
                let done = match call {
                    Call::ThreadId(_) | Call::State(_) => "looked at",
                    Call::Lock(_) => "locked",
                    Call::Checkpoint(_) => "checkpointed",
                    Call::Restore(_) => "restored",
                    Call::Unlock(_) => "unlocked",
                };
                f.write_str(done)?;
            }
        }
        if self.undone { Ok(()) } else { f.write_str("; its processes are not as they were") }
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
        calls: Vec<Call>,
        refuse: Vec<usize>,
    }

    impl World {
        fn new(holders: &[u32], refuse: &[usize]) -> Self {
            let states = holders.iter().map(|pid| (*pid, RUNNING)).collect();
            Self { states, calls: Vec::new(), refuse: refuse.to_vec() }
        }

        fn answer(&mut self, call: Call) -> Answer {
            let number = self.calls.len();
            self.calls.push(call);
            let Some(state) = self.states.get_mut(&call.pid()) else { return Answer::Refused(INVALID_VALUE) };
            if self.refuse.contains(&number) {
                return Answer::Refused(801);
            }
            let (needs, becomes) = match call {
                Call::ThreadId(_) => return Answer::Done,
                Call::State(_) => return Answer::State(*state),
                Call::Lock(_) => (0, 1),
                Call::Checkpoint(_) => (1, 2),
                Call::Restore(_) => (2, 1),
                Call::Unlock(_) => (1, 0),
            };
            if *state != needs {
                return Answer::Refused(401);
            }
            *state = becomes;
            Answer::Done
        }

        fn all(&self, state: u32) -> bool {
            self.states.values().all(|one| *one == state)
        }
    }

    #[test]
    fn what_could_not_be_put_back_is_said() {
        for (refused, expected) in
            [(None, true), (Some(Call::Restore(1)), false), (Some(Call::Unlock(2)), false)]
        {
            let mut driver =
                |call: Call| if Some(call) == refused { Answer::Refused(801) } else { Answer::Done };
            assert_eq!(put_back(&[1, 2], 1, &mut driver), expected, "{refused:?}");
        }
    }

    #[test]
    fn all_are_locked_before_the_first_is_checkpointed_and_back() {
        let mut world = World::new(&[7, 9], &[]);
        assert_eq!(park(&[5, 7, 9], &mut |call| world.answer(call)), Ok(vec![7, 9]));
        let order: Vec<_> = world.calls.iter().skip(5).copied().collect();
        assert_eq!(order, [Call::Lock(7), Call::Lock(9), Call::Checkpoint(7), Call::Checkpoint(9)]);
        world.calls.clear();
        assert_eq!(wake(&[7, 9], &mut |call| world.answer(call)), Ok(()));
        assert_eq!(world.calls, [Call::Restore(7), Call::Restore(9), Call::Unlock(7), Call::Unlock(9)]);
        assert!(world.all(RUNNING));
    }

    #[test]
    fn each_refusal_is_a_sentence_with_a_way_out() {
        let said = |call, code| Failure { cause: Cause::Refused(call, code), undone: true }.to_string();
        let shared = said(Call::Checkpoint(7), 801);
        assert!(
            shared
                .starts_with("NVIDIA's driver can't checkpoint process 7 (CUDA_ERROR_NOT_SUPPORTED, 801): ")
        );
        assert!(shared.contains("UVM") && shared.contains("CUDA IPC") && shared.contains("with: vllm"));
        assert!(said(Call::Checkpoint(7), OUT_OF_MEMORY).contains("MIG"));
        assert!(said(Call::Lock(7), 304).contains("CAP_SYS_PTRACE"));
        assert!(said(Call::ThreadId(7), 800).contains("persistence mode"));
        assert!(said(Call::Lock(7), NOT_READY).contains("did not end in time"));
        let none = Failure { cause: Cause::NoContext(vec![1, 2]), undone: true }.to_string();
        assert!(none.contains("(1, 2)") && none.contains("container"), "{none}");
        let lost = Failure { cause: Cause::TooLate(Call::Restore(7)), undone: false }.to_string();
        assert_eq!(
            lost,
            "`timeout` of `park` was over before process 7 could be restored; its processes are not as they were"
        );
    }

    #[test]
    fn each_code_has_the_name_that_the_driver_gives_it() {
        let names = [
            (1, "INVALID_VALUE"),
            (2, "OUT_OF_MEMORY"),
            (3, "NOT_INITIALIZED"),
            (34, "STUB_LIBRARY"),
            (36, "CALL_REQUIRES_NEWER_DRIVER"),
            (46, "DEVICE_UNAVAILABLE"),
            (100, "NO_DEVICE"),
            (101, "INVALID_DEVICE"),
            (201, "INVALID_CONTEXT"),
            (304, "OPERATING_SYSTEM"),
            (401, "ILLEGAL_STATE"),
            (600, "NOT_READY"),
            (800, "NOT_PERMITTED"),
            (801, "NOT_SUPPORTED"),
            (802, "SYSTEM_NOT_READY"),
            (803, "SYSTEM_DRIVER_MISMATCH"),
            (999, "UNKNOWN"),
        ];
        for (code, name) in names {
            assert_eq!(name_of(code), format!("CUDA_ERROR_{name}"), "{code}");
        }
        assert_eq!(name_of(35), "an error that has no name here");
    }

    #[test]
    fn what_a_refusal_means_depends_on_what_was_asked() {
        let meanings = [
            (Call::Lock(7), 801, "it uses managed memory"),
            (Call::Restore(7), 801, "what it had on the card can't come back"),
            (Call::State(7), 801, "this driver can't checkpoint on this machine; 570"),
            (Call::Restore(7), OUT_OF_MEMORY, "the card has not enough free memory"),
            (Call::Lock(7), OUT_OF_MEMORY, "nothing more is known"),
            (Call::Unlock(7), NOT_READY, "nothing more is known"),
            (Call::Unlock(7), 401, "it is in another state"),
            (Call::ThreadId(7), NOT_INITIALIZED, "the driver doesn't know it as a process with CUDA"),
            (Call::ThreadId(7), INVALID_VALUE, "the driver doesn't know it as a process with CUDA"),
            (Call::Lock(7), 999, "nothing more is known"),
        ];
        for (call, code, words) in meanings {
            assert!(meaning(call, code).starts_with(words), "{call:?} {code}: {}", meaning(call, code));
        }
    }

    #[test]
    fn each_call_has_its_words() {
        let words = [
            (Call::ThreadId(7), "GetRestoreThreadId", "look at", "looked at"),
            (Call::State(7), "GetState", "look at", "looked at"),
            (Call::Lock(7), "Lock", "lock", "locked"),
            (Call::Checkpoint(7), "Checkpoint", "checkpoint", "checkpointed"),
            (Call::Restore(7), "Restore", "restore", "restored"),
            (Call::Unlock(7), "Unlock", "unlock", "unlocked"),
        ];
        for (call, function, verb, done) in words {
            assert_eq!(call.function(), format!("cuCheckpointProcess{function}"));
            let refused = Failure { cause: Cause::Refused(call, 999), undone: true }.to_string();
            assert!(refused.starts_with(&format!("NVIDIA's driver can't {verb} process 7 (")), "{refused}");
            let late = Failure { cause: Cause::TooLate(call), undone: true }.to_string();
            assert!(late.ends_with(&format!("process 7 could be {done}")), "{late}");
        }
        let states = [
            (1, "locked"),
            (2, "checkpointed"),
            (3, "broken by a checkpoint that failed"),
            (4, "being checkpointed"),
            (5, "being restored"),
            (6, "in a state that has no name here"),
        ];
        for (state, word) in states {
            let said = Failure { cause: Cause::State(7, state), undone: true }.to_string();
            assert_eq!(said, format!("process 7 is {word} already; does another program do that?"));
        }
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
