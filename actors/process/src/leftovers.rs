//! Ends what a manager left behind that was itself ended by force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::platform::{self, FORCE, ProcessId, ProcessInfo, Signal};
use super::records::{self, ProcessRecord};
use super::tree::{self, marker};

/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Until the next look after one that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One run of a former manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// `<model>#<epoch>`
    pub run: String,
    /// What was killed: `pid 7 (sh)`, ...; empty if only the record was left.
    pub processes: Vec<String>,
    /// Nothing is left of it.
    pub gone: bool,
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, processes, gone } = self;
        match (processes.is_empty(), gone) {
            (true, false) => {
                write!(f, "{run}: a previous manager left its record, but its processes can't be looked up")
            }
            (true, true) => write!(f, "{run}: a previous manager left its record, but no process"),
            (false, true) => {
                write!(f, "{run}: killed leftovers of a previous manager: {}", processes.join(", "))
            }
            (false, false) => {
                write!(
                    f,
                    "{run}: a previous manager left {}, and {FORCE} did not end all of them",
                    processes.join(", ")
                )
            }
        }
    }
}

/// Which runs are meant.
pub(super) enum LeftoverScope<'a> {
    /// Those of every manager of the state folder that is dead.
    DeadManagers { state_dir: &'a Path, own_instance: &'a str },
    /// Those of one manager, which has just died.
    Instance { state_dir: &'a Path, instance: &'a str },
}

/// Kills what dead managers with the same state folder left, and says what that was. Runs of another
/// manager that lives are not touched. Blocks until all is gone, for at most some seconds.
pub fn reap_leftovers(state_dir: &Path, own_instance: &str) -> Vec<Reaped> {
    let state_dir = records::canonical(state_dir);
    reap(&LeftoverScope::DeadManagers { state_dir: &state_dir, own_instance })
}

pub(super) fn reap(whose: &LeftoverScope<'_>) -> Vec<Reaped> {
    let records = loop_until_seen(|| whose.records());
    let mut killed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, record) in &records {
        killed.entry(run_name(record)).or_default();
    }
    let mut known = BTreeMap::new();
    let mut alive: BTreeSet<String> = BTreeSet::new();
    let started = Instant::now();
    let mut pause = Duration::from_millis(2);
    let mut empty_readings = 0;
    let mut blind = None;
    // As with a single run, one reading may miss a process that is just calling exec.
    while empty_readings < 2 && started.elapsed() < KILL_LIMIT {
        let found = match whose.processes(&records, &mut known) {
            Ok(found) => found,
            Err(error) => {
                if blind.replace(error.kind()).is_none() {
                    log::error!("can't look for leftovers of previous managers ({error}); trying again");
                }
                tree::wait(LOOK_AGAIN);
                continue;
            }
        };
        blind = None;
        alive = found.iter().map(|(run, _)| run.clone()).collect();
        empty_readings = if found.is_empty() { empty_readings + 1 } else { 0 };
        for (run, info) in found {
            killed.entry(run).or_default().insert(info.to_string());
            // Who can't be reached is found again in the next round.
            let _ = tree::signal_all([&info], Signal::Kill);
        }
        tree::wait(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    if blind.is_some() {
        // Whoever can't be seen isn't gone: the records stay for the next one who looks.
        alive = records.iter().map(|(_, record)| run_name(record)).collect();
    }
    for (file, record) in &records {
        if !alive.contains(&run_name(record)) {
            record.room.iter().for_each(|room| platform::cgroup::close(room));
            records::remove_blocking(file);
        }
    }
    let reaped = |(run, processes): (String, BTreeSet<String>)| {
        let gone = !alive.contains(&run);
        Reaped { run, processes: processes.into_iter().collect(), gone }
    };
    killed.into_iter().map(reaped).collect()
}

/// Looks until it works, or for as long as killing may take.
fn loop_until_seen<T: Default>(look: impl Fn() -> io::Result<T>) -> T {
    let started = Instant::now();
    let mut told = false;
    loop {
        match look() {
            Ok(found) => return found,
            Err(error) if started.elapsed() > KILL_LIMIT => {
                log::error!("gave up looking for leftovers of previous managers: {error}");
                return T::default();
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    log::error!("can't look for leftovers of previous managers ({error}); trying again");
                }
                tree::wait(LOOK_AGAIN);
            }
        }
    }
}

fn run_name(record: &ProcessRecord) -> String {
    format!("{}#{}", record.model, record.epoch)
}

