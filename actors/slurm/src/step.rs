//! The output of a job whose node shares no disk with this machine: read by a step of the job, which lives as long as the job does.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use llm_manager_policy::cluster::{StepPriority, Steps};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};

use crate::commands;
use crate::follow::{PIECES, Past, Reach, TAIL, begin, last_line};
use crate::job::{Doubts, JobView};
use crate::parse;
use crate::step_turns::StepTurns;
use crate::tools::{Tools, told};

/// So long a step may take until it says where it begins: `srun` waits by itself for a node that is being prepared.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long the rest may take when the job is over, and so long it may be until Slurm says that it is.
const REST: Duration = Duration::from_secs(5);
/// Between two questions whether one that waits for its turn matters more than others.
const RANKED: Duration = Duration::from_secs(2);
const PIECE: usize = 64 * 1024;
/// Of what `srun` says on its standard error so much is kept, for a message.
const WORDS: usize = 2000;

/// Whether somebody looks at what a job prints.
pub type IsFollowed = Rc<dyn Fn() -> LocalBoxFuture<'static, bool>>;

/// Reads what one job prints.
pub(crate) struct OutputReader {
    pub tools: Tools,
    pub turns: Rc<StepTurns>,
    pub wanted: IsFollowed,
    /// For those who read the log of the manager.
    pub name: String,
    pub nook: String,
    pub id: watch::Receiver<Option<u64>>,
    pub view: watch::Receiver<JobView>,
    pub doubts: Rc<Doubts>,
    pub past: Past,
    pub over: watch::Receiver<bool>,
}

impl OutputReader {
    /// The channel ends when all is read after `over` has become true.
    pub(crate) fn follow(self) -> mpsc::Receiver<Vec<u8>> {
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::task::spawn_local(self.run(sender));
        pieces
    }

    async fn run(mut self, sender: mpsc::Sender<Vec<u8>>) {
        let Some(id) = self.running().await else { return };
        let (earlier, reach) = self.past.open().await;
        let mut steps = Steps { first: !self.past.adopted, ..Steps::default() };
        let mut position = None;
        let mut ended = Instant::now();
        loop {
            if self.wait_for_turn(&mut steps, ended).await {
                return;
            }
            let before = position;
            let end = self.read(id, earlier, &mut position, &reach, &sender).await;
            ended = Instant::now();
            if sender.is_closed() {
                return;
            }
            let words = end.unwrap_or_else(|| {
                // The job's script let go of it: Slurm is about to say that the job is over.
                self.doubts.raise();
                "it ended, and Slurm doesn't say that the job is over".to_owned()
            });
            if self.is_over_within(REST).await {
                return;
            }
            steps.failures = if position == before { steps.failures.saturating_add(1) } else { 1 };
            log::warn!(
                "slurm/{}: what job {id} prints can't be read now ({words}); it runs on, and a new step is tried later",
                self.name
            );
        }
    }

    /// Until the next step has begun, or true: the job is over. One that fails or is looked at is found out about meanwhile.
    async fn wait_for_turn(&mut self, steps: &mut Steps, ended: Instant) -> bool {
        let mut waits = None;
        loop {
            steps.idle = ended.elapsed();
            let own = steps.pause();
            if own.is_zero() && !steps.first {
                steps.rank = match () {
                    () if self.doubts.is_suspected() => StepPriority::Failing,
                    () if (self.wanted)().await => StepPriority::Watched,
                    () => StepPriority::Plain,
                };
            }
            let pause = self.turns.begin(steps);
            if pause.is_zero() {
                return false;
            }
            if own.is_zero() {
                waits.get_or_insert_with(|| self.turns.wait());
            }
            if self.is_over_within(pause.min(RANKED)).await {
                return true;
            }
        }
    }

    /// Its number, once it has a node. `None`: it is over.
    async fn running(&mut self) -> Option<u64> {
        let runs =
            |view: &JobView| matches!(view, JobView::Placing { .. } | JobView::Placed(_) | JobView::Ended(_));
        {
            let began = self.view.wait_for(runs).await.ok()?;
            if matches!(&*began, JobView::Ended(_)) {
                return None;
            }
        }
        *self.id.borrow()
    }

