//! Makes of the events of a stream the answer that the engine gives to a plain request.
//!
//! | endpoint | how |
//! |---|---|
//! | chat and completions | the pieces of each choice are joined: texts one behind the other, tool calls by their `index`, lists of `logprobs` one behind the other; all else is the last that was said |
//! | Anthropic's messages | `message_start` has the frame, `content_block_*` its content, `message_delta` its end |
//! | responses | the last event has it all |

use super::split_characters::event;
use crate::sse::Events;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// How an endpoint streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFormat {
    Choices,
    Messages,
    Responses,
}

impl StreamFormat {
    /// That of an endpoint; `None`: its streams can't be put together.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        match path {
            "/v1/chat/completions" | "/v1/completions" => Some(Self::Choices),
            "/v1/messages" => Some(Self::Messages),
            "/v1/responses" => Some(Self::Responses),
            _ => None,
        }
    }
}

/// Of a whole stream, or of what came of it: how many events there are, and what they come to.
pub(crate) fn assembled(form: Option<StreamFormat>, stream: &[u8]) -> (usize, Option<Value>) {
    let (mut events, mut count) = (Events::default(), 0);
    let mut assembly = form.map(Assembly::new);
    let mut take = |data: &[u8]| {
        count += 1;
        if let Some(assembly) = &mut assembly {
            assembly.add(data);
        }
    };
    events.push(stream, &mut take);
    events.finish(&mut take);
    let whole = assembly.map(|assembly| assembly.finish().unwrap_or_else(|error| error));
    (count, whole.filter(|_| count > 0))
}

/// An answer that is being put together.
#[derive(Debug)]
pub(super) struct Assembly {
    form: StreamFormat,
    /// All of it but its choices.
    frame: Map<String, Value>,
    choices: BTreeMap<u64, Map<String, Value>>,
    /// The choice that was spoken of last: a report without one is its.
    spoken_of: u64,
    /// Pieces of JSON for the inputs of Anthropic's tools, by block.
    inputs: BTreeMap<usize, String>,
    error: Option<Value>,
    /// An event can't be read.
    has_gap: bool,
}

impl Assembly {
    pub(super) fn new(form: StreamFormat) -> Self {
        Self {
            form,
            frame: Map::new(),
            choices: BTreeMap::new(),
            spoken_of: 0,
            inputs: BTreeMap::new(),
            error: None,
            has_gap: false,
        }
    }

    /// The data of the next event; what is no JSON object (`[DONE]`) says nothing.
    pub(super) fn add(&mut self, data: &[u8]) {
        let Some(event) = event(data) else {
            self.has_gap |= data.trim_ascii_start().starts_with(b"{");
            return;
        };
        if let Some(error) = error_in(&event) {
            self.error.get_or_insert(error);
            return;
        }
        match self.form {
            StreamFormat::Choices => self.add_choices(event),
            StreamFormat::Messages => self.add_message(event),
            StreamFormat::Responses => self.add_response(event),
        }
    }

    /// Whether a part of it is missing.
    pub(super) fn has_gap(&self) -> bool {
        self.has_gap
    }

