//! How a backend is asked, by which name, and how it is stopped.

use llm_manager_policy::spec::VariantSpec;

use super::{check, load_text};

fn variants(yaml: &str) -> Vec<VariantSpec> {
    match load_text(yaml) {
        Ok(loaded) => loaded.spec.models[0].variants.clone(),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn what_a_model_says_holds_for_its_variants_unless_they_say_something_else() {
    let variants = variants(
        "Local-Models:\n  m:\n    served_name: org/m\n    api_prefix: /openai/v1/\n    stop_command: [docker, stop, m]\n    \
         probe: {headers: {Authorization: Bearer x}}\n    A: {command: [a]}\n    B: {command: [b], served_name: b, \
         api_prefix: '', stop_command: [b, '{port}'], probe: {path: /ready}}\n",
    );
    let [a, b] = &variants[..] else { panic!("two variants") };
    assert_eq!((a.served_name.as_deref(), a.routes.prefix.as_deref()), (Some("org/m"), Some("/openai/v1")));
    assert_eq!(a.stop_command.as_deref(), Some(&["docker", "stop", "m"].map(str::to_owned)[..]));
    let probe = a.probe.as_ref().unwrap();
    assert!(probe.paths.is_empty() && probe.body.is_none());
    assert_eq!(probe.headers, [("authorization".to_owned(), "Bearer x".to_owned())]);
    assert_eq!((b.served_name.as_deref(), b.routes.prefix.as_deref()), (Some("b"), Some("")));
    assert_eq!(b.stop_command.as_deref(), Some(&["b", "{port}"].map(str::to_owned)[..]));
    let probe = b.probe.as_ref().unwrap();
    assert_eq!((probe.method.as_str(), &probe.paths[..]), ("GET", &["/ready".to_owned()][..]));
}

#[test]
fn a_variant_that_says_nothing_has_none_of_it() {
    let variants = variants("Local-Models: {m: {$V}}");
    let variant = &variants[0];
    assert!(variant.served_name.is_none() && variant.routes.are_plain());
    assert!(variant.probe.is_none() && variant.stop_command.is_none());
}

#[test]
fn paths_of_the_mode_the_model_and_the_variant_are_one() {
    let variants = variants(
        "modes:\n  Embedding: {api_prefix: /api, paths: {/v1/embeddings: /embed, /v1/score: /s}}\nLocal-Models:\n  m:\n    \
         mode: Embedding\n    paths: {/v1/score: /score}\n    A: {command: [a], paths: {/v1/rerank: /r}}\n    \
         B: {command: [b], api_prefix: ''}\n",
    );
    let [a, b] = &variants[..] else { panic!("two variants") };
    let of = |variant: &VariantSpec| {
        ["/v1/embeddings", "/v1/score", "/v1/rerank", "/v1/models"]
            .map(|path| variant.routes.of(path).into_owned())
    };
    assert_eq!(of(a), ["/embed", "/score", "/r", "/api/models"]);
    assert_eq!(of(b), ["/embed", "/score", "/rerank", "/models"]);
}

#[test]
fn mistakes_in_them_are_told() {
    let model = |line: &str| format!("Local-Models:\n  m:\n    {line}\n    $V\n");
    check(&model("api_prefix: v1"), &["3 Local-Models.m.api_prefix: the beginning of a path | \"/v1\""]);
    check(&model("paths: {/v1/x: x}"), &["3 Local-Models.m.paths./v1/x: a path of the backend | \"/embed\""]);
    check(
        &model("paths: {embed: /x}"),
        &["3 Local-Models.m.paths.embed: is no path | /v1/embeddings: /embed"],
    );
    check(&model("paths: /embed"), &["3 Local-Models.m.paths: a mapping"]);
    check(&model("stop_command: []"), &["3 Local-Models.m.stop_command: is empty"]);
    check(&model("stop_command: [./nope.sh]"), &["3 Local-Models.m.stop_command[0]: nope.sh"]);
    check(&model("probe: {}"), &["3 Local-Models.m.probe: `path` is missing"]);
    check(
        &model("probe: {method: POST, headers: {a: b}}"),
        &["3 Local-Models.m.probe.method: nothing says what | remove `method`"],
    );
    check(
        &model("probe: {path: /x, headers: {Host: b}}"),
        &["3 Local-Models.m.probe.headers.Host: sets itself"],
    );
    check(
        &model("probe: {path: /x, headers: {'a b': c}}"),
        &["3 Local-Models.m.probe.headers.a b: is no name"],
    );
    check(
        &model("probe: {path: /x, headers: {a: \"b\\nc\"}}"),
        &["3 Local-Models.m.probe.headers.a: printable"],
    );
    check(&model("probe: {path: /x, body: {}}"), &["3 Local-Models.m.probe.body: GET request has no body"]);
}
