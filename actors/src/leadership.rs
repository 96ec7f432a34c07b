//! Leadership: the actor that asks the database which of several managers leads. `llm_manager_policy::leadership` decides.
//!
//! It asks several times a second, one question at a time, on a thread that may block. What follows from the answers is in
//! [`LeadershipStatus`], which everybody may watch; whether this manager may act at this moment is one look at an atomic, and needs
//! neither the actor nor the database. A restarted actor goes on with the lease that its predecessor held.

mod wire;

use crate::actor_ref::{ActorRef, tell};
use crate::supervisor::{Child, ChildSpec};
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use llm_manager_ledger::{LeaseAnswer, LeaseConnection, LeaseQuestion, Location, StoreError, now_us};
use llm_manager_policy::leadership::{
    Effect, Event, LeadershipStatus, LeaseReply, Mark, Replica, ReplicaDemand, State, Terms, step,
};
use llm_manager_policy::lifecycle::Moment;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Between two questions.
const PACE: Duration = Duration::from_millis(250);
/// A manager that has given no sign of life for so long wants nothing any more.
const SILENT: Duration = Duration::from_secs(3);
/// After this it is forgotten.
const GONE: Duration = Duration::from_secs(60);
/// By then whoever leads has taken over what there is.
const STOCK_TAKEN: Duration = Duration::from_secs(30);
/// A run whose last sign of life is older has no manager, in microseconds.
const LIFELESS: i64 = 20_000_000;
/// How long the lease's return may take.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What the actor is told of this manager, and what it has to say to it.
pub trait LeadershipHost {
    /// The backends that this manager has, if it leads.
    fn replicas(&self) -> Vec<Replica>;
    /// What it wants of the one that leads.
    fn wishes(&self) -> Vec<ReplicaDemand>;
    /// What the others want of this one, which leads; each with the name of whose wish it is.
    fn serve(&self, wishes: Vec<(Arc<str>, ReplicaDemand)>);
    /// It leads from now on; these are the backends of the one that led before.
    fn lead(&self, found: Arc<[Replica]>);
    /// Some manager has changed the prices in the ledger, or may have. False: nobody is there to read them.
    fn prices_changed(&self) -> bool;
    /// The numbers in the ledger of the runs that are in use here.
    fn runs(&self) -> Vec<i64>;
}

/// Whether this manager leads, for all who have to know. Cheap to clone.
#[derive(Clone)]
pub struct Leadership(Arc<Shown>);

struct Shown {
    name: String,
    address: String,
    location: Location,
    origin: Instant,
    standing: watch::Sender<LeadershipStatus>,
    /// In microseconds since the origin.
    acts_until: AtomicU64,
    /// Counts the answers.
    answers: watch::Sender<u64>,
    live: ActorRef<Leader>,
}

impl Leadership {
    /// Of an actor that is not up yet. `name` differs from that of every other manager, and of every other start of this one;
    /// `address` is what people are told.
    pub fn new(name: String, address: String, location: Location, origin: Instant) -> Self {
        let standing = watch::Sender::new(LeadershipStatus::default());
        let acts_until = AtomicU64::new(0);
        let (answers, live) = (watch::Sender::new(0), ActorRef::new());
        Self(Arc::new(Shown { name, address, location, origin, standing, acts_until, answers, live }))
    }

    /// The child of the supervision tree.
    pub fn child_spec(&self, desk: Rc<dyn LeadershipHost>) -> ChildSpec {
        let (own, shown) = (self.clone(), self.clone());
        let mut spec = ChildSpec::new("leadership", move || {
            Child::start(Leader::new(own.clone(), Rc::clone(&desk)), &own.0.live)
        });
        spec.detail = Box::new(move || Some(shown.sentence()));
        spec
    }

    /// Who leads, and what that one has.
    pub fn standing(&self) -> watch::Receiver<LeadershipStatus> {
        self.0.standing.subscribe()
    }

