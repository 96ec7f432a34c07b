//! The task that owns one child process, from spawn until nothing of its tree is left.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
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
use super::platform::{self, ASK, FORCE, Leader, ProcessId, ProcessInfo, Signal};
use super::port::{self, PortHold};
use super::records::{self, Record};
use super::stop::StopCommand;
use super::tree::{self, Leaders, Tree};

/// A port that is still taken after its run has ended is looked at this often.
const PORT_PAUSE: Duration = Duration::from_millis(250);
/// And named after this time: a listener that closes takes a moment.
const PORT_PATIENCE: Duration = Duration::from_millis(500);
/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// The tree is recorded this long after the start, and then in ever longer intervals.
const FIRST_CENSUS: Duration = Duration::from_secs(1);
const LONGEST_CENSUS: Duration = Duration::from_secs(60);
/// A child that has been killed and is a zombie only has to be told of.
const REAP_LIMIT: Duration = Duration::from_secs(5);
/// Until the process table is read again after a reading that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
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
    /// For when nothing can be looked at.
    pub(super) held: Leader,
    pub(super) leaders: Leaders,
    pub(super) left_behind: Rc<Cell<bool>>,
    pub(super) tree: Rc<Tree>,
    pub(super) tail: Rc<TailWriter>,
    pub(super) members: watch::Sender<Vec<u32>>,
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) tree_gone: watch::Sender<bool>,
    pub(super) report: watch::Sender<Option<ExitReport>>,
    /// True: its first process has ended by itself, and something is left.
    pub(super) broken: watch::Sender<bool>,
    pub(super) claims: Rc<Claims>,
    pub(super) stop: StopCommand,
    /// How long what a crashed backend leaves behind may clean up.
    pub(super) crash_grace: Duration,
    pub(super) record: Record,
    pub(super) record_file: PathBuf,
    pub(super) finished: bool,
    /// Given back when nothing of the run is left.
    pub(super) slot: Option<(OwnedSemaphorePermit, PortHold)>,
}

/// What a run has to do with its port, shared with its handle.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) port: u16,
    /// Whoever listens there belongs to the run.
    pub(super) claimed: Cell<bool>,
    /// Who still listens there after the run was ended.
    pub(super) remainder: RefCell<Option<String>>,
}

