//! The task that owns one child process, from spawn until nothing of its tree is left.

mod termination;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::ExitReport;
use super::first_process::FirstProcess;
use super::output::TailWriter;
use super::platform::{self, FORCE, GroupLeader, ProcessId, ProcessInfo, Signal};
use super::port::PortHold;
use super::records::{self, ProcessRecord};
use super::stop_command::StopCommand;
use super::tree::{self, Leaders, ProcessTree};

/// The tree is recorded this long after the start, and then in ever longer intervals.
const FIRST_CENSUS: Duration = Duration::from_secs(1);
const LONGEST_CENSUS: Duration = Duration::from_secs(60);
/// A child that has been killed and is a zombie only has to be told of.
const REAP_LIMIT: Duration = Duration::from_secs(5);

/// What is to become of a run; it only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StopLevel {
    Run,
    Terminate,
    Kill,
}

pub(super) struct RunOwner {
    pub(super) model: String,
    pub(super) leader: ProcessId,
    pub(super) child: FirstProcess,
    /// For when nothing can be looked at.
    pub(super) held: GroupLeader,
    pub(super) leaders: Leaders,
    pub(super) left_behind: Rc<Cell<bool>>,
    pub(super) tree: Rc<ProcessTree>,
    pub(super) tail: Rc<TailWriter>,
    pub(super) members: watch::Sender<Vec<u32>>,
    pub(super) wish: watch::Receiver<StopLevel>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) tree_gone: watch::Sender<bool>,
    pub(super) report: watch::Sender<Option<ExitReport>>,
    /// True: its first process has ended by itself, and something is left.
    pub(super) broken: watch::Sender<bool>,
    pub(super) claims: Rc<PortClaims>,
    pub(super) stop: StopCommand,
    /// How long what a crashed backend leaves behind may clean up.
    pub(super) crash_grace: Duration,
    pub(super) record: ProcessRecord,
    pub(super) record_file: PathBuf,
    pub(super) finished: bool,
    /// Given back when nothing of the run is left.
    pub(super) slot: Option<(OwnedSemaphorePermit, PortHold)>,
}

/// What a run has to do with its port, shared with its handle.
#[derive(Debug)]
pub(super) struct PortClaims {
    pub(super) port: u16,
    /// Whoever listens there belongs to the run.
    pub(super) claimed: Cell<bool>,
    /// Who still listens there after the run was ended.
    pub(super) remainder: RefCell<Option<String>>,
}

/// Why and since when the tree is being ended, for the log.
struct Ending {
    wish: StopLevel,
    asked: Option<Instant>,
    orphaned: bool,
    /// Who has been asked to end: once is enough, and some take a second time for a hurry.
    told: BTreeSet<ProcessId>,
    group_told: bool,
    /// The last asking didn't reach everybody.
    ask_again: Option<Instant>,
    /// That nothing can be looked at was told.
    blind: bool,
}

/// What became of a tree that was to be killed.
#[derive(Default)]
struct Left {
    survivors: Vec<ProcessInfo>,
    /// Why it can't be known who is left.
    unseen: Option<io::Error>,
}

impl Left {
    fn names(&self) -> Vec<String> {
        let unseen = self.unseen.iter().map(|error| {
            format!("an unknown number of processes (the process table can't be read: {error})")
        });
        self.survivors.iter().map(ToString::to_string).chain(unseen).collect()
    }
}

