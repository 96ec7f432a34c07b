//! Taking the usage event out of a stream.

use super::super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

const USAGE: &str = r#"{"id":"c","choices":[],"usage":{"prompt_tokens":9,"total_tokens":21}}"#;
const WORD: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"hi []"}}],"usage":null}"#;

/// What a caller sends for these chunks.
fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
    let mut sent = Vec::new();
    for chunk in chunks {
        match meter.push(chunk) {
            StreamOutput::All => sent.extend_from_slice(chunk),
            StreamOutput::Parts(parts) => parts.into_iter().for_each(|part| match part {
                OutputPart::Bytes(bytes) => sent.extend(bytes),
                OutputPart::Range(range) => sent.extend_from_slice(&chunk[range]),
            }),
        }
        assert!(meter.stream.as_ref().unwrap().holds() <= MAX_EVENT);
    }
    sent.extend(meter.close());
    sent
}

fn filtered(input: &str) -> String {
    String::from_utf8(run([input.as_bytes()])).unwrap()
}

/// Whether a parser that builds a tree takes it for the usage event.
fn is_usage(data: &[u8]) -> bool {
    let Ok(Value::Object(event)) = serde_json::from_slice(data) else { return false };
    event.get("usage").is_some_and(Value::is_object)
        && event.get("choices").is_none_or(|choices| match choices {
            Value::Array(choices) => choices.is_empty(),
            choices => choices.is_null(),
        })
}

/// The same by other means: whole lines of the whole input, then whole events.
fn oracle(input: &[u8]) -> Option<Vec<u8>> {
    let mut lines: Vec<(&[u8], &[u8])> = Vec::new();
    let mut rest = input;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let after = end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        lines.push((&rest[..end], &rest[..after]));
        rest = &rest[after..];
    }
    let mut sent = Vec::new();
    let mut event: Vec<u8> = Vec::new();
    let mut data: Vec<&[u8]> = Vec::new();
    let (mut begun, mut stray) = (false, false);
    for (nth, (line, raw)) in lines.into_iter().enumerate() {
        let line = if nth == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if nth == 0 {
            sent.extend_from_slice(
                &raw[..raw.len().min(if raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 })],
            );
        }
        let raw = if nth == 0 { raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw) } else { raw };
        if !begun && line.starts_with(b":") {
            sent.extend_from_slice(raw);
            continue;
        }
        event.extend_from_slice(raw);
        if line.is_empty() {
            let data_text = data.join(&b'\n');
            // What is broken may be taken for it: no client could read it.
            if serde_json::from_slice::<Value>(&data_text).is_err() && resembles_usage(&data_text) {
                return None;
            }
            if !is_usage(&data_text) || event.len() > MAX_EVENT || stray {
                sent.append(&mut event);
            }
            event.clear();
            data.clear();
            (begun, stray) = (false, false);
            continue;
        }
        begun = true;
        let fields: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
        stray |= !fields.iter().any(|field| line.starts_with(field) || field.starts_with(line));
        data.extend(line.strip_prefix(b"data:"));
    }
    sent.extend_from_slice(&event);
    sent.extend_from_slice(rest);
    Some(sent)
}

fn resembles_usage(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    text.contains("usage") && text.contains("choices")
}

fn event(text: &str) -> String {
    format!("data: {text}\n\n")
}

#[test]
fn an_ordinary_chunk_passes_without_a_copy() {
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
    for text in [WORD, "[DONE]"] {
        assert_eq!(meter.push(event(text).as_bytes()), StreamOutput::All);
        assert_eq!(meter.push(format!("data: {text}\r\n\r\n").as_bytes()), StreamOutput::All);
        assert_eq!(meter.push(format!("data: {text}\r\r").as_bytes()), StreamOutput::All);
    }
    assert_eq!(meter.push(b": ping\n\n"), StreamOutput::All);
}

#[test]
fn the_usage_event_is_hidden_and_counted() {
    let input = [event(WORD), event(USAGE), event("[DONE]")].concat();
    assert_eq!(filtered(&input), [event(WORD), event("[DONE]")].concat());
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
    meter.push(input.as_bytes());
    assert_eq!(meter.finish(End::Complete, &TokenRate::default()).input, Some(9));
}

#[test]
fn nobody_hides_what_was_asked_for() {
    let input = [event(WORD), event(USAGE)].concat();
    assert_eq!(Meter::new(Framing::Sse, Dialect::OpenAi).push(input.as_bytes()), StreamOutput::All);
}