impl LeftoverScope<'_> {
    fn records(&self) -> io::Result<Vec<(PathBuf, ProcessRecord)>> {
        let all = match self {
            Self::DeadManagers { state_dir, .. } | Self::Instance { state_dir, .. } => {
                records::list(state_dir)?
            }
        };
        let boot = platform::boot_id()?;
        let mut found = Vec::new();
        for (file, record) in all {
            let meant = match self {
                Self::Instance { instance, .. } => record.instance == *instance,
                Self::DeadManagers { own_instance, .. } => {
                    record.instance != *own_instance
                        && (record.boot != boot || !platform::is_alive(record.manager)?)
                }
            };
            if meant {
                found.push((file, record));
            }
        }
        Ok(found)
    }

    /// The living processes, each with the run that it belongs to.
    fn processes(
        &self,
        records: &[(PathBuf, ProcessRecord)],
        known: &mut BTreeMap<ProcessId, String>,
    ) -> io::Result<Vec<(String, ProcessInfo)>> {
        let all = platform::processes()?;
        let boot = platform::boot_id()?;
        let mut housed = BTreeMap::new();
        for (_, record) in records.iter().filter(|(_, record)| record.boot == boot) {
            if let Some(room) = &record.room {
                let inside = platform::cgroup::inhabitants(room)?;
                housed.extend(inside.into_iter().map(|pid| (pid, run_name(record))));
            }
        }
        let mut found = BTreeMap::new();
        let mut roots: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for info in &all {
            let run = match known.get(&info.id).or_else(|| housed.get(&info.id.pid)).cloned() {
                Some(run) => Some(run),
                None => match self.marked(info)? {
                    Some(run) => Some(run),
                    None => self.recorded(info, &all, records, &boot)?,
                },
            };
            if let Some(run) = run {
                roots.entry(run).or_default().insert(info.id.pid);
            }
        }
        for (run, pids) in roots {
            for info in tree::members(&all, |info| pids.contains(&info.id.pid)) {
                known.insert(info.id, run.clone());
                found.entry(info.id).or_insert((run.clone(), info));
            }
        }
        Ok(found.into_values().collect())
    }

    /// The run that its environment names.
    fn marked(&self, info: &ProcessInfo) -> io::Result<Option<String>> {
        let environment = platform::environment(info.id.pid)?;
        let (Some(run), Some(instance)) = (environment.get(marker::RUN), environment.get(marker::INSTANCE))
        else {
            return Ok(None);
        };
        let in_state =
            |dir: &Path| environment.get(marker::STATE).is_some_and(|state| Path::new(state) == dir);
        let meant = match self {
            Self::Instance { state_dir, instance: meant } => instance == *meant && in_state(state_dir),
            Self::DeadManagers { state_dir, own_instance } => {
                match environment.get(marker::OWNER).and_then(owner) {
                    Some(id) if instance != *own_instance && in_state(state_dir) => !platform::is_alive(id)?,
                    _ => false,
                }
            }
        };
        Ok(meant.then(|| run.to_owned()))
    }

    /// The run whose record names it, or whose group it is in.
    fn recorded(
        &self,
        info: &ProcessInfo,
        all: &[ProcessInfo],
        records: &[(PathBuf, ProcessRecord)],
        boot: &str,
    ) -> io::Result<Option<String>> {
        for (_, record) in records.iter().filter(|(_, record)| record.boot == boot) {
            let named = info.id == record.leader || record.members.contains(&info.id);
            if named || self.in_group(info, all, record)? {
                return Ok(Some(run_name(record)));
            }
        }
        Ok(None)
    }

    /// Whether a process is in the group that the run's leader made.
    fn in_group(&self, info: &ProcessInfo, all: &[ProcessInfo], record: &ProcessRecord) -> io::Result<bool> {
        let number = record.leader.pid;
        if info.group != number || info.id.start_time < record.leader.start_time {
            return Ok(false);
        }
        match self {
            // The manager watched the leader until just now. If its number belongs to another process by
            // now, that one has the group.
            Self::Instance { .. } => {
                let now = all.iter().find(|other| other.id.pid == number);
                Ok(now.is_none_or(|other| other.id == record.leader))
            }
            // Long after, the number may have come back; a marked member shows that the group never ended.
            Self::DeadManagers { .. } => {
                for other in all.iter().filter(|other| other.group == number) {
                    if self.marked(other)?.is_some_and(|run| run == run_name(record)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn owner(text: &str) -> Option<ProcessId> {
    let (pid, start_time) = text.split_once(':')?;
    Some(ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
}
