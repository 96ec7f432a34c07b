use std::sync::Arc;

use proptest::prelude::*;

use super::*;

mod corners;
mod counts;
mod hiding;
mod outcomes;

fn meter(shape: Framing, dialect: &Dialect, chunks: &[&[u8]]) -> Meter {
    let mut meter = Meter::new(shape, dialect.clone());
    for chunk in chunks {
        meter.push(chunk);
    }
    meter
}

fn usage(shape: Framing, dialect: &Dialect, text: &str, end: End) -> Usage {
    meter(shape, dialect, &[text.as_bytes()]).finish(end, &TokenRate::default())
}

/// (input, cached, output, reasoning)
fn counts(usage: &Usage) -> (Option<u64>, Option<u64>, Option<u64>, Option<u64>) {
    (usage.input, usage.cached, usage.output, usage.reasoning)
}

fn event(text: &str) -> String {
    format!("data: {text}\n\n")
}

fn word(text: &str) -> String {
    event(&format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}],"usage":null}}"#))
}

const FINAL: &str = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#;

#[test]
fn a_stream_that_ends_early_is_billed_for_what_was_delivered() {
    let role = event(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#);
    let words = format!("{role}{}{}{}", word("a"), word("b\\\""), word("c"));
    for end in [End::Broken, End::ClientLeft, End::Complete] {
        let got = usage(Framing::Sse, &Dialect::OpenAi, &words, end);
        assert_eq!((got.input, got.output, got.source), (None, Some(3), CountSource::Estimated));
        assert_eq!((got.events, got.deltas), (4, 3));
        let got = got.or_input(11);
        assert_eq!((got.input, got.source), (Some(11), CountSource::Estimated));
    }
    let whole = format!("{words}{}", event(FINAL));
    for end in [End::Broken, End::ClientLeft, End::Complete] {
        let got = usage(Framing::Sse, &Dialect::OpenAi, &whole, end);
        assert_eq!((counts(&got), got.source), ((Some(9), None, Some(4), None), CountSource::Backend));
        assert_eq!(got.or_input(99).input, Some(9));
    }
    let before_text = usage(Framing::Sse, &Dialect::OpenAi, &role, End::ClientLeft);
    assert_eq!((before_text.output, before_text.source), (Some(0), CountSource::Estimated));
    let nothing = usage(Framing::Sse, &Dialect::OpenAi, "", End::ClientLeft);
    assert_eq!((nothing.output, nothing.source), (None, CountSource::None));
    assert_eq!(nothing.or_input(7).input, None);
    let silent = usage(Framing::Sse, &Dialect::OpenAi, &role, End::Complete);
    assert_eq!(silent.source, CountSource::None);
}

#[test]
fn an_event_that_is_no_object_is_no_token_and_no_error() {
    // llama.cpp begins the stream of a completion for several prompts with it.
    for odd in ["null", "7", "\"x\"", "[]", "[{\"usage\":{\"prompt_tokens\":1}}]"] {
        let stream = format!("{}{}{}{}", event(odd), word("a"), event(FINAL), event("[DONE]"));
        let meter = meter(Framing::Sse, &Dialect::OpenAi, &[stream.as_bytes()]);
        assert_eq!(meter.deltas(), 1, "{odd}");
        let got = meter.finish(End::Complete, &TokenRate::default());
        assert_eq!((got.input, got.output, got.source), (Some(9), Some(4), CountSource::Backend), "{odd}");
    }
}

#[test]
fn text_after_a_report_is_added_to_it() {
    let part = |output: u64, text: &str| {
        event(&format!(
            r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}],"usage":{{"prompt_tokens":9,"completion_tokens":{output}}}}}"#
        ))
    };
    let stream = format!("{}{}", part(3, "a b c"), part(5, "d e"));
    let got = usage(Framing::Sse, &Dialect::OpenAi, &stream, End::Broken);
    assert_eq!((got.output, got.source), (Some(5), CountSource::Backend));
    let got = usage(Framing::Sse, &Dialect::OpenAi, &format!("{stream}{}", word("f")), End::Broken);
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(6), CountSource::Estimated));
}

