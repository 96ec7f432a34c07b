//! The task that owns one child process, from spawn until nothing of its tree is left.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::ExitReport;
use super::output::TailWriter;
use super::platform::{self, ASK, FORCE, ProcessId, ProcessInfo, Signal};
use super::port::PortHold;
use super::records::{self, Record};
use super::tree::{self, Tree};

/// Between SIGTERM and SIGKILL for what a backend leaves behind when it ends by itself.
/// Short: until they are gone, nobody can be told that the backend has died.
const LEFTOVER_GRACE: Duration = Duration::from_millis(100);
/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// The tree is recorded this long after the start, and then in ever longer intervals.
const FIRST_CENSUS: Duration = Duration::from_secs(1);
const LONGEST_CENSUS: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What is to become of a run; it only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    Run,
    Terminate,
    Kill,
}

pub(super) struct Owner {
    pub(super) model: String,
    pub(super) leader: ProcessId,
    pub(super) child: Child,
    pub(super) tree: Rc<Tree>,
    pub(super) tail: Rc<TailWriter>,
    pub(super) members: watch::Sender<Vec<u32>>,
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) tree_gone: watch::Sender<bool>,
    pub(super) report: watch::Sender<Option<ExitReport>>,
    pub(super) record: Record,
    pub(super) record_file: PathBuf,
    pub(super) finished: bool,
    /// Given back when nothing of the run is left.
    pub(super) held: Option<(OwnedSemaphorePermit, PortHold)>,
}

/// Why and since when the tree is being ended, for the log.
struct Ending {
    wish: Wish,
    asked: Option<Instant>,
    orphaned: bool,
}

impl Owner {
    pub(super) async fn run(mut self) {
        records::write(self.record_file.clone(), self.record.clone()).await;
        let (status, survivors) = self.end().await;
        self.tree_gone.send_replace(true);
        for reader in std::mem::take(&mut self.readers) {
            if let Err(error) = reader.await {
                log::error!("models/{}: the reader of its output broke: {error}", self.model);
            }
        }
        // With survivors, the record tells the next manager whom to look for.
        if survivors.is_empty() {
            records::remove(self.record_file.clone()).await;
        }
        let (success, status) = match status {
            Ok(status) => (status.success(), platform::exit_text(status)),
            Err(error) => (false, format!("exit status unknown: {error}")),
        };
        self.finished = true;
        self.held = None;
        let report = ExitReport {
            status,
            success,
            last_lines: self.tail.last_lines(),
            survivors: survivors.iter().map(ToString::to_string).collect(),
        };
        self.report.send_replace(Some(report));
    }

    async fn end(&mut self) -> (io::Result<ExitStatus>, Vec<ProcessInfo>) {
        let mut ending = Ending { wish: Wish::Run, asked: None, orphaned: false };
        let status = self.until_leader_ends(&mut ending).await;
        if status.is_some() && ending.wish < Wish::Kill && self.until_rest_ends(&mut ending).await {
            return (status.unwrap_or_else(|| Err(io::Error::other("lost"))), Vec::new());
        }
        let survivors = self.kill_tree(&ending, status.is_some()).await;
        let status = match status {
            Some(status) => status,
            None if survivors.iter().any(|info| info.id == self.leader) => {
                Err(io::Error::other(format!("it survived {FORCE}")))
            }
            None => self.child.wait().await,
        };
        (status, survivors)
    }

