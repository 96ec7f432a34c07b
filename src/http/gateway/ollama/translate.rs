//! From OpenAI's answers to Ollama's: one object, or a line of JSON for each piece of a stream and a final record with
//! the counts.

use super::super::client_api::line;
use super::super::error_text;
use super::super::split_characters;
use super::tool_calls::Calls;
use crate::sse::Events;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// How the text comes: as a message, or as a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OllamaEndpoint {
    Chat,
    Generate,
}

/// What the final record says of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct OllamaTimes {
    pub(super) began: Instant,
    /// When a backend had taken the request.
    pub(super) leased: Option<Instant>,
}

/// Reads an answer of OpenAI's and says the same in Ollama's words.
pub(super) struct Translator {
    shape: OllamaEndpoint,
    /// As the client called it.
    model: String,
    times: OllamaTimes,
    first: Option<Instant>,
    events: Events,
    calls: Calls,
    reason: Option<String>,
    counts: Map<String, Value>,
    finished: bool,
}

impl Translator {
    pub(super) fn new(shape: OllamaEndpoint, model: &str, times: OllamaTimes) -> Self {
        Self {
            shape,
            model: model.to_owned(),
            times,
            first: None,
            events: Events::default(),
            calls: Calls::default(),
            reason: None,
            counts: Map::new(),
            finished: false,
        }
    }

    /// The next bytes of a stream; what can be said by now, a line each.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Bytes {
        let (mut events, mut out) = (std::mem::take(&mut self.events), Vec::new());
        events.push(chunk, |data| self.event(data, &mut out));
        self.events = events;
        out.into()
    }

    /// The end of a stream: the final record, unless an error was it. `told`: the words of an error that may have another
    /// form than those that are known here.
    pub(super) fn finish(&mut self, told: Option<String>) -> Bytes {
        let (mut events, mut out) = (std::mem::take(&mut self.events), Vec::new());
        events.finish(|data| self.event(data, &mut out));
        if !self.finished {
            self.finished = true;
            match told {
                Some(said) => say(json!({"error": said}), &mut out),
                None => {
                    self.say_calls(&mut out);
                    say(self.last(), &mut out);
                }
            }
        }
        out.into()
    }

    /// A whole answer; `None`: it is none.
    pub(super) fn whole(&mut self, body: &[u8]) -> Option<Value> {
        let document = Value::Object(split_characters::event(body)?);
        document.get("choices").filter(|choices| choices.is_array())?;
        let (text, thinking) = self.read(&document, "message");
        let calls = std::mem::take(&mut self.calls);
        let mut record = self.last();
        match self.shape {
            OllamaEndpoint::Generate => record["response"] = text.into(),
            OllamaEndpoint::Chat => {
                record["message"]["content"] = text.into();
                if !calls.is_empty() {
                    record["message"]["tool_calls"] = calls.json();
                }
            }
        }
        if !thinking.is_empty() {
            match self.shape {
                OllamaEndpoint::Generate => record["thinking"] = thinking.into(),
                OllamaEndpoint::Chat => record["message"]["thinking"] = thinking.into(),
            }
        }
        Some(record)
    }

    fn event(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        let Some(event) = split_characters::event(data).map(Value::Object) else {
            if data.trim_ascii_start().starts_with(b"{") {
                self.finished = true;
                say(json!({"error": "an event of the backend's answer is no JSON"}), out);
            }
            return;
        };
        if event.get("error").is_some_and(|error| !error.is_null()) {
            self.finished = true;
            let said = error_text::of_error(data).unwrap_or_else(|| "the backend failed".to_owned());
            return say(json!({"error": said}), out);
        }
        let (text, thinking) = self.read(&event, "delta");
        if text.is_empty() && thinking.is_empty() {
            return;
        }
        self.first.get_or_insert_with(Instant::now);
        let mut record = json!({"model": self.model, "created_at": now(), "done": false});
        match self.shape {
            OllamaEndpoint::Generate => record["response"] = text.into(),
            OllamaEndpoint::Chat => record["message"] = json!({"role": "assistant", "content": text}),
        }
        if !thinking.is_empty() {
            match self.shape {
                OllamaEndpoint::Generate => record["thinking"] = thinking.into(),
                OllamaEndpoint::Chat => record["message"]["thinking"] = thinking.into(),
            }
        }
        say(record, out);
    }

    /// Text and reasoning of the first choice; everything else is remembered.
    fn read(&mut self, document: &Value, part: &str) -> (String, String) {
        if let Some(usage) = document.get("usage").filter(|usage| usage.is_object()) {
            let counts = [
                ("prompt_eval_count", usage.get("prompt_tokens")),
                ("eval_count", usage.get("completion_tokens")),
                ("prompt_eval_cached_count", usage.pointer("/prompt_tokens_details/cached_tokens")),
            ];
            for (name, count) in counts {
                if let Some(count) = count.filter(|count| count.is_u64()) {
                    self.counts.insert(name.to_owned(), count.clone());
                }
            }
        }
        for (name, milliseconds) in
            [("prompt_eval_duration", "/timings/prompt_ms"), ("eval_duration", "/timings/predicted_ms")]
        {
            if let Some(time) = document.pointer(milliseconds).and_then(Value::as_f64) {
                self.counts.insert(name.to_owned(), json!((time * 1e6).round() as u64));
            }
        }
        let choices = document.get("choices").and_then(Value::as_array);
        let is_first = |choice: &&Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
        let Some(choice) = choices.into_iter().flatten().find(is_first) else { return Default::default() };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.reason = Some(if reason == "length" { "length" } else { "stop" }.to_owned());
        }
        let message = choice.get(part).unwrap_or(choice);
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.calls.piece(call);
        }
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| message.get(*name)?.as_str());
            found.unwrap_or_default().to_owned()
        };
        let (mut said, mut thought) = (text(&["content", "text"]), text(&["reasoning_content", "reasoning"]));
        for part in message.get("content").and_then(Value::as_array).into_iter().flatten() {
            // Mistral's reasoning models answer in parts.
            said += &text_of(part, "text");
            thought += &text_of(part, "thinking");
        }
        (said, thought)
    }

    fn say_calls(&mut self, out: &mut Vec<u8>) {
        let calls = std::mem::take(&mut self.calls);
        if calls.is_empty() || self.shape == OllamaEndpoint::Generate {
            return;
        }
        let message = json!({"role": "assistant", "content": "", "tool_calls": calls.json()});
        say(json!({"model": self.model, "created_at": now(), "message": message, "done": false}), out);
    }

    /// The final record.
    fn last(&self) -> Value {
        let nanos = |from: Instant, to: Instant| u64::try_from((to - from).as_nanos()).unwrap_or(u64::MAX);
        let (now_, leased) = (Instant::now(), self.times.leased.unwrap_or(self.times.began));
        // Where nobody knows when the first word came, all the time is that of the answer: clients divide by it.
        let first = self.first.unwrap_or(leased).max(leased);
        let mut record = json!({
            "model": self.model,
            "created_at": now(),
            "done": true,
            "done_reason": self.reason.as_deref().unwrap_or("stop"),
            "total_duration": nanos(self.times.began, now_),
            "load_duration": nanos(self.times.began, leased),
            "prompt_eval_count": 0,
            "prompt_eval_duration": nanos(leased, first),
            "eval_count": 0,
            "eval_duration": nanos(first, now_),
        });
        for (name, count) in &self.counts {
            record[name] = count.clone();
        }
        match self.shape {
            OllamaEndpoint::Generate => record["response"] = "".into(),
            OllamaEndpoint::Chat => record["message"] = json!({"role": "assistant", "content": ""}),
        }
        record
    }
}

