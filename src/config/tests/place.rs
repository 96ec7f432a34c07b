//! `on`: where a variant runs.

use llm_manager_policy::spec::{Place, Secret};

use super::{check, load_text};

fn variant(on: &str) -> String {
    format!("Local-Models:\n  m:\n    There:\n      {on}\n")
}

#[test]
fn an_address_is_a_place() {
    let yaml = variant("on: {url: 'http://box:8080/llm/v1/', key: far-key}\n      served_name: other");
    let spec = load_text(&yaml).unwrap().spec;
    let variant = &spec.models[0].variants[0];
    let Place::Url(place) = &variant.place else { panic!("{:?}", variant.place) };
    assert_eq!(place.to_string(), "http://box:8080/llm/v1");
    assert_eq!(place.key.as_ref().map(Secret::reveal), Some("far-key"));
    assert_eq!(variant.routes.of("/v1/models"), "/llm/v1/models");
    assert_eq!(variant.served_name.as_deref(), Some("other"));
}

#[test]
fn the_variable_of_a_key_is_hidden_from_backends() {
    // It is there wherever tests run.
    let yaml = variant("on: {url: 'http://box:8080/v1', key: 'k${PATH}'}");
    let Ok(loaded) = load_text(&yaml) else { return };
    assert!(
        loaded.spec.secret_variables.iter().any(|name| name == "PATH"),
        "{:?}",
        loaded.spec.secret_variables
    );
}

#[test]
fn mistakes_are_told() {
    let at = "4 Local-Models.m.There.on.url";
    for (url, told) in [
        ("box:8080/v1", "before it, got \"box:8080/v1\" | write http://box:8080/v1"),
        ("ftp://box/v1", "begins with neither | write it like"),
        ("http://box:8080", "where the API begins | write http://box:8080/v1"),
        ("http://me:pw@box/v1", "a password in it | `key:`"),
        ("http://box/v1?key=x", "a query | `key:`"),
        ("http://box/v1/chat/completions", "one endpoint | before it"),
    ] {
        check(&variant(&format!("on: {{url: '{url}'}}")), &[&format!("{at}: {told}")]);
    }
    check(&variant("on: {}"), &["4 Local-Models.m.There.on: says no place | on: {url:"]);
    check(&variant("on: {urll: x}"), &["4 Local-Models.m.There.on.urll: unknown key | `url`"]);
    check(
        &variant("on: {url: 'http://box/v1', key: 'Bearer x'}"),
        &["4 Local-Models.m.There.on.key: printable ASCII"],
    );
}

#[test]
fn what_starts_a_server_has_no_meaning_beside_it() {
    let beside = |line: &str| variant(&format!("on: {{url: 'http://box/v1'}}\n      {line}"));
    check(
        &beside("script_path: ok.sh"),
        &["5 Local-Models.m.There.script_path: has no meaning beside `on.url` | another variant"],
    );
    check(
        &beside("api_prefix: /x"),
        &["5 Local-Models.m.There.api_prefix: no meaning | the path of `on.url`"],
    );
    check(&beside("memory_mb: auto"), &["5 Local-Models.m.There.memory_mb: no meaning"]);
}

#[test]
fn a_key_that_goes_through_the_internet_unencrypted_is_worth_a_warning() {
    let warnings = |url: &str| {
        let loaded = load_text(&variant(&format!("on: {{url: '{url}', key: far-key}}"))).unwrap();
        loaded.warnings.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(warnings("http://api.example.com/v1"), ["goes to api.example.com unencrypted"]);
    assert!(warnings("https://api.example.com/v1").is_empty() && warnings("http://box/v1").is_empty());
    assert_eq!(warnings("http://box/openai"), ["its API is asked at /openai/chat/completions and the like"]);
}

#[test]
fn only_a_job_with_a_longer_limit_has_a_successor() {
    let job = |model: &str, line: &str| {
        format!("Local-Models:\n  m:\n    {model}\n    Job:\n      script_path: ok.sh\n      {line}\n")
    };
    let ten = |before: &str| {
        job("alive_time: 1", &format!("on: {{slurm: {{time: '10'}}}}\n      renew_before: {before}"))
    };
    let spec = load_text(&ten("599")).unwrap().spec;
    assert_eq!(spec.models[0].variants[0].renew_before, Some(std::time::Duration::from_secs(599)));
    assert_eq!(spec.models[0].replicas.seats(), 2);
    check(
        &ten("600"),
        &[
            "7 Local-Models.m.Job.renew_before: 600 s are not less than the time limit of the job, which is 600 s | raise `on.slurm.time`",
        ],
    );
    check(
        &job("alive_time: 1", "renew_before: 60"),
        &["6 Local-Models.m.Job.renew_before: only a job or a Pod of a cluster | run the variant as a job"],
    );
    let renewed = "on: {slurm: {}}\n      renew_before: 60";
    check(
        &job("replicas: {max: 33}", renewed),
        &[
            "3 Local-Models.m.replicas.max: 33 replicas with a successor each are more than 64 | lower it to 32",
        ],
    );
    check(
        &format!("{}  'm#2': {{$V}}\n", job("alive_time: 1", renewed)),
        &["8 Local-Models.m#2: `m#2` is the name of a replica of the model `m` | another name"],
    );
}

/// A Pod's template beside the configuration that `load_text` reads.
#[cfg(feature = "kubernetes")]
#[test]
fn a_pod_is_a_place() {
    use llm_manager_policy::spec::Launch;
    let spec = load_text(&variant("on: {kubernetes: {image: i, namespace: llm}}")).unwrap().spec;
    let found = &spec.models[0].variants[0];
    let Place::Kubernetes(ask) = &found.place else { panic!("{:?}", found.place) };
    assert_eq!((ask.image.as_deref(), ask.to_string()), (Some("i"), "Kubernetes llm".to_owned()));
    assert_eq!(found.launch, Launch::Nothing, "the image has a command of its own");
    let with = variant("on: {kubernetes: {image: i}}\n      command: [/in/the/image/serve, '{port}']");
    let launch = load_text(&with).unwrap().spec.models[0].variants[0].launch.clone();
    assert!(matches!(launch, Launch::Command(_)));
    let at = "Local-Models.m.There";
    check(&variant("on: {kubernetes: {}}"), &[&format!("4 {at}.on.kubernetes: which image runs | `image`")]);
    check(
        &variant("on: {kubernetes: {template: nothing.yaml}}"),
        &[&format!("4 {at}.on.kubernetes.template: nothing.yaml | that file")],
    );
    check(
        &variant("on: {kubernetes: {image: i}}\n      script_path: ok.sh"),
        &[&format!("5 {at}.script_path: has no meaning beside `on.kubernetes` | this machine's files")],
    );
    check(
        &variant("on: {kubernetes: {image: i}, slurm: {}}"),
        &[&format!("4 {at}.on.kubernetes: `slurm` and `kubernetes` are both there | keep one")],
    );
}

#[cfg(not(feature = "kubernetes"))]
#[test]
fn a_program_that_can_make_no_pods_says_so() {
    check(
        &variant("on: {kubernetes: {image: i}}"),
        &["4 Local-Models.m.There.on.kubernetes: without the feature `kubernetes` | --features kubernetes"],
    );
}
