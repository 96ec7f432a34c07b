//! Real processes, and conditions with deadlines: no test takes a pause for a success.

mod command;
mod guard;
mod output;
mod port;
mod tree;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::spec::{Launch, Place};
use tokio::sync::Semaphore;

use super::{ExitReport, LaunchError, LaunchOrder, Launcher, LocalLauncher, OutputSink, Pipe, Run, platform};

const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps all lines.
#[derive(Default)]
struct Memory {
    lines: RefCell<Vec<(Pipe, String)>>,
}

impl OutputSink for Memory {
    fn take(&self, _: &Arc<str>, pipe: Pipe, lines: Vec<String>) -> LocalBoxFuture<'static, ()> {
        self.lines.borrow_mut().extend(lines.into_iter().map(|line| (pipe, line)));
        async {}.boxed_local()
    }
}

impl Memory {
    fn texts(&self) -> Vec<String> {
        self.lines.borrow().iter().map(|(_, line)| line.clone()).collect()
    }
}

/// A launcher with a folder of its own.
struct House {
    dir: tempfile::TempDir,
    memory: Rc<Memory>,
    launcher: LocalLauncher,
    slot: Arc<Semaphore>,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let memory = Rc::new(Memory::default());
        let sink = Rc::clone(&memory) as Rc<dyn OutputSink>;
        let instance = dir.path().file_name().unwrap().to_str().unwrap();
        let launcher = LocalLauncher::new(instance, dir.path().join("state"), sink);
        Self { dir, memory, launcher, slot: Arc::new(Semaphore::new(1)) }
    }

    fn order(&self, launch: Launch) -> LaunchOrder {
        order(self.dir.path(), Arc::clone(&self.slot), launch)
    }

    async fn launch(&self, launch: Launch) -> Result<Box<dyn Run>, LaunchError> {
        self.launcher.launch(self.order(launch)).await
    }

    /// Starts a line of shell.
    async fn shell(&self, line: &str) -> Box<dyn Run> {
        self.launch(shell(line)).await.unwrap()
    }

    /// Starts a file with this text.
    fn script(&self, name: &str, text: &str) -> Launch {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Launch::Script(path)
    }

    fn records(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("state/runs")).map_or(0, Iterator::count)
    }
}

fn order(dir: &Path, slot: Arc<Semaphore>, launch: Launch) -> LaunchOrder {
    LaunchOrder {
        known_as: "org/qwen #1".to_owned(),
        model: "org/qwen #1".to_owned(),
        variant: "Only".to_owned(),
        epoch: 7,
        run: 70,
        place: Place::Local,
        launch,
        working_dir: dir.to_owned(),
        env: vec![("EXTRA".to_owned(), "of the variant".to_owned())],
        port: None,
        stop_timeout: Duration::from_millis(200),
        stop_command: None,
        slot,
    }
}

/// Where it listens.
fn address_of(run: &dyn Run) -> std::net::SocketAddr {
    run.standing().borrow().endpoint().unwrap().local_address().unwrap()
}

fn shell(line: &str) -> Launch {
    Launch::Command(vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()])
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn alive(pid: u32) -> bool {
    platform::process(pid).unwrap().is_some_and(|info| info.alive)
}

/// The first `count` lines that a run printed, as process ids.
async fn pids(run: &dyn Run, count: usize) -> Vec<u32> {
    let tail = run.tail();
    until("the run prints its pids", || tail.borrow().lines.len() >= count).await;
    let pids: Vec<u32> =
        tail.borrow().lines.iter().take(count).map(|line| line.trim().parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| alive(*pid)), "{pids:?} all live at first");
    pids
}

async fn says(run: &dyn Run, line: &str) {
    let tail = run.tail();
    until(&format!("the run says {line}"), || tail.borrow().lines.iter().any(|seen| seen == line)).await;
}

async fn ended(run: &dyn Run) -> ExitReport {
    tokio::time::timeout(DEADLINE, run.exited()).await.expect("the run ends in time")
}

fn assert_all_gone(pids: &[u32]) {
    let left: Vec<_> = pids.iter().filter(|pid| alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?} of {pids:?} still live");
}
