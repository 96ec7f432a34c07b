//! The Billing actor: two hands, and what each does next.
//!
//! One hand works at the database, the other one at the overflow file; `recording::choose` says what they do. The
//! actor itself never waits for either.

use super::hand::Hand;
use super::handle::{BATCH, Batch, Core, Ledger, State};
use super::jobs::Job;
use super::lost::Lost;
use super::replay::Replay;
use super::start::Settings;
use super::work::{Done, Work};
use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle, fut::wrap_future};
use llm_manager_ledger::{StoreError, now_us};
use llm_manager_policy::clock;
use llm_manager_policy::recording::{self, Health, Patience, View, choose};
use llm_manager_policy::system::no_thread;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// How long the first row of a batch waits for others: with the writing itself less than 100 ms.
const LINGER: Duration = Duration::from_millis(50);
/// From when on the log says that the ledger does not answer.
const TELL_SILENCE: Duration = Duration::from_secs(1);
/// From when on a hand at the database is given up, with its connection. Its rows are safe long before.
const GIVE_UP_ROWS: Duration = Duration::from_secs(10);
/// The same for a job: one step of a deletion may take its time.
const GIVE_UP_JOB: Duration = Duration::from_secs(60);
/// The end of the program waits for the ledger no longer than this.
const GIVE_UP_CLOSING: Duration = Duration::from_secs(2);
/// Until the overflow file is tried again.
const SPILL_PAUSE: Duration = Duration::from_millis(200);
/// Pause between two looks at what retention has to delete.
const RETENTION_PERIOD: Duration = Duration::from_secs(6 * 3600);

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

/// What the hand of the database has in hand.
struct Busy {
    /// Tells it from what was given up.
    number: u64,
    since: Instant,
    rows: bool,
    /// The job, for another try.
    job: Option<Job>,
    give_up: Duration,
    told: bool,
    /// The next look at it.
    watch: Option<SpawnHandle>,
}

/// The actor.
pub struct Billing {
    core: Arc<Core>,
    settings: Settings,
    origin: Instant,
    hand: Option<Hand>,
    busy: Option<Busy>,
    works: u64,
    patience: Patience,
    health: Health,
    /// The overflow's hand is working.
    spilling: bool,
    /// Not before this is the overflow file tried again, and why not.
    spill_after: Option<(Instant, String)>,
    replay: Option<Replay>,
    jobs: VecDeque<Job>,
    /// A batch was written last, so a job may have its turn.
    job_next: bool,
    flushes: Vec<(u64, Reply)>,
    closing: Vec<Reply>,
    /// At the end: the rows that wait were tried in the ledger, in vain.
    tried: bool,
    trouble: Option<StoreError>,
    /// The disk that was full is being asked whether it has room.
    asking: bool,
    closed: bool,
    linger: Option<SpawnHandle>,
    pump: Option<AbortHandle>,
    /// Both clocks at the last look.
    clocks: (i64, Instant),
}

impl Billing {
    /// The actor for a ledger that was started; what its predecessor has left it finds there.
    pub fn new(ledger: &Ledger, settings: Settings) -> Self {
        Self {
            core: Arc::clone(&ledger.0),
            settings,
            origin: Instant::now(),
            hand: None,
            busy: None,
            works: 0,
            patience: Patience::default(),
            health: Health::default(),
            spilling: false,
            spill_after: None,
            replay: None,
            jobs: VecDeque::from([Job::Sweep]),
            job_next: false,
            flushes: Vec::new(),
            closing: Vec::new(),
            tried: false,
            trouble: None,
            asking: false,
            closed: false,
            linger: None,
            pump: None,
            clocks: (now_us(), Instant::now()),
        }
    }

