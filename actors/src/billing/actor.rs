//! The Billing actor: two hands, and what each does next.
//!
//! One hand works at the database, the other one at the overflow file; `recording::choose` says what they do. The
//! actor itself never waits for either.

mod turn;

use super::database_thread::DatabaseThread;
use super::handle::{BATCH, Core, Ledger, LedgerState};
use super::jobs::LedgerJob;
use super::lost_events::LostEvents;
use super::replay::Replay;
use super::start::BillingSettings;
use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle, fut::wrap_future};
use llm_manager_ledger::{StoreError, now_us};
use llm_manager_policy::clock;
use llm_manager_policy::recording::{LedgerHealth, Patience};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The end of the program waits for the ledger no longer than this.
const GIVE_UP_CLOSING: Duration = Duration::from_secs(2);
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
pub struct CloseLedger;

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
    job: Option<LedgerJob>,
    give_up: Duration,
    told: bool,
    /// The next look at it.
    watch: Option<SpawnHandle>,
}

/// The actor.
pub struct Billing {
    core: Arc<Core>,
    settings: BillingSettings,
    origin: Instant,
    hand: Option<DatabaseThread>,
    busy: Option<Busy>,
    works: u64,
    patience: Patience,
    health: LedgerHealth,
    /// The overflow's hand is working.
    spilling: bool,
    /// Not before this is the overflow file tried again, and why not.
    spill_after: Option<(Instant, String)>,
    replay: Option<Replay>,
    jobs: VecDeque<LedgerJob>,
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
    pub fn new(ledger: &Ledger, settings: BillingSettings) -> Self {
        Self {
            core: Arc::clone(&ledger.0),
            settings,
            origin: Instant::now(),
            hand: None,
            busy: None,
            works: 0,
            patience: Patience::default(),
            health: LedgerHealth::default(),
            spilling: false,
            spill_after: None,
            replay: None,
            jobs: VecDeque::from([LedgerJob::Sweep]),
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

    pub(super) fn queue_job(&mut self, job: LedgerJob, ctx: &mut Context<Self>) {
        self.jobs.push_back(job);
        self.turn(ctx);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn waiting(&self) -> usize {
        self.core.take.len() + usize::from(self.core.in_flight.load().is_some())
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
            let mut left = LostEvents::default();
            while let Some(batch) = core.next_batch() {
                // What is still to come must not wait for ever either.
                let many = actix_rt::time::timeout(GIVE_UP_CLOSING, core.overflow.many(&batch.events));
                if !matches!(many.await, Ok(Ok(Ok(())))) {
                    left += LostEvents::of(&*batch.events);
                }
                core.batch_done(&batch);
            }
            let held = actix_rt::time::timeout(GIVE_UP_CLOSING, core.overflow.finish()).await;
            left += held.map_or_else(|_| LostEvents::default(), Result::unwrap_or_default);
            left
        };
        let done = wrap_future::<_, Self>(last).map(move |left, this, _| this.ended(trouble, left));
        ctx.spawn(done);
    }

    fn ended(&mut self, trouble: Option<StoreError>, left: LostEvents) {
        self.core.set_state(LedgerState::Closed);
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
            self.queue_job(LedgerJob::RetainDays(days), ctx);
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
        let waits = self.jobs.iter().any(|job| matches!(job, LedgerJob::Heartbeat));
        if !self.closed && !waits {
            self.queue_job(LedgerJob::Heartbeat, ctx);
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

impl Handler<CloseLedger> for Billing {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, _: CloseLedger, ctx: &mut Context<Self>) -> Self::Result {
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
