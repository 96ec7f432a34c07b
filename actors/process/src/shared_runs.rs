//! Runs of a cluster that several managers share: the one that leads owns them, the others use them, and whoever leads next
//! takes them over as they are. Towards the Model it is one run all the time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::leadership::{Address, LeadershipStatus as Lead, Replica, SharedRunState};
use llm_manager_policy::spec::Place;
use tokio::sync::{Notify, watch};

use super::far::{Files, Wish, aside, tell_wait};
use super::{
    Away, BackendAddress, ExitReport, LaunchError, LaunchOrder, Launcher, PlacementState, Run, Tail,
};

/// A backend that was there is missed for so long before its run is over: its next owner may just be taking stock.
const MISSED: Duration = Duration::from_secs(5);
/// Between two looks at what nobody tells.
const LOOK: Duration = Duration::from_millis(500);

/// What a shared run needs of the manager that it is in.
pub trait SharedRunHost {
    /// Who leads, and what that one has.
    fn lead(&self) -> watch::Receiver<Lead>;
    /// The run of this number is used here only; its owner records it by `theirs`, if that is known.
    fn lend(&self, run: i64, theirs: Option<i64>);
    /// The run of this number is this manager's own now.
    fn take_over(&self, run: i64);
    /// The backend of this model or replica is about to go: nobody new is sent there.
    fn retire(&self, model: &str);
}

/// What a manager knows of a run of its own Models.
#[derive(Clone, Debug)]
pub struct KnownRun {
    /// Its number here.
    pub run: i64,
    pub variant: String,
    /// This manager owns it.
    pub owned: bool,
    /// Where it is, once that is known.
    pub address: Option<Address>,
    /// Why it isn't there yet.
    pub waits_for: Arc<str>,
}

/// The runs of a manager by the names of their models and replicas.
#[derive(Clone, Debug, Default)]
pub struct RunTable(Rc<RefCell<BTreeMap<String, KnownRun>>>);

impl RunTable {
    /// What is known of the present run.
    pub fn find(&self, model: &str) -> Option<KnownRun> {
        self.0.borrow().get(model).cloned()
    }

    fn note(&self, model: &str, known: KnownRun) {
        self.0.borrow_mut().insert(model.to_owned(), known);
    }

    /// A later run of the model may have its page already.
    fn forget(&self, model: &str, run: i64) {
        let mut book = self.0.borrow_mut();
        if book.get(model).is_some_and(|known| known.run == run) {
            book.remove(model);
        }
    }
}

/// Starts runs where this manager leads, and finds those of the one that does.
#[derive(Clone)]
pub struct SharedLauncher {
    owner: Rc<dyn Launcher>,
    fellows: Rc<dyn SharedRunHost>,
    state_dir: PathBuf,
    book: RunTable,
}

impl SharedLauncher {
    /// `owner` launches for the one that leads; the keys of runs are in `state_dir`, which all managers share.
    pub fn new(
        owner: Rc<dyn Launcher>,
        fellows: Rc<dyn SharedRunHost>,
        state_dir: PathBuf,
        book: RunTable,
    ) -> Self {
        Self { owner, fellows, state_dir, book }
    }
}

impl Launcher for SharedLauncher {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        let launcher = self.clone();
        async move {
            let lead = launcher.fellows.lead();
            let token = lead.borrow().token;
            let own = match token {
                Some(_) => Some(launcher.owner.launch(order.clone()).await?),
                None => {
                    launcher.fellows.lend(order.run, None);
                    None
                }
            };
            let (wish, of_wish) = watch::channel(Wish::Run);
            let (standing, of_standing) =
                watch::channel(PlacementState::Queued("it is being launched".into()));
            let (report, of_report) = watch::channel(None);
            let (ends, of_ends) = watch::channel(None);
            let (leaves, of_leaves) = watch::channel(None);
            let (tail, of_tail) = watch::channel(Tail::default());
            let doubt = Rc::new(Notify::new());
            let label = Rc::new(RefCell::new(kind(&order.place).0.to_owned()));
            let attendant = Attendant {
                launcher,
                order,
                lead,
                wish: of_wish,
                standing,
                ends,
                leaves,
                tail,
                doubt: Rc::clone(&doubt),
                label: Rc::clone(&label),
                at: None,
            };
            tokio::task::spawn_local(attendant.run(token.zip(own), report));
            let members = watch::Sender::default();
            let run = SharedRun {
                wish,
                standing: of_standing,
                report: of_report,
                ends: of_ends,
                leaves: of_leaves,
                tail: of_tail,
                members,
                doubt,
                label,
            };
            Ok(Box::new(run) as Box<dyn Run>)
        }
        .boxed_local()
    }

    fn expect(&self) {
        self.owner.expect();
    }
}

