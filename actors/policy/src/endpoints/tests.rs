use super::*;
use crate::modes::built_in;

fn found(path: &str) -> Option<(String, Option<String>)> {
    let modes = built_in();
    let all = Endpoints::new(&modes);
    let found = all.find(path);
    found.map(|found| (found.endpoint.path.to_string(), found.path))
}

fn meant(path: &str) -> Option<String> {
    found(path).map(|(endpoint, sent)| sent.unwrap_or(endpoint))
}

#[test]
fn right_paths_go_on_as_they_are() {
    for row in TABLE.iter().filter(|row| !row.path.contains('{')) {
        assert_eq!(found(row.path), Some((row.path.to_owned(), None)), "{}", row.path);
    }
    let one = found("/v1/responses/resp_1");
    assert_eq!(one, Some(("/v1/responses/{id}".to_owned(), None)));
    assert_eq!(found("/v1/responses/resp_1/cancel").unwrap().0, "/v1/responses/{id}/cancel");
}

#[test]
fn each_endpoint_takes_its_own_methods() {
    let modes = built_in();
    let all = Endpoints::new(&modes);
    for row in TABLE.iter().filter(|row| !row.path.contains('{')) {
        let endpoint = all.find(row.path).unwrap().endpoint;
        assert!(!endpoint.takes("BREW"), "{}", row.path);
        assert_eq!(endpoint.takes("HEAD"), endpoint.takes("GET"), "{}", row.path);
    }
}

#[test]
fn what_a_user_has_added_is_not_built_in() {
    let mut modes = built_in();
    modes.truncate(1);
    modes[0].endpoints.push("/v1/own".to_owned());
    let all = Endpoints::new(&modes);
    let is_built_in = |path: &str| all.find(path).unwrap().endpoint.built_in;
    assert!(is_built_in("/v1/chat/completions") && !is_built_in("/v1/own"));
}

#[test]
fn a_version_is_said_once() {
    for (path, tidied) in [
        ("//v1//v1/models/", "/v1/models"),
        ("/v1/v2/rerank", "/v2/rerank"),
        ("/v1/chat/completions", "/v1/chat/completions"),
    ] {
        assert_eq!(tidy(path), tidied);
    }
}

#[test]
fn each_path_is_listed_and_contained() {
    let modes = built_in();
    let all = Endpoints::new(&modes);
    let listed: Vec<&str> = all.paths().collect();
    for path in ["/v1/chat/completions", "/v1/rerank", "/v1/responses/{id}"] {
        assert!(listed.contains(&path), "{path}");
    }
    assert!(listed.iter().all(|path| path.starts_with('/')));
    assert!(all.contains("/v1/chat/completions") && all.contains("/v1/responses/resp_1"));
    assert!(!all.contains("/v1/nothing"));
}

#[test]
fn paths_that_people_get_wrong_are_understood() {
    for (wrong, right) in [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/v1/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1//chat/completions", "/v1/chat/completions"),
        ("/embeddings//", "/v1/embeddings"),
        ("/rerank", "/v1/rerank"),
        ("/reranking", "/v1/rerank"),
        ("/v1/reranking", "/v1/rerank"),
        ("/v2/rerank", "/v1/rerank"),
        ("/v1/v2/rerank", "/v1/rerank"),
        ("/v1/v1/rerank/", "/v1/rerank"),
        ("/score", "/v1/score"),
        ("/v1/infill", "/infill"),
        ("/v1/tokenize/", "/tokenize"),
        ("/v1/v1/apply-template", "/apply-template"),
        ("/responses/resp_1", "/v1/responses/resp_1"),
        ("/v1/v1/responses/v1/", "/v1/responses/v1"),
    ] {
        assert_eq!(meant(wrong).as_deref(), Some(right), "{wrong}");
    }
    for nonsense in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nonsense",
        "/v3/rerank",
        "/v1/chat",
        "/v1/responses/a/b",
        "/V1/messages",
        "",
    ] {
        assert_eq!(meant(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_mode_of_ones_own_goes_before_a_synonym() {
    let mut modes = built_in();
    let mut own = modes[0].clone();
    own.name = "Tei".to_owned();
    own.endpoints = vec!["/rerank".to_owned(), "/v1/voices/{name}".to_owned(), "/v1/embeddings".to_owned()];
    modes.push(own);
    let all = Endpoints::new(&modes);
    let found = all.find("/rerank").unwrap();
    assert_eq!((&*found.endpoint.path, found.path), ("/rerank", None));
    assert_eq!(&*found.otherwise.unwrap().path, "/v1/rerank");
    assert!(found.endpoint.takes("DELETE") && found.endpoint.takes("HEAD"));
    assert_eq!(&*all.find("/v1/voices/a").unwrap().endpoint.path, "/v1/voices/{name}");
    assert!(all.find("/v1/embeddings").unwrap().endpoint.takes("GET"), "its mode may want it");
    assert!(!all.find("/v1/completions").unwrap().endpoint.takes("GET"));
}

#[test]
fn every_row_is_of_a_mode_and_allows_something() {
    let modes = built_in();
    for row in TABLE {
        assert!(!row.methods.is_empty());
        for name in row.modes {
            let mode = modes.iter().find(|mode| mode.name == *name);
            assert!(mode.is_some_and(|mode| mode.endpoints.iter().any(|path| path == row.path)), "{name}");
        }
    }
    for (_, meant) in SYNONYMS {
        assert!(TABLE.iter().any(|row| row.path == *meant), "{meant}");
    }
}

#[test]
fn allow_names_head_where_get_is() {
    let modes = built_in();
    let all = Endpoints::new(&modes);
    let allow = |path: &str| all.find(path).unwrap().endpoint.allow();
    assert_eq!(allow("/v1/chat/completions"), "POST");
    assert_eq!(allow("/v1/responses/x"), "GET, HEAD, DELETE");
}

#[test]
fn whole_answers_are_documents_but_for_sound_and_bytes() {
    let modes = built_in();
    let endpoints = Endpoints::new(&modes);
    let documents =
        |path: &str, kind: &str| endpoints.find(path).map(|found| found.endpoint.answers_document(kind));
    for kind in ["application/json; charset=utf-8", "application/problem+json", "TEXT/HTML", "text/plain", ""]
    {
        assert_eq!(documents("/v1/chat/completions", kind), Some(true), "{kind}");
        assert_eq!(documents("/v1/audio/transcriptions", kind), Some(false), "{kind}");
        assert_eq!(documents("/tokenize", kind), Some(false), "{kind}");
    }
    for kind in ["application/octet-stream", "image/png", "application/jsonl"] {
        assert_eq!(documents("/v1/embeddings", kind), Some(false), "{kind}");
    }
}
