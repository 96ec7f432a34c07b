//! Several managers of one PostgreSQL and one Slurm cluster (`program.shared`); `kubernetes::several` has those of Pods. Skipped with a word where either isn't installed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::postgres::Postgres;
use crate::support::slurm::Cluster;
use crate::support::{Config, End, Manager, Model, PATIENCE, Variant, wait_until};

/// The promise, and what a busy machine needs besides.
const SOON: Duration = Duration::from_secs(5 + 10);

fn on(fields: &str) -> Variant {
    Variant::new("Cluster").line(&format!("on: {{slurm: {{{fields}}}}}")).flags(&["--host", "{host}"])
}

fn config(postgres: &Postgres) -> Config {
    let model = |name| Model::chat(name).variant(on("gres: \"gpu:v100:1\""));
    Config::with(model("m"))
        .model(model("n"))
        .program(&format!("database: \"{}\"", postgres.address()))
        .program("shared: true")
}

struct World {
    first: Manager,
    second: Manager,
    cluster: Cluster,
    postgres: Postgres,
}

impl World {
    /// The first one leads.
    fn start() -> Option<Self> {
        let (cluster, postgres) = (Cluster::start()?, Postgres::start()?);
        let env = [("SLURM_CONF", cluster.conf().to_str().unwrap().to_owned())];
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let first = Manager::start_with(&config(&postgres), &env);
        let second = follower(&first, &config(&postgres));
        Some(Self { first, second, cluster, postgres })
    }

    /// Numbers of all jobs there ever were.
    fn jobs(&self) -> Vec<String> {
        let all = self.cluster.run("squeue -h -t all -o '%i %j %T' | sort");
        all.lines().filter(|line| line.contains("llm-")).map(str::to_owned).collect()
    }
}

/// How often each id is in the ledger, as `id count`, of those that are there more than once.
fn doubled(postgres: &Postgres) -> String {
    postgres.ask("SELECT request_id, COUNT(*) FROM requests GROUP BY request_id HAVING COUNT(*) > 1")
}

fn recorded(postgres: &Postgres) -> HashSet<String> {
    postgres.ask("SELECT request_id FROM requests").lines().map(str::to_owned).collect()
}

pub(crate) fn leads(manager: &Manager) -> bool {
    let shown = manager.api("/api/leadership");
    shown["leads"] == true && shown["acts"] == true
}

