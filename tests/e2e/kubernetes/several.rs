//! Several managers of one PostgreSQL and one namespace (`program.shared`): the one that leads has the Pods, the others use them.

use nix::sys::signal::Signal;

use super::{LONG, on, plain, pods, start, wait_none};
use crate::several::{follower, kill_under_load, leads};
use crate::support::kubernetes::Cluster;
use crate::support::postgres::Postgres;
use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

struct World {
    first: Manager,
    second: Manager,
    cluster: Cluster,
    postgres: Postgres,
}

impl World {
    /// The first one leads.
    fn start() -> Option<Self> {
        let (cluster, postgres) = (Cluster::find()?, Postgres::start()?);
        let model = |name| Model::chat(name).start_timeout(90).variant(on(&plain(&cluster), ""));
        let config = Config::with(model("m"))
            .model(model("n"))
            .program(&format!("database: \"{}\"", postgres.address()))
            .program("shared: true");
        let first = start(&cluster, &config);
        let second = follower(&first, &config);
        Some(Self { first, second, cluster, postgres })
    }

    fn pods(&self) -> Vec<String> {
        ["m", "n"].iter().flat_map(|model| pods(&self.cluster, model)).collect()
    }

    fn wait_none(&self) {
        ["m", "n"].iter().for_each(|model| wait_none(&self.cluster, model));
    }
}

#[test]
fn the_leader_is_killed_under_load_and_the_other_takes_its_pods_over() {
    let Some(mut world) = World::start() else { return };
    world.first.chat("m").send().ok();
    world.second.chat("m").send().ok();
    let before = world.pods();
    assert_eq!(before.len(), 1, "one Pod serves both: {before:?}");
    kill_under_load(&mut world.first, &world.second, &world.postgres);
    assert_eq!(world.pods(), before, "nothing was made twice, and nothing was deleted");
    assert_eq!(world.first.starts("m").len(), 1);
    // It comes back, and follows.
    world.first.launch();
    wait_until("it follows", PATIENCE, || world.first.api("/api/leadership")["leader"] == world.second.url());
    world.first.chat("m").send().ok();
    assert_eq!(world.pods(), before);
    // What nobody has started yet is started by the one that leads, whoever is asked.
    world.first.chat("n").send().ok();
    assert_eq!((world.first.starts("n").len(), world.second.state("n").as_str()), (1, "ready"));
    let both = world.pods();
    assert_eq!(both.len(), 2);
    // In order, the lead goes over at once, and the Pods with it.
    world.second.stop();
    wait_until("the first one leads again", PATIENCE, || leads(&world.first));
    world.first.chat("m").send().ok();
    assert_eq!(world.pods(), both);
    // The last one deletes them.
    world.first.stop();
    world.wait_none();
    assert_eq!(world.postgres.ask("SELECT COUNT(*) FROM runs WHERE ended_us IS NULL"), "0");
}

#[test]
fn a_leader_that_was_frozen_leaves_its_pods_to_the_other() {
    let Some(mut world) = World::start() else { return };
    world.first.chat("m").send().ok();
    world.second.chat("m").send().ok();
    let before = world.pods();
    world.first.signal(Signal::SIGSTOP);
    wait_until("the second one leads", LONG, || leads(&world.second));
    world.second.chat("m").send().ok();
    world.first.signal(Signal::SIGCONT);
    wait_until("the first one follows", PATIENCE, || {
        let shown = world.first.api("/api/leadership");
        shown["leads"] == false && shown["leader"] == world.second.url()
    });
    world.first.chat("m").send().ok();
    assert_eq!(world.pods(), before, "it has touched nothing");
    // It has nothing to delete when it ends.
    world.first.stop();
    world.second.chat("m").send().ok();
    assert_eq!((world.pods(), world.first.starts("m").len()), (before, 1));
    world.second.stop();
    world.wait_none();
}
