//! One turn: each hand gets its next piece of work, is looked at while it lasts, and says how it went.

use super::super::database_thread::DatabaseThread;
use super::super::handle::{BATCH, Batch, LedgerState};
use super::super::work::{Work, WorkResult};
use super::{Billing, Busy};
use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, fut::wrap_future};
use llm_manager_ledger::StoreError;
use llm_manager_policy::recording::{self, View, choose};
use llm_manager_policy::system::no_thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the first row of a batch waits for others: with the writing itself less than 100 ms.
const LINGER: Duration = Duration::from_millis(50);
/// From when on the log says that the ledger does not answer.
const TELL_SILENCE: Duration = Duration::from_secs(1);
/// From when on a hand at the database is given up, with its connection. Its rows are safe long before.
const GIVE_UP_ROWS: Duration = Duration::from_secs(10);
/// The same for a job: one step of a deletion may take its time.
const GIVE_UP_JOB: Duration = Duration::from_secs(60);
/// Until the overflow file is tried again.
const SPILL_PAUSE: Duration = Duration::from_millis(200);

impl Billing {
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
    pub(super) fn turn(&mut self, ctx: &mut Context<Self>) {
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
            (_, true) => LedgerState::Backoff,
            (Some(_), false) => LedgerState::Flushing,
            (None, false) => LedgerState::Idle,
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
    fn begin(&mut self, work: recording::WorkKind, ctx: &mut Context<Self>) {
        let rows = work == recording::WorkKind::Write;
        self.job_next = rows;
        let mut job = None;
        let work = match work {
            recording::WorkKind::Write => match self.core.next_batch() {
                Some(batch) => {
                    self.tried = !self.closing.is_empty();
                    Work::Write(batch)
                }
                None => return,
            },
            recording::WorkKind::Replay => Work::Replay(self.replay.take().unwrap_or_default()),
            recording::WorkKind::Job => match self.jobs.pop_front() {
                Some(next) => {
                    job = next.again();
                    Work::Job(next)
                }
                None => return,
            },
            recording::WorkKind::Close => Work::Close,
        };
        let batch = match &work {
            Work::Write(batch) => Some(Arc::clone(batch)),
            _ => None,
        };
        let (closing, long) = (matches!(work, Work::Close), matches!(work, Work::Job(_)));
        let hand = match self.hand.take().map_or_else(|| DatabaseThread::start(Arc::clone(&self.core)), Ok) {
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
        done: Option<WorkResult>,
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
            WorkResult { again: None, trouble: Some(trouble), proved: false }
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

    pub(super) fn recovered(&mut self, ctx: &mut Context<Self>) {
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

    pub(super) fn start_lingering(&mut self, ctx: &mut Context<Self>) {
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
}
