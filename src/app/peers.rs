//! What this manager has and wants among those that share its ledger and its cluster (`program.shared`).

use super::launchers::{Clusters, take_over};
use super::ledger::OpenLedger;
use super::tree::ModelRoster;
use futures_util::future;
use llm_manager_actors::billing::{Billing, Ledger, ReadPrices};
use llm_manager_actors::leadership::{Leadership, LeadershipHost};
use llm_manager_actors::model::{Lease, ModelHandle, Verb, WaitingClient};
use llm_manager_actors::{ActorRef, tell};
use llm_manager_ledger::Location;
use llm_manager_policy::leadership::{LeadershipStatus, Replica, ReplicaDemand, SharedRunState};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::{Class, Spec};
use llm_manager_process::far::Fence;
use llm_manager_process::{Launcher, RunTable, SharedLauncher, SharedRunHost};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A model counts as used for so long after its last request: longer than the pace of those who tell of it.
const USED: Duration = Duration::from_millis(1500);
/// A refusal is told for so long.
const TOLD: Duration = Duration::from_secs(5);
/// What a new leader has not taken stock of yet is told for so long as its predecessor had it.
const INHERITED: Duration = Duration::from_secs(10);

/// The name of this manager: another one after each start.
fn name(spec: &Spec) -> String {
    format!("{}#{:08x}", own_name(spec), fastrand::u32(..))
}

/// The name of the folder that is this manager's alone.
pub(super) fn own_name(spec: &Spec) -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|| "unknown".to_owned());
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '_' };
    format!("{}-{}", host.chars().map(plain).collect::<String>(), spec.program.port)
}

/// Of a configuration that says so.
pub(super) fn leadership(spec: &Spec, address: &str, origin: Instant) -> Option<Leadership> {
    let location = Location::parse(&spec.program.database);
    spec.program.shared.then(|| Leadership::new(name(spec), shown(address), location, origin))
}

/// An address that means all of this machine says to others which machine it is.
fn shown(address: &str) -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|| "unknown".to_owned());
    address.replace("//0.0.0.0:", &format!("//{host}:")).replace("//:::", &format!("//{host}:"))
}

/// Closed while another manager leads, or may.
pub(super) fn fence(leadership: Option<&Leadership>) -> Fence {
    let open = leadership.map(|leadership| {
        let leadership = leadership.clone();
        Rc::new(move || leadership.may_act()) as Rc<dyn Fn() -> bool>
    });
    Fence::new(open)
}

struct Ties {
    leadership: Leadership,
    ledger: Ledger,
    roster: ModelRoster,
}

impl SharedRunHost for Ties {
    fn lead(&self) -> watch::Receiver<LeadershipStatus> {
        self.leadership.standing()
    }

    fn lend(&self, run: i64, theirs: Option<i64>) {
        self.ledger.lend(run, theirs);
    }

    fn take_over(&self, run: i64) {
        self.ledger.take_over(run);
    }

    fn retire(&self, model: &str) {
        if let Some(replica) = self.roster.find_replica(model) {
            log::info!("models/{model}: the manager that leads ends it: it is used no more");
            replica.retire();
        }
    }
}

/// The launcher of jobs and Pods whose owner is the one that leads.
pub(super) fn launcher(
    leadership: &Leadership,
    owner: Rc<dyn Launcher>,
    (ledger, roster): (&Ledger, &ModelRoster),
    common: PathBuf,
    book: &RunTable,
) -> SharedLauncher {
    let ties = Ties { leadership: leadership.clone(), ledger: ledger.clone(), roster: roster.clone() };
    SharedLauncher::new(owner, Rc::new(ties), common, book.clone())
}

/// What another manager wants, and has.
enum Hold {
    /// It waits for the model; the task keeps the lease that it gets.
    Waits(
        #[expect(dead_code, reason = "dropping it gives the place in line, or the lease, back")]
        AbortOnDropHandle<()>,
    ),
    /// It uses it: so nobody takes it for idle.
    Uses(#[expect(dead_code, reason = "dropping it gives the lease back")] Lease),
}

type Refusals = Rc<RefCell<HashMap<String, (i64, String, Instant)>>>;

/// A run by its number, and what keeps it.
type Held = (i64, Hold);

/// What the actor of leadership is told, and what follows from its news.
pub(super) struct LocalManager {
    pub(super) roster: ModelRoster,
    pub(super) book: RunTable,
    pub(super) ledger: Ledger,
    pub(super) billing: ActorRef<Billing>,
    pub(super) origin: Instant,
    pub(super) clusters: Clusters,
    /// By the name of the manager and that of the replica.
    holds: RefCell<HashMap<(Arc<str>, String), Held>>,
    refusals: Refusals,
    inherited: RefCell<Option<(Instant, Arc<[Replica]>)>>,
}

impl LocalManager {
    pub(super) fn new(
        (roster, book, books): (&ModelRoster, &RunTable, &OpenLedger),
        origin: Instant,
        clusters: Clusters,
    ) -> Self {
        Self {
            roster: roster.clone(),
            book: book.clone(),
            ledger: books.ledger.clone(),
            billing: books.billing.clone(),
            origin,
            clusters,
            holds: RefCell::default(),
            refusals: Refusals::default(),
            inherited: RefCell::default(),
        }
    }