#[test]
fn whatever_stands_before_the_data_is_hidden_too() {
    for lines in ["event: message\n", "id: 7\n", "retry: 10\nid: 1\nevent: x\n"] {
        assert_eq!(filtered(&format!("{lines}{}{}", event(USAGE), event("x"))), event("x"), "{lines}");
        let word = format!("{lines}{}", event(WORD));
        assert_eq!(filtered(&word), word);
    }
    assert_eq!(
        filtered("data: {\"choices\":[\ndata:],\nid: 4\n: c\ndata:  \"usage\":{}}\n\ndata: x\n\n"),
        "data: x\n\n"
    );
}

/// A proxy that fails writes its words into the stream, wherever that is: they must not vanish with the event.
#[test]
fn an_event_with_a_line_that_is_no_field_is_not_hidden() {
    for said in [
        format!("proxy error: gone\ndata: {USAGE}\n\n"),
        format!("data: {USAGE}\nproxy error: gone\n\n"),
        format!("event: x\nupstream closed\ndata: {USAGE}\n\n"),
    ] {
        assert_eq!(filtered(&said), said);
        for cut in 1..said.len() {
            let (head, tail) = said.as_bytes().split_at(cut);
            assert_eq!(String::from_utf8(run([head, tail])).unwrap(), said, "{cut}");
        }
        // The next one is hidden again.
        assert_eq!(filtered(&format!("{said}{}", event(USAGE))), said);
    }
}

/// The line feed of a line end that was cut in two belongs to its own line, not to a hidden event before it.
#[test]
fn only_the_line_feed_of_the_hidden_event_is_hidden() {
    let usage = format!("data: {USAGE}\r\r");
    for (head, tail, shown) in [
        (format!("{usage}data: {WORD}\r"), "\n\r\n", format!("data: {WORD}\r\n\r\n")),
        (format!("data: {USAGE}\r\n\r"), "\n: ping\n\n", ": ping\n\n".to_owned()),
    ] {
        assert_eq!(String::from_utf8(run([head.as_bytes(), tail.as_bytes()])).unwrap(), shown);
    }
}

#[test]
fn comments_before_it_pass_and_a_mark_of_byte_order_too() {
    assert_eq!(filtered(&format!("\u{feff}: ping\r\ndata: {USAGE}\r\n\r\n")), "\u{feff}: ping\r\n");
    assert_eq!(filtered(&format!("\u{feff}data: {USAGE}\r\rdata: x\r\r")), "\u{feff}data: x\r\r");
}