    pub(super) fn queue_job(&mut self, job: Job, ctx: &mut Context<Self>) {
        self.jobs.push_back(job);
        self.turn(ctx);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn waiting(&self) -> usize {
        self.core.take.len() + usize::from(self.core.in_flight.load().is_some())
    }

    fn view(&self) -> View {
        if self.linger.is_none() {
            // Before the queue is looked at: whatever comes after this look wakes the actor again.
            self.core.woken.store(false, Ordering::Release);
        }
        let closing = !self.closing.is_empty();
        let urgent = closing || !self.flushes.is_empty() || self.core.take.len() >= BATCH;
        // A batch that was begun never lingers: it has done so before.
        let begun = self.core.in_flight.load().is_some();
        let writing = self.busy.as_ref().is_some_and(|busy| busy.rows);
        let overdue = self.busy.as_ref().is_some_and(|busy| busy.since.elapsed() >= self.patience.limit());
        View {
            due: (begun && !self.spilling && (!writing || overdue))
                || (self.waiting() > 0 && (urgent || self.linger.is_none())),
            busy: self.busy.is_some(),
            overdue,
            resting: self.health.rest(self.now()).is_some(),
            troubled: self.health.is_troubled(),
            spilling: self.spilling,
            spill_failed: self.spill_after.as_ref().is_some_and(|(at, _)| Instant::now() < *at),
            dirty: self.replay.is_some() || self.core.overflow.is_dirty(),
            jobs: !self.jobs.is_empty(),
            job_next: self.job_next,
            closing,
            tried: self.tried,
        }
    }

    /// Gives each hand its next piece of work.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if self.closed {
            return;
        }
        let view = self.view();
        let next = choose(&view);
        if next.spill {
            self.spill(ctx);
        }
        match next.database {
            Some(work) => self.begin(work, ctx),
            None if view.closing && view.due && view.spill_failed && view.tried && !view.busy => {
                let trouble = self.trouble.take();
                self.end(trouble, ctx);
            }
            None => (),
        }
        self.answer_flushes(&view);
        let troubled = self.health.is_troubled() || self.spill_after.is_some();
        self.core.set_state(match (&self.busy, troubled) {
            (_, true) => State::Backoff,
            (Some(_), false) => State::Flushing,
            (None, false) => State::Idle,
        });
    }

    /// The overflow's hand takes the rows that wait.
    fn spill(&mut self, ctx: &mut Context<Self>) {
        let Some(batch) = self.core.next_batch() else { return };
        self.spilling = true;
        let answer = self.core.overflow.many(&batch.events);
        let done = wrap_future::<_, Self>(answer).map(move |done, this, ctx| {
            this.spilling = false;
            match done.unwrap_or_else(|_| Err("its thread has ended".to_owned())) {
                Ok(()) => {
                    this.core.batch_done(&batch);
                    this.spill_after = None;
                    this.tried = false;
                }
                Err(error) => this.spill_failed(error, ctx),
            }
            this.turn(ctx);
        });
        ctx.spawn(done);
    }

    fn spill_failed(&mut self, error: String, ctx: &mut Context<Self>) {
        if self.spill_after.is_none() {
            let path = self.core.overflow_path.display();
            log::error!("billing: {path}: {error}; rows wait in memory, and a crash would lose them");
        }
        self.core.last_error.store(Some(Arc::new(format!("the overflow file: {error}"))));
        self.spill_after = Some((Instant::now() + SPILL_PAUSE, error));
        ctx.run_later(SPILL_PAUSE + Duration::from_millis(1), |this, ctx| this.turn(ctx));
    }

    /// The database's hand begins its next piece of work.
    fn begin(&mut self, work: recording::Work, ctx: &mut Context<Self>) {
        let rows = work == recording::Work::Write;
        self.job_next = rows;
        let mut job = None;
        let work = match work {
            recording::Work::Write => match self.core.next_batch() {
                Some(batch) => {
                    self.tried = !self.closing.is_empty();
                    Work::Write(batch)
                }
                None => return,
            },
            recording::Work::Replay => Work::Replay(self.replay.take().unwrap_or_default()),
            recording::Work::Job => match self.jobs.pop_front() {
                Some(next) => {
                    job = next.again();
                    Work::Job(next)
                }
                None => return,
            },
            recording::Work::Close => Work::Close,
        };
        let batch = match &work {
            Work::Write(batch) => Some(Arc::clone(batch)),
            _ => None,
        };
        let (closing, long) = (matches!(work, Work::Close), matches!(work, Work::Job(_)));
        let hand = match self.hand.take().map_or_else(|| Hand::start(Arc::clone(&self.core)), Ok) {
            Ok(hand) => self.hand.insert(hand),
            Err(error) => {
                self.jobs.extend(job);
                self.failed(&StoreError::Other(no_thread(&error)), ctx);
                return;
            }
        };
        let answer = hand.begin(work);
        self.works += 1;
        let number = self.works;
        let give_up = if long { GIVE_UP_JOB } else { GIVE_UP_ROWS };
        self.busy =
            Some(Busy { number, since: Instant::now(), rows, job, give_up, told: false, watch: None });
        self.watch(self.patience.limit(), ctx);
        let done = wrap_future::<_, Self>(answer).map(move |done, this, ctx| {
            if this.busy.as_ref().is_none_or(|busy| busy.number != number) {
                // It was given up, and has come back all the same.
                return;
            }
            this.worked(done.ok(), batch.as_ref(), closing, ctx);
        });
        ctx.spawn(done);
    }

    /// Looks at the present work again after a while.
    fn watch(&mut self, after: Duration, ctx: &mut Context<Self>) {
        // A little later than that: the time must have come.
        let handle = ctx.run_later(after + Duration::from_millis(1), Self::look);
        if let Some(busy) = &mut self.busy {
            busy.watch = Some(handle);
        }
    }

    /// The present work lasts: longer than usual, so long that it is worth a line in the log, or too long.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let limit = self.patience.limit();
        let Some(busy) = &mut self.busy else { return };
        let (lasted, give_up) = (busy.since.elapsed(), busy.give_up);
        if lasted >= give_up {
            self.give_up(give_up, ctx);
        } else if lasted >= TELL_SILENCE && !busy.told && give_up != GIVE_UP_JOB {
            busy.told = true;
            self.watch(give_up - lasted, ctx);
            self.failed(&StoreError::Silent(format!("for {} s so far", TELL_SILENCE.as_secs())), ctx);
        } else {
            let next = [limit, TELL_SILENCE, give_up].into_iter().find(|time| *time > lasted);
            self.watch(next.unwrap_or(give_up).saturating_sub(lasted), ctx);
        }
        self.turn(ctx);
    }

    fn give_up(&mut self, after: Duration, ctx: &mut Context<Self>) {
        if let Some(hand) = self.hand.take() {
            hand.give_up();
        }
        if let Some(busy) = self.busy.take() {
            self.jobs.extend(busy.job);
        }
        self.failed(&StoreError::Silent(format!("for {} s", after.as_secs())), ctx);
    }

    fn worked(
        &mut self,
        done: Option<Done>,
        batch: Option<&Arc<Batch>>,
        closing: bool,
        ctx: &mut Context<Self>,
    ) {
        let Some(busy) = self.busy.take() else { return };
        if let Some(watch) = busy.watch {
            ctx.cancel_future(watch);
        }
        let done = done.unwrap_or_else(|| {
            self.hand = None;
            let trouble = StoreError::Other("the writing has crashed; see the log".into());
            Done { again: None, trouble: Some(trouble), proved: false }
        });
        match done.again {
            Some(Work::Replay(replay)) => self.replay = Some(replay),
            Some(Work::Job(job)) => self.jobs.push_back(job),
            _ => (),
        }
        if closing {
            self.end(done.trouble, ctx);
            return;
        }
        match &done.trouble {
            Some(error) => self.failed(error, ctx),
            None => {
                if batch.is_some() {
                    self.patience.learn(busy.since.elapsed());
                    self.tried = false;
                }
                if done.proved {
                    self.health.write();
                }
                self.recovered(ctx);
            }
        }
        if self.core.take.len() < BATCH && !self.core.take.is_empty() && self.flushes.is_empty() {
            self.start_lingering(ctx);
        }
        self.turn(ctx);
    }

    fn failed(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        let now = self.now();
        let text = error.to_string();
        if self.health.fail(now) {
            log::error!("billing: {text}; rows go into the overflow file until it can be written again");
        }
        self.core.last_error.store(Some(Arc::new(text)));
        self.trouble = Some(error.clone());
        if let Some(rest) = self.health.rest(now) {
            ctx.run_later(rest + Duration::from_millis(1), |this, ctx| this.turn(ctx));
        }
    }

    fn recovered(&mut self, ctx: &mut Context<Self>) {
        let was_full = matches!(self.trouble, Some(StoreError::Full(_))) && self.core.eye.is_some();
        if !was_full || !self.health.seems_over(self.now()) {
            self.is_over();
            return;
        }
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let answer = wrap_future::<_, Self>(self.core.overflow.room()).map(|room, this, _| {
            this.asking = false;
            match room {
                Ok(Ok(())) => this.is_over(),
                Ok(Err(_)) | Err(_) => this.health.doubt(this.now()),
            }
        });
        ctx.spawn(answer);
    }

    fn is_over(&mut self) {
        if self.health.is_over(self.now()) {
            log::warn!("billing: the ledger can be written again");
            self.core.last_error.store(None);
            self.trouble = None;
        }
    }

    fn start_lingering(&mut self, ctx: &mut Context<Self>) {
        if self.linger.is_none() {
            self.linger = Some(ctx.run_later(LINGER, |this, ctx| {
                this.linger = None;
                this.turn(ctx);
            }));
        }
    }

    /// Answers those whose rows are safe, or all when nothing can be written anywhere.
    fn answer_flushes(&mut self, view: &View) {
        let done = self.core.counters.done.load(Ordering::Acquire);
        let stuck = view.troubled && view.spill_failed;
        for (target, reply) in std::mem::take(&mut self.flushes) {
            // Nobody waits for it any more: that changes nothing.
            if target <= done {
                let _ = reply.send(Ok(()));
            } else if stuck {
                let text = "neither the ledger nor the overflow file can be written";
                let _ = reply.send(Err(StoreError::Full(text.to_owned())));
            } else {
                self.flushes.push((target, reply));
            }
        }
    }

    /// The end: whatever is in memory alone gets a last chance, and is counted as lost otherwise.
    fn end(&mut self, trouble: Option<StoreError>, ctx: &mut Context<Self>) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.hand = None;
        let core = Arc::clone(&self.core);
        let last = async move {
            let mut left = Lost::default();
            while let Some(batch) = core.next_batch() {
                // What is still to come must not wait for ever either.
                let many = actix_rt::time::timeout(GIVE_UP_CLOSING, core.overflow.many(&batch.events));
                if !matches!(many.await, Ok(Ok(Ok(())))) {
                    left += Lost::of(&*batch.events);
                }
                core.batch_done(&batch);
            }
            let held = actix_rt::time::timeout(GIVE_UP_CLOSING, core.overflow.finish()).await;
            left += held.map_or_else(|_| Lost::default(), Result::unwrap_or_default);
            left
        };
        let done = wrap_future::<_, Self>(last).map(move |left, this, _| this.ended(trouble, left));
        ctx.spawn(done);
    }

    fn ended(&mut self, trouble: Option<StoreError>, left: Lost) {
        self.core.set_state(State::Closed);
        self.core.hold.store(None);
        let path = self.core.overflow_path.display();
        if !left.is_none() {
            self.core.overflow.lose(left, "neither the ledger nor the overflow file could be written");
            log::error!("billing: {left} lost at the end: neither the ledger nor {path} could be written");
        }
        if let Some(error) = &trouble {
            let rest = if self.core.overflow.is_dirty() {
                format!("; other rows that it does not have are in {path}, and are written at the next start")
            } else {
                String::new()
            };
            log::error!("billing: the ledger was not closed: {error}{rest}");
        }
        for reply in self.closing.drain(..).chain(self.flushes.drain(..).map(|(_, reply)| reply)) {
            let _ = reply.send(trouble.clone().map_or(Ok(()), Err));
        }
    }

    fn retain(&mut self, ctx: &mut Context<Self>) {
        let days = self.core.retention_days.load(Ordering::Relaxed);
        if days != u32::MAX {
            self.queue_job(Job::RetainDays(days), ctx);
        }
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        let (wall, steady) = (now_us(), Instant::now());
        if let Some(jump) = clock::jump(self.clocks.0, wall, steady.duration_since(self.clocks.1)) {
            let size = jiff::SignedDuration::from_micros(jump.saturating_abs());
            let way = if jump > 0 { "ahead" } else { "back" };
            log::warn!(
                "the system's clock has jumped {way} by {size:#} (or the machine slept); paid time goes by a steady clock"
            );
        }
        self.clocks = (wall, steady);
        self.recovered(ctx);
        let waits = self.jobs.iter().any(|job| matches!(job, Job::Heartbeat));
        if !self.closed && !waits {
            self.queue_job(Job::Heartbeat, ctx);
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
        ctx.run_interval(self.settings.heartbeat, Self::beat);
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
        ctx.run_later(GIVE_UP_CLOSING, |this, ctx| {
            if let Some(hand) = this.hand.take() {
                hand.give_up();
            }
            if !this.closed {
                this.busy = None;
                let trouble = this.trouble.take();
                let silent = StoreError::Silent(format!("for {} s", GIVE_UP_CLOSING.as_secs()));
                this.end(Some(trouble.unwrap_or(silent)), ctx);
            }
        });
        self.turn(ctx);
        let gone = || Err(StoreError::Other("billing has crashed while it was closing".into()));
        Box::pin(async move { answer.await.unwrap_or_else(|_| gone()) })
    }
}
