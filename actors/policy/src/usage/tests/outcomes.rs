//! How streams end, and what is counted where engines say it in their own way.

use super::super::*;

fn read(dialect: Dialect, events: &[&str]) -> Meter {
    let mut meter = Meter::new(Shape::Sse, dialect);
    for event in events {
        match event.starts_with('{') || *event == "[DONE]" {
            true => meter.push(format!("data: {event}\n\n").as_bytes()),
            false => meter.push(event.as_bytes()),
        };
    }
    meter
}

fn usage(events: &[&str]) -> Usage {
    read(Dialect::OpenAi, events).finish(End::Complete, &Pace::default())
}

fn document(text: &str) -> Usage {
    let mut meter = Meter::new(Shape::Json, Dialect::OpenAi);
    meter.push(text.as_bytes());
    meter.finish(End::Complete, &Pace::default())
}

fn pointers() -> Dialect {
    Dialect::Pointers(Pointers::default().input("/meta/in").unwrap().into())
}

const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;
const FINISH: &str = r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}"#;
const TOTAL: &str =
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
        let mut meter = Meter::new(Shape::Sse, OpenAi).hiding(true);
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
    assert!(of(Shape::Json, Dialect::Embedding).is_embedding());
    assert!(!of(Shape::Json, Dialect::OpenAi).is_embedding());
    let mut document = of(Shape::Json, Dialect::OpenAi);
    assert!(!document.has_begun());
    document.push(b" {");
    assert!(document.has_begun());
    assert_eq!(document.error(), None, "it has not ended");
    document.push(b"}");
    assert_eq!(document.error(), None);
    let unknown = |asked| of(Shape::Unknown, Dialect::OpenAi).asked_for_stream(asked).may_be_stream();
    assert!(unknown(true) && !unknown(false) && !of(Shape::Sse, Dialect::OpenAi).may_be_stream());
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
    let mut meter = Meter::new(Shape::Json, OpenAi);
    meter.push(br#"{"error":{"message":"no"}}"#);
    assert_eq!(meter.error().as_deref(), Some("no"));
    let mut meter = Meter::new(Shape::Json, OpenAi);
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

#[test]
fn each_choice_may_have_its_own_report() {
    let own = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;
    let text = |choice: u32| TEXT.replace("\"index\":0", &format!("\"index\":{choice}"));
    let finish = |choice: u32| FINISH.replace("\"index\":0", &format!("\"index\":{choice}"));
    let mut events = Vec::new();
    for choice in 0..4 {
        events.extend(std::iter::repeat_n(text(choice), 5));
        events.extend([finish(choice), own.to_owned()]);
    }
    let all: Vec<&str> = events.iter().map(String::as_str).collect();
    let got = usage(&all);
    assert_eq!((got.input, got.output, got.source), (Some(3), Some(20), Source::Backend));
    // Four answers to one prompt ask once; four prompts ask four times.
    let prompts = |body: &str| prompt::read(body.as_bytes());
    let (one, four) = (prompts(r#"{"prompt":"a"}"#), prompts(r#"{"prompt":["a","a","a","a"]}"#));
    assert_eq!((got.of_prompts(&one).input, got.of_prompts(&four).input), (Some(3), Some(12)));
    // llama.cpp's completions report each choice where it ends, of which the highest is only one.
    let with = |choice: u32, input: u32| {
        let usage = format!(r#""usage":{{"prompt_tokens":{input},"completion_tokens":5}},"choices""#);
        finish(choice).replace("\"choices\"", &usage)
    };
    let ends = |input: u32| {
        let choice = |choice: u32| [vec![text(choice); 5], vec![with(choice, input * choice)]].concat();
        (1..4).flat_map(choice).collect::<Vec<_>>()
    };
    let own_ends = ends(3);
    let got = usage(&own_ends.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(15), Source::Backend));
    assert_eq!((got.of_prompts(&one).input, got.of_prompts(&four).input), (Some(9), Some(18)));
    // Reports that grow are of all so far.
    let growing = [text(0), with(0, 7), text(1), with(1, 7)];
    let got = usage(&growing.each_ref().map(String::as_str));
    assert_eq!((got.output, got.of_prompts(&four).input), (Some(5), Some(7)));
    // All choices end first, then come the reports.
    let mut late: Vec<&str> = all.iter().copied().filter(|event| *event != own).collect();
    late.extend([own; 4]);
    assert_eq!(usage(&late).output, Some(20));
    // vLLM reports all of them at once.
    let mut sum: Vec<&str> = all.iter().copied().filter(|event| *event != own).collect();
    let total = own.replace(":5", ":20");
    sum.push(&total);
    assert_eq!((usage(&sum).output, usage(&sum).all_inputs), (Some(20), None));
    // One choice that is reported twice is one.
    assert_eq!(usage(&[TEXT, FINISH, own, own]).output, Some(5));
}

#[test]
fn the_first_of_several_choices_is_not_all_of_them() {
    let answer = |timings: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"four words are here"}}}},{{"index":1,"message":{{"content":"four words are here"}}}}],"usage":{{"prompt_tokens":3,"completion_tokens":4}}{timings}}}"#
        )
    };
    let got = document(&answer(r#","timings":{"prompt_n":3,"predicted_n":4}"#));
    assert_eq!((got.output, got.source), (Some(8), Source::Estimated));
    let asked = |body: &[u8]| got.of_prompts(&prompt::read(body)).input;
    assert_eq!(
        (asked(br#"{"prompt":["abc","abcdef"]}"#), asked(br#"{"prompt":"abc","n":2}"#)),
        (Some(9), Some(3))
    );
    let got = document(&answer(""));
    assert_eq!((got.output, got.source), (Some(4), Source::Backend));
    // One choice is all of them.
    let one = r#"{"choices":[{"index":0,"message":{"content":"four words are here"}}],"usage":{"prompt_tokens":3,"completion_tokens":4},"timings":{"prompt_n":3,"predicted_n":4}}"#;
    let got = document(one);
    assert_eq!((got.output, got.source), (Some(4), Source::Backend));
}

#[test]
fn later_reports_that_know_less_take_nothing_away() {
    let zeros = r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = usage(&[TEXT, FINISH, TOTAL, zeros]);
    assert_eq!((got.input, got.output, got.source), (Some(100), Some(20), Source::Backend));
    let prompt = r#"{"choices":[],"usage":{"prompt_tokens":100}}"#;
    let completion = r#"{"choices":[],"usage":{"completion_tokens":20}}"#;
    let got = usage(&[prompt, TEXT, FINISH, completion]);
    assert_eq!((got.input, got.output, got.source), (Some(100), Some(20), Source::Backend));
    // What was said after the last count is added to it, whatever a later report doesn't know.
    let counted = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#;
    let forgets = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
    assert_eq!(usage(&[TEXT, counted, TEXT, TEXT, forgets]).output, Some(7));
    let unknown = r#"{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":-1}}"#;
    assert_eq!(usage(&[TEXT, FINISH, TOTAL, unknown]).output, Some(20));
    let early = r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(usage(&[early, FINISH, TOTAL]).source, Source::Backend);
}

#[test]
fn zeros_beside_text_are_no_count() {
    let zeros = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = usage(&[TEXT, TEXT, TEXT, zeros]);
    assert_eq!((got.input, got.output, got.source), (None, Some(3), Source::Estimated));
    let half = zeros.replace("\"prompt_tokens\":0", "\"prompt_tokens\":7");
    let got = usage(&[TEXT, TEXT, TEXT, &half]);
    assert_eq!((got.input, got.output, got.source), (Some(7), Some(3), Source::Estimated));
    let no_input = TOTAL.replace(":100", ":0");
    let got = usage(&[TEXT, TEXT, TEXT, &no_input.replace(":120", ":20")]).or_input(9);
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(20), Source::Estimated));
    let got = usage(&[TEXT, TEXT, TEXT, &no_input]).or_input(9);
    assert_eq!(
        (got.input, got.output, got.source),
        (Some(100), Some(20), Source::Backend),
        "the total knows"
    );
    let whole = r#"{"choices":[{"message":{"content":"twelve bytes"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = document(whole);
    assert_eq!((got.output, got.source), (Some(3), Source::Estimated));
    let parts = whole.replace(r#""twelve bytes""#, r#"[{"type":"text","text":"twelve "},{"text":"bytes"}]"#);
    assert_eq!((document(&parts).output, document(&parts).source), (Some(3), Source::Estimated));
    let of = |dialect: Dialect, text: &str| {
        let mut meter = Meter::new(Shape::Json, dialect);
        meter.push(text.as_bytes());
        meter.finish(End::Complete, &Pace::default()).output
    };
    let zeros = r#""usage":{"input_tokens":0,"output_tokens":0}"#;
    let message = r#"{"type":"message","content":[{"type":"output_text","text":"twelve bytes"}]}"#;
    assert_eq!(of(Dialect::Responses, &format!(r#"{{"output":[{message}],{zeros}}}"#)), Some(3));
    let thought = message.replace("content", "summary");
    assert_eq!(of(Dialect::Responses, &format!(r#"{{"output":[{thought}],{zeros}}}"#)), Some(3));
    let block = r#"{"type":"text","text":"twelve bytes"}"#;
    assert_eq!(of(Dialect::Anthropic, &format!(r#"{{"content":[{block}],{zeros}}}"#)), Some(3));
    let mut meter = Meter::new(Shape::Json, Dialect::Embedding);
    meter.push(br#"{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":0,"total_tokens":0}}"#);
    assert_eq!(meter.finish(End::Complete, &Pace::default()).source, Source::None);
}

/// A count that is less than what was seen passing is wrong.
#[test]
fn never_less_than_what_was_seen() {
    let one = TOTAL.replace(":20,", ":1,").replace(":120", ":101");
    let got = usage(&[TEXT, TEXT, TEXT, FINISH, &one]);
    assert_eq!((got.output, got.source), (Some(3), Source::Estimated));
}

#[test]
fn names_and_places_of_others() {
    let cached_and_reasoning = |event: &str| {
        let got = usage(&[TEXT, event]);
        assert_eq!((got.input, got.output), (Some(100), Some(20)), "{event}");
        (got.cached, got.reasoning)
    };
    let of = |more: &str| TOTAL.replace("\"total", &format!("{more},\"total"));
    assert_eq!(cached_and_reasoning(&of(r#""reasoning_tokens":8"#)), (None, Some(8)));
    assert_eq!(cached_and_reasoning(&of(r#""cached_tokens":64"#)), (Some(64), None));
    assert_eq!(cached_and_reasoning(&of(r#""prompt_cache_hit_tokens":64"#)), (Some(64), None));
    assert_eq!(cached_and_reasoning(&of(r#""prompt_tokens_details":null"#)), (None, None));
    let transformers = r#"{"choices":[{"delta":{},"index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20}}"#;
    assert_eq!(cached_and_reasoning(transformers), (None, None));
    let moonshot = r#"{"choices":[{"delta":{},"index":0,"finish_reason":"stop","usage":{"prompt_tokens":100,"completion_tokens":20,"cached_tokens":5}}]}"#;
    assert_eq!(cached_and_reasoning(moonshot), (Some(5), None));
    let groq = r#"{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":100,"completion_tokens":20,"num_cached_tokens":6}}}"#;
    assert_eq!(cached_and_reasoning(groq), (Some(6), None));
    let thinking = of(r#""output_token_details":{"thinking_tokens":7}"#);
    assert_eq!(cached_and_reasoning(&thinking), (None, Some(7)));
    let written = of(r#""input_tokens_details":{"cached_tokens":1,"cache_write_tokens":9}"#);
    assert_eq!(usage(&[TEXT, &written]).cache_write, Some(9));
    for name in ["cache_creation_tokens", "cache_creation_input_tokens"] {
        let written = of(&format!(r#""prompt_tokens_details":{{"cached_tokens":1,"{name}":9}}"#));
        assert_eq!(usage(&[TEXT, &written]).cache_write, Some(9), "{name}");
    }
}

#[test]
fn long_texts_are_several_tokens() {
    let text = |text: &str| TEXT.replace("\"x\"", &format!("\"{text}\""));
    let left = |text: &str, pace: Pace| {
        let events = vec![text; 20];
        read(Dialect::OpenAi, &events).finish(End::ClientLeft, &pace).output
    };
    let gathered = text("twelve tokens are in this text, more or less, really");
    assert_eq!(left(&gathered, Pace::default()), Some(20 * 13));
    assert_eq!(left(&text(" word"), Pace::default()), Some(20));
    // As escapes, four characters are four times three bytes, not six.
    assert_eq!(left(&text(r"\u4f60\u597d\u4f60\u597d"), Pace::default()), Some(20));
    // What the model's counted answers had: one token in an event, or so many bytes a token.
    let single = Pace { tokens: 1000, texts: 1000, bytes: 4000 };
    assert_eq!(left(&gathered, single), Some(20));
    let many = Pace { tokens: 1000, texts: 100, bytes: 2600 };
    assert_eq!(left(&gathered, many), Some(20 * 20));
    // A sixteenth more than events are the few that have two.
    let almost = |tokens| Pace { tokens, texts: 1000, bytes: 26_575 };
    assert_eq!(left(&gathered, almost(1062)), Some(20));
    assert_eq!(left(&gathered, almost(1063)), Some(20 * 52 * 1063 / 26_575));
    let few = Pace { tokens: 10, texts: 1, bytes: 1000 };
    assert_eq!(left(&gathered, few), Some(20 * 13));
}

#[test]
fn sound_is_no_text() {
    let event = format!(r#"{{"type":"response.audio.delta","delta":"{}"}}"#, "QUJD".repeat(1000));
    assert_eq!(read(Dialect::Responses, &[&event]).finish(End::ClientLeft, &Pace::default()).output, Some(1));
}

#[test]
fn the_first_bytes_tell_what_it_is() {
    let of = |bytes: &str, asked: bool| {
        let mut meter = Meter::new(Shape::Unknown, Dialect::OpenAi).asked_for_stream(asked).hiding(true);
        meter.push(b" ");
        let sent = meter.push(bytes.as_bytes());
        (meter.is_stream(), sent, meter.finish(End::Complete, &Pace::default()).output)
    };
    let stream = format!("data: {TEXT}\n\ndata: {TOTAL}\n\n");
    let (is_stream, sent, output) = of(&stream, true);
    assert_eq!((is_stream, output), (true, Some(20)));
    assert_ne!(sent, Output::All, "the usage is hidden");
    assert_eq!(of(&stream, false), (false, Output::All, None));
    let document = r#"{"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    assert_eq!(of(document, true), (false, Output::All, Some(2)));
    assert_eq!(of("error: nothing", true), (false, Output::All, None));
}

#[test]
fn a_document_that_breaks_off_is_told_from_one_that_is_odd() {
    for (text, cut) in
        [(r#"{"a":1"#, true), (r#"{"a":1}"#, false), ("[1,2]", false), ("sound", false), ("", true)]
    {
        let mut meter = Meter::new(Shape::Json, Dialect::OpenAi);
        meter.push(text.as_bytes());
        assert_eq!(meter.is_cut(), cut, "{text}");
    }
}

#[test]
fn counts_in_quotes_are_counts() {
    let of = |usage: Usage| (usage.input, usage.output, usage.source);
    let counted = (Some(5), Some(3), Source::Backend);
    let counts = r#""usage":{"prompt_tokens":"5","completion_tokens":"3"}"#;
    let choices = r#""choices":[{"message":{"content":"hello"}}]"#;
    assert_eq!(of(document(&format!("{{{choices},{counts}}}"))), counted);
    assert_eq!(of(usage(&[TEXT, FINISH, &format!(r#"{{"choices":[],{counts}}}"#), "[DONE]"])), counted);
    let odd = r#"{"usage":{"prompt_tokens":"five","completion_tokens":"3\u0031","total_tokens":""}}"#;
    assert_eq!(of(document(odd)), (None, None, Source::None));
}

#[test]
fn an_echo_is_no_output() {
    let echo =
        r#"{"choices":[{"index":0,"text":"hello world"}],"usage":{"prompt_tokens":2,"completion_tokens":0}}"#;
    let of = |usage: Usage| (usage.input, usage.output, usage.source);
    assert_eq!(of(document(echo)), (Some(2), Some(3), Source::Estimated), "zeros are not believed");
    assert_eq!(of(document(echo).of_echo()), (Some(2), Some(0), Source::Backend), "but of an echo they are");
    let text = r#"{"choices":[{"index":0,"text":"x","finish_reason":null}]}"#;
    let one = r#"{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    assert_eq!(of(usage(&[text, text, one, "[DONE]"]).of_echo()), (Some(2), Some(1), Source::Backend));
    assert_eq!(
        of(usage(&[text, text, "[DONE]"]).of_echo()),
        (None, Some(2), Source::Estimated),
        "nothing is said"
    );
    let read = |body: &str| prompt::read(body.as_bytes()).echoes;
    assert!(read(r#"{"prompt":"x","echo": true}"#) && read(r#"{"echo":true,"prompt":{}}"#));
    for not in
        [r#"{"echo":false}"#, r#"{"echo":null}"#, r#"{"prompt":"\"echo\":true"}"#, r#"{"x":{"echo":true}}"#]
    {
        assert!(!read(not), "{not}");
    }
}

/// Some engines leave the reasoning out of the output.
#[test]
fn what_is_generated_beside_the_output_is_output() {
    let of = |counts: &str| {
        let whole =
            document(&format!(r#"{{"choices":[{{"message":{{"content":"x"}}}}],"usage":{{{counts}}}}}"#));
        let stream = usage(&[TEXT, FINISH, &format!(r#"{{"choices":[],"usage":{{{counts}}}}}"#), "[DONE]"]);
        assert_eq!((whole.input, whole.output), (stream.input, stream.output), "{counts}");
        assert_eq!((whole.source, stream.source), (Source::Backend, Source::Backend), "{counts}");
        (whole.input.unwrap(), whole.output.unwrap())
    };
    let apart = r#""completion_tokens_details":{"reasoning_tokens":94}"#;
    let xai = format!(r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":135,{apart}"#);
    assert_eq!(of(&xai), (32, 103));
    assert_eq!(of(r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":135"#), (32, 103));
    let perplexity = r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":41,"reasoning_tokens":94"#;
    assert_eq!(of(perplexity), (32, 103));
    let openai = format!(r#""prompt_tokens":32,"completion_tokens":103,"total_tokens":135,{apart}"#);
    assert_eq!(of(&openai), (32, 103));
    assert_eq!(of(&openai.replace(",\"total_tokens\":135", "")), (32, 103));
    // The cache once more, and totals that know less.
    let cached = r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":61,"cached_tokens":20"#;
    assert_eq!(of(cached), (32, 9));
    assert_eq!(of(r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":9"#), (32, 9));
    let response = r#"{"output":[],"usage":{"input_tokens":32,"output_tokens":9,"total_tokens":135}}"#;
    let mut meter = Meter::new(Shape::Json, Dialect::Responses);
    meter.push(response.as_bytes());
    assert_eq!(meter.finish(End::Complete, &Pace::default()).output, Some(103));
}

/// What `message_start` says of the input may be a guess: Ollama takes a quarter of the bytes, SGLang all of the prompt.
#[test]
fn of_two_inputs_of_a_message_the_later_one_counts() {
    let of = |start: &str, later: &str| {
        let start = format!(r#"{{"type":"message_start","message":{{"usage":{{{start}}}}}}}"#);
        let later =
            format!(r#"{{"type":"message_delta","delta":{{}},"usage":{{"output_tokens":7,{later}}}}}"#);
        let stop = r#"{"type":"message_stop"}"#;
        let got = read(Dialect::Anthropic, &[&start, &later, stop]).finish(End::Complete, &Pace::default());
        assert_eq!((got.output, got.source), (Some(7), Source::Backend));
        (got.input, got.cached)
    };
    let more = r#""x":0"#;
    let cached = r#""input_tokens":200,"cache_read_input_tokens":800"#;
    for (start, later, wanted) in [
        (r#""input_tokens":1000"#, r#""input_tokens":600"#, (600, None)),
        (r#""input_tokens":600"#, r#""input_tokens":1000"#, (1000, None)),
        (r#""input_tokens":1000"#, cached, (1000, Some(800))),
        (r#""input_tokens":1000"#, r#""input_tokens":0,"cache_read_input_tokens":1000"#, (1000, Some(1000))),
        (cached, more, (1000, Some(800))),
        (cached, r#""input_tokens":0"#, (1000, Some(800))),
        (cached, r#""input_tokens":200"#, (1000, Some(800))),
        (cached, r#""input_tokens":200,"cache_read_input_tokens":0"#, (1000, Some(800))),
        (cached, r#""input_tokens":1000"#, (1000, Some(800))),
        (cached, cached, (1000, Some(800))),
        (cached, r#""input_tokens":260,"cache_read_input_tokens":900"#, (1160, Some(900))),
        (r#""input_tokens":0"#, cached, (1000, Some(800))),
    ] {
        assert_eq!(of(start, later), (Some(wanted.0), wanted.1), "{start}, then {later}");
    }
}

#[test]
fn a_thought_that_is_told_twice_is_one() {
    let thought = |delta: &str| TEXT.replace(r#""content":"x""#, delta);
    let bytes = |delta: &str| {
        let event = thought(delta);
        let got = read(Dialect::OpenAi, &[event.as_str(); 9]).finish(End::ClientLeft, &Pace::default());
        (got.deltas, got.text_bytes, got.output)
    };
    let once = (9, 9 * 12, Some(9));
    assert_eq!(bytes(r#""reasoning":"so it may be""#), once);
    assert_eq!(bytes(r#""reasoning":"so it may be","reasoning_content":"so it may be""#), once);
    assert_eq!(
        bytes(r#""reasoning_content":"so it may be","content":null,"reasoning":"so it may be""#),
        once
    );
    assert_eq!(bytes(r#""reasoning_content":"","reasoning":"so it may be""#), once);
    assert_eq!(bytes(r#""reasoning_content":null,"reasoning":"so it","content":" may be""#), once);
    let two =
        r#"{"choices":[{"index":0,"delta":{"reasoning":"one"}},{"index":1,"delta":{"reasoning":"two"}}]}"#;
    assert_eq!(read(Dialect::OpenAi, &[two]).finish(End::ClientLeft, &Pace::default()).text_bytes, 6);
}

/// Cohere's embeddings and rerank: what is billed may be less than what was read.
#[test]
fn counts_within_meta() {
    let of = |meta: &str| {
        let mut meter = Meter::new(Shape::Json, Dialect::Embedding);
        meter.push(format!(r#"{{"meta":{meta}}}"#).as_bytes());
        let usage = meter.finish(End::Complete, &Pace::default());
        (usage.input, usage.output)
    };
    let (tokens, billed) = (r#""tokens":{"input_tokens":9}"#, r#""billed_units":{"input_tokens":3}"#);
    assert_eq!(of(&format!("{{{tokens},{billed}}}")), (Some(9), Some(0)));
    assert_eq!(of(&format!("{{{billed},{tokens}}}")), (Some(9), Some(0)));
    assert_eq!(of(&format!("{{{billed}}}")), (Some(3), Some(0)));
    assert_eq!(of(r#"{"tokens":{"input_tokens":9,"output_tokens":2}}"#), (Some(9), Some(2)));
    assert_eq!(of(r#"{"api_version":{"input_tokens":9}}"#), (None, None));
}

#[test]
fn pointers_lead_into_lists_and_errors_are_where_counts_would_be() {
    let of = |pointer: &str| Dialect::Pointers(Pointers::default().input(pointer).unwrap().into());
    let mut list = Meter::new(Shape::Json, of("/1/n"));
    list.push(br#"[{"n":4},{"n":5}]"#);
    assert_eq!(list.finish(End::Complete, &Pace::default()).input, Some(5));
    let error = |text: &str| {
        let mut meter = Meter::new(Shape::Json, of("/a/n"));
        meter.push(text.as_bytes());
        meter.error()
    };
    assert_eq!(error(r#"{"error":{"message":"no"}}"#).as_deref(), Some("no"));
    assert_eq!(error(r#"{"a":{"error":{"message":"no"}}}"#), None);
    assert_eq!(error(r#"{"b":{"message":"no"}}"#), None);
}
