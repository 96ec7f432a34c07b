use super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

fn scan(body: &[u8]) -> Result<BodyScan<'_>, ScanError> {
    super::scan(body, None)
}

fn fails(body: &str) -> String {
    scan(body.as_bytes()).expect_err(body).to_string()
}

fn edited(body: &[u8], edit: Edit) -> Vec<u8> {
    let mut body = body.to_vec();
    body.splice(edit.at, edit.new);
    body
}

fn asked(body: &str) -> Option<String> {
    let scan = scan(body.as_bytes()).unwrap();
    ask_for_usage(&scan).map(|edit| String::from_utf8(edited(body.as_bytes(), edit)).unwrap())
}

#[test]
fn finds_model_and_stream() {
    let body = br#"{"messages":[{"model":"no"}],"model":"qwen","stream":true}"#;
    let found = scan(body).unwrap();
    assert!(matches!(found.model, Cow::Borrowed("qwen")));
    assert!(found.stream && !found.wants_usage && found.stream_options.is_none());
    assert_eq!(scan(br#"{"model":"a\u002db"}"#).unwrap().model, "a-b");
    let read = |stream: &str| {
        let body = format!(r#"{{"model":"m","stream":{stream}}}"#);
        let found = scan(body.as_bytes()).unwrap();
        assert_eq!(ask_for_usage(&found).is_some(), found.may_stream, "{stream}");
        (found.stream, found.may_stream)
    };
    assert_eq!(read("true"), (true, true));
    for taken_for_it in ["1", "1.0", "\"true\"", "\"True\"", "\"yes\"", "\"on\""] {
        assert_eq!(read(taken_for_it), (false, true), "{taken_for_it}");
    }
    for not_a_stream in ["false", "null", "0", "\"false\"", "\"\"", "[]", "{}", "2", "\"no\""] {
        assert_eq!(read(not_a_stream), (false, false), "{not_a_stream}");
    }
}

#[test]
fn finds_stream_options() {
    let body = r#"{"model":"m","stream":true,"stream_options": {"include_usage":true} }"#;
    let found = scan(body.as_bytes()).unwrap();
    assert_eq!(&body[found.stream_options.clone().unwrap()], r#"{"include_usage":true}"#);
    assert!(found.wants_usage);
    assert_eq!(ask_for_usage(&found), None);
}

#[test]
fn asks_for_usage_and_changes_nothing_else() {
    let same = [
        r#"{"model":"m"}"#,
        r#"{"model":"m","stream":false,"stream_options":{}}"#,
        r#"{"model":"m","stream":true,"stream_options":7}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":"x"}}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"include_usage":false}}"#,
    ];
    for body in same {
        assert_eq!(asked(body), None, "{body}");
    }
    let changed = [
        (
            " { \"model\":\"m\", \"stream\":true, \"n\":1.0}\n",
            " {\"stream_options\":{\"include_usage\":true}, \"model\":\"m\", \"stream\":true, \"n\":1.0}\n",
        ),
        (
            r#"{"model":"m","stream":true,"stream_options": null }"#,
            r#"{"model":"m","stream":true,"stream_options": {"include_usage":true} }"#,
        ),
        (
            r#"{"stream_options":{ },"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true },"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream_options":{ "x":[1]},"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true, "x":[1]},"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"x":{"include_usage":1},"include_usage" : false},"model":"m","stream":true}"#,
            r#"{"stream_options":{"x":{"include_usage":1},"include_usage" : true},"model":"m","stream":true}"#,
        ),
    ];
    for (body, wanted) in changed {
        assert_eq!(asked(body).as_deref(), Some(wanted));
    }
}

#[test]
fn of_a_key_that_comes_twice_the_last_holds() {
    let body = br#"{"model":"a","stream":true,"model":"b","stream":false}"#;
    let found = scan(body).unwrap();
    assert_eq!((&*found.model, found.stream), ("b", false));
    let body = r#"{"stream":false,"stream":true,"model":"m","stream_options":7,"stream_options":{}}"#;
    let wanted = r#"{"stream":false,"stream":true,"model":"m","stream_options":7,"stream_options":{"include_usage":true}}"#;
    assert_eq!(asked(body).as_deref(), Some(wanted));
}

#[test]
fn the_query_names_the_model_of_a_body_that_does_not() {
    let found = super::scan(br#"{"content":"x","stream":true}"#, Some("named")).unwrap();
    assert_eq!((&*found.model, found.model_at.is_none(), found.stream), ("named", true, true));
    assert_eq!(super::scan(br#"{"model":"own"}"#, Some("named")).unwrap().model, "own");
    assert!(super::scan(br#"{"model":""}"#, Some("named")).is_err());
}

#[test]
fn a_model_gets_another_name_and_nothing_else_changes() {
    for (body, wanted) in [
        (r#"{ "model" : "a" , "n": 1.0}"#, r#"{ "model" : "o/\"M\"" , "n": 1.0}"#),
        (r#"{"model":"x","model":"\u0061"}"#, r#"{"model":"x","model":"o/\"M\""}"#),
    ] {
        let found = scan(body.as_bytes()).unwrap();
        let edit = rename(&found, "o/\"M\"").unwrap();
        assert_eq!(String::from_utf8(edited(body.as_bytes(), edit)).unwrap(), wanted);
    }
    let unnamed = super::scan(b"{}", Some("named")).unwrap();
    assert_eq!(rename(&unnamed, "other"), None);
}

#[test]
fn says_what_is_wrong_and_where() {
    assert!(fails("").contains("no body"));
    assert!(fails(" \n").contains("no body"));
    assert!(fails("--x\r\nContent-Disposition: form-data").contains("multipart/form-data"));
    let said = |body: &[u8]| scan(body).unwrap_err().to_string();
    assert!(said(b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff").contains("multipart/form-data"));
    assert!(said(b"\x1f\x8b\x08\xff").contains("`Content-Encoding: gzip`"));
    assert!(said(b"\x28\xb5\x2f\xfd\xff").contains("`Content-Encoding: zstd`"));
    assert_eq!(scan(b"\xff\xfe{\0}\0").unwrap_err().to_string(), "the body is UTF-16: send JSON in UTF-8");
    assert_eq!(fails("[1]"), "the body is an array: a JSON object is wanted");
    assert_eq!(fails("\"x\""), "the body is a string: a JSON object is wanted");
    assert_eq!(fails("nope"), "the body is not valid JSON: expected ident at line 1 column 2");
    assert_eq!(
        fails("{\"model\":\n \"m\",}"),
        "the body is not valid JSON: trailing comma at line 2 column 6"
    );
    assert!(fails(r#"{"model":"m""#).contains("EOF while parsing an object at line 1 column 12"));
    assert!(fails(r#"{"model":"m"} x"#).contains("trailing characters at line 1 column 15"));
    assert!(fails("{}").starts_with("the body has no `model`"));
    assert_eq!(fails(r#"{"model":""}"#), "`model` is empty");
    assert_eq!(fails("{\n\"model\": 7}"), "`model` is a number at line 2 column 10: a string is wanted");
    assert!(fails(r#"{"model":null}"#).starts_with("`model` is null"));
    assert!(fails(r#"{"model":"\ud800"}"#).contains("not valid JSON"));
    let error = scan(b"{\"model\":\"m\",\n\"x\":\"\xff\"}").unwrap_err();
    assert_eq!(error.to_string(), "the body is not valid UTF-8 at line 2 column 6");
    let deep = |depth| format!(r#"{{"x":{}{},"model":"m"}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(scan(deep(MAX_DEPTH - 1).as_bytes()).is_ok());
    assert!(fails(&deep(MAX_DEPTH)).contains("deeper than 128 at line 1 column 133"));
    assert!(fails(&deep(1_000_000)).contains("deeper"));
    assert!(scan(br#"{"x":"\"[[\\","model":"m"}"#).is_ok());
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let options = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!({"include_usage": false})),
        Just(json!({"include_usage": true})),
        Just(json!({"include_usage": null, "x": "{"})),
        Just(json!({"a": [{}], "include_usage": false, "z": "\"include_usage\":true"})),
        Just(json!([])),
    ];
    let content = prop_oneof![".{0,20}", Just("\"stream_options\":{\"\\".to_owned())];
    (proptest::option::of(options), content, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(options, content, stream, pretty, options_first)| {
            let mut body = serde_json::Map::new();
            // Keys are sorted: `aaa` and `stream_options` stand on either side of the rest.
            body.insert(
                if options_first { "tools" } else { "aaa" }.into(),
                json!([content, {"model": content}]),
            );
            body.insert("model".into(), json!("m"));
            body.insert("stream".into(), json!(stream));
            if let Some(options) = options {
                body.insert("stream_options".into(), options);
            }
            let body = Value::Object(body);
            if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_spliced_body_means_the_same_and_asks_for_usage(body in body()) {
        let found = scan(&body).unwrap();
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&value["stream"], &json!(found.stream));
        let asks = value["stream_options"]["include_usage"] == true;
        prop_assert_eq!(asks, found.wants_usage);
        match ask_for_usage(&found) {
            Some(edit) => {
                let spliced = edited(&body, edit);
                prop_assert!(found.stream && !asks);
                if value["stream_options"].is_null() {
                    value["stream_options"] = json!({});
                }
                value["stream_options"]["include_usage"] = json!(true);
                prop_assert_eq!(serde_json::from_slice::<Value>(&spliced).unwrap(), value);
                prop_assert!(scan(&spliced).unwrap().wants_usage);
            }
            None => prop_assert!(!found.stream || asks || value["stream_options"].is_array()),
        }
    }

    #[test]
    fn a_damaged_body_never_panics_and_agrees_with_a_parser(
        body in body(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3), 1..4),
    ) {
        let mut body = body;
        for (at, byte, how) in changes {
            let at = at.index(body.len().max(1));
            match how {
                0 if at < body.len() => body[at] = byte,
                1 if at < body.len() => drop(body.remove(at)),
                _ => body.insert(at.min(body.len()), byte),
            }
        }
        let value = serde_json::from_slice::<Value>(&body).ok();
        match scan(&body) {
            Ok(found) => {
                let value = value.unwrap_or_else(|| panic!("no JSON, yet read"));
                prop_assert_eq!(value["model"].as_str(), Some(&*found.model));
                if let Some(edit) = ask_for_usage(&found) {
                    let spliced = edited(&body, edit);
                    let spliced: Value = serde_json::from_slice(&spliced).unwrap();
                    prop_assert_eq!(&spliced["stream_options"]["include_usage"], &json!(true));
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(body: Vec<u8>) {
        drop(scan(&body));
    }
}

/// `cargo test -p llm-manager --lib --release -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let small = json!({"model": "qwen-14b", "stream": true, "temperature": 0.7, "max_tokens": 512,
        "messages": [{"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say in one sentence what a reverse proxy is. ".repeat(3)}]})
    .to_string();
    let large =
        json!({"model": "m", "messages": vec![json!({"role": "user", "content": "x\n".repeat(500)}); 100]})
            .to_string();
    for (name, body, times) in [("small", small, 1_000_000), ("large", large, 2_000)] {
        let start = std::time::Instant::now();
        for _ in 0..times {
            let found = scan(std::hint::black_box(body.as_bytes())).unwrap();
            std::hint::black_box(ask_for_usage(&found));
        }
        println!("{name}: {} B, {} ns", body.len(), start.elapsed().as_nanos() / times);
    }
}
