//! How streams end.

use super::super::*;

pub(super) fn read(dialect: Dialect, events: &[&str]) -> Meter {
    let mut meter = Meter::new(Framing::Sse, dialect);
    for event in events {
        match event.starts_with('{') || *event == "[DONE]" {
            true => meter.push(format!("data: {event}\n\n").as_bytes()),
            false => meter.push(event.as_bytes()),
        };
    }
    meter
}

pub(super) fn usage(events: &[&str]) -> Usage {
    read(Dialect::OpenAi, events).finish(End::Complete, &TokenRate::default())
}

pub(super) fn document(text: &str) -> Usage {
    let mut meter = Meter::new(Framing::Json, Dialect::OpenAi);
    meter.push(text.as_bytes());
    meter.finish(End::Complete, &TokenRate::default())
}

fn pointers() -> Dialect {
    Dialect::Pointers(Pointers::default().input("/meta/in").unwrap().into())
}

pub(super) const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;
pub(super) const FINISH: &str = r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}"#;
pub(super) const TOTAL: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}"#;

#[test]
fn every_form_has_its_end() {
    use Dialect::{Anthropic, OpenAi, Responses};
    let other = TEXT.replace(":0,", ":1,");
    let ended: [(Dialect, &[&str]); 14] = [
        (OpenAi, &[TEXT, "[DONE]"]),
        (OpenAi, &[TEXT, FINISH]),
        (OpenAi, &["data: [DONE]"]),
        (OpenAi, &[r#"{"choices":[{"text":"x","index":0,"finish_reason":"length"}]}"#]),
        (OpenAi, &[TEXT, &other, FINISH, &FINISH.replace("\"index\":0", "\"index\":1")]),
        (OpenAi, &[r#"{"type":"transcript.text.done","text":"x"}"#]),
        (OpenAi, &[r#"{"type":"speech.audio.done"}"#]),
        (OpenAi, &[r#"{"type":"image_generation.completed","b64_json":"x"}"#]),
        (OpenAi, &[r#"{"type":"image_edit.completed","b64_json":"x"}"#]),
        (Responses, &[r#"{"type":"response.cancelled"}"#]),
        (Responses, &[r#"{"type":"response.completed","response":{"status":"completed","error":null}}"#]),
        (Responses, &["event: x\ndata: {\"type\":\"response.incomplete\"}\n\n"]),
        (Anthropic, &["event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"]),
        (Anthropic, &["data: {\"type\":\"message_stop\"}"]),
    ];
    for (dialect, events) in ended {
        let mut meter = read(dialect, events);
        meter.close();
        assert!(meter.has_ended() && meter.has_events() && meter.error().is_none(), "{events:?}");
    }
    let open: [(Dialect, &[&str]); 8] = [
        (OpenAi, &[TEXT]),
        (OpenAi, &[TEXT, &other, FINISH]),
        (OpenAi, &[r#"{"choices":[{"index":0,"delta":{"content":"[DONE]"}}]}"#]),
        (OpenAi, &["data: [DON"]),
        (OpenAi, &["data: xDONE]"]),
        (Responses, &[r#"{"type":"response.output_text.delta","delta":"response.completed"}"#]),
        (Anthropic, &[r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#]),
        (OpenAi, &[]),
    ];
    for (dialect, events) in open {
        let mut meter = read(dialect, events);
        meter.close();
        assert!(!meter.has_ended(), "{events:?}");
    }
    assert!(!read(OpenAi, &[": ping\n\n"]).has_events());
    assert!(Dialect::of_endpoint("/v1/chat/completions").end_of_stream("/v1/chat/completions").is_some());
    assert!(Dialect::of_endpoint("/v1/audio/speech").end_of_stream("/v1/audio/speech").is_none());
}

#[test]
fn the_end_that_a_lost_backend_owes_is_known() {
    use Dialect::{Anthropic, OpenAi};
    const DONE: &[u8] = b"data: [DONE]\n\n";
    let missing = |dialect: Dialect, events: &[&str]| read(dialect, events).missing_end();
    assert_eq!(missing(OpenAi, &[TEXT, FINISH]), Some(DONE));
    assert_eq!(missing(OpenAi, &[TEXT, FINISH, TOTAL]), Some(DONE));
    assert_eq!(missing(OpenAi, &[TEXT]), None, "a choice has not ended");
    assert_eq!(missing(OpenAi, &[TEXT, FINISH, "[DONE]"]), None, "it has come");
    assert_eq!(missing(OpenAi, &[TEXT, FINISH, "data: {"]), None, "an event is half sent");
    assert_eq!(missing(OpenAi, &[FINISH, r#"{"error":{"message":"no"}}"#]), None, "it has failed");
    // What is held back, because it may be the usage that nobody asked for, has not been sent.
    let hiding = |half: &str| {
        let mut meter = Meter::new(Framing::Sse, OpenAi).hiding(true);
        meter.push(format!("data: {TEXT}\n\ndata: {FINISH}\n\n{half}").as_bytes());
        meter.missing_end()
    };
    assert_eq!(hiding("data: {\"choices\":[],\"usage\":{"), Some(DONE));
    assert_eq!(hiding("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x"), None);
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    assert_eq!(missing(Anthropic, &[stop]), None, "others have no such word");
}

#[test]
fn what_a_meter_knows_of_its_answer() {
    let of = |shape, dialect| Meter::new(shape, dialect);
    assert!(of(Framing::Json, Dialect::Embedding).is_embedding());
    assert!(!of(Framing::Json, Dialect::OpenAi).is_embedding());
    let mut document = of(Framing::Json, Dialect::OpenAi);
    assert!(!document.has_begun());
    document.push(b" {");
    assert!(document.has_begun());
    assert_eq!(document.error(), None, "it has not ended");
    document.push(b"}");
    assert_eq!(document.error(), None);
    let unknown = |asked| of(Framing::Unknown, Dialect::OpenAi).asked_for_stream(asked).may_be_stream();
    assert!(unknown(true) && !unknown(false) && !of(Framing::Sse, Dialect::OpenAi).may_be_stream());
    let half = read(Dialect::OpenAi, &["data: {\"error\":{\"message\":\"no\""]);
    assert_eq!(half.error(), None, "an error counts when its event is whole");
}

#[test]
fn errors_within_streams_are_told_in_the_engines_words() {
    use Dialect::{Anthropic, Embedding, OpenAi, Responses};
    let failed: [(Dialect, &str, &str); 22] = [
        (OpenAi, r#"{"object":"error","message":"no memory","code":50001}"#, "no memory"),
        (OpenAi, r#"{"message":"no memory","type":"server_error","object":"error"}"#, "no memory"),
        (
            OpenAi,
            r#"{"object":"x","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
            "a choice ended with the finish_reason `error`",
        ),
        (
            OpenAi,
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"abort"}]}"#,
            "a choice ended with the finish_reason `abort`",
        ),
        (OpenAi, r#"{"error":true,"message":"gone"}"#, "gone"),
        (OpenAi, r#"{"error":503,"message":"gone"}"#, "gone"),
        (OpenAi, r#"{"error":{"message":"gone"},"choices":[{"finish_reason":"error","index":0}]}"#, "gone"),
        (OpenAi, r#"{"error":{"message":"the engine\nhas \"died\"","code":500}}"#, "the engine has \"died\""),
        (OpenAi, r#"{"error":"out of \u006demory"}"#, "out of memory"),
        (OpenAi, r#"{"error":{"code":500}}"#, ""),
        (OpenAi, r#"{"detail":[{"loc":["body","n"],"msg":"too many","type":"value_error"}]}"#, "too many"),
        (OpenAi, r#"{"error":["no memory"]}"#, "no memory"),
        (OpenAi, "event: error\ndata: {\"message\":\"gone\"}\n\n", "gone"),
        (OpenAi, "event: error\ndata: plain words\n\n", "plain words"),
        (OpenAi, "event:error\ndata:{\"detail\":\"gone\"}\n\n", "gone"),
        (
            Responses,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"x","message":"bad"}}}"#,
            "bad",
        ),
        (Responses, r#"{"type":"error","code":"x","message":"worse","param":null}"#, "worse"),
        (
            Anthropic,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded",
        ),
        (Embedding, r#"{"error":{"message":"no"}}"#, "no"),
        (Embedding, r#"{"detail":"no"}"#, "no"),
        (OpenAi, r#"{"text":"**NETWORK ERROR**","error_code":50001}"#, "**NETWORK ERROR**"),
        (pointers(), r#"{"error":{"message":"no"}}"#, "no"),
    ];
    for (dialect, event, words) in failed {
        let meter = read(dialect, &[TEXT, event, "[DONE]"]);
        assert_eq!(meter.error().as_deref(), Some(words), "{event}");
    }
    for fine in [
        r#"{"error":null,"choices":[]}"#,
        r#"{"choices":[{"delta":{"content":"\"error\":{}"}}]}"#,
        r#"{"choices":[{"error":{"message":"x"}}]}"#,
        r#"{"error":""}"#,
        r#"{"error":false,"message":"x"}"#,
        r#"{"error":0,"message":"x"}"#,
        r#"{"error":0.0}"#,
        r#"{"text":"fine","error_code":0}"#,
        r#"{"detail":[],"choices":[]}"#,
        r#"{"object":"error\n","choices":[{"index":0,"delta":{},"finish_reason":"errors"}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"delta":{"content":"error"},"finish_reason":"\"error"}]}"#,
        "event: errors\ndata: {}\n\n",
        "event: error\n\n",
    ] {
        assert_eq!(read(OpenAi, &[fine]).error(), None, "{fine}");
    }
    let mut meter = Meter::new(Framing::Json, OpenAi);
    meter.push(br#"{"error":{"message":"no"}}"#);
    assert_eq!(meter.error().as_deref(), Some("no"));
    let mut meter = Meter::new(Framing::Json, OpenAi);
    meter.push(br#"{"object":"error","message":"no"}"#);
    assert_eq!(meter.error(), Some("no".to_owned()));
}

#[test]
fn an_event_named_error_is_one_whatever_it_says() {
    let fails =
        |name: &str| read(Dialect::OpenAi, &[&format!("{name}\ndata: {{\"x\":1}}\n\n")]).error().is_some();
    for name in ["event: error", "event:error"] {
        assert!(fails(name), "{name}");
    }
    for name in [
        "event: errors",
        "event: erro",
        "event:  error",
        "event: ersor",
        "event:xrror",
        "event:ezzzz",
        "event:    ",
    ] {
        assert!(!fails(name), "{name}");
    }
}

#[test]
fn what_is_within_a_value_of_another_kind_is_no_word() {
    let odd = r#"{"error":{"message":["a\nb"],"code":5}}"#;
    assert_eq!(read(Dialect::OpenAi, &[odd]).error().as_deref(), Some(""));
}

#[test]
fn a_line_that_is_of_no_event_is_kept_as_words() {
    let meter = read(Dialect::OpenAi, &[TEXT, "proxy error: the server is gone\n\n"]);
    assert_eq!(meter.stray().as_deref(), Some("proxy error: the server is gone"));
    let meter = read(Dialect::OpenAi, &["internal error\n"]);
    assert_eq!(meter.stray().as_deref(), Some("internal error"));
    let meter = read(Dialect::OpenAi, &[TEXT, "error: {\"message\":\"no\"}\n\n", "[DONE]"]);
    assert_eq!((meter.error(), meter.error_line().as_deref()), (None, Some("{\"message\":\"no\"}")));
    assert_eq!(read(Dialect::OpenAi, &[TEXT, "errors: 1\n\n"]).error_line(), None);
    assert_eq!(read(Dialect::OpenAi, &["id: 1\nretry: 2\nevent: x\n: y\n", TEXT]).stray(), None);
}
