//! How a run is ended: all of its tree are asked, then killed, until nothing of it is left.

use super::super::platform::{ASK, FORCE, ProcessInfo, Signal};
use super::super::port::{self};
use super::super::tree::{self};
use super::{Ending, Left, RunOwner, StopLevel, due, next_wish};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A port that is still taken after its run has ended is looked at this often.
const PORT_PAUSE: Duration = Duration::from_millis(250);
/// And named after this time: a listener that closes takes a moment.
const PORT_PATIENCE: Duration = Duration::from_millis(500);
/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// Until the process table is read again after a reading that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

impl RunOwner {
    /// Asks every member to end that hasn't been asked yet. Who can't be seen or reached now is asked soon again.
    pub(super) async fn ask_to_end(&self, ending: &mut Ending) {
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
    pub(super) fn signal_by_number(&self, signal: Signal) {
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
    pub(super) async fn until_rest_ends(&mut self, ending: &mut Ending) -> bool {
        let rest = match self.settled().await {
            Ok(rest) if rest.is_empty() => return true,
            Ok(rest) => rest,
            // Killing looks again, and tells.
            Err(_) if ending.wish == StopLevel::Run => return false,
            Err(error) => {
                self.tell_blind(ending, &error);
                Vec::new()
            }
        };
        // Asked to end, the rest has the time that the one who asked gives it. Otherwise a backend without
        // its leader is a broken backend, which only stands in the way of the next start.
        let by_itself = ending.wish == StopLevel::Run;
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
                    StopLevel::Kill => return false,
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
    pub(super) async fn until_port_is_free(&mut self, ending: &mut Ending) {
        let port = self.claims.port;
        if !self.claims.claimed.get() || ending.orphaned || !port::is_taken(port) {
            return;
        }
        if ending.wish == StopLevel::Run {
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
    pub(super) async fn kill_tree(&self, ending: &mut Ending, leader_gone: bool) -> Left {
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
    /// Where the kernel itself counts who is left, one is enough.
    async fn settled(&self) -> io::Result<Vec<ProcessInfo>> {
        let first = self.tree.look().await?;
        if !first.members.is_empty() || first.is_over {
            return Ok(first.members);
        }
        sleep(SHORTEST_PAUSE).await;
        self.tree.scan().await
    }
}

fn count(processes: &[ProcessInfo]) -> String {
    match processes.len() {
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    }
}