    /// `None`: it is to be killed.
    async fn until_leader_ends(&mut self, ending: &mut Ending) -> Option<io::Result<ExitStatus>> {
        let mut interval = FIRST_CENSUS;
        let mut census = Instant::now() + interval;
        loop {
            tokio::select! {
                biased;
                status = self.child.wait() => return Some(status),
                () = next_wish(&mut self.wish, ending) => match ending.wish {
                    Wish::Kill => return None,
                    Wish::Terminate => {
                        log::info!("models/{}: asking pid {} to end", self.model, self.leader.pid);
                        self.tree.signal(&self.tree.scan().await, Signal::Terminate);
                    }
                    Wish::Run => {}
                },
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
        let members: Vec<ProcessId> = self.tree.scan().await.into_iter().map(|info| info.id).collect();
        if members != self.record.members {
            self.members.send_replace(members.iter().map(|id| id.pid).collect());
            self.record.members = members;
            records::write(self.record_file.clone(), self.record.clone()).await;
        }
    }

    /// Waits for the rest of the tree after its leader; false: it is to be killed.
    async fn until_rest_ends(&mut self, ending: &mut Ending) -> bool {
        let mut rest = self.settled().await;
        if rest.is_empty() {
            return true;
        }
        // Asked to end, the rest has the time that the one who asked gives it. Otherwise a backend without
        // its leader is a broken backend, which only stands in the way of the next start.
        let by_itself = ending.wish == Wish::Run;
        if by_itself {
            log::warn!(
                "models/{}: pid {} ended and left {} behind: asking {} to end",
                self.model,
                self.leader.pid,
                count(&rest),
                tree::names(&rest)
            );
            self.tree.signal(&rest, Signal::Terminate);
        }
        let grace = Instant::now() + LEFTOVER_GRACE;
        let mut pause = SHORTEST_PAUSE;
        loop {
            tokio::select! {
                () = next_wish(&mut self.wish, ending) => match ending.wish {
                    Wish::Kill => return false,
                    _ => self.tree.signal(&rest, Signal::Terminate),
                },
                () = sleep_until(grace), if by_itself => return false,
                () = sleep(pause) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    rest = self.settled().await;
                    if rest.is_empty() {
                        return true;
                    }
                }
            }
        }
    }

    /// Kills until nothing is left; returns what would not die.
    async fn kill_tree(&self, ending: &Ending, leader_gone: bool) -> Vec<ProcessInfo> {
        let started = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        let mut told = false;
        loop {
            let left = self.settled().await;
            if left.is_empty() {
                return left;
            }
            if !told {
                told = true;
                log::warn!("models/{}: {}", self.model, self.why_kill(ending, leader_gone, &left));
            }
            self.tree.signal(&left, Signal::Kill);
            if started.elapsed() > KILL_LIMIT {
                log::error!(
                    "models/{}: {FORCE} did not end {} within {} s: {}; their memory stays in use",
                    self.model,
                    count(&left),
                    KILL_LIMIT.as_secs(),
                    tree::names(&left)
                );
                return left;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn why_kill(&self, ending: &Ending, leader_gone: bool, left: &[ProcessInfo]) -> String {
        let pid = self.leader.pid;
        let all = count(left);
        match (ending.asked, leader_gone) {
            _ if ending.orphaned => format!("nobody watches pid {pid} any more, killing its tree ({all})"),
            (None, false) => format!("killing pid {pid} and its tree ({all})"),
            (None, true) => {
                format!("what pid {pid} left behind ignored {ASK}, killing {}", tree::names(left))
            }
            (Some(asked), false) => format!(
                "pid {pid} ignored {ASK} for {:.0} s, killing its tree ({all})",
                asked.elapsed().as_secs_f32()
            ),
            (Some(asked), true) => format!(
                "pid {pid} obeyed {ASK}, but not all of its tree in {:.0} s, killing {}",
                asked.elapsed().as_secs_f32(),
                tree::names(left)
            ),
        }
    }

    /// The living members; none only if two readings in a row find none. A process that is just calling
    /// exec shows no environment for a moment, and one reading may miss it.
    async fn settled(&self) -> Vec<ProcessInfo> {
        let first = self.tree.scan().await;
        if !first.is_empty() {
            return first;
        }
        sleep(SHORTEST_PAUSE).await;
        self.tree.scan().await
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // The runtime ends under it: there is no later.
        if !self.finished {
            tree::kill_blocking(&self.tree);
        }
    }
}

/// The next wish; a handle that is gone wishes to kill.
async fn next_wish(wish: &mut watch::Receiver<Wish>, ending: &mut Ending) {
    if wish.changed().await.is_ok() {
        ending.wish = *wish.borrow_and_update();
    } else {
        ending.wish = Wish::Kill;
        ending.orphaned = true;
    }
    if ending.wish == Wish::Terminate {
        ending.asked = Some(Instant::now());
    }
}

fn count(processes: &[ProcessInfo]) -> String {
    match processes.len() {
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    }
}