/// What llama.cpp and vLLM put beside the usage reaches the client, in a form in which every client finds a choice.
#[test]
fn what_else_is_in_it_is_shown() {
    const SILENT: &str = r#""choices":[{"index":0,"delta":{},"finish_reason":null}]"#;
    for (full, shown) in [
        (
            r#"{"choices":[],"id":"c","usage":{"prompt_tokens":1},"timings":{"prompt_n":1}}"#,
            format!(r#"{{{SILENT},"id":"c","timings":{{"prompt_n":1}}}}"#),
        ),
        (
            r#"{ "metrics" : {"a":[1,{}]}, "choices" : [ ] , "usage" : {"prompt_tokens":1} }"#,
            format!(r#"{{ "metrics" : {{"a":[1,{{}}]}}, {} }}"#, SILENT.replacen(':', " : ", 1)),
        ),
        (
            r#"{"usage":{"prompt_tokens":1},"choices":[],"timings":{"prompt_n":1}}"#,
            format!(r#"{{{SILENT},"timings":{{"prompt_n":1}}}}"#),
        ),
    ] {
        let input = event(full);
        assert_eq!(filtered(&input), event(&shown), "{full}");
        for cut in 1..input.len() {
            let (head, tail) = input.as_bytes().split_at(cut);
            assert_eq!(String::from_utf8(run([head, tail])).unwrap(), event(&shown), "{cut}");
        }
        let data: Value = serde_json::from_str(&shown).unwrap();
        assert!(data["usage"].is_null() && data["choices"][0]["index"] == 0);
    }
    // What every event has is no reason to show it, and neither is nothing.
    let envelope = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":[],"usage":{"total_tokens":1},"timings":null}"#;
    assert_eq!(filtered(&event(envelope)), "");
}

#[test]
fn a_choice_that_says_nothing_is_none() {
    let litellm =
        r#"{"id":"c","choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    assert_eq!(filtered(&event(litellm)), "");
    // An empty list in Go's words, and none at all.
    assert_eq!(filtered(&event(r#"{"id":"c","choices":null,"usage":{"prompt_tokens":9}}"#)), "");
    assert_eq!(filtered(&event(r#"{"id":"c","usage":{"prompt_tokens":9}}"#)), "");
    for speaks in [
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":[{"index":0,"text":""}],"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":{},"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":[],"error":{"message":"x"},"usage":{"prompt_tokens":9}}"#,
        r#"{"object":"error","message":"x","usage":{"prompt_tokens":9}}"#,
    ] {
        assert_eq!(filtered(&event(speaks)), event(speaks));
    }
}

/// An engine that reports in the events of its choices would do so unasked.
#[test]
fn an_engine_that_reports_unasked_is_left_alone() {
    let each = r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    let input = [event(each), event(USAGE)].concat();
    assert_eq!(filtered(&input), input);
}

#[test]
fn an_event_is_released_as_soon_as_it_cannot_be_the_one() {
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
    let mut sent = |chunk: &[u8]| match meter.push(chunk) {
        StreamOutput::All => chunk.to_vec(),
        StreamOutput::Parts(parts) => parts
            .into_iter()
            .flat_map(|part| match part {
                OutputPart::Bytes(bytes) => bytes,
                OutputPart::Range(range) => chunk[range].to_vec(),
            })
            .collect(),
    };
    assert_eq!(sent(b": ping\ndata: {\"choices\":"), b": ping\n");
    assert_eq!(sent(b"[{\"delta\":{\"content\":\"x"), b"data: {\"choices\":[{\"delta\":{\"content\":\"x");
    assert_eq!(sent(b"y"), b"y");
    assert_eq!(sent(b"\"}}]}\n\n"), b"\"}}]}\n\n");
    assert_eq!(sent(b"data: [DO"), b"data: [DO");
}

#[test]
fn an_unfinished_usage_event_comes_out_at_the_end() {
    assert_eq!(filtered("data: {\"choices\":[],\"usage\":{}}\n"), "data: {\"choices\":[],\"usage\":{}}\n");
}

#[test]
fn a_huge_event_is_not_held() {
    let input =
        format!("data: {{\"x\":\"{}\",\"choices\":[],\"usage\":{{}}}}\n\n", "y".repeat(2 * MAX_EVENT));
    assert_eq!(filtered(&input), input);
    assert_eq!(run(input.as_bytes().chunks(1000)), input.as_bytes());
}

/// A list of choices, whatever is in it, and a usage that is no object are left to those who wrote them.
#[test]
fn odd_choices_and_odd_usage_are_shown() {
    for odd in [
        r#"{"choices":["x"],"usage":{"prompt_tokens":9}}"#,
        r#"{"choices":[],"usage":[1]}"#,
        r#"{"choices":[],"usage":"x"}"#,
    ] {
        assert_eq!(filtered(&event(odd)), event(odd));
    }
}

#[test]
fn of_a_chunk_that_is_the_usage_event_nothing_is_left() {
    let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
    assert_eq!(meter.push(event(USAGE).as_bytes()), StreamOutput::Parts(Vec::new()));
}

#[test]
fn an_event_that_has_failed_or_ends_a_choice_is_not_held() {
    for half in [
        r#"data: {"type":"error","x":"#,
        r#"data: {"choices":[{"index":0,"finish_reason":"stop","#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"},{"index":1,"#,
    ] {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi).hiding(true);
        assert_eq!(meter.push(half.as_bytes()), StreamOutput::All, "{half}");
    }
}

/// As long as what may be held, it is hidden; one byte more, and it goes as it came.
#[test]
fn the_longest_usage_event_is_hidden() {
    let of = |length: usize| {
        let text = |id: &str| event(&format!(r#"{{"id":"{id}","choices":[],"usage":{{"total_tokens":1}}}}"#));
        text(&"y".repeat(length - text("").len()))
    };
    let (longest, longer) = (of(MAX_EVENT), of(MAX_EVENT + 1));
    assert_eq!((filtered(&longest).len(), filtered(&longer).len()), (0, MAX_EVENT + 1));
    // All but the last byte have come: that much is held.
    let cut = |input: &str, at: usize| run([&input.as_bytes()[..at], &input.as_bytes()[at..]]).len();
    assert_eq!((cut(&longest, MAX_EVENT - 1), cut(&longer, MAX_EVENT)), (0, MAX_EVENT + 1));
    let thirds = longest.as_bytes().chunks(MAX_EVENT / 3);
    assert_eq!(run(thirds), b"");
}

#[derive(Clone, Debug)]
struct Piece {
    lines: Vec<String>,
    is_usage: bool,
}

fn piece() -> impl Strategy<Value = Piece> {
    let usage = prop_oneof![
        Just(vec![format!("data: {USAGE}")]),
        Just(vec![r#"data:{"usage":{"a":"[]"},"choices":[ ]}"#.to_owned()]),
        Just(vec!["event: ping".to_owned(), format!("data: {USAGE}")]),
        Just(vec![r#"data: {"choices":null,"usage":{}}"#.to_owned()]),
        Just(vec![r#"data: {"choices":"#.into(), "data: [".into(), "data: ],\"usage\":{}}".into()]),
        Just(vec![r#"data:{"choices":[],"#.into(), "id: 7".into(), r#"data:"usage":{}}"#.into()]),
    ];
    let other = prop_oneof![
        Just(vec![format!("data: {WORD}")]),
        Just(vec![r#"data: {"choices":[],"usage":null}"#.to_owned()]),
        Just(vec![r#"data: {"choices":[{"delta":{"content":"\"choices\":[],\"usage\":{}"}}]}"#.to_owned()]),
        Just(vec![r#"data: {"choices":[],"prompt_filter_results":[]}"#.to_owned()]),
        Just(vec![": ping".to_owned()]),
        Just(vec!["data".to_owned()]),
        Just(vec!["data: [DONE]".to_owned()]),
        Just(vec!["data: {\"choices\":[],\"usage\":{".to_owned()]),
        Just(vec![]),
        "[^\r\n]{1,12}".prop_map(|line| vec![line]),
    ];
    prop_oneof![
        1 => usage.prop_map(|lines| Piece { lines, is_usage: true }),
        2 => other.prop_map(|lines| Piece { lines, is_usage: false }),
    ]
}

fn cut<'a>(input: &'a [u8], at: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = at.iter().map(|at| at.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![
        proptest::collection::vec(any::<Index>(), 0..6),
        proptest::collection::vec(any::<Index>(), 100..400),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn output_is_the_input_without_the_usage_events(
        pieces in proptest::collection::vec(piece(), 0..8),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        bom: bool,
        at in cuts(),
    ) {
        let (mut input, mut wanted) = (String::new(), String::new());
        if bom {
            input.push('\u{feff}');
            wanted.push('\u{feff}');
        }
        for piece in pieces {
            let text: String = piece.lines.iter().map(|line| format!("{line}{end}")).chain([end.into()]).collect();
            input.push_str(&text);
            if !piece.is_usage {
                wanted.push_str(&text);
            }
        }
        let sent = run(cut(input.as_bytes(), &at));
        prop_assert_eq!(String::from_utf8_lossy(&sent), wanted);
        prop_assert_eq!(oracle(input.as_bytes()).unwrap_or_else(|| sent.clone()), sent);
    }

    #[test]
    fn broken_streams_come_out_like_the_oracle_says(
        pieces in proptest::collection::vec(piece(), 0..8),
        ends in proptest::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", ""]), 1..5),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        at in cuts(),
    ) {
        // What a changed byte makes of a usage event is anybody's guess: the reader and the oracle guess differently.
        let changes = if pieces.iter().any(|piece| piece.is_usage) { Vec::new() } else { changes };
        let lines: Vec<String> = pieces.into_iter().flat_map(|piece| piece.lines.into_iter().chain(["".into()])).collect();
        let mut input: Vec<u8> =
            lines.iter().zip(ends.iter().cycle()).flat_map(|(line, end)| format!("{line}{end}").into_bytes()).collect();
        for (at, byte) in changes {
            if !input.is_empty() {
                let at = at.index(input.len());
                input[at] = byte;
            }
        }
        let sent = run(cut(&input, &at));
        prop_assert_eq!(oracle(&input).unwrap_or_else(|| sent.clone()), sent);
    }

    #[test]
    fn arbitrary_bytes_come_out_as_they_are(input: Vec<u8>, at in cuts()) {
        prop_assert_eq!(run(cut(&input, &at)), input);
    }
}