#[test]
fn a_text_counts_when_its_event_is_whole() {
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
    let first = word("a");
    let (head, tail) = first.as_bytes().split_at(70);
    let role = event(r#"{"choices":[{"delta":{"role":"assistant"}}]}"#);
    let mut deltas = |chunk: &[u8]| {
        assert_eq!(meter.push(chunk), StreamOutput::All);
        meter.deltas()
    };
    assert_eq!((deltas(role.as_bytes()), deltas(b": ping\n\n"), deltas(head)), (0, 0, 0));
    assert_eq!((deltas(tail), deltas(word("b").as_bytes())), (1, 2));
}

#[test]
fn what_carries_text() {
    let yes = [
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"reasoning_content":"x"}}]}"#),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"content":null,"reasoning":"x"}}]}"#),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":""}}]}}]}"#,
        ),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"tool_calls":[{},{"function":{"arguments":"{"}}]}}]}"#),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":""}}}]}"#),
        (Dialect::OpenAi, r#"{"choices":[{"text":""},{"text":"x"}]}"#),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"content":[{"type":"text","text":"x"}]}}]}"#),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]}]}}]}"#,
        ),
        (Dialect::OpenAi, r#"{"content":"x","stop":false}"#),
        (Dialect::OpenAi, r#"{"type":"transcript.text.delta","delta":"x"}"#),
        (Dialect::Responses, r#"{"type":"response.output_text.delta","delta":"x"}"#),
        (
            Dialect::Anthropic,
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        ),
        (Dialect::Anthropic, r#"{"delta":{"type":"thinking_delta","thinking":"x"}}"#),
    ];
    for (dialect, text) in yes {
        assert_eq!(meter(Framing::Sse, &dialect, &[event(text).as_bytes()]).deltas(), 1, "{text}");
    }
    let no = [
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"content":""},"logprobs":{"content":[{"token":"x"}]}}]}"#),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":[{"type":"image_url","image_url":"x"},"x"]}}]}"#,
        ),
        (Dialect::OpenAi, r#"{"x":{"choices":[{"delta":{"content":"x"}}]}}"#),
        (Dialect::OpenAi, r#"{"choices":{"0":{"delta":{"content":"x"}}}}"#),
        (Dialect::OpenAi, r#"{"error":{"message":"x"}}"#),
        (Dialect::Responses, r#"{"type":"response.output_text.done","text":"x"}"#),
        (Dialect::Anthropic, r#"{"delta":{"type":"signature_delta","signature":"x"}}"#),
        (Dialect::Anthropic, r#"{"type":"content_block_start","content_block":{"text":"x"}}"#),
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"content":"x"}}]"#),
    ];
    for (dialect, text) in no {
        assert_eq!(meter(Framing::Sse, &dialect, &[event(text).as_bytes()]).deltas(), 0, "{text}");
    }
}

#[test]
fn nothing_but_the_place_makes_a_report() {
    let none = [
        r#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"}}]}"#,
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        r#"{"usage":[{"prompt_tokens":1,"completion_tokens":1}]}"#,
        r#"{"usage":"{\"prompt_tokens\":1}"}"#,
        r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1.5}}"#,
        r#"{"usage":{"prompt_tokens":"one","completion_tokens":1e3}}"#,
        r#"{"usage":{"prompt_tokens":9223372036854775808}}"#,
        r#"{"usage":{"prompt_tokens":99999999999999999999999999999999999999999999999999}}"#,
        r#"{"usage":{"prompt\u005ftokens":1}}"#,
        r#"{"us\"age":{"prompt_tokens":1}}"#,
        r#"{"choices":[{}},"usage":{"prompt_tokens":1}}"#,
        r#"[{"usage":{"prompt_tokens":1}}]"#,
        r#"{"usage":{"prompt_tokens":1}"#,
        r#"{"usage":{"prompt_tokens":1}}}"#,
        r#"{"usage":{"prompt_tokens":1]}"#,
        r#"{"response":{"usage":{"input_tokens":1}}}"#,
        "usage",
        "",
        "\u{1f}\u{8b}\u{8}",
    ];
    for text in none {
        let got = usage(Framing::Json, &Dialect::OpenAi, text, End::Complete);
        assert_eq!(got, Usage::default(), "{text}");
    }
    let twice = r#"{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":1}},"usage":{"completion_tokens":2,"prompt_tokens":7},"usage":null}"#;
    let got = usage(Framing::Json, &Dialect::OpenAi, twice, End::Complete);
    assert_eq!(counts(&got), (Some(7), None, Some(2), None));
    let most = format!(r#"{{"usage":{{"prompt_tokens":{},"total_tokens":{0}}}}}"#, i64::MAX);
    assert_eq!(usage(Framing::Json, &Dialect::OpenAi, &most, End::Complete).input, Some(i64::MAX as u64));
}

