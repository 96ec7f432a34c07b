//! Who belongs to a run: found in one reading of the process table.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::platform::{self, Enclosure, ProcessId, ProcessInfo, Signal};

/// Environment variables that every descendant inherits, however it hides.
pub(super) mod marker {
    /// `<model>#<epoch>`
    pub(crate) const RUN: &str = "LLM_MANAGER_RUN";
    /// The instance id of the manager.
    pub(crate) const INSTANCE: &str = "LLM_MANAGER_INSTANCE";
    /// The manager's state folder.
    pub(crate) const STATE: &str = "LLM_MANAGER_STATE";
    /// `<pid>:<start time>` of the manager.
    pub(crate) const OWNER: &str = "LLM_MANAGER_OWNER";
    /// All of them.
    pub(crate) const ALL: [&str; 4] = [RUN, INSTANCE, STATE, OWNER];
}

/// The living processes that grew from those for which `is_root` holds.
///
/// Children follow their parents, members follow the leader of their group or session. This process and
/// its ancestors are never members, whoever started them.
pub(super) fn members(all: &[ProcessInfo], is_root: impl Fn(&ProcessInfo) -> bool) -> Vec<ProcessInfo> {
    let protected = ancestry(all, std::process::id());
    let candidates: Vec<&ProcessInfo> = all.iter().filter(|info| !protected.contains(&info.id.pid)).collect();
    let mut found: BTreeSet<u32> =
        candidates.iter().filter(|info| is_root(info)).map(|info| info.id.pid).collect();
    loop {
        let before = found.len();
        for info in &candidates {
            if [info.parent, info.group, info.session].iter().any(|pid| found.contains(pid)) {
                found.insert(info.id.pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    candidates.into_iter().filter(|info| info.alive && found.contains(&info.id.pid)).cloned().collect()
}

fn ancestry(all: &[ProcessInfo], of: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([0, 1]);
    let mut next = Some(of);
    while let Some(pid) = next.filter(|pid| found.insert(*pid)) {
        next = all.iter().find(|info| info.id.pid == pid).map(|info| info.parent);
    }
    found
}

/// Members that are remembered.
const KNOWN: usize = 4096;
/// Reading the process table takes milliseconds; a thread for it may have to be waited for.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// The leaders of all runs of one manager, living or being buried.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaders(Arc<ArcSwap<BTreeSet<ProcessId>>>);

impl Leaders {
    pub(super) fn get(&self) -> Arc<BTreeSet<ProcessId>> {
        self.0.load_full()
    }

    pub(super) fn add(&self, leader: ProcessId) {
        self.0.rcu(|old| old.iter().copied().chain([leader]).collect::<BTreeSet<_>>());
    }

    pub(super) fn remove(&self, leader: ProcessId) {
        self.0.rcu(|old| old.iter().copied().filter(|one| *one != leader).collect::<BTreeSet<_>>());
    }
}

/// What one run is known by.
#[derive(Clone, Debug)]
pub(super) struct RunMarks {
    /// The process that was spawned; it leads a group of the same number.
    pub(super) leader: ProcessId,
    pub(super) run: String,
    pub(super) instance: String,
    /// Instance ids are chosen by people, too; a manager's pid and start time never come twice.
    pub(super) owner: String,
    /// The cgroup of the run, if it has one.
    pub(super) room: Option<PathBuf>,
    /// Its first process, and so everything that grew from it, began its life in there.
    pub(super) born_inside: bool,
    /// The leaders of all runs of this manager.
    pub(super) leaders: Leaders,
    /// Members that were seen before: they stay members when they change group and lose their parent.
    pub(super) known: BTreeSet<ProcessId>,
    pub(super) enclosure: Enclosure,
}

impl RunMarks {
    /// Reads the process table, where nothing better knows.
    pub(super) fn look(&self) -> io::Result<TreeLook> {
        if let Some(members) = self.enclosure.members()? {
            return Ok(TreeLook { members, has_strayed: false, is_over: false });
        }
        let all = platform::processes()?;
        // The group outlives its leader, and no new process gets its number meanwhile. If one has it,
        // the group is gone.
        let group_is_ours =
            all.iter().find(|info| info.id.pid == self.leader.pid).is_none_or(|info| info.id == self.leader);
        let inside = match &self.room {
            Some(room) => platform::cgroup::inhabitants(room)?,
            None => self.strays(&all)?,
        };
        let mut roots = BTreeSet::new();
        for info in &all {
            let is_root = info.id == self.leader
                || inside.contains(&info.id.pid)
                || self.known.contains(&info.id)
                || info.id.start_time >= self.leader.start_time
                    && ((group_is_ours && info.group == self.leader.pid) || self.is_marked(info)?);
            if is_root {
                roots.insert(info.id);
            }
        }
        let members = members(&all, |info| roots.contains(&info.id));
        // One that has ended since the table was read isn't listed either.
        let lives = |id: ProcessId| {
            platform::process(id.pid).is_ok_and(|now| now.is_some_and(|info| info.id == id && info.alive))
        };
        let has_strayed =
            self.born_inside && members.iter().any(|info| !inside.contains(&info.id.pid) && lives(info.id));
        // Asked last: what was born since the table was read is counted.
        let is_over = members.is_empty()
            && self.born_inside
            && self.room.as_deref().is_some_and(platform::cgroup::is_empty);
        Ok(TreeLook { members, has_strayed, is_over })
    }

    /// Daemons without any sign of where they came from. This process has adopted them, and it has no other children
    /// but leaders, helpers (marked) and its guard (its own program). Whose they are isn't written anywhere: the last
    /// run that is old enough takes them.
    fn strays(&self, all: &[ProcessInfo]) -> io::Result<BTreeSet<u32>> {
        let own = std::process::id();
        let leaders = self.leaders.get();
        let could_be = |info: &ProcessInfo| {
            info.parent == own
                && info.alive
                && !leaders.contains(&info.id)
                && info.id.start_time >= self.leader.start_time
                && !leaders
                    .iter()
                    .any(|other| *other != self.leader && other.start_time <= info.id.start_time)
        };
        let mut found: Vec<&ProcessInfo> = all.iter().filter(|info| could_be(info)).collect();
        // A process that is just calling exec shows no environment for a moment.
        for _ in 0..2 {
            if found.is_empty() {
                break;
            }
            let mut still = Vec::new();
            for info in found {
                let is_ours = platform::program(info.id.pid) == platform::program(own);
                let marked = platform::environment(info.id.pid)?.get(marker::INSTANCE).is_some();
                if !is_ours && !marked {
                    still.push(info);
                }
            }
            found = still;
            wait(Duration::from_millis(10));
        }
        Ok(found.into_iter().map(|info| info.id.pid).collect())
    }

    fn is_marked(&self, info: &ProcessInfo) -> io::Result<bool> {
        let environment = platform::environment(info.id.pid)?;
        Ok(environment.get(marker::RUN) == Some(&self.run)
            && environment.get(marker::INSTANCE) == Some(&self.instance)
            && environment.get(marker::OWNER) == Some(&self.owner))
    }
}

/// What one look at a run showed.
pub(super) struct TreeLook {
    /// Those who live.
    pub(super) members: Vec<ProcessInfo>,
    /// Some of them have left the cgroup of the run.
    has_strayed: bool,
    /// Nobody lives, and no second look is needed to know.
    pub(super) is_over: bool,
}

/// The process tree of one run.
#[derive(Debug)]
pub(super) struct ProcessTree {
    search: RefCell<RunMarks>,
    /// Somebody of it was seen outside its cgroup, where he may have been overlooked since.
    strayed: Cell<bool>,
}

impl ProcessTree {
    pub(super) fn new(search: RunMarks) -> Self {
        Self { search: RefCell::new(search), strayed: Cell::new(false) }
    }

    /// Signals each of them, all of them members.
    pub(super) fn signal(&self, processes: &[ProcessInfo], signal: Signal) -> Signalled {
        self.search.borrow().enclosure.signal(processes, signal)
    }

    /// Its living members. An error means that nobody could look, not that there are none.
    pub(super) async fn scan(&self) -> io::Result<Vec<ProcessInfo>> {
        self.look().await.map(|look| look.members)
    }

    /// The same, and what else a look shows.
    pub(super) async fn look(&self) -> io::Result<TreeLook> {
        let search = self.search.borrow().clone();
        let looking = tokio::task::spawn_blocking(move || search.look());
        let found = tokio::time::timeout(LOOK_LIMIT, looking).await;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "reading the process table takes too long");
        self.take(found.map_err(late)?.map_err(io::Error::other)??)
    }

    /// Its living members, while the arbiter waits.
    pub(super) fn scan_blocking(&self) -> io::Result<Vec<ProcessInfo>> {
        let found = self.search.borrow().look()?;
        self.take(found).map(|look| look.members)
    }

    fn take(&self, found: TreeLook) -> io::Result<TreeLook> {
        self.strayed.set(self.strayed.get() || found.has_strayed);
        let mut search = self.search.borrow_mut();
        // Only ever more, as one reading may miss a process; a busy backend's past has a bound.
        if search.known.len() > KNOWN {
            search.known.clear();
        }
        search.known.extend(found.members.iter().map(|info| info.id));
        Ok(TreeLook { is_over: found.is_over && !self.strayed.get(), ..found })
    }
}

/// Those who could not be signalled, and why the last one couldn't.
pub(super) type Signalled = Result<(), (Vec<ProcessInfo>, io::Error)>;

/// Signals each of them.
pub(super) fn signal_all<'a>(
    processes: impl IntoIterator<Item = &'a ProcessInfo>,
    signal: Signal,
) -> Signalled {
    let mut missed = Vec::new();
    let mut why = None;
    for info in processes {
        if let Err(error) = platform::send(info.id, signal) {
            missed.push(info.clone());
            why = Some(error);
        }
    }
    why.map_or(Ok(()), |error| Err((missed, error)))
}

/// Kills what the tree holds right now, without leaving the thread.
pub(super) fn kill_blocking(tree: &ProcessTree) {
    let killed =
        tree.scan_blocking().and_then(|found| tree.signal(&found, Signal::Kill).map_err(|(_, error)| error));
    if let Err(error) = killed {
        log::error!("can't look for the rest of a process tree that is being killed: {error}");
    }
}

/// `pid 7 (sh), pid 8 (sleep)`
pub(super) fn names(processes: &[ProcessInfo]) -> String {
    processes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "no arbiter runs yet, or none any more, or this is a thread for blocking work"
)]
pub(super) fn wait(time: Duration) {
    std::thread::sleep(time);
}
