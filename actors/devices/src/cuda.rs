//! The checkpoint of the NVIDIA driver, through its library: opened when it is needed, and only by a helper process.
//!
//! A call may hang for ever in the driver, or end the process that makes it, and none can be taken back: so the manager never
//! makes one itself, but starts this program again for it (`llm-manager checkpoint`), and kills that when its time is over.
//!
//! Signatures after `cuda.h` of CUDA 13.4 (the same since 12.8, which came with driver 570).

use std::ffi::{c_int, c_uint, c_void};
use std::time::{Duration, Instant};

use libloading::Library;
use llm_manager_policy::checkpoint::{self, DriverAnswer, DriverCall, name_of};

/// Where the driver's library may be: by its name, and where the loader doesn't find it (WSL, NixOS).
#[cfg(not(windows))]
const LIBRARIES: &[&str] =
    &["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/run/opengl-driver/lib/libcuda.so.1"];
#[cfg(windows)]
const LIBRARIES: &[&str] = &["nvcuda.dll"];
/// How long a process may go on computing once it is to be locked; an idle one ends at once.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

type Init = unsafe extern "system" fn(c_uint) -> c_int;
type Version = unsafe extern "system" fn(*mut c_int) -> c_int;
type ThreadId = unsafe extern "system" fn(c_int, *mut c_int) -> c_int;
type State = unsafe extern "system" fn(c_int, *mut c_uint) -> c_int;
type Lock = unsafe extern "system" fn(c_int, *mut LockArgs) -> c_int;
/// Checkpoint, restore and unlock have arguments that may be null.
type Act = unsafe extern "system" fn(c_int, *mut c_void) -> c_int;

/// `CUcheckpointLockArgs`.
#[repr(C)]
struct LockArgs {
    /// 0 would be: for ever.
    timeout_ms: c_uint,
    reserved0: c_uint,
    reserved1: [u64; 7],
}

/// The library, and what was found in it.
struct Driver {
    init: Init,
    thread_id: ThreadId,
    state: State,
    lock: Lock,
    checkpoint: Act,
    restore: Act,
    unlock: Act,
    /// The functions are its.
    _library: Library,
}

/// What is done with processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointAction {
    /// Checkpoint those that hold a context.
    Park,
    /// Restore them all.
    Wake,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointError {
    /// In words.
    pub text: String,
    /// Whether all processes run on as before.
    pub undone: bool,
}

/// Carries the order out, within the limit but for what has to be undone; answers the processes that hold a context.
///
/// # Errors
/// There is no such driver, or it refuses.
pub fn carry_out(
    order: CheckpointAction,
    pids: &[u32],
    limit: Duration,
) -> Result<Vec<u32>, CheckpointError> {
    let deadline = Instant::now() + limit;
    let driver = Driver::open().and_then(|driver| driver.start().map(|()| driver));
    let driver = driver.map_err(|text| CheckpointError { text, undone: order == CheckpointAction::Park })?;
    let mut undoes = false;
    let mut ask = |call: DriverCall| {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && !undoes {
            undoes = true;
            return DriverAnswer::TooLate;
        }
        let answer = driver.ask(call, left);
        // A process without CUDA is no trouble.
        undoes |= matches!(answer, DriverAnswer::Refused(_)) && !matches!(call, DriverCall::ThreadId(_));
        answer
    };
    let done = match order {
        CheckpointAction::Park => checkpoint::park(pids, &mut ask),
        CheckpointAction::Wake => checkpoint::wake(pids, &mut ask).map(|()| pids.to_vec()),
    };
    done.map_err(|failure| CheckpointError { text: failure.to_string(), undone: failure.undone })
}

/// Whether the driver of this machine has checkpoints. Nothing is called but the question for its version.
///
/// # Errors
/// Why not, in words.
pub fn available() -> Result<(), String> {
    if cfg!(not(target_os = "linux")) {
        return Err("NVIDIA's driver checkpoints processes on Linux only".to_owned());
    }
    Driver::open().map(|_| ())
}

impl Driver {
    fn open() -> Result<Self, String> {
        let mut why = None;
        for name in LIBRARIES {
            match load(name) {
                Ok(library) => return Self::of(library),
                Err(error) => {
                    why.get_or_insert(error.to_string());
                }
            }
        }
        let why = why.unwrap_or_default();
        Err(format!("the library of NVIDIA's driver can't be opened ({why}); install driver 570 or newer"))
    }