    fn replica(&self, handle: &ModelHandle) -> Option<Replica> {
        let name = handle.spec.name.clone();
        let known = self.book.find(&name)?;
        let status = handle.own_status();
        let stands = match (status.state, known.address) {
            (ModelState::Ready, Some(address)) => SharedRunState::Ready(address),
            (ModelState::Draining | ModelState::Stopping, _) => SharedRunState::Leaving,
            (ModelState::Starting | ModelState::Queued, _) => {
                let why = status.waits_for.as_ref().unwrap_or(&known.waits_for);
                SharedRunState::Coming(why.to_string())
            }
            _ => return None,
        };
        Some(Replica { name, variant: known.variant, run: status.run_id.unwrap_or(known.run), stands })
    }

    /// Whether requests of this manager go there, or did a moment ago.
    fn is_used(&self, handle: &ModelHandle) -> bool {
        let unused = handle.unused_since().map(|since| self.origin.elapsed().saturating_sub(since));
        handle.own_leases() > 0
            || unused.is_some_and(|unused| unused < USED)
            || handle.own_status().state == ModelState::Starting
    }

    fn hold(&self, manager: &Arc<str>, wish: &ReplicaDemand) -> Option<Hold> {
        let replica = self.roster.find_replica(&wish.name)?;
        if !wish.waits {
            return replica.try_lease(Class::Normal).map(Hold::Uses);
        }
        let front = self.roster.find(replica.spec.model())?;
        let client = WaitingClient { id: Arc::clone(manager), api_key: "".into(), cost: 0 };
        let (refusals, number) = (Rc::clone(&self.refusals), wish.number);
        let waiting = async move {
            match front.lease(Class::Normal, client).await {
                Ok(_lease) => {
                    if replica.own_status().state != ModelState::Ready {
                        // The lease is at another one of its replicas.
                        let _ = replica.order(Verb::Start, None);
                    }
                    future::pending::<()>().await;
                }
                Err(refused) => {
                    let told = (number, refused.message.to_string(), Instant::now());
                    refusals.borrow_mut().insert(replica.spec.name.clone(), told);
                }
            }
        };
        Some(Hold::Waits(AbortOnDropHandle::new(actix_web::rt::spawn(waiting))))
    }
}

impl LeadershipHost for LocalManager {
    fn replicas(&self) -> Vec<Replica> {
        let mut replicas: Vec<Replica> =
            self.roster.replicas().iter().filter_map(|handle| self.replica(handle)).collect();
        let mut refusals = self.refusals.borrow_mut();
        refusals.retain(|_, (_, _, since)| since.elapsed() < TOLD);
        for (name, (wish, why, _)) in refusals.iter() {
            if !replicas.iter().any(|replica| replica.name == *name) {
                let stands = SharedRunState::Refused { wish: *wish, why: why.clone() };
                replicas.push(Replica { name: name.clone(), variant: String::new(), run: 0, stands });
            }
        }
        let mut inherited = self.inherited.borrow_mut();
        if inherited.as_ref().is_some_and(|(since, _)| since.elapsed() >= INHERITED) {
            *inherited = None;
        }
        for replica in inherited.iter().flat_map(|(_, found)| found.iter()) {
            let known =
                |own: &Replica| own.name == replica.name && !matches!(own.stands, SharedRunState::Coming(_));
            if !replicas.iter().any(known) {
                replicas.retain(|own| own.name != replica.name);
                replicas.push(replica.clone());
            }
        }
        replicas
    }

    fn wishes(&self) -> Vec<ReplicaDemand> {
        let wish = |handle: &Arc<ModelHandle>| {
            let known = self.book.find(&handle.spec.name).filter(|known| !known.owned)?;
            let waits = known.address.is_none();
            (waits || self.is_used(handle)).then(|| ReplicaDemand {
                name: handle.spec.name.clone(),
                number: known.run,
                waits,
            })
        };
        self.roster.replicas().iter().filter_map(wish).collect()
    }

    fn serve(&self, wishes: Vec<(Arc<str>, ReplicaDemand)>) {
        let mut before = self.holds.take();
        let mut holds = HashMap::new();
        for (manager, wish) in wishes {
            let key = (Arc::clone(&manager), wish.name.clone());
            let same = |(number, hold): &(i64, Hold)| {
                *number == wish.number && matches!(hold, Hold::Waits(_)) == wish.waits
            };
            // What it had is given back when it has what it wants now.
            let old = before.remove(&key);
            let hold = match old {
                Some(old) if same(&old) => Some(old),
                _ => self.hold(&manager, &wish).map(|hold| (wish.number, hold)),
            };
            holds.extend(hold.map(|hold| (key, hold)));
        }
        self.holds.replace(holds);
    }

    fn lead(&self, found: Arc<[Replica]>) {
        self.inherited.replace(Some((Instant::now(), found)));
        actix_web::rt::spawn(take_over(self.clusters.clone(), self.roster.clone()));
    }

    fn prices_changed(&self) -> bool {
        let billing = self.billing.addr();
        billing.inspect(|billing| tell(billing, ReadPrices)).is_some()
    }

    fn runs(&self) -> Vec<i64> {
        self.ledger.open_runs()
    }
}
