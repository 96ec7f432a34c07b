//! Two actors at one PostgreSQL: one leads; when it is gone, or silent, the other does.

use super::*;
use crate::feeds::Feed;
use crate::supervisor::Supervisor;
use llm_manager_ledger::testing::everywhere;
use std::cell::{Cell, RefCell};

#[derive(Default)]
struct Told {
    wishes: RefCell<Vec<ReplicaDemand>>,
    served: RefCell<Vec<(Arc<str>, ReplicaDemand)>>,
    replicas: RefCell<Vec<Replica>>,
    prices_changed: Cell<usize>,
}

impl LeadershipHost for Told {
    fn replicas(&self) -> Vec<Replica> {
        self.replicas.borrow().clone()
    }

    fn wishes(&self) -> Vec<ReplicaDemand> {
        self.wishes.borrow().clone()
    }

    fn serve(&self, wishes: Vec<(Arc<str>, ReplicaDemand)>) {
        *self.served.borrow_mut() = wishes;
    }

    fn lead(&self, _: Arc<[Replica]>) {}

    fn prices_changed(&self) -> bool {
        self.prices_changed.set(self.prices_changed.get() + 1);
        true
    }

    fn runs(&self) -> Vec<i64> {
        Vec::new()
    }
}

struct Manager {
    leadership: Leadership,
    desk: Rc<Told>,
    _root: Child,
}

impl Manager {
    fn start(name: &str, location: &Location) -> Self {
        let address = format!("http://{name}");
        let leadership = Leadership::new(name.to_owned(), address, location.clone(), Instant::now());
        let desk = Rc::new(Told::default());
        let spec = leadership.child_spec(Rc::clone(&desk) as Rc<dyn LeadershipHost>);
        let root = Child::start(Supervisor::new("", vec![spec], Feed::new()), &ActorRef::new());
        Self { leadership, desk, _root: root }
    }

    fn leads(&self) -> bool {
        self.leadership.standing().borrow().token.is_some()
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} takes too long");
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn one_leads_hears_the_other_and_is_followed() {
    everywhere(|place| {
        if matches!(place.location, Location::File(_)) {
            return;
        }
        llm_manager_ledger::open(&place.location, "test", now_us()).unwrap();
        actix_rt::System::new().block_on(async {
            let first = Manager::start("first", &place.location);
            until("the first one leads", || first.leads() && first.leadership.may_act()).await;
            let second = Manager::start("second", &place.location);
            let wish = ReplicaDemand { name: "m".to_owned(), number: 5, waits: true };
            second.desk.wishes.borrow_mut().push(wish.clone());
            until("its wish is heard", || !first.desk.served.borrow().is_empty()).await;
            assert_eq!(*first.desk.served.borrow(), [("second".into(), wish)]);
            let address = llm_manager_policy::leadership::Address {
                host: "n1".to_owned(),
                port: 80,
                job: "llm-1".to_owned(),
            };
            let stands = llm_manager_policy::leadership::SharedRunState::Ready(address);
            let replica = Replica { name: "m".to_owned(), variant: "V".to_owned(), run: 7, stands };
            first.desk.replicas.borrow_mut().push(replica.clone());
            until("what it has is told", || second.leadership.standing().borrow().replica("m").is_some())
                .await;
            assert!(!second.leads() && !second.leadership.may_act());
            // Prices are read once more when somebody has set one, and not otherwise.
            let told = || (first.desk.prices_changed.get(), second.desk.prices_changed.get());
            assert_eq!(told(), (1, 1));
            let mut writer = llm_manager_ledger::Writer::open(&place.location).unwrap();
            writer
                .set_plan(
                    &"m".into(),
                    None,
                    now_us() + 3_600_000_000,
                    now_us(),
                    llm_manager_ledger::PlanSource::Api,
                )
                .unwrap();
            until("all hear of it", || told() == (2, 2)).await;
            assert!(second.leadership.sentence().starts_with("the manager at http://first leads"));
            // It is gone without a word, as if it were killed.
            let (first_until, went) = (first.leadership.clone(), Instant::now());
            drop(first);
            until("the second one leads", || second.leads()).await;
            assert!(!first_until.may_act(), "not before the first one's time is over");
            assert!(went.elapsed() < Duration::from_secs(10), "{:?}", went.elapsed());
            // One that says that it goes is followed at once.
            let third = Manager::start("third", &place.location);
            until("it is seen", || !second.leadership.standing().borrow().others.is_empty()).await;
            second.leadership.resign(true).await;
            assert!(!second.leads() && !second.leadership.may_act());
            until("the third one leads", || third.leads()).await;
        });
    });
}