impl RunOwner {
    pub(super) async fn run(mut self) {
        records::write(self.record_file.clone(), self.record.clone()).await;
        let mut ending = Ending {
            wish: StopLevel::Run,
            asked: None,
            orphaned: false,
            told: BTreeSet::new(),
            group_told: false,
            ask_again: None,
            blind: false,
        };
        let (status, left) = self.end(&mut ending).await;
        let survivors = left.names();
        self.tree_gone.send_replace(true);
        self.until_port_is_free(&mut ending).await;
        for reader in std::mem::take(&mut self.readers) {
            if let Err(error) = reader.await {
                log::error!("models/{}: reading its output failed: {error}", self.model);
            }
        }
        // With survivors, the record tells the guard and the next manager whom to look for.
        if !survivors.is_empty() {
            self.left_behind.set(true);
        } else {
            records::close(self.record_file.clone(), self.record.room.clone()).await;
        }
        let (success, status) = match status {
            Ok(status) => (status.success(), platform::exit_text(status)),
            Err(error) => (false, format!("exit status unknown: {error}")),
        };
        self.finished = true;
        self.leaders.remove(self.leader);
        self.slot = None;
        let report =
            ExitReport { status, success, last_lines: self.tail.last_lines(), survivors, away: None };
        self.report.send_replace(Some(report));
    }

    async fn end(&mut self, ending: &mut Ending) -> (io::Result<ExitStatus>, Left) {
        let status = self.until_leader_ends(ending).await;
        if status.is_some() && ending.wish < StopLevel::Kill && self.until_rest_ends(ending).await {
            return (status.unwrap_or_else(|| Err(io::Error::other("lost"))), Left::default());
        }
        let left = self.kill_tree(ending, status.is_some()).await;
        let status = match status {
            Some(status) => status,
            None if left.survivors.iter().any(|info| info.id == self.leader) => {
                Err(io::Error::other(format!("it survived {FORCE}")))
            }
            None => tokio::time::timeout(REAP_LIMIT, self.child.wait())
                .await
                .unwrap_or_else(|_| Err(io::Error::other("it did not end in time"))),
        };
        (status, left)
    }

    /// `None`: it is to be killed.
    async fn until_leader_ends(&mut self, ending: &mut Ending) -> Option<io::Result<ExitStatus>> {
        let mut interval = FIRST_CENSUS;
        let mut census = Instant::now() + interval;
        loop {
            let ask_again = due(ending.ask_again);
            tokio::select! {
                biased;
                status = self.child.wait() => {
                    // At once: from now on its number is its group's alone.
                    self.held.has_group();
                    return Some(status);
                }
                () = next_wish(&mut self.wish, ending) => match ending.wish {
                    StopLevel::Kill => return None,
                    StopLevel::Terminate => {
                        log::info!("models/{}: asking pid {} to exit", self.model, self.leader.pid);
                        // Its first process needs no look at anything, and is the one that has most to do.
                        if self.held.ask() {
                            ending.told.insert(self.leader);
                        }
                        self.ask_to_end(ending).await;
                        self.stop.run();
                    }
                    StopLevel::Run => {}
                },
                () = ask_again => self.ask_to_end(ending).await,
                () = sleep_until(census) => {
                    self.take_census().await;
                    interval = (interval * 2).min(LONGEST_CENSUS);
                    census = Instant::now() + interval;
                }
            }
        }
    }

    /// Should the manager be killed, its guard and its successor know whom to end.
    async fn take_census(&mut self) {
        // What can't be counted now is counted the next time.
        let Ok(members) = self.tree.scan().await else { return };
        let members: Vec<ProcessId> = members.into_iter().map(|info| info.id).collect();
        if members != self.record.members {
            self.members.send_replace(members.iter().map(|id| id.pid).collect());
            self.record.members = members;
            records::write(self.record_file.clone(), self.record.clone()).await;
        }
    }
}

impl Drop for RunOwner {
    fn drop(&mut self) {
        // The runtime ends under it: there is no later.
        if !self.finished {
            self.signal_by_number(Signal::Kill);
            tree::kill_blocking(&self.tree);
            self.leaders.remove(self.leader);
        }
    }
}

/// Resolves at that moment, or never.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The next wish; a handle that is gone wishes to kill.
async fn next_wish(wish: &mut watch::Receiver<StopLevel>, ending: &mut Ending) {
    if wish.changed().await.is_ok() {
        ending.wish = *wish.borrow_and_update();
    } else {
        ending.wish = StopLevel::Kill;
        ending.orphaned = true;
    }
    if ending.wish == StopLevel::Terminate {
        ending.asked = Some(Instant::now());
    }
}