/// The answer to a request that asked for nothing: the model was loaded, or goes.
pub(super) fn nothing(shape: OllamaEndpoint, model: &str, reason: &str) -> Value {
    let mut record = json!({"model": model, "created_at": now(), "done": true, "done_reason": reason});
    match shape {
        OllamaEndpoint::Generate => record["response"] = "".into(),
        OllamaEndpoint::Chat => record["message"] = json!({"role": "assistant", "content": ""}),
    }
    record
}

/// The text of a part of an answer: of one that thinks, the texts of its own parts.
fn text_of(part: &Value, name: &str) -> String {
    match part.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| text_of(part, "text")).collect(),
        _ => String::new(),
    }
}

/// Vectors: as `/api/embed` answers them, or the one of `/api/embeddings`; `None`: there is a text without one.
pub(super) fn vectors(body: &[u8], model: &str, began: Instant, only_one: bool) -> Option<Value> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let mut data: Vec<&Value> = document.get("data")?.as_array()?.iter().collect();
    // Each says of which text it is; where none does, the order says it.
    data.sort_by_key(|one| one.get("index").and_then(Value::as_u64));
    let vectors: Option<Vec<Value>> = data.into_iter().map(|one| one.get("embedding").cloned()).collect();
    let vectors = vectors?;
    if only_one {
        return Some(json!({"embedding": vectors.into_iter().next().unwrap_or_else(|| json!([]))}));
    }
    let count = document.pointer("/usage/prompt_tokens").cloned().unwrap_or_else(|| 0.into());
    let total = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Some(json!({
        "model": model, "embeddings": vectors, "total_duration": total, "load_duration": 0, "prompt_eval_count": count,
    }))
}

fn say(record: Value, out: &mut Vec<u8>) {
    out.extend_from_slice(line(&record).as_bytes());
}