    /// Waits, at most until the job is over; so it is, too, when whoever would know is gone.
    async fn is_over_within(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.over.wait_for(|over| *over)).await.is_ok()
    }

    /// One step, from its beginning to its end; why it ended, if it wasn't by itself.
    async fn read(
        &mut self,
        id: u64,
        earlier: Option<u64>,
        position: &mut Option<u64>,
        reach: &Reach,
        sender: &mpsc::Sender<Vec<u8>>,
    ) -> Option<String> {
        let from = match (*position, earlier) {
            (Some(position), _) => position.to_string(),
            (None, Some(earlier)) => begin(earlier).to_string(),
            (None, None) => format!("-{TAIL}"),
        };
        let mut child = match self.tools.start(&commands::read(id, &self.nook, &from)) {
            Ok(child) => child,
            Err(error) => return Some(error.to_string()),
        };
        let said = child.stderr.take().map(|errors| listen(errors, id, Rc::clone(&self.doubts)));
        if let Some(why) = self.hand_on(&mut child, earlier, position, reach, sender).await {
            return Some(why);
        }
        if let Ok(Ok(status)) = tokio::time::timeout(REST, child.wait()).await
            && status.success()
        {
            return None;
        }
        drop(child);
        let said = match said {
            Some(said) => {
                tokio::time::timeout(REST, said).await.ok().and_then(Result::ok).unwrap_or_default()
            }
            None => String::new(),
        };
        Some(format!("srun: {}", told(&said, "srun")))
    }

    /// `None`: it ended by itself.
    async fn hand_on(
        &mut self,
        child: &mut Child,
        earlier: Option<u64>,
        position: &mut Option<u64>,
        reach: &Reach,
        sender: &mpsc::Sender<Vec<u8>>,
    ) -> Option<String> {
        let mut lines = BufReader::with_capacity(PIECE, child.stdout.take()?);
        let mut first = String::new();
        match tokio::time::timeout(PATIENCE, lines.read_line(&mut first)).await {
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                return Some(format!(
                    "srun said nothing within {seconds} s; can the node reach this machine?"
                ));
            }
            Ok(read) => {
                let from = read.ok().and_then(|_| first.trim().parse().ok())?;
                if position.replace(from).is_none() {
                    self.past.begins_at(from, earlier);
                }
            }
        }
        let (mut over, view) = (self.over.clone(), self.view.clone());
        let late = async move {
            // Whoever knows of the end may be gone.
            let _ = over.wait_for(|over| *over).await;
            // Left to another manager, it isn't waited for.
            if matches!(&*view.borrow(), JobView::Ended(_)) {
                tokio::time::sleep(REST).await;
            }
        };
        tokio::pin!(late);
        loop {
            let mut bytes = vec![0; PIECE];
            let count = tokio::select! {
                read = lines.read(&mut bytes) => read.unwrap_or_default(),
                () = sender.closed() => 0,
                () = &mut late => 0,
            };
            if count == 0 {
                return None;
            }
            bytes.truncate(count);
            let line = position.and_then(|position| last_line(position, &bytes));
            if sender.send(bytes).await.is_err() {
                return None;
            }
            reach.advance(line);
            *position = position.map(|position| position + count as u64);
        }
    }
}

/// Reads what `srun` says, to its end. Slurm's word that the job is being ended comes that way first.
fn listen(
    errors: impl AsyncRead + Unpin + 'static,
    id: u64,
    doubts: Rc<Doubts>,
) -> tokio::task::JoinHandle<String> {
    tokio::task::spawn_local(async move {
        let (mut lines, mut said) = (BufReader::new(errors), String::new());
        let mut line = Vec::new();
        while matches!((&mut lines).take(PIECE as u64).read_until(b'\n', &mut line).await, Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if parse::tells_end(&text, id) {
                doubts.tell();
            }
            if said.len() < WORDS {
                said.push_str(&text);
            }
            line.clear();
        }
        said
    })
}