/// Carries on for a run, whoever owns it.
struct Attendant {
    launcher: SharedLauncher,
    order: LaunchOrder,
    lead: watch::Receiver<Lead>,
    wish: watch::Receiver<Wish>,
    standing: watch::Sender<PlacementState>,
    ends: watch::Sender<Option<Instant>>,
    leaves: watch::Sender<Option<Arc<str>>>,
    tail: watch::Sender<Tail>,
    doubt: Rc<Notify>,
    label: Rc<RefCell<String>>,
    /// Where it was last known to be.
    at: Option<Address>,
}

/// Waits for news; without a sender there are none any more.
async fn news<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

fn over(status: String, away: Option<Away>) -> ExitReport {
    let success = away.is_none();
    ExitReport { status, success, last_lines: Vec::new(), survivors: Vec::new(), away }
}

/// What people are told of a run: before it has a name, and with it.
fn kind(place: &Place) -> (&'static str, &'static str) {
    match place {
        Place::Kubernetes(_) => ("a Pod", "the Pod"),
        Place::Slurm(_) | Place::Local | Place::Url(_) => ("a job of the cluster", "the job"),
    }
}

/// The folder of a place's keys in the state folder.
fn folder(place: &Place) -> Option<&'static str> {
    match place {
        Place::Slurm(_) => Some("slurm"),
        Place::Kubernetes(_) => Some("kubernetes"),
        Place::Local | Place::Url(_) => None,
    }
}

impl Attendant {
    async fn run(mut self, mut own: Option<(u64, Box<dyn Run>)>, report: watch::Sender<Option<ExitReport>>) {
        let end = loop {
            let token = self.lead.borrow().token;
            let end = match (own.take(), token) {
                (Some((token, run)), _) => self.own(token, run).await,
                (None, Some(token)) => {
                    let launched = self.take_over().await;
                    match launched {
                        Ok(run) => {
                            own = Some((token, run));
                            continue;
                        }
                        Err(end) => Some(end),
                    }
                }
                (None, None) => self.borrow().await,
            };
            if let Some(end) = end {
                break end;
            }
        };
        self.launcher.book.forget(&self.order.model, self.order.run);
        report.send_replace(Some(end));
    }

    fn note(&self, owned: bool) {
        let waits_for = match &*self.standing.borrow() {
            PlacementState::Queued(why) => Arc::clone(why),
            PlacementState::Placed(_) => "it is asked whether it is ready".into(),
        };
        let known = KnownRun {
            run: self.order.run,
            variant: self.order.variant.clone(),
            owned,
            address: self.at.clone(),
            waits_for,
        };
        self.launcher.book.note(&self.order.model, known);
    }

    /// This manager leads from now on: what the other one had is its own, as it is.
    async fn take_over(&mut self) -> Result<Box<dyn Run>, ExitReport> {
        if Wish::heard(&self.wish) > Wish::Run {
            return Err(over("nobody wants it any more".to_owned(), None));
        }
        let run = self
            .launcher
            .owner
            .launch(self.order.clone())
            .await
            .map_err(|error| over(error.to_string(), Some(Away::Refused)))?;
        if let Some(at) = &self.at
            && run.reference().as_ref() != Some(&at.job)
        {
            // That is another one, which the next life of the model takes over; the one that was used is gone.
            run.release();
            run.exited().await;
            let status = "it was gone when this manager began to lead".to_owned();
            return Err(over(status, Some(Away::Taken(EndCause::NodeLost))));
        }
        self.launcher.fellows.take_over(self.order.run);
        Ok(run)
    }

