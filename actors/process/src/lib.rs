//! Launching and ending backend processes: the one crate that starts and kills them.
//!
//! The rest of the program sees [`Launcher`] and [`Run`] only, so that a launcher for a cluster can stand
//! beside [`LocalLauncher`]. A run owns everything that grew from one launch: it counts as ended when the
//! process, all of its descendants and its output have ended, never when a signal was merely sent.

mod backend_address;
mod command;
mod error;
pub mod far;
mod first_process;
mod flood;
mod group;
mod guard;
mod leftovers;
mod line_splitter;
mod local;
mod orphans;
mod output;
mod piped_program;
mod platform;
mod port;
pub mod private_files;
mod records;
mod run_owner;
mod shared_runs;
mod stop_command;
mod tool;
mod tree;
mod url;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{FutureExt, LocalBoxFuture};
use llm_manager_policy::ending::Away;
use llm_manager_policy::spec::{Launch, Place};
use tokio::sync::{Semaphore, watch};

#[cfg(feature = "tls")]
pub use backend_address::trusting;
pub use backend_address::{BackendAddress, BackendStream, VIA};
pub use command::inherited;
pub use error::{LaunchError, Stranger};
pub use group::ProcessGroup;
pub use guard::{GuardHandle, guard_main, spawn_guard};
pub use leftovers::{Reaped, reap_leftovers};
pub use line_splitter::decode;
pub use local::LocalLauncher;
pub use orphans::adopt_orphans;
pub use output::{AlreadyKept, FarOutput};
pub use piped_program::{PipedProgram, feed};
#[cfg(unix)]
pub use platform::FILE_TOO_LARGE;
pub use platform::{
    NEEDS_GUARD, STARTS_AGAIN, contain_this_process, ctrl_break_main, die_with_this_thread, give_memory_back,
    limit_arenas, start_again,
};
#[cfg(windows)]
pub use platform::{leave_own_console, log_into, pump_messages, speaks_chinese, starts_at_login};
pub use shared_runs::{KnownRun, RunTable, SharedLauncher, SharedRunHost};

pub use url::UrlLauncher;

pub use tool::{HelperOutput, ToolOutput, run_self, run_tool};

/// Marks a helper that is not a backend, so that the guard ends it too when the manager is killed.
pub fn helper_env(helper: &str, state_dir: &std::path::Path, instance: &str) -> Vec<(String, String)> {
    // Without it a helper runs all the same; only the guard wouldn't find it.
    let Ok(Some(manager)) = platform::this_process() else { return Vec::new() };
    let state = records::canonical(state_dir).to_string_lossy().into_owned();
    let owner = format!("{}:{}", manager.pid, manager.start_time);
    let marks = [
        (tree::marker::RUN, format!("{helper}#0")),
        (tree::marker::INSTANCE, instance.to_owned()),
        (tree::marker::STATE, state),
        (tree::marker::OWNER, owner),
    ];
    marks.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Starts backends.
pub trait Launcher {
    /// Waits for the slot, then starts what the order says.
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>>;

    /// A launch may follow within some milliseconds: what takes time may be done ahead.
    fn expect(&self) {}
}

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct LaunchOrder {
    /// The model's name, or that of one of its replicas: tells its runs and their output from those of others.
    pub model: String,
    /// The model's name as the backend hears it: `{model}`, and `MODEL_NAME`.
    pub known_as: String,
    /// The variant's name, for log lines.
    pub variant: String,
    /// Tells this run from the model's other runs.
    pub epoch: u64,
    /// Tells it from all runs there ever were.
    pub run: i64,
    /// Where.
    pub place: Place,
    /// Script or command.
    pub launch: Launch,
    /// Where it runs; a relative program path starts here.
    pub working_dir: PathBuf,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
    /// Port to listen on; `None`: the launcher chooses a free one.
    pub port: Option<u16>,
    /// What it has to end in, once it is asked to.
    pub stop_timeout: Duration,
    /// Ends what the launch started elsewhere, such as a container; `{port}` and `{model}` are filled in.
    pub stop_command: Option<Vec<String>>,
    /// One permit per model or replica. A run holds it until nothing of it is left, so two never overlap.
    pub slot: Arc<Semaphore>,
}

/// A look at where processes listen, which may be had again and again.
pub type ListenScan = Box<dyn Fn() -> LocalBoxFuture<'static, Vec<SocketAddr>>>;

/// One life of a backend. Dropping it kills the backend.
pub trait Run {
    /// What an operator would look for, such as `pid 4121`.
    fn label(&self) -> String;
    /// The process id, if the backend is a process on this machine.
    fn pid(&self) -> Option<u32>;
    /// Whether it has a place already, and where the backend listens there, or will.
    fn standing(&self) -> watch::Receiver<PlacementState>;
    /// Asks the whole tree to end.
    fn terminate(&self);
    /// Ends the whole tree now, again and again until nothing is left.
    fn kill(&self);
    /// The process ids of its tree as they were last counted, to know its share of a device's memory.
    fn members(&self) -> watch::Receiver<Vec<u32>>;
    /// The same, counted now.
    fn count(&self) -> LocalBoxFuture<'static, Vec<u32>> {
        let last = self.members().borrow().clone();
        async move { last }.boxed_local()
    }
    /// The newest lines of output, as they come.
    fn tail(&self) -> watch::Receiver<Tail>;
    /// Whether the one who listens on the port belongs to this run.
    ///
    /// Elsewhere the place says which address is the run's, and whoever answers there has to know its key.
    fn check_listener(&self) -> LocalBoxFuture<'static, Result<(), Stranger>> {
        async { Ok(()) }.boxed_local()
    }
    /// Looks where else its processes listen: a script that ignores PORT is told apart from one that still loads. Elsewhere
    /// that can't be seen.
    fn listens_elsewhere(&self) -> ListenScan {
        Box::new(|| async { Vec::new() }.boxed_local())
    }
    /// From now on whoever listens on the port is this run's, its child or not: the run ends when the port is free.
    fn claim_port(&self) {}
    /// When its place is over, as far as that is known: it may change.
    fn ends(&self) -> watch::Receiver<Option<Instant>> {
        watch::channel(None).1
    }
    /// Whether its place is being taken away by whoever has it to give, and in which words: it may finish what it has begun.
    fn leaves(&self) -> watch::Receiver<Option<Arc<str>>> {
        watch::channel(None).1
    }
    /// Somebody has reason to doubt that it still serves: it may look for its end sooner.
    fn doubt(&self) {}
    /// Resolves when its first process has ended by itself and something of the run is left, which is being ended.
    fn broke(&self) -> LocalBoxFuture<'static, ()> {
        std::future::pending().boxed_local()
    }
    /// What keeps a run that was ended from being over, such as who listens on its port; `None`: nothing known.
    fn remainder(&self) -> Option<String>;
    /// By which name another manager finds what belongs to it, if its place outlives this one.
    fn reference(&self) -> Option<String> {
        None
    }
    /// Leaves it to another manager: it goes on, and nothing of it is touched any more. `exited` resolves, with a report that
    /// says nothing. Only for runs with a reference.
    fn release(&self) {}
    /// Resolves when nothing of the run is left and all of its output was delivered.
    fn exited(&self) -> LocalBoxFuture<'static, ExitReport>;
}