    /// The whole answer; or the engine's error, in the form of one.
    pub(super) fn finish(mut self) -> Result<Value, Value> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.form == StreamFormat::Choices {
            let choices = std::mem::take(&mut self.choices);
            // mlx_lm.server calls the chunks of a completion those of a chat.
            if choices.values().any(|choice| choice.contains_key("text")) && self.frame.contains_key("object")
            {
                self.frame.insert("object".to_owned(), "text_completion".into());
            }
            self.frame.insert("choices".to_owned(), choices.into_values().map(whole_choice).collect());
        }
        Ok(Value::Object(self.frame))
    }

    fn add_choices(&mut self, event: Map<String, Value>) {
        let choices = event.get("choices").and_then(Value::as_array);
        let index_of = |choice: &Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        if let Some(first) = choices.and_then(|choices| choices.first()) {
            self.spoken_of = index_of(first);
        }
        for (key, value) in event {
            match (&*key, value) {
                ("choices", Value::Array(choices)) => {
                    for choice in choices {
                        let known = self.choices.entry(index_of(&choice)).or_default();
                        if let Value::Object(choice) = choice {
                            add_choice(known, choice);
                        }
                    }
                }
                ("object", Value::String(name)) => {
                    let name = name.strip_suffix(".chunk").unwrap_or(&name);
                    self.frame.insert(key, name.into());
                }
                // How far llama.cpp has come (`return_progress`): a plain answer has come.
                ("prompt_progress", _) => {}
                // What llama.cpp says once for each choice, a plain answer has of the first.
                (_, value) => {
                    let is_known = self.frame.get(&key).is_some_and(|known| !known.is_null());
                    if !is_known || (self.spoken_of == 0 && !value.is_null()) {
                        self.frame.insert(key, value);
                    }
                }
            }
        }
    }

    fn add_message(&mut self, mut event: Map<String, Value>) {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = event.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        match (&*kind, place) {
            ("message_start", _) => {
                if let Some(Value::Object(message)) = event.remove("message") {
                    self.frame = message;
                }
            }
            ("content_block_start", Some(_)) => {
                let block = event.remove("content_block").unwrap_or_default();
                if let Value::Array(blocks) = self.frame.entry("content").or_insert_with(|| json!([])) {
                    blocks.push(block);
                }
            }
            ("content_block_delta", Some(place)) => {
                let Some(Value::Object(delta)) = event.remove("delta") else { return };
                self.add_to_block(place, delta);
            }
            ("content_block_stop", Some(place)) => {
                let Some(input) = self.inputs.remove(&place) else { return };
                if let (Some(block), Ok(input)) = (self.block(place), serde_json::from_str::<Value>(&input)) {
                    block.insert("input".to_owned(), input);
                }
            }
            ("message_delta", _) => {
                if let Some(Value::Object(delta)) = event.remove("delta") {
                    self.frame.extend(delta);
                }
                let usage = self.frame.entry("usage").or_insert_with(|| json!({}));
                if let (Some(usage), Some(Value::Object(more))) =
                    (usage.as_object_mut(), event.remove("usage"))
                {
                    usage.extend(more);
                }
            }
            _ => {}
        }
    }

    fn block(&mut self, place: usize) -> Option<&mut Map<String, Value>> {
        self.frame.get_mut("content")?.get_mut(place)?.as_object_mut()
    }

    fn add_to_block(&mut self, place: usize, delta: Map<String, Value>) {
        for (key, value) in delta {
            match (&*key, value) {
                ("type", _) => {}
                ("partial_json", Value::String(piece)) => {
                    self.inputs.entry(place).or_default().push_str(&piece)
                }
                ("citation", value) => {
                    let Some(block) = self.block(place) else { return };
                    join(block.entry("citations").or_insert_with(|| json!([])), json!([value]));
                }
                (_, value) => {
                    let Some(block) = self.block(place) else { return };
                    join(block.entry(key).or_insert(Value::Null), value);
                }
            }
        }
    }

    fn add_response(&mut self, mut event: Map<String, Value>) {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "response.completed" | "response.incomplete" | "response.failed") {
            return;
        }
        let Some(Value::Object(response)) = event.remove("response") else { return };
        self.frame = response;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        // llama.cpp says it in a plain answer only.
        self.frame.entry("completed_at").or_insert_with(|| now.into());
    }
}

/// The error that an event tells, in the form in which a plain answer would.
fn error_in(event: &Map<String, Value>) -> Option<Value> {
    let error = event.get("error").filter(|error| !error.is_null());
    let is = |key: &str| event.get(key).and_then(Value::as_str) == Some("error");
    let is_error = is("type") || is("object");
    match error {
        // An event of Anthropic's is its plain error.
        Some(_) if is_error => Some(Value::Object(event.clone())),
        Some(error) => Some(json!({ "error": error })),
        None if is_error => Some(json!({ "error": event })),
        None => None,
    }
}