    /// As the owner, until it has ended or another manager leads.
    async fn own(&mut self, token: u64, run: Box<dyn Run>) -> Option<ExitReport> {
        let (mut standing, mut ends, mut tail) = (run.standing(), run.ends(), run.tail());
        let mut leaves = run.leaves();
        let mut exited = run.exited();
        let mut told = Wish::Run;
        loop {
            *self.label.borrow_mut() = run.label();
            match &*standing.borrow_and_update() {
                PlacementState::Queued(why) => tell_wait(&self.standing, why.to_string()),
                PlacementState::Placed(endpoint) => {
                    if let (Some((host, port)), Some(job)) = (endpoint.node_address(), run.reference()) {
                        self.at = Some(Address { host: host.to_owned(), port, job });
                    }
                    if !matches!(&*self.standing.borrow(), PlacementState::Placed(_)) {
                        self.standing.send_replace(PlacementState::Placed(Arc::clone(endpoint)));
                    }
                }
            }
            let end = *ends.borrow_and_update();
            self.ends.send_if_modified(|old| std::mem::replace(old, end) != end);
            if let Some(why) = leaves.borrow_and_update().clone() {
                self.leaves.send_if_modified(|old| old.replace(why).is_none());
            }
            let lines = tail.borrow_and_update().clone();
            self.tail.send_if_modified(|old| {
                let changed = *old != lines;
                *old = lines;
                changed
            });
            self.note(true);
            let wish = Wish::heard(&self.wish);
            if wish > told {
                told = wish;
                if wish == Wish::Kill { run.kill() } else { run.terminate() }
            }
            if self.wish.has_changed().is_err() {
                // Dropped by its Model: so is it here.
                return Some(over("nobody holds it any more".to_owned(), None));
            }
            tokio::select! {
                report = &mut exited => return Some(report),
                () = news(&mut standing) => {}
                () = news(&mut ends) => {}
                () = news(&mut tail) => {}
                () = news(&mut leaves) => {}
                _ = self.wish.changed() => {}
                () = self.doubt.notified() => run.doubt(),
                () = news(&mut self.lead) => {
                    if self.lead.borrow().token != Some(token) {
                        self.launcher.fellows.lend(self.order.run, None);
                        run.release();
                        exited.await;
                        return None;
                    }
                }
            }
        }
    }

