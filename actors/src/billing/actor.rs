//! The Billing actor: decides what is written next, and waits when nothing can be written.

use super::handle::{BATCH, Core, Ledger, State};
use super::jobs::{self, DeleteModel, Job, RenameModel, Retain, SetPlan};
use super::replay::Replay;
use super::start::Settings;
use super::work::{Done, Work, perform};
use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle, fut::wrap_future};
use llm_manager_ledger::{Deleted, Renamed, StoreError, Writer, now_us};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// How long the first row of a batch waits for others: with the writing itself less than 100 ms.
const LINGER: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two looks at what retention has to delete.
const RETENTION_PERIOD: Duration = Duration::from_secs(6 * 3600);
const DAY_US: i64 = 86_400_000_000;

/// Writes all that was recorded before; answers when it is safe: in the ledger, or, while that cannot be
/// written, in the overflow file.
#[derive(Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Flush;

/// The same, and nothing is taken any more: the last message before the program ends.
#[derive(Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Close;

/// Something was put into the queue; sent by the actor's own task.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// The actor.
pub struct Billing {
    core: Arc<Core>,
    settings: Settings,
    writer: Option<Writer>,
    /// A piece of work is being done.
    busy: bool,
    replay: Option<Replay>,
    jobs: VecDeque<Job>,
    /// A batch was written last, so a job may have its turn.
    job_next: bool,
    flushes: Vec<(u64, Reply)>,
    closing: Vec<Reply>,
    closed: bool,
    /// Not before this is the ledger tried again.
    retry_at: Option<Instant>,
    pause: Duration,
    linger: Option<SpawnHandle>,
    pump: Option<AbortHandle>,
}

impl Billing {
    /// The actor for a ledger that was started; what its predecessor has left it finds there.
    pub fn new(ledger: &Ledger, settings: Settings) -> Self {
        Self {
            core: Arc::clone(&ledger.0),
            settings,
            writer: None,
            busy: false,
            replay: None,
            jobs: VecDeque::from([Job::Sweep]),
            job_next: false,
            flushes: Vec::new(),
            closing: Vec::new(),
            closed: false,
            retry_at: None,
            pause: FIRST_PAUSE,
            linger: None,
            pump: None,
        }
    }

    pub(super) fn queue_job(&mut self, job: Job, ctx: &mut Context<Self>) {
        self.jobs.push_back(job);
        self.turn(ctx);
    }

    fn waiting(&self) -> usize {
        self.core.take.len() + usize::from(self.core.in_flight.load().is_some())
    }

    /// What is to be done now, if anything is.
    fn choose(&mut self) -> Option<Work> {
        if self.linger.is_none() {
            // Before the queue is looked at: whatever comes after this look wakes the actor again.
            self.core.woken.store(false, Ordering::Release);
        }
        let resting = self.retry_at.is_some_and(|at| Instant::now() < at);
        let urgent = !self.flushes.is_empty() || self.core.take.len() >= BATCH;
        let due = self.waiting() > 0 && (urgent || self.linger.is_none());
        if !self.closing.is_empty() {
            return Some(Work::Close);
        }
        if due && resting {
            return Some(Work::Spill);
        }
        if resting {
            return None;
        }
        if due && (!self.job_next || self.jobs.is_empty()) {
            self.job_next = true;
            return Some(Work::Flush);
        }
        self.job_next = false;
        if let Some(job) = self.jobs.pop_front() {
            return Some(Work::Job(job));
        }
        if self.replay.is_some() || self.core.overflow.is_dirty() {
            return Some(Work::Replay(self.replay.take().unwrap_or_default()));
        }
        None
    }