fn now() -> String {
    Timestamp::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translator(shape: OllamaEndpoint) -> Translator {
        Translator::new(shape, "m:latest", OllamaTimes { began: Instant::now(), leased: None })
    }

    fn lines(stream: &str, shape: OllamaEndpoint, step: usize) -> Vec<Value> {
        let mut translator = translator(shape);
        let mut out = Vec::new();
        for chunk in stream.as_bytes().chunks(step) {
            out.extend_from_slice(&translator.push(chunk));
        }
        out.extend_from_slice(&translator.finish(None));
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    const STREAM: &str = concat!(
        ": ping\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"He\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":2}},\"timings\":{\"predicted_ms\":1.5}}\n\n",
        "data: [DONE]\n\n"
    );

    #[test]
    fn a_stream_is_lines_and_a_final_record() {
        for step in [1, 7, 10_000] {
            let lines = lines(STREAM, OllamaEndpoint::Chat, step);
            assert_eq!(lines.len(), 4, "{lines:?}");
            assert_eq!(lines[0]["message"]["thinking"], "hm");
            assert_eq!((&lines[1]["message"]["content"], &lines[1]["done"]), (&json!("He"), &json!(false)));
            assert_eq!(
                lines[2]["message"]["tool_calls"][0]["function"],
                json!({"name": "add", "arguments": {"a": 1}})
            );
            let last = &lines[3];
            assert_eq!(
                (&last["done"], &last["done_reason"], &last["model"]),
                (&json!(true), &json!("stop"), &json!("m:latest"))
            );
            assert_eq!((&last["prompt_eval_count"], &last["eval_count"]), (&json!(7), &json!(3)));
            assert_eq!(
                (&last["prompt_eval_cached_count"], &last["eval_duration"]),
                (&json!(2), &json!(1_500_000))
            );
        }
    }

    #[test]
    fn no_sign_in_a_text_ends_a_line() {
        let text = "a\u{2028}b\u{2029}c\u{85}d";
        let event = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        let mut out = translator(OllamaEndpoint::Chat).push(format!("data: {event}\n\n").as_bytes()).to_vec();
        assert_eq!(out.pop(), Some(b'\n'));
        let line = String::from_utf8(out).unwrap();
        assert!(!line.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}']), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["message"]["content"], text);
    }

    #[test]
    fn an_error_is_the_last_line() {
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\n\nevent: error\ndata: {\"error\":{\"message\":\"gone\"}}\n\n";
        let lines = lines(stream, OllamaEndpoint::Generate, 5);
        assert_eq!((&lines[0]["response"], &lines[1]), (&json!("a"), &json!({"error": "gone"})));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_whole_answer_is_one_record() {
        let body = br#"{"choices":[{"message":{"content":"hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let record = translator(OllamaEndpoint::Chat).whole(body).unwrap();
        assert_eq!((&record["message"]["content"], &record["done_reason"]), (&json!("hi"), &json!("length")));
        assert!(record["eval_duration"].as_u64() > Some(0), "{record}");
        let body = br#"{"choices":[{"text":"hi","finish_reason":"stop"}]}"#;
        assert_eq!(translator(OllamaEndpoint::Generate).whole(body).unwrap()["response"], "hi");
        let vectors = vectors(
            br#"{"data":[{"embedding":[1,2]}],"usage":{"prompt_tokens":3}}"#,
            "m",
            Instant::now(),
            false,
        )
        .unwrap();
        assert_eq!((&vectors["embeddings"], &vectors["prompt_eval_count"]), (&json!([[1, 2]]), &json!(3)));
    }

    #[test]
    fn vectors_come_in_the_order_of_their_texts() {
        let of = |body: &str, only_one| vectors(body.as_bytes(), "m", Instant::now(), only_one);
        let turned = r#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
        assert_eq!(of(turned, false).unwrap()["embeddings"], json!([[1], [2]]));
        assert_eq!(of(turned, true).unwrap()["embedding"], json!([1]));
        assert_eq!(
            of(r#"{"data":[{"embedding":[2]},{"embedding":[1]}]}"#, false).unwrap()["embeddings"],
            json!([[2], [1]])
        );
        for none in ["<html>", "{}", r#"{"data":[{"index":0},{"index":1,"embedding":[1]}]}"#] {
            assert_eq!(of(none, false), None, "{none}");
        }
    }

    #[test]
    fn parts_of_an_answer_are_its_text() {
        let body = r#"{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},
            {"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}"#;
        let record = translator(OllamaEndpoint::Chat).whole(body.as_bytes()).unwrap();
        assert_eq!(
            (&record["message"]["content"], &record["message"]["thinking"]),
            (&json!("ab"), &json!("hm"))
        );
    }
}