#[test]
fn a_broken_document_counts_what_has_ended() {
    let text = r#"{"usage":{"prompt_tokens":5,"total_tokens":5},"data":[{"embedding":[0.1,"#;
    for end in [End::Broken, End::ClientLeft] {
        let got = usage(Framing::Json, &Dialect::Embedding, text, end);
        assert_eq!((got.input, got.output, got.source), (Some(5), Some(0), CountSource::Backend));
        let got = usage(Framing::Json, &Dialect::Embedding, &text[..40], end);
        assert_eq!(got.source, CountSource::None);
    }
    assert_eq!(usage(Framing::Json, &Dialect::Embedding, text, End::Complete).source, CountSource::None);
    let no_document = r#"{"usage":{"prompt_tokens":5}} x"#;
    assert_eq!(usage(Framing::Json, &Dialect::Embedding, no_document, End::Broken).source, CountSource::None);
}

#[test]
fn lines_of_an_event() {
    let joined = "data: {\"usage\":{\"prompt_tokens\":\ndata: 7,\ndata: \"completion_tokens\":1}}\n\n";
    assert_eq!(usage(Framing::Sse, &Dialect::OpenAi, joined, End::Complete).input, Some(7));
    let split_number = joined.replace("7,", "7\ndata:7,");
    assert_eq!(usage(Framing::Sse, &Dialect::OpenAi, &split_number, End::Complete), Usage::default());
    // A byte order mark is one only at the very beginning.
    let marked = format!("\u{feff}{}", word("a"));
    assert_eq!(usage(Framing::Sse, &Dialect::OpenAi, &marked.repeat(3), End::Complete).deltas, 1);
    // A line end within a text breaks it off, after a backslash too.
    let broken = format!("{}{}{}", word("a"), word("b\\\nc"), word("d"));
    assert_eq!(usage(Framing::Sse, &Dialect::OpenAi, &broken, End::Complete).deltas, 2);
    let unended = format!("{}data: {FINAL}", word("a"));
    assert_eq!(usage(Framing::Sse, &Dialect::OpenAi, &unended, End::Complete).output, Some(4));
}

#[test]
fn a_report_without_an_output_says_nothing_about_it() {
    let stream = format!("{}{}", word("a"), event(r#"{"choices":[],"usage":{"prompt_tokens":9}}"#));
    let got = usage(Framing::Sse, &Dialect::OpenAi, &stream, End::Complete);
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(1), CountSource::Estimated));
}

