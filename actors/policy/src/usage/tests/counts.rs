//! What is counted where engines say it in their own way.

use super::super::*;
use super::outcomes::{FINISH, TEXT, TOTAL, document, read, usage};

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
    assert_eq!((got.input, got.output, got.source), (Some(3), Some(20), CountSource::Backend));
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
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(15), CountSource::Backend));
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
    assert_eq!((got.output, got.source), (Some(8), CountSource::Estimated));
    let asked = |body: &[u8]| got.of_prompts(&prompt::read(body)).input;
    assert_eq!(
        (asked(br#"{"prompt":["abc","abcdef"]}"#), asked(br#"{"prompt":"abc","n":2}"#)),
        (Some(9), Some(3))
    );
    let got = document(&answer(""));
    assert_eq!((got.output, got.source), (Some(4), CountSource::Backend));
    // One choice is all of them.
    let one = r#"{"choices":[{"index":0,"message":{"content":"four words are here"}}],"usage":{"prompt_tokens":3,"completion_tokens":4},"timings":{"prompt_n":3,"predicted_n":4}}"#;
    let got = document(one);
    assert_eq!((got.output, got.source), (Some(4), CountSource::Backend));
}

#[test]
fn later_reports_that_know_less_take_nothing_away() {
    let zeros = r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = usage(&[TEXT, FINISH, TOTAL, zeros]);
    assert_eq!((got.input, got.output, got.source), (Some(100), Some(20), CountSource::Backend));
    let prompt = r#"{"choices":[],"usage":{"prompt_tokens":100}}"#;
    let completion = r#"{"choices":[],"usage":{"completion_tokens":20}}"#;
    let got = usage(&[prompt, TEXT, FINISH, completion]);
    assert_eq!((got.input, got.output, got.source), (Some(100), Some(20), CountSource::Backend));
    // What was said after the last count is added to it, whatever a later report doesn't know.
    let counted = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#;
    let forgets = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
    assert_eq!(usage(&[TEXT, counted, TEXT, TEXT, forgets]).output, Some(7));
    let unknown = r#"{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":-1}}"#;
    assert_eq!(usage(&[TEXT, FINISH, TOTAL, unknown]).output, Some(20));
    let early = r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(usage(&[early, FINISH, TOTAL]).source, CountSource::Backend);
}

#[test]
fn zeros_beside_text_are_no_count() {
    let zeros = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = usage(&[TEXT, TEXT, TEXT, zeros]);
    assert_eq!((got.input, got.output, got.source), (None, Some(3), CountSource::Estimated));
    let half = zeros.replace("\"prompt_tokens\":0", "\"prompt_tokens\":7");
    let got = usage(&[TEXT, TEXT, TEXT, &half]);
    assert_eq!((got.input, got.output, got.source), (Some(7), Some(3), CountSource::Estimated));
    let no_input = TOTAL.replace(":100", ":0");
    let got = usage(&[TEXT, TEXT, TEXT, &no_input.replace(":120", ":20")]).or_input(9);
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(20), CountSource::Estimated));
    let got = usage(&[TEXT, TEXT, TEXT, &no_input]).or_input(9);
    assert_eq!(
        (got.input, got.output, got.source),
        (Some(100), Some(20), CountSource::Backend),
        "the total knows"
    );
    let whole = r#"{"choices":[{"message":{"content":"twelve bytes"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let got = document(whole);
    assert_eq!((got.output, got.source), (Some(3), CountSource::Estimated));
    let parts = whole.replace(r#""twelve bytes""#, r#"[{"type":"text","text":"twelve "},{"text":"bytes"}]"#);
    assert_eq!((document(&parts).output, document(&parts).source), (Some(3), CountSource::Estimated));
    let of = |dialect: Dialect, text: &str| {
        let mut meter = Meter::new(Framing::Json, dialect);
        meter.push(text.as_bytes());
        meter.finish(End::Complete, &TokenRate::default()).output
    };
    let zeros = r#""usage":{"input_tokens":0,"output_tokens":0}"#;
    let message = r#"{"type":"message","content":[{"type":"output_text","text":"twelve bytes"}]}"#;
    assert_eq!(of(Dialect::Responses, &format!(r#"{{"output":[{message}],{zeros}}}"#)), Some(3));
    let thought = message.replace("content", "summary");
    assert_eq!(of(Dialect::Responses, &format!(r#"{{"output":[{thought}],{zeros}}}"#)), Some(3));
    let block = r#"{"type":"text","text":"twelve bytes"}"#;
    assert_eq!(of(Dialect::Anthropic, &format!(r#"{{"content":[{block}],{zeros}}}"#)), Some(3));
    let mut meter = Meter::new(Framing::Json, Dialect::Embedding);
    meter.push(br#"{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":0,"total_tokens":0}}"#);
    assert_eq!(meter.finish(End::Complete, &TokenRate::default()).source, CountSource::None);
}

/// A count that is less than what was seen passing is wrong.
#[test]
fn never_less_than_what_was_seen() {
    let one = TOTAL.replace(":20,", ":1,").replace(":120", ":101");
    let got = usage(&[TEXT, TEXT, TEXT, FINISH, &one]);
    assert_eq!((got.output, got.source), (Some(3), CountSource::Estimated));
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
    let left = |text: &str, pace: TokenRate| {
        let events = vec![text; 20];
        read(Dialect::OpenAi, &events).finish(End::ClientLeft, &pace).output
    };
    let gathered = text("twelve tokens are in this text, more or less, really");
    assert_eq!(left(&gathered, TokenRate::default()), Some(20 * 13));
    assert_eq!(left(&text(" word"), TokenRate::default()), Some(20));
    // As escapes, four characters are four times three bytes, not six.
    assert_eq!(left(&text(r"\u4f60\u597d\u4f60\u597d"), TokenRate::default()), Some(20));
    // What the model's counted answers had: one token in an event, or so many bytes a token.
    let single = TokenRate { tokens: 1000, texts: 1000, bytes: 4000 };
    assert_eq!(left(&gathered, single), Some(20));
    let many = TokenRate { tokens: 1000, texts: 100, bytes: 2600 };
    assert_eq!(left(&gathered, many), Some(20 * 20));
    // A sixteenth more than events are the few that have two.
    let almost = |tokens| TokenRate { tokens, texts: 1000, bytes: 26_575 };
    assert_eq!(left(&gathered, almost(1062)), Some(20));
    assert_eq!(left(&gathered, almost(1063)), Some(20 * 52 * 1063 / 26_575));
    let few = TokenRate { tokens: 10, texts: 1, bytes: 1000 };
    assert_eq!(left(&gathered, few), Some(20 * 13));
}

#[test]
fn sound_is_no_text() {
    let event = format!(r#"{{"type":"response.audio.delta","delta":"{}"}}"#, "QUJD".repeat(1000));
    assert_eq!(
        read(Dialect::Responses, &[&event]).finish(End::ClientLeft, &TokenRate::default()).output,
        Some(1)
    );
}

#[test]
fn the_first_bytes_tell_what_it_is() {
    let of = |bytes: &str, asked: bool| {
        let mut meter = Meter::new(Framing::Unknown, Dialect::OpenAi).asked_for_stream(asked).hiding(true);
        meter.push(b" ");
        let sent = meter.push(bytes.as_bytes());
        (meter.is_stream(), sent, meter.finish(End::Complete, &TokenRate::default()).output)
    };
    let stream = format!("data: {TEXT}\n\ndata: {TOTAL}\n\n");
    let (is_stream, sent, output) = of(&stream, true);
    assert_eq!((is_stream, output), (true, Some(20)));
    assert_ne!(sent, StreamOutput::All, "the usage is hidden");
    assert_eq!(of(&stream, false), (false, StreamOutput::All, None));
    let document = r#"{"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    assert_eq!(of(document, true), (false, StreamOutput::All, Some(2)));
    assert_eq!(of("error: nothing", true), (false, StreamOutput::All, None));
}

#[test]
fn a_document_that_breaks_off_is_told_from_one_that_is_odd() {
    for (text, cut) in
        [(r#"{"a":1"#, true), (r#"{"a":1}"#, false), ("[1,2]", false), ("sound", false), ("", true)]
    {
        let mut meter = Meter::new(Framing::Json, Dialect::OpenAi);
        meter.push(text.as_bytes());
        assert_eq!(meter.is_cut(), cut, "{text}");
    }
}

#[test]
fn counts_in_quotes_are_counts() {
    let of = |usage: Usage| (usage.input, usage.output, usage.source);
    let counted = (Some(5), Some(3), CountSource::Backend);
    let counts = r#""usage":{"prompt_tokens":"5","completion_tokens":"3"}"#;
    let choices = r#""choices":[{"message":{"content":"hello"}}]"#;
    assert_eq!(of(document(&format!("{{{choices},{counts}}}"))), counted);
    assert_eq!(of(usage(&[TEXT, FINISH, &format!(r#"{{"choices":[],{counts}}}"#), "[DONE]"])), counted);
    let odd = r#"{"usage":{"prompt_tokens":"five","completion_tokens":"3\u0031","total_tokens":""}}"#;
    assert_eq!(of(document(odd)), (None, None, CountSource::None));
}

#[test]
fn an_echo_is_no_output() {
    let echo =
        r#"{"choices":[{"index":0,"text":"hello world"}],"usage":{"prompt_tokens":2,"completion_tokens":0}}"#;
    let of = |usage: Usage| (usage.input, usage.output, usage.source);
    assert_eq!(of(document(echo)), (Some(2), Some(3), CountSource::Estimated), "zeros are not believed");
    assert_eq!(
        of(document(echo).of_echo()),
        (Some(2), Some(0), CountSource::Backend),
        "but of an echo they are"
    );
    let text = r#"{"choices":[{"index":0,"text":"x","finish_reason":null}]}"#;
    let one = r#"{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    assert_eq!(of(usage(&[text, text, one, "[DONE]"]).of_echo()), (Some(2), Some(1), CountSource::Backend));
    assert_eq!(
        of(usage(&[text, text, "[DONE]"]).of_echo()),
        (None, Some(2), CountSource::Estimated),
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
        assert_eq!((whole.source, stream.source), (CountSource::Backend, CountSource::Backend), "{counts}");
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
    let mut meter = Meter::new(Framing::Json, Dialect::Responses);
    meter.push(response.as_bytes());
    assert_eq!(meter.finish(End::Complete, &TokenRate::default()).output, Some(103));
}

/// What `message_start` says of the input may be a guess: Ollama takes a quarter of the bytes, SGLang all of the prompt.
#[test]
fn of_two_inputs_of_a_message_the_later_one_counts() {
    let of = |start: &str, later: &str| {
        let start = format!(r#"{{"type":"message_start","message":{{"usage":{{{start}}}}}}}"#);
        let later =
            format!(r#"{{"type":"message_delta","delta":{{}},"usage":{{"output_tokens":7,{later}}}}}"#);
        let stop = r#"{"type":"message_stop"}"#;
        let got =
            read(Dialect::Anthropic, &[&start, &later, stop]).finish(End::Complete, &TokenRate::default());
        assert_eq!((got.output, got.source), (Some(7), CountSource::Backend));
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
        let got = read(Dialect::OpenAi, &[event.as_str(); 9]).finish(End::ClientLeft, &TokenRate::default());
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
    assert_eq!(read(Dialect::OpenAi, &[two]).finish(End::ClientLeft, &TokenRate::default()).text_bytes, 6);
}

/// Cohere's embeddings and rerank: what is billed may be less than what was read.
#[test]
fn counts_within_meta() {
    let of = |meta: &str| {
        let mut meter = Meter::new(Framing::Json, Dialect::Embedding);
        meter.push(format!(r#"{{"meta":{meta}}}"#).as_bytes());
        let usage = meter.finish(End::Complete, &TokenRate::default());
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
    let mut list = Meter::new(Framing::Json, of("/1/n"));
    list.push(br#"[{"n":4},{"n":5}]"#);
    assert_eq!(list.finish(End::Complete, &TokenRate::default()).input, Some(5));
    let error = |text: &str| {
        let mut meter = Meter::new(Framing::Json, of("/a/n"));
        meter.push(text.as_bytes());
        meter.error()
    };
    assert_eq!(error(r#"{"error":{"message":"no"}}"#).as_deref(), Some("no"));
    assert_eq!(error(r#"{"a":{"error":{"message":"no"}}}"#), None);
    assert_eq!(error(r#"{"b":{"message":"no"}}"#), None);
}
