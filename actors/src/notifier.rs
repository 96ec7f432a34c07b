//! Notifier: sends word of what happens to those whom `notify:` names. `llm_manager_policy::notify` decides.
//!
//! Each sending is a future of its own with a limit, one at a time for each outlet: one that hangs, or answers 500 for a day,
//! keeps its own line waiting and nothing else. A restarted actor has lost what waited; what was told in the last hour it
//! knows from [`NotificationHistory`].

mod history;
mod payloads;
mod send;
mod settings;

use crate::actor_ref::{ActorRef, tell};
use crate::fault::Panic;
use crate::supervisor::{Child, ChildSpec};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture,
    SpawnHandle, WrapFuture,
};
pub use history::NotificationHistory;
use jiff::Timestamp;
use llm_manager_policy::notify::{
    At, Delivery, DropReason, Effect, Event, HOUR, Notice, NoticeKind, Outlet, OutletConfig, State, step,
};
use llm_manager_policy::spec::NotifySpec;
use payloads::DeliveryError;
use settings::Delivered;
pub use settings::{NotifierSettings, Outlets};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The way to the Notifier, for those who have something to tell. Cheap to clone.
#[derive(Clone)]
pub struct Notifications {
    settings: Arc<NotifierSettings>,
    live: ActorRef<Notifier>,
}

impl Notifications {
    /// Of an actor that is not up yet.
    pub fn new(settings: NotifierSettings) -> Self {
        Self { settings: Arc::new(settings), live: ActorRef::new() }
    }

    /// The child of the supervision tree.
    pub fn child_spec(&self) -> ChildSpec {
        let (own, shown) = (self.clone(), self.clone());
        let mut spec = ChildSpec::new("notify", move || {
            Child::start(Notifier::new(Arc::clone(&own.settings)), &own.live)
        });
        spec.detail = Box::new(move || {
            let outlets = shown.settings.outlets.load().specs.len();
            (outlets > 0).then(|| format!("{outlets} outlet{}", if outlets == 1 { "" } else { "s" }))
        });
        spec
    }

    /// Where it is found.
    pub fn live(&self) -> &ActorRef<Notifier> {
        &self.live
    }

    /// Whether anybody wants to hear of anything.
    pub fn is_wanted(&self) -> bool {
        !self.settings.outlets.load().specs.is_empty()
    }

    /// Tells everybody who wants to hear of it. While the actor is being restarted nobody hears: what lasts is seen again.
    pub fn happened(&self, notice: Notice) {
        if let Some(addr) = self.live.addr() {
            tell(&addr, Happened(notice));
        }
    }

    /// Another configuration is in force.
    pub fn reconfigure(&self, outlets: Outlets) {
        self.settings.outlets.store(Arc::new(outlets));
        if let Some(addr) = self.live.addr() {
            tell(&addr, Configure);
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Happened(Notice);

#[derive(Message)]
#[rtype(result = "()")]
struct Configure;

/// Asks how each outlet stands, in the order of the configuration.
#[derive(Message)]
#[rtype(result = "Vec<OutletStatus>")]
pub struct GetOutletStatus;

/// One outlet.
pub struct OutletStatus {
    /// As it is configured.
    pub spec: NotifySpec,
    /// How it goes there.
    pub outlet: Outlet,
    /// In what time the next try may be.
    pub next_try_in: Option<Duration>,
}

/// Sends a test to an outlet at once, past what waits there.
#[derive(Message)]
#[rtype(result = "Result<OutletTestResult, OutletTestError>")]
pub struct Test {
    /// Its name.
    pub outlet: String,
}

/// How the test went: what went wrong, in words.
pub type OutletTestResult = Result<(), String>;

/// Why there is no test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutletTestError {
    /// No outlet has this name.
    Unknown,
    /// Another test of it is under way.
    Busy,
}

/// The actor.
pub struct Notifier {
    settings: Arc<NotifierSettings>,
    state: State,
    specs: Vec<NotifySpec>,
    timer: Option<SpawnHandle>,
    origin: Instant,
    /// Tells its numbers from those of other actors and managers.
    life: String,
}

impl Notifier {
    fn new(settings: Arc<NotifierSettings>) -> Self {
        let mut state = State::default();
        settings.told.give(&mut state, HOUR);
        let life = format!("{:x}-{:x}", Timestamp::now().as_microsecond(), std::process::id());
        Self { settings, state, specs: Vec::new(), timer: None, origin: Instant::now(), life }
    }

    fn now(&self) -> At {
        // The beginning is an hour old, so that what a predecessor has told has a moment, too.
        At { steady: HOUR + self.origin.elapsed(), wall_us: Timestamp::now().as_microsecond() }
    }

    fn id(&self, serial: u64) -> String {
        format!("{}-{serial}", self.life)
    }

    fn configure(&mut self, ctx: &mut Context<Self>) {
        let specs = self.settings.outlets.load().specs.clone();
        let wanted = specs.iter().map(|spec| {
            let before = self.specs.iter().find(|before| before.name == spec.name);
            let changed = before.is_some_and(|before| before.way != spec.way);
            OutletConfig { name: spec.name.clone(), kinds: spec.events.clone(), changed }
        });
        let wanted = wanted.collect();
        self.specs = specs;
        self.take(Event::Configured(wanted), ctx);
    }

    /// Takes an event through, and carries out what follows; answers what a test has led to.
    fn take(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = self.follow(event);
        self.carry_out(effects, ctx);
    }

    fn follow(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        let before = self.state.last_told();
        let (state, effects) = step(std::mem::take(&mut self.state), event, now);
        self.state = state;
        if self.state.last_told() != before {
            self.settings.told.take(&self.state, now.steady);
        }
        effects
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Send { outlet, delivery } => self.send(outlet, delivery, ctx),
                Effect::LeaveOut { outlet, notice, why } => left_out(outlet.as_deref(), &notice, why),
                Effect::ArmTimer(moment) => {
                    self.disarm(ctx);
                    let pause = moment.saturating_sub(self.now().steady).max(Duration::from_millis(1));
                    self.timer = Some(ctx.run_later(pause, |notifier, ctx| notifier.take(Event::Due, ctx)));
                }
                Effect::DisarmTimer => self.disarm(ctx),
                // Whoever asks carries these out.
                Effect::SendTest { .. } | Effect::RefuseTest { .. } => {}
            }
        }
    }

