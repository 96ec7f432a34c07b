//! Plans of a reload: a table of changes, and what holds for all of them.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use llm_manager_policy::devices::{Requirement, SharedDevice};
use llm_manager_policy::reload::{Change, ReloadPlan, in_force, model_change, plan};
use llm_manager_policy::replicas::Replicas;
use llm_manager_policy::spec::{
    Class, HoldTime, Launch, ListedNames, LogsSpec, ModeSpec, ModelSpec, Place, ProgramSpec, Routes, Spec,
    TlsSpec, TracesSpec, VariantSpec,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn mode(name: &str) -> Arc<ModeSpec> {
    let endpoints = vec!["/v1/chat/completions".to_owned()];
    Arc::new(ModeSpec {
        name: name.to_owned(),
        endpoints,
        probes: Vec::new(),
        usage: None,
        routes: Routes::default(),
    })
}

fn variant(name: &str) -> VariantSpec {
    VariantSpec {
        name: name.to_owned(),
        required_devices: vec!["cpu".to_owned()],
        memory_mb: BTreeMap::from([("cpu".to_owned(), 100)]),
        memory_auto: false,
        place: Place::Local,
        renew_before: None,
        launch: Launch::Command(vec!["serve".to_owned()]),
        env: BTreeMap::new(),
        served_name: None,
        routes: Routes::default(),
        probe: None,
        stop_command: None,
        park: None,
        parked_mb: BTreeMap::new(),
    }
}

fn model(name: &str) -> ModelSpec {
    ModelSpec {
        name: name.to_owned(),
        aliases: Vec::new(),
        formerly: Vec::new(),
        mode: mode("Chat"),
        port: Some(10_001),
        auto_start: false,
        alive_time: Some(Duration::from_secs(900)),
        keep_parked: Some(Duration::from_secs(3600)),
        start_timeout: Duration::from_secs(300),
        stop_timeout: Duration::from_secs(10),
        max_concurrency: None,
        priority: None,
        first_byte_timeout: None,
        idle_timeout: None,
        foreign_listener: false,
        stream_usage: true,
        end_with_client: None,
        bill_loading: false,
        billing: None,
        pinned: false,
        keep_warm: Vec::new(),
        quiet: Vec::new(),
        overlap: false,
        listed: ListedNames { name: true, aliases: true },
        context_length: None,
        rewrite_model: false,
        read_ahead: true,
        capture: false,
        weights: Vec::new(),
        replicas: Replicas::ONE,
        replica_of: None,
        variants: vec![variant("Big"), variant("Small")],
    }
}

fn program() -> ProgramSpec {
    ProgramSpec {
        host: "127.0.0.1".to_owned(),
        port: 8080,
        log_level: "info".to_owned(),
        disable_gpu_monitoring: false,
        database: "data/llm-manager.db".to_owned(),
        shared: false,
        api_keys: Vec::new(),
        allowed_hosts: Vec::new(),
        watch_config: false,
        drain_timeout: Duration::from_secs(30),
        client_write_timeout: Duration::from_secs(60),
        queue_timeout: Duration::from_secs(300),
        min_hold: HoldTime::Auto,
        max_hold: HoldTime::Auto,
        prefer_resident: false,
        max_waiting: 10,
        max_body_bytes: 1000,
        log_retention_days: 30,
        allowed_origins: Vec::new(),
        loading_comments: false,
        log_json: false,
        log_file: None,
        log_requests: false,
        captures: Default::default(),
        trusted_proxies: Vec::new(),
        base_path: String::new(),
        tls: None,
        traces: None,
        electricity: None,
        watts: Vec::new(),
    }
}

fn spec(models: Vec<ModelSpec>) -> Spec {
    Spec {
        base_dir: PathBuf::from("/"),
        program: program(),
        modes: vec![mode("Chat")],
        logs: LogsSpec { folder: None, bytes: 0, days: 30 },
        shared_devices: Vec::new(),
        devices: Vec::new(),
        keys: Vec::new(),
        notify: Vec::new(),
        secret_variables: Vec::new(),
        models: models.into_iter().map(Arc::new).collect(),
    }
}

/// The change of one model by this edit.
fn change(edit: impl FnOnce(&mut ModelSpec)) -> Option<Change> {
    let mut new = model("a");
    edit(&mut new);
    let plan = plan(&spec(vec![model("a")]), &spec(vec![new]));
    assert!(plan.in_place.is_empty() && plan.needs_restart.is_empty(), "{plan:?}");
    plan.of("a").cloned()
}

fn relaunched(variants: &[&str]) -> Option<Change> {
    let variants = variants.iter().map(|name| (*name).to_owned()).collect();
    Some(Change::Relaunched { variants, keys: Vec::new() })
}

#[test]
fn the_same_file_changes_nothing() {
    let same = spec(vec![model("a"), model("b")]);
    let plan = plan(&same, &same.clone());
    assert!(plan.is_empty());
    assert_eq!((plan.unchanged, plan.lines()), (2, Vec::<String>::new()));
}

type Edit = fn(&mut ModelSpec);

#[test]
fn what_is_not_the_launch_changes_in_place() {
    let cases: [(&str, Edit); 10] = [
        ("aliases", |model| model.aliases.push("other".to_owned())),
        ("alive_time", |model| model.alive_time = None),
        ("start_timeout", |model| model.start_timeout *= 2),
        ("max_concurrency", |model| model.max_concurrency = Some(4)),
        ("priority", |model| model.priority = Some(Class::Batch)),
        ("mode", |model| model.mode = mode("Base")),
        ("pinned", |model| model.pinned = true),
        ("replicas", |model| model.replicas.max = 2),
        ("memory_mb", |model| model.variants[0].memory_auto = true),
        ("variants", |model| model.variants.push(variant("Huge"))),
    ];
    for (key, edit) in cases {
        assert_eq!(change(edit), Some(Change::InPlace(vec![key])), "{key}");
    }
}

#[test]
fn only_backends_that_are_launched_otherwise_are_restarted() {
    let launch = Launch::Command(vec!["serve".to_owned(), "--new".to_owned()]);
    assert_eq!(change(|model| model.variants[1].launch = launch), relaunched(&["Small"]));
    let env = ("A".to_owned(), "1".to_owned());
    assert_eq!(change(|model| model.variants[0].env.extend([env])), relaunched(&["Big"]));
    assert_eq!(
        change(|model| model.variants[0].served_name = Some("org/model".to_owned())),
        relaunched(&["Big"])
    );
    assert_eq!(change(|model| model.port = Some(10_002)), relaunched(&["Big", "Small"]));
    let gone = change(|model| drop(model.variants.remove(0)));
    let keys = vec!["variants"];
    assert_eq!(gone, Some(Change::Relaunched { variants: vec!["Big".to_owned()], keys }));
    // Another order is another priority, for the next start.
    assert_eq!(change(|model| model.variants.swap(0, 1)), Some(Change::InPlace(vec!["variants"])));
}

#[test]
fn models_come_go_and_keep_their_data() {
    let renamed = ModelSpec { formerly: vec!["a".to_owned(), "older".to_owned()], ..model("new") };
    let plan = plan(&spec(vec![model("a"), model("b")]), &spec(vec![model("c"), renamed]));
    assert_eq!(plan.of("c"), Some(&Change::Added));
    let from = vec!["a".to_owned(), "older".to_owned()];
    assert_eq!(plan.of("new"), Some(&Change::Renamed { from }));
    assert_eq!(plan.of("a"), Some(&Change::Removed { data_to: Some("new".to_owned()) }));
    assert_eq!(plan.of("b"), Some(&Change::Removed { data_to: None }));
}

#[test]
fn a_former_name_that_is_in_use_keeps_its_own_data() {
    let new = ModelSpec { formerly: vec!["a".to_owned()], ..model("new") };
    let plan = plan(&spec(vec![model("a")]), &spec(vec![model("a"), new]));
    assert_eq!(plan.of("new"), Some(&Change::Added));
    assert_eq!(plan.of("a"), None);
}

#[test]
fn what_can_t_change_live_is_said() {
    let old = spec(Vec::new());
    let mut new = old.clone();
    new.program.port = 9000;
    new.program.database = "other.db".to_owned();
    new.program.log_level = "warn".to_owned();
    let plan = plan(&old, &new);
    assert_eq!(plan.needs_restart, ["program.port", "program.database"]);
    assert_eq!(plan.in_place, ["program.log_level"]);
    assert_eq!(plan.lines().len(), 3);
    // It is said again at every reload until the manager is restarted.
    let present = in_force(&old, new.clone());
    assert_eq!((present.program.port, present.program.log_level.as_str()), (8080, "warn"));
    let again = llm_manager_policy::reload::plan(&present, &new);
    assert_eq!((again.in_place.len(), again.needs_restart.len()), (0, 2));
}

#[test]
fn what_is_shared_of_a_device_changes_in_place() {
    let old = spec(vec![]);
    let mut new = old.clone();
    let device = Requirement::parse("cpu").unwrap();
    new.shared_devices = vec![SharedDevice { device, keep_free_mib: 1000, give_way: false }];
    let plan = plan(&old, &new);
    assert_eq!((plan.in_place, plan.needs_restart), (vec!["devices".to_owned()], vec![]));
}

#[test]
fn what_a_restart_is_needed_for_stays_in_force_until_then() {
    let old = spec(vec![]);
    let mut new = old.clone();
    new.program.host = "0.0.0.0".to_owned();
    new.program.tls = Some(TlsSpec { cert: PathBuf::from("/c.pem"), key: PathBuf::from("/k.pem") });
    new.logs.days = 7;
    assert_eq!(plan(&old, &new).needs_restart, ["program.host", "program.tls", "logs"]);
    assert_eq!(in_force(&old, new), old);
}

fn some_model() -> impl Strategy<Value = ModelSpec> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let launches = prop::collection::vec((0..3_u8, 0..2_u64), 1..3);
    (name, launches, prop::option::of(0..2_u64), 0..2_u16).prop_map(|(name, launches, alive, port)| {
        let variants = launches.into_iter().enumerate().map(|(nth, (launch, mib))| VariantSpec {
            launch: Launch::Command(vec![launch.to_string()]),
            memory_mb: BTreeMap::from([("cpu".to_owned(), mib)]),
            ..variant(&format!("V{nth}"))
        });
        ModelSpec {
            variants: variants.collect(),
            alive_time: alive.map(Duration::from_secs),
            port: Some(10_000 + port),
            ..model(name)
        }
    })
}