    fn of(library: Library) -> Result<Self, String> {
        let missing = |name: &str| {
            let version = version(&library).map_or_else(String::new, |version| {
                format!(" (it is for CUDA {}.{})", version / 1000, version % 1000 / 10)
            });
            format!("NVIDIA's driver has no {name}{version}; driver 570 or newer has it")
        };
        macro_rules! find {
            ($name:literal as $kind:ty) => {
                symbol::<$kind>(&library, $name).ok_or_else(|| missing($name))?
            };
        }
        Ok(Self {
            init: find!("cuInit" as Init),
            thread_id: find!("cuCheckpointProcessGetRestoreThreadId" as ThreadId),
            state: find!("cuCheckpointProcessGetState" as State),
            lock: find!("cuCheckpointProcessLock" as Lock),
            checkpoint: find!("cuCheckpointProcessCheckpoint" as Act),
            restore: find!("cuCheckpointProcessRestore" as Act),
            unlock: find!("cuCheckpointProcessUnlock" as Act),
            _library: library,
        })
    }

    /// A restore needs it, unless persistence mode is on; elsewhere it shows early that nothing will come of it.
    fn start(&self) -> Result<(), String> {
        #[expect(unsafe_code, reason = "a function of the driver")]
        // SAFETY: its only argument are flags, which have to be 0.
        let code = unsafe { (self.init)(0) };
        if code == 0 {
            return Ok(());
        }
        let hint = "see whether nvidia-smi works for this user, and in this container";
        Err(format!("NVIDIA's driver can't be used (cuInit: {}, {code}); {hint}", name_of(code)))
    }

    fn ask(&self, call: DriverCall, left: Duration) -> DriverAnswer {
        let Ok(pid) = c_int::try_from(call.pid()) else { return DriverAnswer::Refused(1) };
        let mut out: c_int = 0;
        let mut state: c_uint = 0;
        let timeout_ms = left.min(LOCK_LIMIT).as_millis().max(1);
        let mut lock = LockArgs {
            timeout_ms: c_uint::try_from(timeout_ms).unwrap_or(c_uint::MAX),
            reserved0: 0,
            reserved1: [0; 7],
        };
        let null = std::ptr::null_mut();
        #[expect(unsafe_code, reason = "functions of the driver")]
        // SAFETY: the pointers are to values of the right type that live until the call is over, or null where the
        // driver allows it.
        let code = unsafe {
            match call {
                DriverCall::ThreadId(_) => (self.thread_id)(pid, &raw mut out),
                DriverCall::State(_) => (self.state)(pid, &raw mut state),
                DriverCall::Lock(_) => (self.lock)(pid, &raw mut lock),
                DriverCall::Checkpoint(_) => (self.checkpoint)(pid, null),
                DriverCall::Restore(_) => (self.restore)(pid, null),
                DriverCall::Unlock(_) => (self.unlock)(pid, null),
            }
        };
        match (call, code) {
            (DriverCall::State(_), 0) => DriverAnswer::State(state),
            (_, 0) => DriverAnswer::Done,
            (_, code) => DriverAnswer::Refused(code),
        }
    }
}

fn load(name: &str) -> Result<Library, libloading::Error> {
    #[expect(unsafe_code, reason = "what a library does when it is loaded can't be checked")]
    // SAFETY: it is NVIDIA's own, which every program with CUDA loads the same way.
    unsafe {
        Library::new(name)
    }
}

fn symbol<T: Copy>(library: &Library, name: &str) -> Option<T> {
    #[expect(unsafe_code, reason = "the type of a function can't be checked")]
    // SAFETY: the types above are those of the driver's header; whoever takes one keeps the library.
    unsafe {
        library.get::<T>(name.as_bytes()).ok().map(|found| *found)
    }
}

/// Of CUDA, as 12080.
fn version(library: &Library) -> Option<c_int> {
    let ask = symbol::<Version>(library, "cuDriverGetVersion")?;
    let mut version = 0;
    #[expect(unsafe_code, reason = "a function of the driver")]
    // SAFETY: it writes one integer, which is there.
    let code = unsafe { ask(&raw mut version) };
    (code == 0 && version > 0).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_lock_are_as_the_driver_has_them() {
        assert_eq!(size_of::<LockArgs>(), 64);
    }
}