    fn disarm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
    }

    fn send(&self, outlet: String, delivery: Delivery, ctx: &mut Context<Self>) {
        let Some(spec) = self.specs.iter().find(|spec| spec.name == outlet).cloned() else { return };
        let Delivery { serial, notice, at } = delivery;
        let at = Timestamp::from_microsecond(at.wall_us).unwrap_or_default();
        let what = Delivered { id: self.id(serial), notice: Arc::clone(&notice), at };
        let sending = send::send(Arc::clone(&self.settings), spec, what).into_actor(self);
        ctx.spawn(sending.map(move |sent, notifier, ctx| {
            let title = &notice.title;
            let event = match sent {
                Ok(()) => {
                    log::info!("notify/{outlet}: sent: {title}");
                    Event::Sent { outlet, serial }
                }
                Err(DeliveryError { why, again }) => {
                    notifier.complain(&outlet, title, &why);
                    Event::Failed { outlet, serial, why, again }
                }
            };
            notifier.take(event, ctx);
        }));
    }

    /// In the log once; the same again and again is for those who look for it.
    fn complain(&self, outlet: &str, title: &str, why: &str) {
        let known = self.state.outlets().iter().find(|one| one.name == outlet);
        if known.is_some_and(|one| one.last_error.as_deref() == Some(why)) {
            log::debug!("notify/{outlet}: still not sent: {title}: {why}");
        } else {
            log::warn!("notify/{outlet}: not sent yet: {title}: {why}");
        }
    }
}

fn left_out(outlet: Option<&str>, notice: &Notice, why: DropReason) {
    let why = match why {
        DropReason::Full => "too many wait for it, and this was the oldest",
        DropReason::TooOld => "it could not be sent for a day",
        DropReason::Refused => "the server doesn't take it",
        DropReason::TooMany => "too much happened within an hour",
        DropReason::Gone => "it has left the configuration",
    };
    let outlet = outlet.map_or_else(String::new, |outlet| format!("/{outlet}"));
    log::warn!("notify{outlet}: left out: {}: {why}", notice.title);
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.configure(ctx);
    }
}

impl Handler<Happened> for Notifier {
    type Result = ();

    fn handle(&mut self, happened: Happened, ctx: &mut Context<Self>) {
        self.take(Event::Happened(happened.0), ctx);
    }
}

impl Handler<Configure> for Notifier {
    type Result = ();

    fn handle(&mut self, _: Configure, ctx: &mut Context<Self>) {
        self.configure(ctx);
    }
}

impl Handler<GetOutletStatus> for Notifier {
    type Result = MessageResult<GetOutletStatus>;

    fn handle(&mut self, _: GetOutletStatus, _: &mut Context<Self>) -> Self::Result {
        let now = self.now().steady;
        let pairs = self.specs.iter().zip(self.state.outlets());
        let standing = pairs.map(|(spec, outlet)| OutletStatus {
            spec: spec.clone(),
            outlet: outlet.clone(),
            next_try_in: outlet.next_try_in(now),
        });
        MessageResult(standing.collect())
    }
}

impl Handler<Test> for Notifier {
    type Result = ResponseActFuture<Self, Result<OutletTestResult, OutletTestError>>;

    fn handle(&mut self, test: Test, ctx: &mut Context<Self>) -> Self::Result {
        let effects = self.follow(Event::Test { outlet: test.outlet });
        let mut asked = Err(OutletTestError::Unknown);
        for effect in &effects {
            match effect {
                Effect::SendTest { outlet, serial } => asked = Ok((outlet.clone(), *serial)),
                Effect::RefuseTest { busy: true } => asked = Err(OutletTestError::Busy),
                _ => {}
            }
        }
        self.carry_out(effects, ctx);
        let found = asked.and_then(|(outlet, serial)| {
            let spec = self.specs.iter().find(|spec| spec.name == outlet).cloned();
            spec.map(|spec| (outlet, serial, spec)).ok_or(OutletTestError::Unknown)
        });
        let (outlet, serial, spec) = match found {
            Ok(found) => found,
            Err(untested) => return Box::pin(std::future::ready(Err(untested)).into_actor(self)),
        };
        let notice = Notice {
            kind: NoticeKind::Test,
            subject: outlet.clone(),
            title: "A test of LLM-Manager".to_owned(),
            text: "Somebody wanted to know whether word gets here. It does.".to_owned(),
        };
        let what = Delivered { id: self.id(serial), notice: Arc::new(notice), at: Timestamp::now() };
        let sending = send::send(Arc::clone(&self.settings), spec, what).into_actor(self);
        Box::pin(sending.map(move |sent, notifier, ctx| {
            let sent = sent.map_err(|unsent| unsent.why);
            notifier.take(Event::Tested { outlet, error: sent.clone().err() }, ctx);
            Ok(sent)
        }))
    }
}

impl Handler<Panic> for Notifier {
    type Result = ();

    #[expect(clippy::panic, reason = "that is what the message asks for")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("fault injection");
    }
}