fn some_spec() -> impl Strategy<Value = Spec> {
    prop::collection::vec(some_model(), 0..4).prop_map(|mut models| {
        models.sort_by(|one, other| one.name.cmp(&other.name));
        models.dedup_by(|one, other| one.name == other.name);
        spec(models)
    })
}

/// The models of `old` taken through the plan: unchanged ones, those that stay up, and those that don't.
fn check(old: &Spec, new: &Spec, plan: &ReloadPlan) {
    for after in &new.models {
        let before = old.models.iter().find(|model| model.name == after.name);
        let change = plan.of(&after.name);
        match before {
            None => assert_eq!(change, Some(&Change::Added)),
            Some(before) if before == after => assert_eq!(change, None),
            Some(before) => {
                let restarted: &[String] = match change {
                    Some(Change::Relaunched { variants, .. }) => variants,
                    Some(Change::InPlace(_)) => &[],
                    other => panic!("{other:?}"),
                };
                for variant in &before.variants {
                    let now = after.variants.iter().find(|one| one.name == variant.name);
                    let same =
                        now.is_some_and(|now| now.launch == variant.launch) && before.port == after.port;
                    assert_eq!(restarted.contains(&variant.name), !same, "{}", variant.name);
                }
            }
        }
    }
    for before in &old.models {
        let stays = new.models.iter().any(|model| model.name == before.name);
        let removed = matches!(plan.of(&before.name), Some(Change::Removed { .. }));
        assert_eq!(removed, !stays);
    }
    assert_eq!(plan.is_empty(), old == new);
}

