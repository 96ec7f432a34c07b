//! What is said of a call and of a refusal: the driver's own names, what each code means, and the way out.

use super::{Cause, DriverCall, Failure, INVALID_VALUE, NOT_INITIALIZED, NOT_READY, OUT_OF_MEMORY};
use std::fmt;

impl DriverCall {
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
const fn meaning(call: DriverCall, code: i32) -> &'static str {
    match (call, code) {
        // UVM and IPC: "does not support UVM or IPC memory" (README); GB10 and other platforms: the same code.
        (DriverCall::Checkpoint(_) | DriverCall::Lock(_), 801) => {
            "it uses managed memory (UVM), or memory that several processes share (CUDA IPC, as tensor parallelism does), or \
             this driver can't checkpoint on this machine at all; use the engine's own `park: {with: vllm}` or `sglang`, or \
             one card without managed memory (llama.cpp: no GGML_CUDA_ENABLE_UNIFIED_MEMORY)"
        }
        (DriverCall::Restore(_), 801) => "what it had on the card can't come back as it was",
        (_, 801) => "this driver can't checkpoint on this machine; 570 or newer on Linux can",
        // MIG: this code, although there is memory (cuda-checkpoint, thread 42).
        (DriverCall::Checkpoint(_), OUT_OF_MEMORY) => {
            "RAM has no room for what it has on the card, or the card is divided by MIG, which can't be checkpointed; free \
             RAM, or take `park` off the variants on MIG slices"
        }
        (DriverCall::Restore(_), OUT_OF_MEMORY) => "the card has not enough free memory for it any more",
        // Threads 6, 25 and 37 of cuda-checkpoint.
        (_, 304 | 800) => {
            "the system doesn't let the manager control it; it needs the right to trace the process (CAP_SYS_PTRACE, or \
             kernel.yama.ptrace_scope = 0 and the same user), and persistence mode (nvidia-smi -pm 1)"
        }
        (DriverCall::Lock(_), NOT_READY) => "its work on the card did not end in time",
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
                    DriverCall::ThreadId(_) | DriverCall::State(_) => "looked at",
                    DriverCall::Lock(_) => "locked",
                    DriverCall::Checkpoint(_) => "checkpointed",
                    DriverCall::Restore(_) => "restored",
                    DriverCall::Unlock(_) => "unlocked",
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

    #[test]
    fn each_refusal_is_a_sentence_with_a_way_out() {
        let said = |call, code| Failure { cause: Cause::Refused(call, code), undone: true }.to_string();
        let shared = said(DriverCall::Checkpoint(7), 801);
        assert!(
            shared
                .starts_with("NVIDIA's driver can't checkpoint process 7 (CUDA_ERROR_NOT_SUPPORTED, 801): ")
        );
        assert!(shared.contains("UVM") && shared.contains("CUDA IPC") && shared.contains("with: vllm"));
        assert!(said(DriverCall::Checkpoint(7), OUT_OF_MEMORY).contains("MIG"));
        assert!(said(DriverCall::Lock(7), 304).contains("CAP_SYS_PTRACE"));
        assert!(said(DriverCall::ThreadId(7), 800).contains("persistence mode"));
        assert!(said(DriverCall::Lock(7), NOT_READY).contains("did not end in time"));
        let none = Failure { cause: Cause::NoContext(vec![1, 2]), undone: true }.to_string();
        assert!(none.contains("(1, 2)") && none.contains("container"), "{none}");
        let lost = Failure { cause: Cause::TooLate(DriverCall::Restore(7)), undone: false }.to_string();
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
            (DriverCall::Lock(7), 801, "it uses managed memory"),
            (DriverCall::Restore(7), 801, "what it had on the card can't come back"),
            (DriverCall::State(7), 801, "this driver can't checkpoint on this machine; 570"),
            (DriverCall::Restore(7), OUT_OF_MEMORY, "the card has not enough free memory"),
            (DriverCall::Lock(7), OUT_OF_MEMORY, "nothing more is known"),
            (DriverCall::Unlock(7), NOT_READY, "nothing more is known"),
            (DriverCall::Unlock(7), 401, "it is in another state"),
            (DriverCall::ThreadId(7), NOT_INITIALIZED, "the driver doesn't know it as a process with CUDA"),
            (DriverCall::ThreadId(7), INVALID_VALUE, "the driver doesn't know it as a process with CUDA"),
            (DriverCall::Lock(7), 999, "nothing more is known"),
        ];
        for (call, code, words) in meanings {
            assert!(meaning(call, code).starts_with(words), "{call:?} {code}: {}", meaning(call, code));
        }
    }

    #[test]
    fn each_call_has_its_words() {
        let words = [
            (DriverCall::ThreadId(7), "GetRestoreThreadId", "look at", "looked at"),
            (DriverCall::State(7), "GetState", "look at", "looked at"),
            (DriverCall::Lock(7), "Lock", "lock", "locked"),
            (DriverCall::Checkpoint(7), "Checkpoint", "checkpoint", "checkpointed"),
            (DriverCall::Restore(7), "Restore", "restore", "restored"),
            (DriverCall::Unlock(7), "Unlock", "unlock", "unlocked"),
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
}