/// How far a run has come to a place.
#[derive(Clone, Debug)]
pub enum PlacementState {
    /// It waits for one, and why, in words: a cluster is full, for example. It has no address yet.
    Queued(Arc<str>),
    /// It has one.
    Placed(Arc<BackendAddress>),
}

impl PlacementState {
    /// Where the backend listens, or will, once that is known.
    pub fn endpoint(&self) -> Option<&Arc<BackendAddress>> {
        match self {
            Self::Queued(_) => None,
            Self::Placed(endpoint) => Some(endpoint),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitReport {
    /// `exit code 1`, `killed by SIGKILL`, ...
    pub status: String,
    /// The backend ended with exit code 0.
    pub success: bool,
    /// The newest lines of output.
    pub last_lines: Vec<String>,
    /// Processes that even SIGKILL did not end; their memory may still be in use.
    pub survivors: Vec<String>,
    /// It was no failure of the backend: it never had a place, or lost it.
    pub away: Option<Away>,
}

impl ExitReport {
    /// The report of the task that watches a run, once it is there.
    pub fn told(mut report: watch::Receiver<Option<Self>>) -> LocalBoxFuture<'static, Self> {
        async move {
            let last = report.wait_for(Option::is_some).await.ok().and_then(|report| report.clone());
            last.unwrap_or_else(|| Self {
                status: "lost: the task that watched it ended first".to_owned(),
                success: false,
                last_lines: Vec::new(),
                survivors: Vec::new(),
                away: None,
            })
        }
        .boxed_local()
    }
}

/// The newest lines of output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Oldest first.
    pub lines: VecDeque<String>,
    /// Lines seen so far, those that have left `lines` too.
    pub seen: u64,
}

/// Which pipe a line came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes the output of backends.
pub trait OutputSink {
    /// Takes lines, in the order of the pipe. It isn't read on until the future resolves: that is the back-pressure.
    fn take(&self, model: &Arc<str>, pipe: Pipe, lines: Vec<String>) -> LocalBoxFuture<'static, ()>;

    /// Whether somebody looks at what this model prints, or did a short time ago.
    fn is_wanted(&self, _model: &Arc<str>) -> LocalBoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    /// Hides what nobody may read in a line.
    fn mask(&self, _line: &mut String) {}

    /// Where the output of a run is kept for later, if it is.
    fn keep(&self, _order: &LaunchOrder) -> Option<Rc<dyn Keeper>> {
        None
    }

    /// Whether what the manager before this one has kept is at hand here, so that it needn't be kept again.
    fn has_what_was_kept(&self) -> bool {
        true
    }
}

/// Keeps the output of one run, as it was printed. Dropping it ends the run's log.
pub trait Keeper {
    /// Takes what was read. It must not wait: a backend that can't write stands still.
    fn keep(&self, pipe: Pipe, bytes: Arc<[u8]>);
}