/// Why and since when the tree is being ended, for the log.
struct Ending {
    wish: Wish,
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

impl Owner {
    pub(super) async fn run(mut self) {
        records::write(self.record_file.clone(), self.record.clone()).await;
        let mut ending = Ending {
            wish: Wish::Run,
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
            if let Some(room) = self.record.room.clone() {
                let closed = tokio::task::spawn_blocking(move || platform::cgroup::close(&room)).await;
                closed.unwrap_or_else(|error| log::error!("models/{}: its cgroup: {error}", self.model));
            }
            records::remove(self.record_file.clone()).await;
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
        if status.is_some() && ending.wish < Wish::Kill && self.until_rest_ends(ending).await {
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
                    Wish::Kill => return None,
                    Wish::Terminate => {
                        log::info!("models/{}: asking pid {} to exit", self.model, self.leader.pid);
                        self.ask_to_end(ending).await;
                        self.stop.run();
                    }
                    Wish::Run => {}
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

    /// Asks every member to end that hasn't been asked yet. Who can't be seen or reached now is asked soon again.
    async fn ask_to_end(&self, ending: &mut Ending) {
        ending.ask_again = None;
        let members = match self.tree.scan().await {
            Ok(members) => members,
            Err(error) => {
                self.tell_blind(ending, &error);
                if !ending.group_told {
                    self.signal_by_number(Signal::Terminate);
                    ending.group_told = true;
                }
                ending.ask_again = Some(Instant::now() + LOOK_AGAIN);
                return;
            }
        };
        let by_number = |info: &ProcessInfo| ending.group_told && info.group == self.leader.pid;
        let new: Vec<ProcessInfo> =
            members.into_iter().filter(|info| !ending.told.contains(&info.id) && !by_number(info)).collect();
        let sent = self.tree.signal(&new, Signal::Terminate);
        ending.told.extend(new.iter().map(|info| info.id));
        if let Err((missed, error)) = sent {
            self.tell_blind(ending, &error);
            for info in missed {
                ending.told.remove(&info.id);
            }
            ending.ask_again = Some(Instant::now() + LOOK_AGAIN);
        }
    }

    /// The leader and its group are reached without looking at anything; its group also after the leader has ended.
    fn signal_by_number(&self, signal: Signal) {
        if let Err(error) = self.held.signal(signal, self.child.id().is_none()) {
            log::warn!("models/{}: pid {} can't be signalled: {error}", self.model, self.leader.pid);
        }
    }

    fn tell_blind(&self, ending: &mut Ending, error: &io::Error) {
        if !std::mem::replace(&mut ending.blind, true) {
            log::error!("models/{}: can't list its processes ({error}); trying again", self.model);
        }
    }

    /// Waits for the rest of the tree after its leader; false: it is to be killed.
    async fn until_rest_ends(&mut self, ending: &mut Ending) -> bool {
        let rest = match self.settled().await {
            Ok(rest) if rest.is_empty() => return true,
            Ok(rest) => rest,
            // Killing looks again, and tells.
            Err(_) if ending.wish == Wish::Run => return false,
            Err(error) => {
                self.tell_blind(ending, &error);
                Vec::new()
            }
        };
        // Asked to end, the rest has the time that the one who asked gives it. Otherwise a backend without
        // its leader is a broken backend, which only stands in the way of the next start.
        let by_itself = ending.wish == Wish::Run;
        if by_itself {
            self.broken.send_replace(true);
            log::warn!(
                "models/{}: pid {} ended and left {} behind: asking {} to exit",
                self.model,
                self.leader.pid,
                count(&rest),
                tree::names(&rest)
            );
            self.ask_to_end(ending).await;
        }
        let grace = Instant::now() + self.crash_grace;
        let mut pause = SHORTEST_PAUSE;
        loop {
            self.held.has_group();
            let ask_again = due(ending.ask_again);
            tokio::select! {
                () = next_wish(&mut self.wish, ending) => match ending.wish {
                    Wish::Kill => return false,
                    _ => self.ask_to_end(ending).await,
                },
                () = ask_again => self.ask_to_end(ending).await,
                () = sleep_until(grace), if by_itself => return false,
                () = sleep(pause) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    match self.settled().await {
                        Ok(left) if left.is_empty() => return true,
                        Ok(_) => {}
                        Err(error) => self.tell_blind(ending, &error),
                    }
                }
            }
        }
    }

    /// A server that is no child of ours (a container, one that left for a life of its own) is over when nobody
    /// listens on its port any more. It can't be killed from here.
    async fn until_port_is_free(&mut self, ending: &mut Ending) {
        let port = self.claims.port;
        if !self.claims.claimed.get() || ending.orphaned || !port::is_taken(port) {
            return;
        }
        if ending.wish == Wish::Run {
            self.broken.send_replace(true);
            self.stop.run();
        }
        let began = Instant::now();
        let mut named = false;
        let mut pause = SHORTEST_PAUSE;
        while port::is_taken(port) {
            if !named && began.elapsed() > PORT_PATIENCE {
                named = true;
                let holders = port::holders(port).await.unwrap_or_default();
                let by = holders.first().map_or_else(
                    || "a process that can't be seen (another user's, or in a container)".to_owned(),
                    ToString::to_string,
                );
                log::warn!(
                    "models/{}: pid {} has ended, but {by} still listens on port {port}: waiting until the port is \
                     free{}",
                    self.model,
                    self.leader.pid,
                    self.stop.advice()
                );
                *self.claims.remainder.borrow_mut() = Some(format!(
                    "port {port} is still in use by {by}, which this manager can't end{}",
                    self.stop.advice()
                ));
            }
            tokio::select! {
                () = next_wish(&mut self.wish, ending) => {
                    if ending.orphaned {
                        return;
                    }
                    self.stop.run();
                }
                () = sleep(pause) => pause = (pause * 2).min(PORT_PAUSE),
            }
        }
        self.claims.remainder.take();
    }

    /// Kills until nothing is left; returns what would not die, or could not be looked at.
    async fn kill_tree(&self, ending: &mut Ending, leader_gone: bool) -> Left {
        let started = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        let mut told = false;
        loop {
            let left = match self.settled().await {
                Ok(left) if left.is_empty() => return Left::default(),
                Ok(survivors) => Left { survivors, unseen: None },
                Err(error) => Left { survivors: Vec::new(), unseen: Some(error) },
            };
            match &left.unseen {
                None if !told => {
                    told = true;
                    let why = self.why_kill(ending, leader_gone, &left.survivors);
                    log::warn!("models/{}: {why}", self.model);
                }
                None => {}
                Some(error) => {
                    self.tell_blind(ending, error);
                    self.signal_by_number(Signal::Kill);
                }
            }
            // Who was missed is met again in the next round.
            let missed = self.tree.signal(&left.survivors, Signal::Kill);
            if started.elapsed() > KILL_LIMIT {
                if let Err((_, error)) = missed {
                    log::error!("models/{}: can't send SIGKILL: {error}", self.model);
                }
                log::error!(
                    "models/{}: {FORCE} did not end everything within {} s. Left: {}; their memory stays in use",
                    self.model,
                    KILL_LIMIT.as_secs(),
                    left.names().join(", ")
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
                format!(
                    "what pid {pid} left behind did not end within {} s, killing {}",
                    self.crash_grace.as_secs_f32(),
                    tree::names(left)
                )
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
    async fn settled(&self) -> io::Result<Vec<ProcessInfo>> {
        let first = self.tree.scan().await?;
        if !first.is_empty() {
            return Ok(first);
        }
        sleep(SHORTEST_PAUSE).await;
        self.tree.scan().await
    }
}

impl Drop for Owner {
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