proptest! {
    #[test]
    fn a_backend_is_restarted_if_and_only_if_it_is_launched_otherwise(old in some_spec(), new in some_spec()) {
        check(&old, &new, &plan(&old, &new));
    }
}

#[test]
fn a_further_replica_is_its_model_but_for_its_name_and_port() {
    let hours =
        llm_manager_policy::hours::Hours::parse("08:00-18:00").map(|hours| vec![hours]).unwrap_or_default();
    let (keep_warm, quiet) = (hours.clone(), hours);
    let first = ModelSpec { port: Some(9000), auto_start: true, keep_warm, quiet, ..model("a") };
    let third = first.replica(3);
    let expected = ModelSpec {
        name: "a#3".to_owned(),
        replica_of: Some("a".to_owned()),
        port: None,
        auto_start: false,
        keep_warm: Vec::new(),
        quiet: Vec::new(),
        ..first.clone()
    };
    assert_eq!(third, expected);
    assert_eq!((first.model(), third.model()), ("a", "a"));
}

#[test]
fn how_a_backend_is_asked_stopped_and_sent_to_sleep_counts_from_the_next_start_on() {
    let cases: [(&str, Edit); 5] = [
        ("probe, stop_command", |model| model.variants[0].stop_command = Some(vec!["stop".to_owned()])),
        ("probe, stop_command", |model| {
            let mut probes = llm_manager_policy::modes::built_in().into_iter().flat_map(|mode| mode.probes);
            model.variants[0].probe = probes.next();
        }),
        ("renew_before", |model| model.variants[0].renew_before = Some(Duration::from_secs(600))),
        ("park, parked_mb", |model| {
            model.variants[0].parked_mb.insert("cpu".to_owned(), 1);
        }),
        ("park, parked_mb", |model| {
            let way = llm_manager_policy::parking::ParkWay::Cuda;
            model.variants[0].park =
                llm_manager_policy::parking::ParkSpec::of_engine(way, Duration::from_secs(1));
        }),
    ];
    for (key, edit) in cases {
        assert_eq!(change(edit), Some(Change::InPlace(vec![key])), "{key}");
        let mut new = model("a");
        edit(&mut new);
        assert_eq!(model_change(&model("a"), &new), Some(Change::InPlace(vec![key])));
    }
    assert_eq!(model_change(&model("a"), &model("a")), None);
}