fn add_choice(known: &mut Map<String, Value>, choice: Map<String, Value>) {
    for (key, value) in choice {
        match (&*key, value) {
            ("delta", Value::Object(delta)) => {
                let message = known.entry("message").or_insert_with(|| json!({}));
                if let Some(message) = message.as_object_mut() {
                    add_delta(message, delta);
                }
            }
            ("text", value) | ("logprobs", value) => join(known.entry(key).or_insert(Value::Null), value),
            (_, Value::Null) => {
                known.entry(key).or_insert(Value::Null);
            }
            (_, value) => {
                known.insert(key, value);
            }
        }
    }
}

fn add_delta(message: &mut Map<String, Value>, delta: Map<String, Value>) {
    for (key, value) in delta {
        match (&*key, value) {
            ("tool_calls", Value::Array(calls)) => {
                let known = message.entry("tool_calls").or_insert_with(|| json!([]));
                for call in calls {
                    if let (Value::Array(known), Value::Object(call)) = (&mut *known, call) {
                        add_call(known, call);
                    }
                }
            }
            ("role", value) => {
                message.insert(key, value);
            }
            (_, value) => join(message.entry(key).or_insert(Value::Null), value),
        }
    }
}

/// A piece of a tool call: it names its place among them, and what it begins it doesn't say again.
fn add_call(calls: &mut Vec<Value>, mut call: Map<String, Value>) {
    const PLACE: &str = "index";
    let place = call.get(PLACE).and_then(Value::as_u64).unwrap_or(calls.len() as u64);
    let id = |call: &Map<String, Value>| {
        call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
    };
    let wanted = id(&call);
    // Some engines give all calls the same place: another id is another call.
    let is_known = |known: &Value| {
        let known_id = known.as_object().and_then(id);
        known.get(PLACE).and_then(Value::as_u64) == Some(place)
            && (wanted.is_none() || known_id.is_none() || known_id == wanted)
    };
    let known = calls.iter().rposition(is_known);
    let Some(known) = known.and_then(|at| calls.get_mut(at)).and_then(Value::as_object_mut) else {
        call.insert(PLACE.to_owned(), place.into());
        calls.push(Value::Object(call));
        return;
    };
    for (key, value) in call {
        match (&*key, value) {
            ("function" | "custom", Value::Object(piece)) => {
                let function = known.entry(key).or_insert_with(|| json!({}));
                for (key, value) in piece {
                    match (&*key, value) {
                        ("arguments" | "input", value) => join(&mut function[&*key], value),
                        // SGLang's word for "as before".
                        (_, Value::Null) => {}
                        (_, value) => function[&*key] = value,
                    }
                }
            }
            (_, Value::Null) => {}
            (_, value) => {
                known.insert(key, value);
            }
        }
    }
}

/// A choice as a plain answer has it.
fn whole_choice(mut choice: Map<String, Value>) -> Value {
    if let Some(content) = choice.get_mut("message").and_then(|message| message.get_mut("content"))
        && content.is_null()
    {
        // llama.cpp's word for no text in a plain answer; its streams begin with null.
        *content = "".into();
    }
    let calls = choice.get_mut("message").and_then(|message| message.get_mut("tool_calls"));
    for call in calls.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(call) = call.as_object_mut() {
            call.remove("index");
        }
    }
    Value::Object(choice)
}

/// Adds what follows: texts and lists are continued, objects by their fields; of anything else the last is meant.
fn join(known: &mut Value, more: Value) {
    match (known, more) {
        (_, Value::Null) => {}
        (Value::String(known), Value::String(more)) => known.push_str(&more),
        (Value::Array(known), Value::Array(more)) => known.extend(more),
        (Value::Object(known), Value::Object(more)) => {
            for (key, value) in more {
                join(known.entry(key).or_insert(Value::Null), value);
            }
        }
        (known, more) => *known = more,
    }
}

#[cfg(test)]
mod tests;