#[test]
fn pointers_of_a_mode() {
    let pointers = Pointers::default().input("/tokens_evaluated").unwrap();
    let pointers = pointers.cached("/timings/cache_n").unwrap().output("/out/1/a~1b~0").unwrap();
    let dialect = Dialect::Pointers(Arc::new(pointers.text("/content").unwrap()));
    let text =
        r#"{"tokens_evaluated":8,"content":"x","out":[{"a/b~":1},{"a/b~":3}],"timings":{"cache_n":7}}"#;
    let got = usage(Framing::Json, &dialect, text, End::Complete);
    assert_eq!((counts(&got), got.source), ((Some(8), Some(7), Some(3), None), CountSource::Backend));
    let stream = format!("{}{}", event(r#"{"content":"x"}"#), event(text));
    assert_eq!(usage(Framing::Sse, &dialect, &stream, End::Complete).output, Some(3));
    let got = usage(Framing::Sse, &dialect, &event(r#"{"content":"x"}"#), End::Complete);
    assert_eq!((got.output, got.source), (Some(1), CountSource::Estimated));
    assert_eq!(Pointers::default().input("usage"), Err(BadPointer::NoSlash));
    assert_eq!(Pointers::default().input(""), Err(BadPointer::NoSlash));
    assert_eq!(Pointers::default().input("/a~2"), Err(BadPointer::Escape));
    assert_eq!(Pointers::default().input(&"/a".repeat(13)), Err(BadPointer::TooDeep));
    assert!(Pointers::default().input(&"/a".repeat(12)).is_ok());
    assert!(Pointers::default().input(&format!("/{}", "a".repeat(40))).is_ok());
    assert_eq!(Pointers::default().input(&format!("/{}", "a".repeat(41))), Err(BadPointer::TooLong));
}

#[test]
fn depth_and_size_change_nothing() {
    let report = r#""usage":{"prompt_tokens":2,"completion_tokens":3}"#;
    let deep = format!(r#"{{"x":{}{},{report}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#"{{"data":"{}",{report}}}"#, "QUJD".repeat(500_000));
    let key = format!(r#"{{"{}":1,{report}}}"#, "k".repeat(100_000));
    for text in [deep, long, key] {
        let dialect = Dialect::OpenAi;
        for size in [7, 4096, text.len()] {
            let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
            let got = meter(Framing::Json, &dialect, &chunks).finish(End::Complete, &TokenRate::default());
            assert_eq!((got.input, got.output), (Some(2), Some(3)));
        }
    }
    let size = size_of::<Meter>();
    assert!(size <= 1536, "{size}");
}

#[test]
fn shapes_and_dialects() {
    assert_eq!(Framing::of_content_type("text/event-stream; charset=utf-8", false), Some(Framing::Sse));
    assert_eq!(Framing::of_content_type("Text/Event-Stream", false), Some(Framing::Sse));
    assert_eq!(Framing::of_content_type("Application/JSON", false), Some(Framing::Json));
    assert_eq!(Framing::of_content_type("Application/JSON", true), Some(Framing::Unknown));
    assert_eq!(Framing::of_content_type("application/problem+json", false), Some(Framing::Json));
    assert_eq!(Framing::of_content_type("", true), Some(Framing::Unknown));
    assert_eq!(Framing::of_content_type("text/html; charset=utf-8", true), Some(Framing::Unknown));
    assert_eq!(Framing::of_content_type("text/html", false), Some(Framing::Unknown));
    assert_eq!(Framing::of_content_type("application/x-ndjson", false), Some(Framing::Unknown));
    assert_eq!(Framing::of_content_type("audio/wav", true), None);
    assert_eq!(Dialect::of_endpoint("/v1/chat/completions"), Dialect::OpenAi);
    assert_eq!(Dialect::of_endpoint("/v1/messages"), Dialect::Anthropic);
    assert_eq!(Dialect::of_endpoint("/v1/responses"), Dialect::Responses);
    assert_eq!(Dialect::of_endpoint("/v1/rerank"), Dialect::Embedding);
}

/// The pieces of which streams are made, whole and broken.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        Just(word("hi")),
        Just(word("\\\"usage\\\"\\n")),
        Just(word("")),
        Just(word("hi").replace('\n', "\r\n")),
        Just(word("hi").replace('\n', "\r")),
        Just(word("a\nb")),
        Just(word("a\\\nb")),
        Just(format!("\u{feff}{}", word("hi"))),
        Just(event(FINAL)),
        Just(event(r#"{"choices":[{"text":"x"}],"timings":{"prompt_n":1,"cache_n":2,"predicted_n":1}}"#)),
        Just("event: x\ndata: {\"choices\":[\ndata: {\"text\":\"x\"}]}\n\n".to_owned()),
        Just(": ping\n\n".to_owned()),
        Just("data: [DONE]\n\n".to_owned()),
        Just("\u{feff}".to_owned()),
    ];
    prop_oneof![
        8 => known.clone().prop_map(String::into_bytes),
        1 => (known, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        1 => proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(b'"'), Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','), Just(b':'),
            Just(b'\n'), Just(b'\r'), Just(b'\\'),
        ], 0..40),
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![
        4 => Just(Dialect::OpenAi),
        1 => Just(Dialect::Responses),
        1 => Just(Dialect::Anthropic),
        1 => Just(Dialect::Embedding),
        1 => Just(Dialect::Pointers(Arc::new(
            Pointers::default().input("/usage/prompt_tokens").unwrap().text("/choices/0/delta/content").unwrap(),
        ))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Byte for byte nothing is ever recognised by its form, so this also compares the two ways of reading.
    #[test]
    fn cuts_change_nothing(
        pieces in proptest::collection::vec(piece(), 0..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        dialect in dialect(),
        sse in any::<bool>(),
    ) {
        let bytes = pieces.concat();
        let shape = if sse { Framing::Sse } else { Framing::Json };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        for end in [End::Complete, End::Broken] {
            let whole = meter(shape, &dialect, &[&bytes]).finish(end, &TokenRate::default());
            prop_assert_eq!(meter(shape, &dialect, &chunks).finish(end, &TokenRate::default()), whole);
            prop_assert_eq!(meter(shape, &dialect, &singles).finish(end, &TokenRate::default()), whole);
        }
    }

    #[test]
    fn never_panics_and_holds_little(chunks in proptest::collection::vec(any::<Vec<u8>>(), 0..8), sse in any::<bool>()) {
        let shape = if sse { Framing::Sse } else { Framing::Json };
        let mut meter = Meter::new(shape, Dialect::OpenAi);
        for chunk in &chunks {
            meter.push(chunk);
        }
        prop_assert!(meter.stream.as_ref().is_none_or(|stream| stream.remembers() <= MAX_HELD));
    }

    /// A template is refused when it would be long, whatever the text in it.
    #[test]
    fn long_events_are_not_kept(length in 1_usize..20_000) {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
        let text = event(&format!(r#"{{"id":"{}","choices":[{{"text":"{}"}}]}}"#, "i".repeat(length), "t".repeat(length)));
        for _ in 0..3 {
            meter.push(text.as_bytes());
        }
        prop_assert!(meter.stream.as_ref().is_some_and(|stream| stream.remembers() <= MAX_HELD));
        prop_assert_eq!(meter.deltas(), 3);
    }
}
