//! Corners: what one byte more or less, one number or one name changes.

use super::super::fields::count;
use super::super::*;
use super::outcomes::{FINISH, TEXT, TOTAL, document, read, usage};

/// Of 52 bytes, which are about 13 tokens.
fn long() -> String {
    TEXT.replace("\"x\"", "\"twelve tokens are in this text, more or less, really\"")
}

fn of(dialect: Dialect, text: &str) -> Usage {
    let mut meter = Meter::new(Framing::Json, dialect);
    meter.push(text.as_bytes());
    meter.finish(End::Complete, &TokenRate::default())
}

fn pointers(change: impl Fn(Pointers) -> Pointers) -> Dialect {
    Dialect::Pointers(change(Pointers::default()).into())
}

#[test]
fn a_count_is_a_whole_number_that_fits() {
    let numbers = [("9", Some(9)), ("9.0", Some(9)), ("9223372036854775807", Some(i64::MAX as u64))];
    let none = ["", ".0", "9.", "9.5", "-1", "1e3", "9223372036854775808", "99999999999999999999"];
    for (text, wanted) in numbers.into_iter().chain(none.map(|text| (text, None))) {
        assert_eq!(count(text.as_bytes()), wanted, "{text}");
    }
}

#[test]
fn reasoning_that_is_all_of_the_output_is_in_it_and_more_than_that_is_beside_it() {
    let output = |reasoning: u64, more: &str| {
        let counts = r#""prompt_tokens":32,"completion_tokens":9,"total_tokens":41"#;
        document(&format!(r#"{{"usage":{{{counts},"reasoning_tokens":{reasoning}{more}}}}}"#)).output
    };
    assert_eq!((output(9, ""), output(10, "")), (Some(9), Some(19)));
    assert_eq!(output(94, r#","cached_tokens":20,"cache_creation_input_tokens":5"#), Some(103));
}

#[test]
fn what_is_written_to_the_cache_was_asked_with() {
    let text =
        r#"{"content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":90,"output_tokens":1}}"#;
    let got = of(Dialect::Anthropic, text);
    assert_eq!((got.input, got.cache_write), (Some(100), Some(90)));
}

/// Of two reports of a message the later one knows what came from the cache, be it less.
#[test]
fn less_from_the_cache_than_was_first_said_is_believed() {
    let start =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":200,"cache_read_input_tokens":900}}}"#;
    let later = r#"{"type":"message_delta","usage":{"input_tokens":260,"cache_read_input_tokens":800,"output_tokens":7}}"#;
    let got = read(Dialect::Anthropic, &[start, later]).finish(End::Complete, &TokenRate::default());
    assert_eq!((got.input, got.cached), (Some(1060), Some(800)));
}

#[test]
fn of_timings_that_are_told_twice_the_later_count() {
    let timings = |more: &str| format!(r#""timings":{{"prompt_n":5,"predicted_n":6{more}}}"#);
    let got = document(&format!("{{{},{}}}", timings(r#","cache_n":2"#), timings("")));
    let wanted = Timings { prompt_n: Some(5), cache_n: None, predicted_n: Some(6) };
    assert_eq!((got.timings, got.cached), (Some(wanted), None));
}

#[test]
fn the_last_words_of_an_error_are_told_alone() {
    let error = |text: &str| {
        let mut meter = Meter::new(Framing::Json, Dialect::OpenAi);
        meter.push(text.as_bytes());
        meter.error()
    };
    assert_eq!(error(r#"{"error":{"message":"no"},"detail":"no memory"}"#).as_deref(), Some("no memory"));
    let choice =
        r#"{"choices":[{"index":0,"error":{"message":"the provider is gone"},"finish_reason":"error"}]}"#;
    assert_eq!(error(choice).as_deref(), Some("the provider is gone"));
}

/// What doesn't matter isn't looked into, so it may be anything that closes its brackets.
#[test]
fn what_does_not_matter_is_not_read() {
    for odd in ["{oops}", "{1,2}", "[oops]", "{\"usage\":{}]}"] {
        let odd = odd.replace("]}", "}");
        let got = document(&format!(r#"{{"x":{odd},"usage":{{"prompt_tokens":2,"completion_tokens":3}}}}"#));
        assert_eq!((got.input, got.output), (Some(2), Some(3)), "{odd}");
    }
    for broken in [r#"{xusage":{"prompt_tokens":1}}"#, r#"{"usage";{"prompt_tokens":1}}"#] {
        assert_eq!(document(broken), Usage::default(), "{broken}");
    }
    let marked = "\u{feff}{\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}";
    assert_eq!(document(marked).output, Some(3), "a mark of byte order is no fault");
}

#[test]
fn only_the_right_names_make_counts_and_texts() {
    let meta = of(Dialect::Embedding, r#"{"meta":{"tokens":{"input_tokens":9,"x":5}}}"#);
    assert_eq!((meta.input, meta.output), (Some(9), Some(0)));
    for call in [r#"{"x":{"arguments":"{"}}"#, r#"{"function":{"x":"{"}}"#] {
        let text = TEXT.replace(r#""content":"x""#, &format!(r#""tool_calls":[{call}]"#));
        assert_eq!(read(Dialect::OpenAi, &[&text]).deltas(), 0, "{call}");
    }
    // Each pointer is followed along its own way.
    let both = pointers(|all| all.input("/a/n").unwrap().output("/b/m").unwrap());
    let got = of(both, r#"{"b":{"m":2},"a":{"n":1,"m":5}}"#);
    assert_eq!((got.input, got.output), (Some(1), Some(2)));
    let got = of(pointers(|all| all.input("/1/1").unwrap()), "[[1,2],[3,4]]");
    assert_eq!(got.input, Some(4), "each list is counted from its own beginning");
}

/// Keys are compared up to 40 bytes; a longer one is none of ours, however it is cut.
#[test]
fn a_key_that_goes_on_is_another_key() {
    for length in [39, 40] {
        let dialect = pointers(|all| all.input(&format!("/{}", "a".repeat(length))).unwrap());
        let mut meter = Meter::new(Framing::Json, dialect);
        let text = format!(r#"{{"{}":5}}"#, "a".repeat(41));
        text.as_bytes().chunks(1).for_each(|byte| assert_eq!(meter.push(byte), StreamOutput::All));
        assert_eq!(meter.finish(End::Complete, &TokenRate::default()).input, None, "{length}");
    }
}

#[test]
fn escapes_are_no_bytes_of_a_text() {
    let bytes = |content: &str| {
        let text = TEXT.replace(r#""content":"x""#, content);
        read(Dialect::OpenAi, &[&text]).finish(End::ClientLeft, &TokenRate::default()).text_bytes
    };
    assert_eq!(bytes(r#""content":"a\nb\u4f60""#), 6);
    assert_eq!(bytes(r#""reasoning":"ab","content":{"x":"\n\n\n"}"#), 2, "an object is no text");
}

#[test]
fn a_pace_is_known_from_256_tokens_on() {
    let texts = [long()];
    let texts = vec![texts[0].as_str(); 20];
    let output = |tokens| {
        let pace = TokenRate { tokens, texts: 256, bytes: 1024 };
        read(Dialect::OpenAi, &texts).finish(End::ClientLeft, &pace).output
    };
    assert_eq!((output(255), output(256)), (Some(20 * 13), Some(20)));
}

#[test]
fn what_comes_after_a_report_is_counted_by_itself() {
    let text = long();
    let counted = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#;
    let pace = TokenRate { tokens: 1000, texts: 100, bytes: 2600 };
    let got = read(Dialect::OpenAi, &[&text, &text, counted, &text]).finish(End::ClientLeft, &pace);
    assert_eq!(got.output, Some(5 + 20));
    // The engine's clock says 0, which can't be.
    let zero = r#"{"choices":[],"timings":{"prompt_n":1,"predicted_n":0}}"#;
    let got = usage(&[&text, &text, &text, zero]);
    assert_eq!((got.output, got.source), (Some(3 * 13), CountSource::Estimated));
    // Without any text it can.
    let nothing = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
    let got = read(Dialect::OpenAi, &[nothing]).finish(End::Broken, &TokenRate::default());
    assert_eq!((got.input, got.output, got.source), (Some(9), Some(0), CountSource::Backend));
}

/// What `message_start` says of the output is said before the first word.
#[test]
fn a_placeholder_is_no_count() {
    let left = |placeholder: u64, texts: usize| {
        let start = format!(
            r#"{{"type":"message_start","message":{{"usage":{{"input_tokens":9,"output_tokens":{placeholder}}}}}}}"#
        );
        let word = r#"{"delta":{"type":"text_delta","text":"twelve tokens are in this text, more or less, really"}}"#;
        let events: Vec<&str> =
            [start.as_str()].into_iter().chain(std::iter::repeat_n(word, texts)).collect();
        let got = read(Dialect::Anthropic, &events).finish(End::ClientLeft, &TokenRate::default());
        (got.output, got.source)
    };
    assert_eq!(left(1, 3), (Some(3 * 13), CountSource::Estimated));
    assert_eq!(left(50, 1), (Some(50), CountSource::Estimated));
}

#[test]
fn a_report_of_all_is_not_added_to_that_of_a_choice() {
    let with = |choice: u32, output: u32| {
        let usage = format!(r#""usage":{{"prompt_tokens":3,"completion_tokens":{output}}},"choices""#);
        FINISH.replace("\"index\":0", &format!("\"index\":{choice}")).replace("\"choices\"", &usage)
    };
    let got = usage(&[TEXT, &with(0, 5), TOTAL]);
    assert_eq!(got.output, Some(20));
    // Each report has as many as were seen: they are of all so far.
    let second = TEXT.replace("\"index\":0", "\"index\":1");
    let got = usage(&[TEXT, &with(0, 1), &second, &with(1, 2)]);
    assert_eq!(got.output, Some(2));
    let got = usage(&[TEXT, TEXT, TEXT, &with(0, 1)]);
    assert_eq!((got.output, got.all_inputs), (Some(3), None), "one report is no sum");
}

#[test]
fn a_first_choice_without_words_says_nothing_of_the_others() {
    let text = r#"{"choices":[{"index":0,"message":{"content":""}},{"index":1,"message":{"content":"words"}}],"usage":{"prompt_tokens":3,"completion_tokens":4},"timings":{"prompt_n":3,"predicted_n":4}}"#;
    let got = document(text);
    assert_eq!((got.output, got.source), (Some(4), CountSource::Backend));
}

/// What is recognised by its form is counted like what is read.
#[test]
fn events_of_one_form_count_by_their_pointers_and_their_second_texts() {
    let dialect = pointers(|all| all.output("/n").unwrap().text("/content").unwrap());
    let got = read(dialect, &[r#"{"content":"w","n":50}"#; 9]).finish(End::ClientLeft, &TokenRate::default());
    assert_eq!((got.output, got.source), (Some(50), CountSource::Backend));
    let two = |n: u32| format!(r#"{{"choices":[{{"text":"w"}},{{"text":"cde"}}],"created":{n}}}"#);
    let events: Vec<String> = (95..=105).map(two).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let got = read(Dialect::OpenAi, &events).finish(End::ClientLeft, &TokenRate::default());
    assert_eq!((got.deltas, got.text_bytes), (11, 44));
}

/// A stream of ever new forms is learnt 33 times; what comes then is read.
#[test]
fn forms_are_learnt_for_a_while() {
    for (many, known) in [(33, true), (34, false)] {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
        let event = |id: u32| format!("data: {{\"id\":\"{id:x}x\",\"choices\":[{{\"text\":\"w\"}}]}}\n\n");
        (1..=many).for_each(|id| assert_eq!(meter.push(event(id).as_bytes()), StreamOutput::All));
        let last = event(many);
        assert_eq!(meter.stream.as_mut().unwrap().recognises(last.as_bytes()), known, "{many}");
    }
}