#[test]
fn each_key_that_wants_a_restart_stays_as_it_was() {
    let old = spec(vec![]);
    let edits: [fn(&mut ProgramSpec); 8] = [
        |program| program.host = "0.0.0.0".to_owned(),
        |program| program.port = 8081,
        |program| program.database = "other.db".to_owned(),
        |program| {
            let url = "http://localhost:4318/v1/traces".to_owned();
            program.traces = Some(TracesSpec { url, headers: Vec::new(), percent: 100 });
        },
        |program| program.shared = true,
        |program| program.disable_gpu_monitoring = true,
        |program| program.client_write_timeout = Duration::from_secs(1),
        |program| program.base_path = "/llm".to_owned(),
    ];
    for edit in edits {
        let mut new = old.clone();
        edit(&mut new.program);
        assert_eq!(plan(&old, &new).needs_restart.len(), 1);
        assert_eq!(in_force(&old, new), old);
    }
}

#[test]
fn what_changes_without_a_restart_is_listed() {
    let old = spec(vec![model("a"), model("b"), model("c")]);
    let mut new = old.clone();
    new.program.log_level = "warn".to_owned();
    new.models = spec(vec![
        model("a"),
        ModelSpec { pinned: true, ..model("b") },
        ModelSpec { port: Some(1), ..model("c") },
    ])
    .models;
    let plan = plan(&old, &new);
    assert_eq!(plan.changed().collect::<Vec<_>>(), ["program.log_level", "b"]);
    assert_eq!(plan.restarted().collect::<Vec<_>>(), ["c"]);
}
