//! What follows from what a backend answers: the engines of facts, one by one.

use super::*;
use crate::modes::built_in;
use crate::spec::Launch;

fn chat() -> Vec<ProbeSpec> {
    built_in().into_iter().find(|mode| mode.name == "Chat").map(|mode| mode.probes).unwrap_or_default()
}

fn names(own: &str, aliases: &[&str]) -> ModelNames {
    ModelNames::new(own, &aliases.iter().map(|alias| (*alias).to_owned()).collect::<Vec<_>>(), None)
}

fn readiness(names: ModelNames) -> Readiness {
    Readiness::new(chat(), names, PastStarts::default())
}

fn answer(status: u16, text: &str) -> ProbeAnswer {
    ProbeAnswer::Answer { status, text: text.to_owned(), listing: None, took: Duration::from_millis(1) }
}

fn list(names: &[&str]) -> ProbeAnswer {
    let models = names.iter().map(|name| match name.strip_prefix('*') {
        Some(name) => ListedModel { name: name.to_owned(), loaded: true, context: Some(4096) },
        None => ListedModel { name: (*name).to_owned(), loaded: false, context: None },
    });
    let listing = Listing { models: models.collect(), owner: None };
    ProbeAnswer::Answer {
        status: 200,
        text: String::new(),
        listing: Some(listing),
        took: Duration::from_millis(1),
    }
}

fn asked(readiness: &Readiness) -> (String, String) {
    let question = readiness.next().expect("a question");
    (format!("{} {}", question.method, question.path), question.name)
}

/// The names by which a backend is asked that lists these and refuses all but `known`; and what comes of it.
fn names_asked(names: ModelNames, listed: &[&str], known: &[&str]) -> (Vec<String>, ProbeStep) {
    let mut readiness = readiness(names);
    let mut next = readiness.hear(list(listed), Duration::ZERO);
    let mut asked_for = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        match next {
            ProbeStep::AskOn | ProbeStep::Wait(..) => {}
            end => return (asked_for, end),
        }
        now += Duration::from_millis(500);
        let (question, name) = asked(&readiness);
        let heard = if question.starts_with("GET") {
            list(listed)
        } else if known.contains(&name.as_str()) {
            answer(200, "{}")
        } else {
            answer(404, &format!("{{\"error\":{{\"message\":\"The model `{name}` does not exist.\"}}}}"))
        };
        if !question.starts_with("GET") && !asked_for.contains(&name) {
            asked_for.push(name);
        }
        next = readiness.hear(heard, now);
    }
}