    /// Begins the next piece of work, unless one is being done.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if self.busy || self.closed {
            return;
        }
        let Some(work) = self.choose() else {
            self.answer_flushes(None);
            self.core.set_state(if self.retry_at.is_some() { State::Backoff } else { State::Idle });
            return;
        };
        self.busy = true;
        self.core.set_state(State::Flushing);
        let closing = matches!(work, Work::Close);
        let (core, writer) = (Arc::clone(&self.core), self.writer.take());
        let done = tokio::task::spawn_blocking(move || perform(&core, writer, work));
        let done = wrap_future::<_, Self>(done).map(move |done, this, ctx| {
            this.busy = false;
            let done = done.unwrap_or_else(|error| Done {
                writer: None,
                again: None,
                proved: false,
                trouble: Some(StoreError::Other(format!("the writing has crashed: {error}"))),
                stuck: false,
            });
            this.worked(done, closing, ctx);
        });
        ctx.spawn(done);
    }

    fn worked(&mut self, done: Done, closing: bool, ctx: &mut Context<Self>) {
        self.writer = done.writer;
        match done.again {
            Some(Work::Replay(replay)) => self.replay = Some(replay),
            Some(Work::Job(job)) => self.jobs.push_back(job),
            _ => (),
        }
        if closing {
            self.end(done.trouble);
            return;
        }
        match &done.trouble {
            Some(error) => self.back_off(error, ctx),
            // Only what has reached the ledger proves that it can be written.
            None if done.proved && self.retry_at.is_some() => self.recovered(),
            None => (),
        }
        if done.stuck {
            // Not in circles: with the next pause, or when more has come.
            self.answer_flushes(Some("neither the ledger nor the overflow file can be written"));
            self.rest(ctx);
            return;
        }
        self.answer_flushes(None);
        if self.core.take.len() < BATCH && !self.core.take.is_empty() && self.flushes.is_empty() {
            self.start_lingering(ctx);
        }
        self.turn(ctx);
    }

    fn back_off(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        let text = error.to_string();
        if self.retry_at.is_none() {
            log::error!("billing: {text}; rows go into the overflow file until it can be written again");
        }
        self.core.last_error.store(Some(Arc::new(text)));
        self.retry_at = Some(Instant::now() + self.pause);
        // A little later than that: the time must have come.
        ctx.run_later(self.pause + Duration::from_millis(1), |this, ctx| this.turn(ctx));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn recovered(&mut self) {
        log::warn!("billing: the ledger can be written again");
        self.retry_at = None;
        self.pause = FIRST_PAUSE;
        self.core.last_error.store(None);
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.core.set_state(State::Backoff);
        self.start_lingering(ctx);
    }

    fn start_lingering(&mut self, ctx: &mut Context<Self>) {
        if self.linger.is_none() {
            self.linger = Some(ctx.run_later(LINGER, |this, ctx| {
                this.linger = None;
                this.turn(ctx);
            }));
        }
    }

    /// Answers those whose rows are safe, or all when nothing can be written.
    fn answer_flushes(&mut self, trouble: Option<&str>) {
        let done = self.core.counters.done.load(Ordering::Acquire);
        for (target, reply) in std::mem::take(&mut self.flushes) {
            // Nobody waits for it any more: that changes nothing.
            if target <= done {
                let _ = reply.send(Ok(()));
            } else if let Some(trouble) = trouble {
                let _ = reply.send(Err(StoreError::Full(trouble.to_owned())));
            } else {
                self.flushes.push((target, reply));
            }
        }
    }

    fn end(&mut self, trouble: Option<StoreError>) {
        self.closed = true;
        self.core.set_state(State::Closed);
        if let Some(error) = &trouble {
            log::error!("billing: {error}; what was not written is in the overflow file");
        }
        for reply in self.closing.drain(..).chain(self.flushes.drain(..).map(|(_, reply)| reply)) {
            let _ = reply.send(trouble.clone().map_or(Ok(()), Err));
        }
    }

    fn retain(&mut self, ctx: &mut Context<Self>) {
        if let Some(days) = self.settings.retention_days {
            let cutoff = now_us().saturating_sub(i64::from(days) * DAY_US);
            self.queue_job(Job::Retain(cutoff), ctx);
        }
    }
}

impl Actor for Billing {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (core, billing) = (Arc::clone(&self.core), ctx.address().downgrade());
        let pump = actix_rt::spawn(async move {
            loop {
                core.wake.notified().await;
                let Some(billing) = billing.upgrade() else { return };
                if billing.send(Wake).await.is_err() {
                    return;
                }
            }
        });
        self.pump = Some(pump.abort_handle());
        ctx.run_interval(self.settings.heartbeat, |this, ctx| {
            if !this.closed && this.retry_at.is_none_or(|at| at <= Instant::now()) {
                this.queue_job(Job::Heartbeat, ctx);
            }
        });
        ctx.run_interval(RETENTION_PERIOD, |this, ctx| this.retain(ctx));
        self.retain(ctx);
        self.turn(ctx);
    }
}

impl Drop for Billing {
    fn drop(&mut self) {
        if let Some(pump) = &self.pump {
            pump.abort();
        }
    }
}

impl Handler<Wake> for Billing {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        if self.core.take.len() < BATCH {
            self.start_lingering(ctx);
        }
        self.turn(ctx);
    }
}

impl Handler<Flush> for Billing {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, _: Flush, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.flushes.push((self.core.counters.pushed.load(Ordering::Acquire), reply));
        self.turn(ctx);
        Box::pin(async move { answer.await.unwrap_or(Ok(())) })
    }
}

impl Handler<Close> for Billing {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) -> Self::Result {
        self.core.closed.store(true, Ordering::Release);
        let (reply, answer) = oneshot::channel();
        if self.closed {
            return Box::pin(async { Ok(()) });
        }
        self.closing.push(reply);
        self.turn(ctx);
        let gone = || Err(StoreError::Other("billing has crashed while it was closing".into()));
        Box::pin(async move { answer.await.unwrap_or_else(|_| gone()) })
    }
}

/// Queues a job and waits for its answer.
fn ask<T: 'static>(
    billing: &mut Billing,
    ctx: &mut Context<Billing>,
    job: impl FnOnce(jobs::Reply<T>) -> Job,
) -> ResponseFuture<Result<T, StoreError>> {
    let (reply, answer) = oneshot::channel();
    billing.queue_job(job(reply), ctx);
    Box::pin(async move {
        answer.await.unwrap_or_else(|_| Err(StoreError::Other("billing was restarted; try again".into())))
    })
}

impl Handler<SetPlan> for Billing {
    type Result = ResponseFuture<Result<i64, StoreError>>;

    fn handle(&mut self, set: SetPlan, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| Job::SetPlan(set, reply))
    }
}

impl Handler<DeleteModel> for Billing {
    type Result = ResponseFuture<Result<Deleted, StoreError>>;

    fn handle(&mut self, delete: DeleteModel, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| Job::Delete(delete, reply))
    }
}

impl Handler<RenameModel> for Billing {
    type Result = ResponseFuture<Result<Renamed, StoreError>>;

    fn handle(&mut self, rename: RenameModel, ctx: &mut Context<Self>) -> Self::Result {
        ask(self, ctx, |reply| Job::Rename(rename, reply))
    }
}

impl Handler<Retain> for Billing {
    type Result = ();

    fn handle(&mut self, retain: Retain, ctx: &mut Context<Self>) {
        self.queue_job(Job::Retain(retain.cutoff), ctx);
    }
}