pub(crate) fn others(manager: &Manager) -> Vec<String> {
    let shown = manager.api("/api/leadership")["others"].clone();
    shown.as_array().unwrap().iter().map(|other| other.as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_leads_and_the_other_serves_by_its_backends() {
    let Some(world) = World::start() else { return };
    let (first, second) = (&world.first, &world.second);
    first.chat("m").header("x-request-id", "of-first").send().ok();
    second.chat("m").header("x-request-id", "of-second").send().ok();
    assert_eq!(world.jobs().len(), 1, "one job serves both: {:?}", world.jobs());
    // What nobody has started yet is started by the one that leads, whoever is asked.
    second.chat("n").header("x-request-id", "of-n").send().ok();
    assert_eq!(world.jobs().len(), 2);
    assert_eq!((first.starts("m").len(), first.starts("n").len()), (1, 1));
    assert_eq!(first.state("n"), "ready");
    wait_until("all rows are there", PATIENCE, || recorded(&world.postgres).len() == 3);
    assert_eq!(doubled(&world.postgres), "");
    let runs = "SELECT COUNT(DISTINCT run_id) FROM requests JOIN runs ON runs.id = run_id WHERE request_id LIKE 'of-%'";
    assert_eq!(
        world.postgres.ask(runs),
        "2",
        "rows of both managers refer to the runs of the one that leads"
    );
    assert_eq!(world.postgres.ask("SELECT COUNT(*) FROM runs"), "2");
    let tree = second.api("/api/supervision").to_string();
    assert!(tree.contains(&format!("the manager at {} leads", first.url())), "{tree}");
    // What the other one uses isn't idle.
    let stream = second.chat_stream("n").fake("tokens=200,delay_ms=50").open();
    wait_until("its use is known", PATIENCE, || first.model("n")["leases"] == 1);
    stream.leave();
    wait_until("its end is known", PATIENCE, || first.model("n")["leases"] == 0);
}

/// A second manager, once the first one leads.
pub(crate) fn follower(first: &Manager, config: &Config) -> Manager {
    wait_until("the first one leads", PATIENCE, || leads(first));
    let mut second = first.beside("second", config);
    second.launch();
    wait_until("the second one follows", PATIENCE, || {
        second.api("/api/leadership")["leader"] == first.url() && others(first) == [second.url()]
    });
    assert!(!leads(&second));
    second
}

/// The leader is killed while both serve `m`: the other leads soon, nothing of its own goes wrong, and no row is lost or doubled.
pub(crate) fn kill_under_load(first: &mut Manager, second: &Manager, postgres: &Postgres) {
    let (over, serial) = (AtomicBool::new(false), AtomicUsize::new(0));
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let count = |which: usize| counts[which].load(Ordering::Relaxed);
    let (tell, told) = mpsc::channel();
    let mut killed = Instant::now();
    std::thread::scope(|scope| {
        let calls = [
            (first.chat_stream("m"), 0),
            (first.chat("m"), 0),
            (second.chat_stream("m"), 1),
            (second.chat("m"), 1),
        ];
        for (call, which) in calls {
            let (over, serial, counts, tell) = (&over, &serial, &counts, tell.clone());
            scope.spawn(move || {
                let call = call.fake("tokens=5,delay_ms=10");
                while !over.load(Ordering::Relaxed) {
                    let id = format!("load-{which}-{}", serial.fetch_add(1, Ordering::Relaxed));
                    let sent = call.clone().header("x-request-id", &id).try_send();
                    let wrong = match sent {
                        Ok(reply) if (reply.status, reply.end) == (200, End::Complete) => None,
                        Ok(reply) => Some(format!("{id}: {} {}", reply.status, reply.text())),
                        Err(error) => Some(format!("{id}: {error}")),
                    };
                    if wrong.is_none() {
                        counts[which].fetch_add(1, Ordering::Relaxed);
                    } else {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    tell.send((which, id, wrong, Instant::now())).unwrap();
                }
            });
        }
        wait_until("both serve", PATIENCE, || count(0) > 20 && count(1) > 20);
        first.kill();
        killed = Instant::now();
        wait_until("the second one leads", SOON, || leads(second));
        eprintln!("the second one led {:?} after the first one was killed", killed.elapsed());
        let so_far = count(1);
        wait_until("it serves on", PATIENCE, || count(1) > so_far + 20);
        over.store(true, Ordering::Relaxed);
    });
    drop(tell);
    let results: Vec<(usize, String, Option<String>, Instant)> = told.iter().collect();
    // Of the first one, connections break or are refused; of the second one, nothing is wrong.
    let wrong: Vec<_> =
        results.iter().filter(|(which, _, wrong, _)| *which == 1 && wrong.is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let answered = results.iter().filter(|(which, _, wrong, _)| *which == 0 && wrong.is_some());
    for (_, _, wrong, _) in answered {
        let wrong = wrong.as_deref().unwrap();
        assert!(!wrong.contains(": 503 ") && !wrong.contains(": 502 "), "{wrong}");
    }
    let ids = |which: usize, before: Instant| -> HashSet<String> {
        let fit =
            results.iter().filter(|(of, _, wrong, ended)| *of == which && wrong.is_none() && *ended < before);
        fit.map(|(_, id, _, _)| id.clone()).collect()
    };
    let all = ids(1, Instant::now());
    wait_until("its rows are there", PATIENCE, || recorded(postgres).is_superset(&all));
    // What was in the memory of the one that was killed is gone with it: at the most the last tenth of a second.
    let sure = ids(0, killed - Duration::from_millis(500));
    let recorded = recorded(postgres);
    assert!(recorded.is_superset(&sure), "{:?}", sure.difference(&recorded).collect::<Vec<_>>());
    assert_eq!(doubled(postgres), "");
    assert_eq!(postgres.ask("SELECT COUNT(*) FROM runs"), "1", "the run goes on in its row");
    assert_eq!(postgres.ask("SELECT COUNT(*) FROM runs WHERE ended_us IS NULL"), "1");
}

#[test]
fn the_leader_is_killed_under_load_and_the_other_takes_over() {
    let Some(mut world) = World::start() else { return };
    world.first.chat("m").send().ok();
    world.second.chat("m").send().ok();
    let jobs = world.jobs();
    kill_under_load(&mut world.first, &world.second, &world.postgres);
    assert_eq!(world.jobs(), jobs, "nothing was started twice, and nothing was stopped");
    assert_eq!(world.first.starts("m").len(), 1);
    // It comes back, and follows.
    world.first.launch();
    wait_until("it follows", PATIENCE, || world.first.api("/api/leadership")["leader"] == world.second.url());
    world.first.chat("m").send().ok();
    assert_eq!(world.jobs(), jobs);
    // In order, the lead goes over at once, and the jobs with it.
    world.second.stop();
    wait_until("the first one leads again", PATIENCE, || leads(&world.first));
    world.first.chat("m").send().ok();
    assert_eq!(world.jobs(), jobs);
    // The last one ends them.
    world.first.stop();
    wait_until("the last one has ended its jobs", PATIENCE, || world.cluster.run("squeue -h").is_empty());
    assert_eq!(world.postgres.ask("SELECT COUNT(*) FROM runs WHERE ended_us IS NULL"), "0");
}

#[test]
fn of_three_one_leads_and_a_price_is_in_force_at_all_of_them() {
    let Some(mut world) = World::start() else { return };
    let mut third = world.first.beside("third", &config(&world.postgres));
    third.launch();
    wait_until("the third one follows", PATIENCE, || {
        third.api("/api/leadership")["leader"] == world.first.url() && others(&world.first).len() == 2
    });
    for manager in [&world.first, &world.second, &third] {
        manager.chat("m").send().ok();
    }
    let jobs = world.jobs();
    assert_eq!(jobs.len(), 1, "one job serves all three: {jobs:?}");
    let plan = json!({"method": "hourly", "currency": "CNY", "per_hour": "1.50"});
    third.put("/api/billing/m").json(&plan).send().ok();
    for manager in [&world.first, &world.second] {
        wait_until("it is in force there", PATIENCE, || {
            manager.api("/api/billing/m")["plan"]["method"] == "hourly"
        });
    }
    world.first.kill();
    let rest = [&world.second, &third];
    wait_until("one of the others leads", SOON, || rest.iter().any(|manager| leads(manager)));
    for manager in rest {
        manager.chat("m").send().ok();
    }
    assert_eq!(rest.iter().filter(|manager| leads(manager)).count(), 1);
    let leader = if leads(rest[0]) { rest[0].url() } else { rest[1].url() };
    for manager in rest {
        wait_until("all agree", PATIENCE, || manager.api("/api/leadership")["leader"] == leader);
    }
    assert_eq!(world.jobs(), jobs, "nothing was started twice, and nothing was stopped");
    assert_eq!(doubled(&world.postgres), "");
}

#[test]
fn a_leader_that_was_frozen_stands_back_and_touches_nothing() {
    let Some(world) = World::start() else { return };
    let (first, second) = (&world.first, &world.second);
    first.chat("m").send().ok();
    second.chat("m").send().ok();
    let jobs = world.jobs();
    first.signal(Signal::SIGSTOP);
    wait_until("the second one leads", SOON, || leads(second));
    second.chat("m").send().ok();
    second.chat("n").send().ok();
    first.signal(Signal::SIGCONT);
    wait_until("the first one follows", PATIENCE, || {
        let shown = first.api("/api/leadership");
        shown["leads"] == false && shown["acts"] == false && shown["leader"] == second.url()
    });
    assert!(first.log().contains("this manager leads no more"), "{}", first.log());
    first.chat("m").send().ok();
    first.chat("n").send().ok();
    assert!(leads(second));
    let after = world.jobs();
    assert!(after.starts_with(&jobs) && after.len() == 2, "{jobs:?} {after:?}");
    assert_eq!((first.starts("m").len(), first.starts("n").len()), (1, 1));
    assert_eq!(doubled(&world.postgres), "");
}

#[test]
fn a_budget_is_that_of_all_of_them() {
    let Some((cluster, postgres)) = Cluster::start().zip(Postgres::start()) else { return };
    let budget =
        "keys:\n  - name: poor\n    secret: secret-of-poor\n    budget: {period: day, tokens: 100}\n";
    let config = config(&postgres).api_key("the-key-of-the-admin").top(budget);
    let first = Manager::start_with(&config, &[("SLURM_CONF", cluster.conf().to_str().unwrap())]);
    let second = follower(&first, &config);
    let body = json!({"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]});
    let ask = |manager: &Manager| {
        let call = manager.bare("POST", "/v1/chat/completions").json(&body);
        call.header("Authorization", "Bearer secret-of-poor").fake("tokens=8,prompt=1").send()
    };
    ask(&first).ok();
    // It has read what was used before.
    ask(&second).ok();
    let left = |manager: &Manager| {
        let keys = manager.api("/api/keys")["keys"].clone();
        let poor = keys.as_array().unwrap().iter().find(|key| key["name"] == "poor").unwrap().clone();
        poor["budget"]["left"].as_str().unwrap().parse::<u32>().unwrap()
    };
    assert!(left(&second) > 70);
    wait_until("the first one has used it up", PATIENCE, || ask(&first).status == 429);
    wait_until("the second one knows", PATIENCE, || left(&second) < 30);
    ask(&second).error(429, "budget_exhausted");
}

#[test]
fn whoever_does_not_share_is_refused() {
    let Some(world) = World::start() else { return };
    let alone =
        Config::with(Model::chat("m")).program(&format!("database: \"{}\"", world.postgres.address()));
    let other = Manager::prepare(&alone);
    let output = other.cli(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("another manager"), "{told}");
    let (code, said) = other.check("program: {shared: true}\nLocal-Models:\n  m:\n    V: {command: [srv]}\n");
    assert_eq!(code, Some(2), "{said}");
    for part in ["PostgreSQL only", "it runs on one machine"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