    /// As one that uses what another manager owns, until that has ended or this one leads.
    async fn borrow(&mut self) -> Option<ExitReport> {
        let mut missed: Option<Instant> = None;
        let mut retired = false;
        loop {
            let lead = self.lead.borrow_and_update().clone();
            if lead.token.is_some() {
                return None;
            }
            if Wish::heard(&self.wish) > Wish::Run {
                return Some(over("left to the manager that leads".to_owned(), None));
            }
            let found = lead.replica(&self.order.model);
            let seen = self.look(found, &lead).await;
            match seen {
                Seen::There => missed = None,
                Seen::Leaving => {
                    missed = None;
                    if !std::mem::replace(&mut retired, true) {
                        self.launcher.fellows.retire(&self.order.model);
                    }
                }
                Seen::Waits(why) if self.at.is_none() => tell_wait(&self.standing, why),
                Seen::Waits(why) => {
                    let since = *missed.get_or_insert_with(Instant::now);
                    if since.elapsed() >= MISSED {
                        return Some(over(why, Some(Away::Taken(EndCause::NodeLost))));
                    }
                }
                Seen::Over(report) => return Some(report),
            }
            self.note(false);
            tokio::select! {
                () = news(&mut self.lead) => {}
                changed = self.wish.changed() => if changed.is_err() {
                    return Some(over("nobody holds it any more".to_owned(), None));
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self, found: Option<&Replica>, lead: &Lead) -> Seen {
        let Some(found) = found else {
            let who = match &*lead.address {
                "" => "no manager leads at the moment; the next one starts it".to_owned(),
                address => format!("the manager at {address} leads, and is asked to start it"),
            };
            return Seen::Waits(who);
        };
        if found.variant != self.order.variant
            && matches!(found.stands, SharedRunState::Ready(_) | SharedRunState::Coming(_))
        {
            let status = format!("the manager at {} runs it as variant {}", lead.address, found.variant);
            let away = if self.at.is_some() { Away::Taken(EndCause::NodeLost) } else { Away::Refused };
            return Seen::Over(over(status, Some(away)));
        }
        match &found.stands {
            SharedRunState::Ready(address) => match &self.at {
                Some(at) if at == address => Seen::There,
                Some(_) => {
                    let status = format!("the manager at {} has begun another run", lead.address);
                    Seen::Over(over(status, Some(Away::Taken(EndCause::NodeLost))))
                }
                None => match self.endpoint(address).await {
                    Ok(endpoint) => {
                        self.launcher.fellows.lend(self.order.run, Some(found.run));
                        self.at = Some(address.clone());
                        *self.label.borrow_mut() = format!("{} {}", kind(&self.order.place).1, address.job);
                        self.standing.send_replace(PlacementState::Placed(Arc::new(endpoint)));
                        Seen::There
                    }
                    Err(why) => Seen::Waits(format!("its key can't be read yet: {why}")),
                },
            },
            SharedRunState::Leaving if self.at.is_some() => Seen::Leaving,
            SharedRunState::Leaving => Seen::Waits("its former run is ending".to_owned()),
            SharedRunState::Coming(why) => Seen::Waits(why.clone()),
            SharedRunState::Refused { wish, why } if *wish == self.order.run => {
                Seen::Over(over(why.clone(), Some(Away::Refused)))
            }
            SharedRunState::Refused { .. } => {
                Seen::Waits(format!("the manager at {} leads, and is asked to start it", lead.address))
            }
        }
    }

    /// The key is in the folder that the managers share, and nowhere else.
    async fn endpoint(&self, address: &Address) -> Result<BackendAddress, String> {
        let place = folder(&self.order.place).ok_or("it is no job")?;
        let (state_dir, job) = (self.launcher.state_dir.clone(), address.job.clone());
        if job.contains(['/', '\\']) || job.starts_with('.') {
            return Err("its name is none of a job".to_owned());
        }
        let key = aside(move || Files::open(&state_dir, place)?.folder(&job).read_key()).await;
        let key = key.map_err(|error| error.to_string())?;
        BackendAddress::node(&address.host, address.port, &key)
    }
}

enum Seen {
    There,
    Leaving,
    Waits(String),
    Over(ExitReport),
}

/// The handle of a run, whoever owns it.
struct SharedRun {
    wish: watch::Sender<Wish>,
    standing: watch::Receiver<PlacementState>,
    report: watch::Receiver<Option<ExitReport>>,
    ends: watch::Receiver<Option<Instant>>,
    leaves: watch::Receiver<Option<Arc<str>>>,
    tail: watch::Receiver<Tail>,
    members: watch::Sender<Vec<u32>>,
    doubt: Rc<Notify>,
    label: Rc<RefCell<String>>,
}

impl Run for SharedRun {
    fn label(&self) -> String {
        self.label.borrow().clone()
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn standing(&self) -> watch::Receiver<PlacementState> {
        self.standing.clone()
    }

    fn terminate(&self) {
        Wish::Terminate.tell(&self.wish);
    }

    fn kill(&self) {
        Wish::Kill.tell(&self.wish);
    }

    fn members(&self) -> watch::Receiver<Vec<u32>> {
        self.members.subscribe()
    }

    fn tail(&self) -> watch::Receiver<Tail> {
        self.tail.clone()
    }

    fn ends(&self) -> watch::Receiver<Option<Instant>> {
        self.ends.clone()
    }

    fn leaves(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.leaves.clone()
    }

    fn doubt(&self) {
        self.doubt.notify_one();
    }

    fn remainder(&self) -> Option<String> {
        Some(format!("{} has not ended", self.label.borrow()))
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        ExitReport::told(self.report.clone())
    }
}