fn served(next: ProbeStep) -> Option<String> {
    match next {
        ProbeStep::Ready(found) => found.served_name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_of_a_list_is_never_asked_for_being_the_first() {
    let own = || names("mine", &[]);
    let (asked, next) = names_asked(own(), &["other/big", "mine"], &["other/big", "mine"]);
    assert_eq!((asked, served(next)), (vec!["mine".to_owned()], Some("mine".to_owned())));
    let (asked, next) = names_asked(names("qwen", &["mine"]), &["other/big", "mine"], &["other/big", "mine"]);
    assert_eq!((asked, served(next)), (vec!["mine".to_owned()], Some("mine".to_owned())));
    let (asked, next) = names_asked(own(), &["other/big", "*loaded", "c"], &["loaded", "other/big"]);
    assert_eq!((asked, served(next)), (vec!["loaded".to_owned()], Some("loaded".to_owned())));
    // Nobody knows it: not a foreign model, but a refusal that says so.
    let (asked, next) = names_asked(own(), &["other/big", "c"], &["other/big", "c"]);
    assert_eq!(asked, ["mine"]);
    let ProbeStep::Never(refused) = next else { panic!("{next:?}") };
    assert_eq!(refused.what, RefusedThing::Name(vec!["mine".to_owned()]));
    assert_eq!(refused.listed, ["other/big", "c"]);
}

#[test]
fn a_single_foreign_name_is_taken_once_ours_is_refused() {
    let (asked, next) = names_asked(names("qwen", &["gpt-4"]), &["org/Model-8B"], &["org/Model-8B"]);
    assert_eq!(asked, ["qwen", "org/Model-8B"]);
    assert_eq!(served(next).as_deref(), Some("org/Model-8B"));
    // llama-server lists a path and takes any name: ours stays.
    let (asked, next) =
        names_asked(names("qwen", &["gpt-4"]), &["/srv/x.gguf"], &["/srv/x.gguf", "qwen", "gpt-4"]);
    assert_eq!((asked, served(next)), (vec!["qwen".to_owned()], None));
}

#[test]
fn the_name_in_the_command_is_asked_for_where_several_are_listed() {
    let launched = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        names("qwen", &[]).launched_by(&Launch::Command(words))
    };
    let listed = ["other/big", "/models/qwen"];
    for words in [
        &["mlx_lm.server", "--model", "/models/qwen"][..],
        &["serve", "--model=/models/qwen"],
        &["serve", "--model", "./qwen"],
        &["serve", "models/qwen"],
    ] {
        let (asked_for, end) = names_asked(launched(words), &listed, &["/models/qwen"]);
        assert_eq!(asked_for, ["/models/qwen"], "{words:?}");
        assert_eq!(served(end).as_deref(), Some("/models/qwen"));
    }
    for words in [
        &["serve", "x=/models/qwen", "qwen", "/qwen", "s/qwen"][..],
        &["serve", "/models/qwen", "other/big"],
        &[],
    ] {
        assert_eq!(names_asked(launched(words), &listed, &[]).0, ["qwen"], "{words:?}");
    }
}

/// transformers serve fails for as long as it looks for a model that it doesn't have.
#[test]
fn what_waits_by_a_name_that_is_not_listed_says_so() {
    let mut readiness = readiness(names("mine", &[]));
    readiness.hear(list(&["other/big", "a"]), Duration::ZERO);
    // Another path of the gate may know better.
    assert_eq!(readiness.hear(answer(500, "Internal"), Duration::ZERO), ProbeStep::AskOn);
    assert_eq!(readiness.hear(answer(200, ""), Duration::ZERO), ProbeStep::AskOn);
    let ProbeStep::Wait(_, Some(why)) = readiness.hear(answer(500, "Internal"), Duration::ZERO) else {
        panic!("it waits")
    };
    assert_eq!(
        why,
        "status 500: Internal; it lists `other/big`, `a`, not `mine`: perhaps `served_name` is missing"
    );
    let mut listed = self::readiness(names("mine", &[]));
    listed.hear(list(&["other/big", "mine"]), Duration::ZERO);
    assert_eq!(listed.remark(), None);
}

#[test]
fn an_alias_is_tried_where_a_listed_name_might_be_the_only_one() {
    // vLLM: only its own.
    let (asked, next) = names_asked(names("qwen", &["gpt-4"]), &["qwen"], &["qwen"]);
    assert_eq!((asked.len(), served(next).as_deref()), (2, Some("qwen")));
    // Takes any.
    let (_, next) = names_asked(names("qwen", &["gpt-4"]), &["qwen"], &["qwen", "gpt-4"]);
    assert_eq!(served(next), None);
}

#[test]
fn served_name_is_the_only_name_that_is_asked_for() {
    let names = ModelNames::new("qwen", &["gpt-4".to_owned()], Some("org/q"));
    let (asked, next) = names_asked(names.clone(), &["qwen", "org/q"], &["org/q", "qwen"]);
    assert_eq!((asked, served(next).as_deref()), (vec!["org/q".to_owned()], Some("org/q")));
    let (asked, next) = names_asked(names, &["qwen"], &["qwen"]);
    assert_eq!(asked, ["org/q"]);
    assert!(matches!(next, ProbeStep::Never(ReadinessError { what: RefusedThing::Name(_), .. })));
}

#[test]
fn refusals_are_told_within_seconds_and_by_their_kind() {
    let cases = [
        (404, r#"{"detail":"Not Found"}"#, RefusedThing::Path),
        (404, r#"{"error":{"message":"File Not Found","type":"not_found_error"}}"#, RefusedThing::Path),
        (405, "", RefusedThing::Path),
        (404, r#"{"error":"Cannot find that one"}"#, RefusedThing::Name(vec!["mine".to_owned()])),
        (
            400,
            r#"{"detail":"Server is pinned to model '/srv/x'"}"#,
            RefusedThing::Name(vec!["mine".to_owned()]),
        ),
        (401, "no key", RefusedThing::Key),
        (501, "this server does not support chat", RefusedThing::Request),
    ];
    for (status, text, what) in cases {
        let mut readiness = readiness(names("mine", &[]));
        let mut now = Duration::ZERO;
        let refused = loop {
            let heard = match readiness.next().expect("a question").method.as_str() {
                "GET" => list(&[]),
                _ => answer(status, text),
            };
            match readiness.hear(heard, now) {
                ProbeStep::Never(refused) => break refused,
                ProbeStep::Wait(pause, _) => now += pause,
                ProbeStep::AskOn => {}
                ProbeStep::Ready(_) => panic!("{status} {text} is not ready"),
            }
        };
        assert_eq!(refused.what, what, "{status} {text}");
        assert_eq!(refused.question, "POST /v1/chat/completions");
        assert!(now <= Duration::from_secs(4), "{now:?}");
    }
}

#[test]
fn a_name_that_is_not_listed_is_to_blame_for_a_refusal_without_words() {
    // infinity with an embedder and a reranker: 400 for the wrong one.
    let refuses = |listed: &[&str]| {
        let mut readiness = readiness(names("mine", &[]));
        assert_eq!(readiness.hear(list(listed), Duration::ZERO), ProbeStep::AskOn);
        readiness.hear(answer(400, "does not support rerank"), Duration::ZERO)
    };
    assert!(matches!(refuses(&["embedder", "other"]), ProbeStep::Wait(..)));
    assert_eq!(refuses(&["embedder"]), ProbeStep::AskOn);
    assert!(matches!(refuses(&["mine", "embedder"]), ProbeStep::Ready(_)));
}

#[test]
fn a_trial_that_is_refused_for_its_own_sake_is_ready() {
    for status in [400, 413, 422] {
        let mut readiness = readiness(names("mine", &[]));
        assert_eq!(readiness.hear(list(&["mine"]), Duration::ZERO), ProbeStep::AskOn);
        match readiness.hear(answer(status, "max_tokens must be at least 2"), Duration::ZERO) {
            ProbeStep::Ready(found) => assert_eq!(found.trial_refused.map(|refused| refused.0), Some(status)),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn loading_is_waited_for_at_a_short_pace() {
    let mut readiness = readiness(names("mine", &[]));
    for (now, pause) in [(0, 2), (64, 2), (320, 10), (640, 20), (300_000, 20)]
        .map(|(now, pause)| (Duration::from_millis(now), Duration::from_millis(pause)))
    {
        assert_eq!(readiness.hear(ProbeAnswer::Nothing, now), ProbeStep::Wait(pause, None));
        let quick =
            ProbeAnswer::Answer { status: 503, text: String::new(), listing: None, took: Duration::ZERO };
        assert!(matches!(readiness.hear(quick, now), ProbeStep::Wait(same, Some(_)) if same == pause));
    }
    for status in [503, 429, 500, 502] {
        for (now, took, pause) in
            [(16, 2, 2), (160, 40, 20), (1000, 10, 40), (1000, 40, 125), (60_000, 90, 250)]
        {
            let (now, took) = (Duration::from_millis(now), Duration::from_millis(took));
            let slow = ProbeAnswer::Answer { status, text: "loading".to_owned(), listing: None, took };
            let ProbeStep::Wait(found, Some(_)) = readiness.hear(slow, now) else { panic!("{status}") };
            // A backend that needs long for an answer isn't kept busy with answers, nor a short start drawn out.
            assert_eq!(found, Duration::from_millis(pause), "{status} at {now:?}");
        }
    }
    assert_eq!(asked(&readiness).0, "GET /v1/models");
}

#[test]
fn a_gate_that_says_yes_too_early_is_left_for_one_that_knows() {
    // llama-server lists its model while it loads; its /health doesn't lie.
    let mut readiness = readiness(names("mine", &[]));
    assert_eq!(readiness.hear(list(&["mine"]), Duration::ZERO), ProbeStep::AskOn);
    assert_eq!(readiness.hear(answer(503, "Loading model"), Duration::ZERO), ProbeStep::AskOn);
    assert_eq!(asked(&readiness).0, "GET /health");
    assert!(matches!(readiness.hear(answer(503, "Loading model"), Duration::ZERO), ProbeStep::Wait(..)));
    assert_eq!(asked(&readiness).0, "GET /health");
    assert_eq!(readiness.hear(answer(200, "ok"), Duration::ZERO), ProbeStep::AskOn);
    let ProbeStep::Ready(found) = readiness.hear(answer(200, "{}"), Duration::ZERO) else { panic!("ready") };
    // The next start knows: the list for the names, /health for the moment, and no trial.
    let mut again = Readiness::new(chat(), names("mine", &[]), found.lessons);
    assert_eq!(again.hear(list(&["mine"]), Duration::ZERO), ProbeStep::AskOn);
    assert_eq!(asked(&again).0, "GET /health");
    assert!(matches!(again.hear(answer(503, ""), Duration::ZERO), ProbeStep::Wait(..)));
    let ProbeStep::Ready(found) = again.hear(answer(200, "ok"), Duration::ZERO) else { panic!("ready") };
    assert_eq!(found.served_name.as_deref(), Some("mine"));
    // And the one after that, too.
    let mut third = Readiness::new(chat(), names("mine", &[]), found.lessons);
    assert_eq!(third.hear(list(&["mine"]), Duration::ZERO), ProbeStep::AskOn);
    assert!(matches!(third.hear(answer(200, "ok"), Duration::ZERO), ProbeStep::Ready(_)));
}

#[test]
fn the_list_tells_the_rest_where_no_question_names_the_model() {
    let gate = || chat().into_iter().take(1).collect();
    let found = |listed: &[&str]| {
        let mut readiness = Readiness::new(gate(), names("mine", &[]), PastStarts::default());
        match readiness.hear(list(listed), Duration::ZERO) {
            ProbeStep::Ready(found) => (found.served_name, found.context),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(&["org/q"]), (Some("org/q".to_owned()), None), "the only one is the one");
    assert_eq!(found(&["*org/q", "org/r"]).0.as_deref(), Some("org/q"), "or the one that is loaded");
    assert_eq!(found(&["org/q", "org/r"]), (None, None));
}

#[test]
fn who_wrote_the_list_is_known_at_each_start() {
    let listing = Listing {
        models: vec![ListedModel { name: "mine".to_owned(), loaded: true, context: Some(4096) }],
        owner: Some("vllm".to_owned()),
    };
    let took = Duration::from_millis(1);
    let listed =
        || ProbeAnswer::Answer { status: 200, text: String::new(), listing: Some(listing.clone()), took };
    let mut first = readiness(names("mine", &[]));
    assert_eq!(first.hear(listed(), Duration::ZERO), ProbeStep::AskOn);
    let ProbeStep::Ready(found) = first.hear(answer(200, "{}"), Duration::ZERO) else { panic!("ready") };
    let mut second = Readiness::new(chat(), names("mine", &[]), found.lessons.clone());
    let ProbeStep::Ready(again) = second.hear(listed(), Duration::ZERO) else { panic!("ready") };
    assert_eq!((again.owner.as_deref(), again.context), (Some("vllm"), Some(4096)));
    assert_eq!(again, found);
}

#[test]
fn a_backend_without_the_paths_of_the_gate_is_asked_for_an_answer() {
    let mut readiness = readiness(names("mine", &[]));
    for path in ["GET /v1/models", "GET /health"] {
        assert_eq!(asked(&readiness).0, path);
        assert_eq!(readiness.hear(answer(404, "Not Found"), Duration::ZERO), ProbeStep::AskOn);
    }
    assert_eq!(asked(&readiness).0, "POST /v1/chat/completions");
}

#[test]
fn each_question_has_its_own_patience() {
    let mut readiness = readiness(names("mine", &[]));
    let seconds = Duration::from_secs;
    assert!(matches!(readiness.hear(answer(401, "no key"), seconds(0)), ProbeStep::Wait(..)));
    assert_eq!(readiness.hear(list(&["mine"]), seconds(1)), ProbeStep::AskOn);
    for (now, is_over) in [(4, false), (6, false), (7, true)] {
        let next = readiness.hear(answer(401, "no key"), seconds(now));
        assert_eq!(matches!(next, ProbeStep::Never(_)), is_over, "{now} s: {next:?}");
    }
}

#[test]
fn a_trial_is_left_out_only_where_the_gate_was_right_and_the_list_is_the_same() {
    let ready = |took: Duration| {
        let mut readiness = readiness(names("mine", &[]));
        readiness.hear(list(&["mine"]), Duration::ZERO);
        let trial = ProbeAnswer::Answer { status: 200, text: String::new(), listing: None, took };
        match readiness.hear(trial, Duration::ZERO) {
            ProbeStep::Ready(found) => found.lessons,
            other => panic!("{other:?}"),
        }
    };
    let second = |lessons: PastStarts, listed: &[&str]| {
        Readiness::new(chat(), names("mine", &[]), lessons).hear(list(listed), Duration::ZERO)
    };
    let quick = ready(Duration::from_millis(30));
    assert!(matches!(second(quick.clone(), &["mine"]), ProbeStep::Ready(_)));
    assert_eq!(second(quick, &["other"]), ProbeStep::AskOn);
    // It loaded while it was asked: the list tells nothing.
    assert_eq!(second(ready(Duration::from_secs(20)), &["mine"]), ProbeStep::AskOn);
}

#[test]
fn a_model_may_have_its_own_probe_or_only_headers() {
    let mode = built_in().remove(0);
    let mut variant = VariantSpec {
        name: "V".to_owned(),
        required_devices: Vec::new(),
        memory_mb: std::collections::BTreeMap::default(),
        memory_auto: false,
        place: crate::spec::Place::Local,
        renew_before: None,
        launch: crate::spec::Launch::Command(Vec::new()),
        env: std::collections::BTreeMap::default(),
        served_name: None,
        routes: crate::spec::Routes { prefix: Some(String::new()), ..Default::default() },
        probe: None,
        stop_command: None,
        park: None,
        parked_mb: std::collections::BTreeMap::default(),
    };
    let paths = |probes: &[ProbeSpec]| probes.iter().map(|probe| probe.paths.join(" ")).collect::<Vec<_>>();
    assert_eq!(paths(&probes(&mode, &variant)), ["/models /health", "/chat/completions"]);
    let key = vec![("authorization".to_owned(), "Bearer x".to_owned())];
    let own = |paths: &[&str]| ProbeSpec {
        method: "GET".to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        body: None,
        headers: key.clone(),
    };
    variant.probe = Some(own(&[]));
    assert!(probes(&mode, &variant).iter().all(|probe| probe.headers == key));
    assert_eq!(paths(&probes(&mode, &variant)), ["/models /health", "/chat/completions"]);
    variant.probe = Some(own(&["/ready"]));
    assert_eq!(probes(&mode, &variant), [own(&["/ready"])]);
}

#[test]
fn a_long_list_is_told_by_its_first_names() {
    let mut readiness = readiness(names("mine", &[]));
    readiness.hear(list(&["a", "b", "c", "d", "e", "f"]), Duration::ZERO);
    let remark = readiness.remark().unwrap_or_default();
    assert!(remark.starts_with("; it lists `a`, `b`, `c`, `d` and 2 more, not `mine`"), "{remark}");
}

#[test]
fn a_list_tells_the_context_its_writer_and_whether_names_matter() {
    let listing = |models: &[(&str, u64)], owner: &str| Listing {
        models: models
            .iter()
            .map(|(name, context)| ListedModel {
                name: (*name).to_owned(),
                loaded: true,
                context: Some(*context),
            })
            .collect(),
        owner: Some(owner.to_owned()),
    };
    let two = listing(&[("a", 1), ("b", 2)], "llamacpp");
    assert_eq!(["a", "b", "c"].map(|name| two.context(name)), [Some(1), Some(2), None]);
    let one = listing(&[("a", 1)], "llamacpp");
    assert_eq!(one.context("c"), Some(1), "the only one is it, whatever it is called");
    let manager = listing(&[("a", 1)], "llm-manager");
    assert!(manager.is_of_manager() && !one.is_of_manager());
    assert!(!one.lists_others_than("c") && two.lists_others_than("c") && manager.lists_others_than("c"));
    assert!(!manager.lists_others_than("a"));
}

#[test]
fn a_name_is_wrong_where_the_words_are_of_models_and_not_of_paths() {
    let wrong = super::names::says_wrong_name;
    assert!(wrong(400, "unknown model", "") && wrong(404, "Unknown MODEL", "x"));
    assert!(wrong(400, "`Mine` is unknown", "mine"));
    assert!(!wrong(400, "an unknown field", "") && !wrong(400, "the model is busy", "x"));
    assert!(
        !wrong(404, "unknown url for this model", "") && !wrong(404, "unknown url for this model", "mine")
    );
    assert!(wrong(404, "unknown url for the model mine", "mine"));
    assert!(!wrong(500, "unknown model", ""));
}

#[test]
fn what_the_gate_dislikes_is_no_answer_to_a_request() {
    let mut readiness = readiness(names("mine", &[]));
    assert!(!matches!(readiness.hear(answer(400, "no"), Duration::ZERO), ProbeStep::Ready(_)));
}