    /// Where this manager is reached.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Whether this manager may start and stop runs at this moment.
    pub fn may_act(&self) -> bool {
        let now = u64::try_from(self.0.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        now < self.0.acts_until.load(Ordering::Acquire)
    }

    /// How it stands, in words.
    pub fn sentence(&self) -> String {
        let standing = self.0.standing.borrow();
        let mut words = match standing.token {
            Some(token) if self.may_act() => format!("leads (lease {token})"),
            Some(token) => {
                format!("leads (lease {token}), but can't renew it: nothing is started or stopped")
            }
            None if standing.leader.is_empty() => "no manager leads".to_owned(),
            None => format!("the manager at {} leads", standing.address),
        };
        if !standing.others.is_empty() {
            words.push_str(&format!("; others: {}", standing.others.join(", ")));
        }
        if !standing.trouble.is_empty() {
            words.push_str(&format!("; {}", standing.trouble));
        }
        words
    }

    /// Whether other managers are there, as the database says it from now on. Without an answer: as far as is known.
    pub async fn has_others(&self) -> bool {
        let mut answers = self.0.answers.subscribe();
        answers.borrow_and_update();
        // The next answer may be one to a question that was asked before.
        let fresh = async {
            for _ in 0..2 {
                let _ = answers.changed().await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORD, fresh).await;
        !self.0.standing.borrow().others.is_empty()
    }

    /// Leaves the lead to another at once: what runs goes on. `for_good`: this manager is about to be gone.
    pub async fn resign(&self, for_good: bool) {
        let Some(addr) = self.0.live.addr() else { return };
        let (done, told) = oneshot::channel();
        tell(&addr, Resign { for_good, done });
        // Without an answer the lease ends by itself.
        let _ = tokio::time::timeout(LAST_WORD, told).await;
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Resign {
    for_good: bool,
    done: oneshot::Sender<()>,
}

impl Resign {
    fn answer(self) {
        // Whoever didn't wait for it doesn't need it.
        let _ = self.done.send(());
    }
}

/// Does what may block for ever, on a thread of its own: the end of the program doesn't wait for it. `None`: it got none.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("leadership".to_owned());
    thread
        .spawn(move || {
            // Nobody waits any more.
            let _ = tell.send(work());
        })
        .ok()?;
    told.await.ok()
}

/// What comes back from the database's thread.
type Heard = Result<(LeaseConnection, LeaseAnswer), StoreError>;

/// The actor.
pub struct Leader {
    shown: Leadership,
    desk: Rc<dyn LeadershipHost>,
    terms: Terms,
    state: State,
    council: Option<LeaseConnection>,
    /// It asks no more.
    resigned: bool,
    /// Those who wait for the lease's return.
    leaving: Vec<Resign>,
    /// The lease that is given back.
    given_back: Option<u64>,
    /// When each of the others last gave a sign of life.
    alive: HashMap<String, Instant>,
    /// When runs are closed that nobody has taken over.
    close: Option<Instant>,
    /// The database hasn't answered the last questions.
    failing: bool,
    /// The prices that it had.
    prices: Option<String>,
}

impl Leader {
    fn new(shown: Leadership, desk: Rc<dyn LeadershipHost>) -> Self {
        let terms = Terms::USUAL;
        let token = shown.0.standing.borrow().token;
        let until = Duration::from_micros(shown.0.acts_until.load(Ordering::Acquire));
        let confirmed = until.saturating_sub(terms.lease.saturating_sub(terms.margin));
        Self {
            shown,
            desk,
            terms,
            state: State { token, confirmed, ..State::default() },
            council: None,
            resigned: false,
            leaving: Vec::new(),
            given_back: None,
            alive: HashMap::new(),
            close: None,
            failing: false,
            prices: None,
        }
    }

    fn now(&self) -> Moment {
        self.shown.0.origin.elapsed()
    }

    fn drive(&mut self, event: Event, found: &Arc<[Replica]>, ctx: &mut Context<Self>) {
        let (state, effects) = step(&self.state, event, self.now(), &self.terms);
        self.state = state;
        let until = self.state.acts_until(&self.terms).unwrap_or_default();
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.shown.0.acts_until.store(until, Ordering::Release);
        for effect in effects {
            match effect {
                Effect::Ask { over } => self.ask(over, ctx),
                Effect::StandBack => {
                    log::warn!("leadership: this manager leads no more; what runs goes on");
                    // Until the next one says what it has, all is as it was.
                    let own = self.desk.replicas();
                    self.show(|standing| {
                        standing.token = None;
                        standing.replicas = own.into();
                    });
                }
                Effect::Lead(token) => {
                    log::info!("leadership: this manager leads from now on (lease {token})");
                    self.close = Some(Instant::now() + STOCK_TAKEN);
                    self.desk.lead(Arc::clone(found));
                    self.show(|standing| {
                        standing.token = Some(token);
                        standing.replicas = Arc::default();
                    });
                }
            }
        }
    }

    fn show(&self, change: impl FnOnce(&mut LeadershipStatus)) {
        self.shown.0.standing.send_if_modified(|standing| {
            let before = standing.clone();
            change(standing);
            *standing != before
        });
    }

    fn ask(&mut self, over: Option<Mark>, ctx: &mut Context<Self>) {
        let leads = self.state.token.is_some();
        let question = LeaseQuestion {
            name: self.shown.0.name.clone(),
            address: self.shown.0.address.clone(),
            held: self.state.token,
            over,
            replicas: if leads { wire::replicas(&self.desk.replicas()) } else { String::new() },
            wishes: if leads { "[]".to_owned() } else { wire::wishes(&self.desk.wishes()) },
        };
        let close = self.close.filter(|at| leads && *at <= Instant::now());
        let closing = close.is_some();
        let close = close.map(|_| (now_us() - LIFELESS, self.desk.runs()));
        let gone: Vec<String> = if leads { self.gone() } else { Vec::new() };
        let (council, location) = (self.council.take(), self.shown.0.location.clone());
        let asking = aside(move || -> Heard {
            let mut council = match council {
                Some(council) => council,
                None => LeaseConnection::open(&location)?,
            };
            let answer = council.ask(&question)?;
            if let (Some((since, kept)), LeaseReply::Yours(_)) = (close, answer.said) {
                let closed = council.close_runs(&kept, since)?;
                if closed > 0 {
                    log::warn!(
                        "billing: {closed} runs of a manager that is lost are closed with its last sign of life"
                    );
                }
            }
            council.forget(&gone)?;
            Ok((council, answer))
        });
        ctx.spawn(asking.into_actor(self).map(move |heard, leader, ctx| {
            let heard = heard.unwrap_or_else(|| Err(StoreError::Other("its thread has ended".to_owned())));
            if closing && heard.is_ok() {
                leader.close = None;
            }
            leader.hear(heard, ctx);
        }));
    }

    fn gone(&mut self) -> Vec<String> {
        let gone = |since: &Instant| since.elapsed() > GONE;
        let names =
            self.alive.iter().filter(|(_, since)| gone(since)).map(|(name, _)| name.clone()).collect();
        self.alive.retain(|_, since| !gone(since));
        names
    }

    fn hear(&mut self, heard: Heard, ctx: &mut Context<Self>) {
        let (said, answer) = match heard {
            Ok((council, answer)) => {
                self.council = Some(council);
                if std::mem::replace(&mut self.failing, false) {
                    log::info!("leadership: the database answers again");
                }
                (answer.said, Some(answer))
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::warn!("leadership: the database doesn't answer: {error}");
                }
                self.show(|standing| {
                    standing.trouble = format!("the database doesn't answer: {error}").into()
                });
                (LeaseReply::Nothing, None)
            }
        };
        if self.resigned {
            if let LeaseReply::Yours(token) = said {
                self.given_back = Some(token);
            }
            return self.give_back(ctx);
        }
        let found: Arc<[Replica]> =
            answer.as_ref().map_or_else(Arc::default, |answer| wire::read_replicas(&answer.replicas).into());
        self.drive(Event::Told(said), &found, ctx);
        if let Some(answer) = answer {
            self.take_in(&answer, found);
        }
    }

    /// What the others want, and what the one that leads has.
    fn take_in(&mut self, answer: &LeaseAnswer, found: Arc<[Replica]>) {
        for manager in &answer.managers {
            // The first sight of one is no sign of life.
            let since = self.alive.entry(manager.name.clone());
            let at = since.or_insert_with(|| Instant::now().checked_sub(SILENT).unwrap_or_else(Instant::now));
            if manager.alive {
                *at = Instant::now();
            }
        }
        let lives = |name: &str| self.alive.get(name).is_some_and(|since| since.elapsed() < SILENT);
        let others: Vec<_> = answer.managers.iter().filter(|manager| lives(&manager.name)).collect();
        let addresses: Vec<String> = others.iter().map(|manager| manager.address.clone()).collect();
        let leads = self.state.token.is_some();
        self.show(|standing| {
            standing.trouble = Arc::default();
            if *standing.leader != *answer.leader || *standing.address != *answer.address {
                standing.leader = answer.leader.as_str().into();
                standing.address = answer.address.as_str().into();
            }
            if *standing.others != *addresses {
                standing.others = addresses.into();
            }
            standing.replicas = if leads { Arc::default() } else { found };
        });
        self.shown.0.answers.send_modify(|count| *count += 1);
        // The first time, too: they may have changed since this manager has read them.
        if self.prices.as_ref() != Some(&answer.prices) && self.desk.prices_changed() {
            self.prices = Some(answer.prices.clone());
        }
        if leads {
            let wishes = others.iter().flat_map(|manager| {
                let name: Arc<str> = manager.name.as_str().into();
                wire::read_wishes(&manager.wishes).into_iter().map(move |wish| (Arc::clone(&name), wish))
            });
            self.desk.serve(wishes.collect());
        } else {
            self.desk.serve(Vec::new());
        }
    }

    /// Once the connection is back.
    fn give_back(&mut self, ctx: &mut Context<Self>) {
        if self.state.asked.is_some() {
            return;
        }
        let Some(mut council) = self.council.take() else {
            self.leaving.drain(..).for_each(Resign::answer);
            return;
        };
        let (name, held) = (self.shown.0.name.clone(), self.given_back.take());
        let for_good = self.leaving.iter().any(|leaving| leaving.for_good);
        let work = aside(move || {
            // Otherwise it ends by itself.
            council.resign(&name, held, for_good).ok().map(|()| council)
        });
        ctx.spawn(work.into_actor(self).map(|council, leader, _| {
            leader.council = council.flatten();
            leader.leaving.drain(..).for_each(Resign::answer);
        }));
    }
}

impl Actor for Leader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let tick = |leader: &mut Self, ctx: &mut Context<Self>| {
            if !leader.resigned {
                leader.drive(Event::Tick, &Arc::default(), ctx);
            }
        };
        tick(self, ctx);
        ctx.run_interval(PACE, tick);
    }
}

impl Handler<Resign> for Leader {
    type Result = ();

    fn handle(&mut self, resign: Resign, ctx: &mut Context<Self>) {
        let asking = self.state.asked.is_some();
        self.resigned = true;
        self.given_back = self.given_back.or(self.state.token);
        self.leaving.push(resign);
        self.drive(Event::Resign, &Arc::default(), ctx);
        // One that is on its way brings the connection back.
        if !asking {
            self.give_back(ctx);
        }
    }
}

#[cfg(test)]
mod tests;
