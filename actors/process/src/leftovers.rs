//! Ends what a manager left behind that was itself ended by force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::platform::{self, FORCE, ProcessId, ProcessInfo, Signal};
use super::records::{self, Record};
use super::tree::{self, marker};

/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);

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
            (true, _) => write!(f, "{run}: a former manager left its record, but no process"),
            (false, true) => write!(f, "{run}: killed what a former manager left: {}", processes.join(", ")),
            (false, false) => {
                write!(
                    f,
                    "{run}: a former manager left {}, and {FORCE} did not end all",
                    processes.join(", ")
                )
            }
        }
    }
}

/// Which runs are meant.
pub(super) enum Whose<'a> {
    /// Those of every manager of the state folder that is dead.
    DeadManagers { state_dir: &'a Path, own_instance: &'a str },
    /// Those of one manager, which has just died.
    Instance { state_dir: &'a Path, instance: &'a str },
}

/// Kills what dead managers with the same state folder left, and says what that was. Runs of another
/// manager that lives are not touched. Blocks until all is gone, for at most some seconds.
pub fn reap_leftovers(state_dir: &Path, own_instance: &str) -> Vec<Reaped> {
    let state_dir = records::canonical(state_dir);
    reap(&Whose::DeadManagers { state_dir: &state_dir, own_instance })
}

pub(super) fn reap(whose: &Whose<'_>) -> Vec<Reaped> {
    let records = whose.records();
    let mut killed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, record) in &records {
        killed.entry(run_name(record)).or_default();
    }
    let mut known = BTreeMap::new();
    let mut alive: BTreeSet<String> = BTreeSet::new();
    let started = Instant::now();
    let mut pause = Duration::from_millis(2);
    let mut empty_readings = 0;
    // As with a single run, one reading may miss a process that is just calling exec.
    while empty_readings < 2 && started.elapsed() < KILL_LIMIT {
        let found = whose.processes(&records, &mut known);
        alive = found.iter().map(|(run, _)| run.clone()).collect();
        empty_readings = if found.is_empty() { empty_readings + 1 } else { 0 };
        for (run, info) in found {
            killed.entry(run).or_default().insert(info.to_string());
            tree::signal_all(&[info], Signal::Kill);
        }
        wait(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    for (file, record) in &records {
        if !alive.contains(&run_name(record)) {
            records::remove_blocking(file);
        }
    }
    let reaped = |(run, processes): (String, BTreeSet<String>)| {
        let gone = !alive.contains(&run);
        Reaped { run, processes: processes.into_iter().collect(), gone }
    };
    killed.into_iter().map(reaped).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "no arbiter runs yet, or none any more: there is nothing to block"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn run_name(record: &Record) -> String {
    format!("{}#{}", record.model, record.epoch)
}

impl Whose<'_> {
    fn records(&self) -> Vec<(PathBuf, Record)> {
        let mut found = match self {
            Self::DeadManagers { state_dir, .. } | Self::Instance { state_dir, .. } => {
                records::list(state_dir)
            }
        };
        found.retain(|(_, record)| match self {
            Self::Instance { instance, .. } => record.instance == *instance,
            Self::DeadManagers { own_instance, .. } => {
                record.instance != *own_instance
                    && (record.boot != platform::boot_id() || !platform::is_alive(record.manager))
            }
        });
        found
    }

    /// The living processes, each with the run that it belongs to.
    fn processes(
        &self,
        records: &[(PathBuf, Record)],
        known: &mut BTreeMap<ProcessId, String>,
    ) -> Vec<(String, ProcessInfo)> {
        let all = match platform::processes() {
            Ok(all) => all,
            Err(error) => {
                log::error!("what former managers left can't be looked for: {error}");
                return Vec::new();
            }
        };
        let mut found = BTreeMap::new();
        let mut roots: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for info in &all {
            let run = known
                .get(&info.id)
                .cloned()
                .or_else(|| self.marked(info).or_else(|| self.recorded(info, &all, records)));
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
        found.into_values().collect()
    }

    /// The run that its environment names.
    fn marked(&self, info: &ProcessInfo) -> Option<String> {
        let environment = platform::environment(info.id.pid);
        let run = environment.get(marker::RUN)?;
        let instance = environment.get(marker::INSTANCE)?;
        let in_state =
            |dir: &Path| environment.get(marker::STATE).is_some_and(|state| Path::new(state) == dir);
        let meant = match self {
            Self::Instance { state_dir, instance: meant } => instance == *meant && in_state(state_dir),
            Self::DeadManagers { state_dir, own_instance } => {
                instance != *own_instance
                    && in_state(state_dir)
                    && environment
                        .get(marker::OWNER)
                        .and_then(owner)
                        .is_some_and(|id| !platform::is_alive(id))
            }
        };
        meant.then(|| run.to_owned())
    }

    /// The run whose record names it, or whose group it is in.
    fn recorded(
        &self,
        info: &ProcessInfo,
        all: &[ProcessInfo],
        records: &[(PathBuf, Record)],
    ) -> Option<String> {
        let boot = platform::boot_id();
        let record = records.iter().map(|(_, record)| record).find(|record| {
            let named = info.id == record.leader || record.members.contains(&info.id);
            record.boot == boot && (named || self.in_group(info, all, record))
        })?;
        Some(run_name(record))
    }

    /// Whether a process is in the group that the run's leader made.
    fn in_group(&self, info: &ProcessInfo, all: &[ProcessInfo], record: &Record) -> bool {
        let number = record.leader.pid;
        if info.group != number || info.id.start_time < record.leader.start_time {
            return false;
        }
        match self {
            // The manager watched the leader until just now. If its number belongs to another process by
            // now, that one has the group.
            Self::Instance { .. } => {
                all.iter().find(|other| other.id.pid == number).is_none_or(|other| other.id == record.leader)
            }
            // Long after, the number may have come back; a marked member shows that the group never ended.
            Self::DeadManagers { .. } => all.iter().any(|other| {
                other.group == number && self.marked(other).is_some_and(|run| run == run_name(record))
            }),
        }
    }
}

fn owner(text: &str) -> Option<ProcessId> {
    let (pid, start_time) = text.split_once(':')?;
    Some(ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
}
