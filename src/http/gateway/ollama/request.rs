//! From Ollama's words to OpenAI's: what a client of `/api/chat`, `/api/generate` and `/api/embed` wants.

use serde_json::{Map, Value, json};
use std::time::Duration;

/// Options of Ollama that have another name in OpenAI's API.
const OPTIONS: [(&str, &str); 10] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("repeat_penalty", "repeat_penalty"),
    ("num_predict", "max_tokens"),
];

/// What is asked of the backend.
#[derive(Debug, PartialEq)]
pub(super) struct Translated {
    /// Its endpoint.
    pub(super) path: &'static str,
    pub(super) body: Value,
}

/// What a field may be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    YesNo,
    List,
    Object,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Texts => value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
            Self::YesNo => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Texts => "a list of texts",
            Self::YesNo => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// What is wrong with a request: a question that is written down in another form would be left out, and answered with
/// nothing. Ollama refuses these, too.
pub(super) fn check(asked: &Value) -> Result<(), String> {
    let fields = [
        ("messages", Kind::List),
        ("prompt", Kind::Text),
        ("suffix", Kind::Text),
        ("system", Kind::Text),
        ("images", Kind::Texts),
        ("stream", Kind::YesNo),
        ("raw", Kind::YesNo),
        ("tools", Kind::List),
        ("options", Kind::Object),
    ];
    are(asked, "", &fields)?;
    for (nth, message) in asked.get("messages").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let place = format!("messages[{nth}]");
        if !message.is_object() {
            return Err(format!("`{place}`: expected an object, got {}", named(message)));
        }
        let fields = [
            ("role", Kind::Text),
            ("content", Kind::Text),
            ("images", Kind::Texts),
            ("tool_calls", Kind::List),
        ];
        are(message, &format!("{place}."), &fields)?;
    }
    match asked.get("format") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(Value::String(word)) if word.is_empty() || word == "json" => {}
        Some(_) => return Err("`format`: expected \"json\" or a JSON schema".to_owned()),
    }
    let keep = asked.get("keep_alive").filter(|keep| !keep.is_null());
    if keep.is_some() && keep_alive(asked).is_none() {
        return Err("`keep_alive`: expected seconds or a duration like \"5m\"".to_owned());
    }
    Ok(())
}

fn are(object: &Value, before: &str, fields: &[(&str, Kind)]) -> Result<(), String> {
    for (name, kind) in fields {
        let given = object.get(*name).filter(|value| !value.is_null());
        if let Some(value) = given.filter(|value| !kind.fits(value)) {
            return Err(format!("`{before}{name}`: expected {}, got {}", kind.words(), named(value)));
        }
    }
    Ok(())
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether the client wants a stream: Ollama's default.
pub(super) fn wants_stream(asked: &Value) -> bool {
    asked.get("stream").and_then(Value::as_bool).unwrap_or(true)
}

/// How long the model stays loaded when this is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeepAlive {
    NoLonger,
    For(Duration),
    Always,
}

/// `keep_alive`: seconds, or a duration as Go writes it (`5m`, `1h30m`); 0 is no longer, less than 0 for ever. `None`:
/// nothing is said, or nothing that makes sense.
pub(super) fn keep_alive(asked: &Value) -> Option<KeepAlive> {
    let seconds = match asked.get("keep_alive")? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => go_duration(text)?,
        _ => return None,
    };
    if seconds == 0.0 {
        return Some(KeepAlive::NoLonger);
    }
    // What is negative, or too long for a clock, is for ever.
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time < LONGEST);
    Some(time.map_or(KeepAlive::Always, KeepAlive::For))
}

/// A century.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Seconds; a plain number is seconds, too.
fn go_duration(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] =
        [("h", 3600.0), ("ms", 1e-3), ("m", 60.0), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("s", 1.0)];
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then_some(seconds);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (name, seconds) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        sum += number * seconds;
        rest = unit.strip_prefix(name)?;
    }
    Some(sign * sum)
}

/// Whether nothing is asked: the model is to be loaded, or to go.
pub(super) fn is_empty(asked: &Value) -> bool {
    let no_messages = asked.get("messages").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let no_prompt = asked.get("prompt").and_then(Value::as_str).is_none_or(str::is_empty);
    no_messages && no_prompt
}

/// A chat.
pub(super) fn chat(asked: &Value, model: &str) -> Translated {
    let messages = asked.get("messages").and_then(Value::as_array);
    let messages: Vec<Value> = messages.map_or_else(Vec::new, |messages| self::messages(messages));
    let mut body = body(asked, model);
    body.insert("messages".to_owned(), messages.into());
    think(asked, &mut body);
    if let Some(tools) =
        asked.get("tools").filter(|tools| tools.as_array().is_some_and(|list| !list.is_empty()))
    {
        body.insert("tools".to_owned(), tools.clone());
    }
    Translated { path: "/v1/chat/completions", body: body.into() }
}

/// A prompt: a chat of one message, unless it is to be taken as it stands (`raw`, `suffix`), or the model is one of
/// completions.
pub(super) fn generate(asked: &Value, model: &str, chats: bool) -> Translated {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let raw = asked.get("raw").and_then(Value::as_bool) == Some(true);
    let mut body = body(asked, model);
    if raw || !chats || !text("suffix").is_empty() {
        body.insert("prompt".to_owned(), text("prompt").into());
        if !text("suffix").is_empty() {
            body.insert("suffix".to_owned(), text("suffix").into());
        }
        return Translated { path: "/v1/completions", body: body.into() };
    }
    let mut messages = Vec::new();
    if !text("system").is_empty() {
        messages.push(json!({"role": "system", "content": text("system")}));
    }
    messages.push(json!({"role": "user", "content": content(text("prompt"), asked.get("images"))}));
    body.insert("messages".to_owned(), messages.into());
    think(asked, &mut body);
    Translated { path: "/v1/chat/completions", body: body.into() }
}

/// Whether the model thinks before it answers: templates ask for it by one of two names. Some take a level instead.
fn think(asked: &Value, body: &mut Map<String, Value>) {
    let kwargs = match asked.get("think") {
        Some(Value::Bool(think)) => json!({"enable_thinking": think, "thinking": think}),
        Some(Value::String(level)) => json!({"reasoning_effort": level}),
        _ => return,
    };
    body.insert("chat_template_kwargs".to_owned(), kwargs);
}

/// Vectors of one text or several.
pub(super) fn embed(asked: &Value, model: &str) -> Translated {
    let input = asked.get("input").or_else(|| asked.get("prompt")).cloned().unwrap_or_else(|| "".into());
    let mut body = json!({"model": model, "input": input});
    if let Some(dimensions) = asked.get("dimensions").filter(|dimensions| dimensions.is_number()) {
        body["dimensions"] = dimensions.clone();
    }
    Translated { path: "/v1/embeddings", body }
}

/// Model, stream, options and form of the answer.
fn body(asked: &Value, model: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    if wants_stream(asked) {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let options = asked.get("options");
    for (theirs, ours) in OPTIONS {
        let Some(value) = options.and_then(|options| options.get(theirs)) else { continue };
        // -1 and -2: as much as there is room for.
        let unlimited = theirs == "num_predict" && value.as_i64().is_none_or(|count| count < 0);
        if !unlimited && !value.is_null() {
            body.insert(ours.to_owned(), value.clone());
        }
    }
    let format = match asked.get("format") {
        // llama-server takes `json_object` and answers in prose; a schema it keeps to.
        Some(Value::String(word)) if word == "json" => Some(json!({"type": "object"})),
        Some(schema @ Value::Object(_)) => Some(schema.clone()),
        _ => None,
    };
    if let Some(schema) = format {
        let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
        body.insert("response_format".to_owned(), format);
    }
    body
}

/// Ollama's calls of tools have no ids, OpenAI's need them: a tool's answer belongs to the oldest call of its name that
/// has none yet.
fn messages(messages: &[Value]) -> Vec<Value> {
    let mut open: Vec<(String, String)> = Vec::new();
    let mut count = 0;
    let mut translated = Vec::new();
    for message in messages {
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let role = text("role");
        let mut new = json!({"role": role, "content": content(text("content"), message.get("images"))});
        if !text("thinking").is_empty() {
            new["reasoning_content"] = text("thinking").into();
        }
        let calls = message.get("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty());
        if let Some(calls) = calls {
            let call = |call: &Value| {
                let function = call.get("function").unwrap_or(&Value::Null);
                let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
                let id = call.get("id").and_then(Value::as_str).map(str::to_owned);
                let id = id.unwrap_or_else(|| format!("call_{count}"));
                count += 1;
                open.push((name.to_owned(), id.clone()));
                let arguments = match function.get("arguments") {
                    Some(Value::String(text)) => text.clone(),
                    Some(arguments) => arguments.to_string(),
                    None => "{}".to_owned(),
                };
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
            };
            new["tool_calls"] = calls.iter().map(call).collect();
        }
        if role == "tool" {
            let given = message.get("tool_call_id").and_then(Value::as_str).map(str::to_owned);
            let name = if text("tool_name").is_empty() { text("name") } else { text("tool_name") };
            let place = open.iter().position(|(known, _)| name.is_empty() || known == name);
            let of_call = place.map(|place| open.remove(place).1);
            new["tool_call_id"] = given.or(of_call).unwrap_or_else(|| "call_0".to_owned()).into();
        }
        translated.push(new);
    }
    translated
}

/// A text, with its images if there are any.
fn content(text: &str, images: Option<&Value>) -> Value {
    let images = images.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut parts: Vec<Value> = images
        .map(|image| json!({"type": "image_url", "image_url": {"url": format!("data:{};base64,{image}", kind(image))}}))
        .collect();
    if parts.is_empty() {
        return text.into();
    }
    parts.insert(0, json!({"type": "text", "text": text}));
    parts.into()
}

/// What kind of image this is, by the beginning of its base64.
fn kind(image: &str) -> &'static str {
    match image.get(..4) {
        Some("/9j/") => "image/jpeg",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        _ => "image/png",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_translated() {
        let asked = json!({"model": "m", "messages": [
            {"role": "user", "content": "look", "images": ["/9j/xx"]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {"name": "sub", "arguments": {}}}]},
            {"role": "tool", "tool_name": "sub", "content": "0"},
            {"role": "tool", "tool_name": "add", "content": "1"},
        ], "options": {"num_predict": 5, "temperature": 0, "num_ctx": 9}, "format": {"type": "object"}, "tools": []});
        let Translated { path, body } = chat(&asked, "served");
        assert_eq!(path, "/v1/chat/completions");
        assert_eq!(
            (&body["model"], &body["stream"], &body["max_tokens"]),
            (&json!("served"), &json!(true), &json!(5))
        );
        assert_eq!(body["stream_options"]["include_usage"], true);
        assert_eq!(body["messages"][0]["content"][1]["image_url"]["url"], "data:image/jpeg;base64,/9j/xx");
        assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
        assert_eq!(body["messages"][2]["tool_call_id"], body["messages"][1]["tool_calls"][1]["id"]);
        assert_eq!(body["messages"][3]["tool_call_id"], body["messages"][1]["tool_calls"][0]["id"]);
        assert_eq!(body["response_format"]["json_schema"]["schema"]["type"], "object");
        assert!(body.get("tools").is_none() && body.get("num_ctx").is_none());
    }

    #[test]
    fn a_prompt_is_a_chat_unless_it_is_raw() {
        let asked = json!({"prompt": "p", "system": "s", "stream": false, "options": {"num_predict": -1}});
        let translated = generate(&asked, "m", true);
        assert_eq!(
            translated.body["messages"],
            json!([{"role": "system", "content": "s"}, {"role": "user", "content": "p"}])
        );
        assert!(translated.body.get("stream").is_none() && translated.body.get("max_tokens").is_none());
        assert_eq!(generate(&asked, "m", false).path, "/v1/completions");
        assert_eq!(generate(&json!({"prompt": "p", "raw": true}), "m", true).body["prompt"], "p");
        assert_eq!(generate(&json!({"prompt": "p", "suffix": "s"}), "m", true).body["suffix"], "s");
    }

    #[test]
    fn thinking_is_asked_of_the_template() {
        let kwargs = |think: Value| {
            let asked =
                json!({"messages": [{"role": "user", "content": "x"}], "prompt": "x", "think": think});
            let chat = chat(&asked, "m").body.get("chat_template_kwargs").cloned();
            assert_eq!(generate(&asked, "m", true).body.get("chat_template_kwargs").cloned(), chat);
            assert_eq!(generate(&asked, "m", false).body.get("chat_template_kwargs"), None);
            chat
        };
        assert_eq!(kwargs(json!(false)), Some(json!({"enable_thinking": false, "thinking": false})));
        assert_eq!(kwargs(json!("low")), Some(json!({"reasoning_effort": "low"})));
        assert_eq!(kwargs(json!(null)), None);
    }

    #[test]
    fn keep_alive_is_read_as_ollama_reads_it() {
        let keep = |value: Value| keep_alive(&json!({"keep_alive": value}));
        for now in [json!(0), json!("0"), json!("0s"), json!(0.0), json!("0m"), json!("-0")] {
            assert_eq!(keep(now.clone()), Some(KeepAlive::NoLonger), "{now}");
        }
        for ever in [json!(-1), json!("-1"), json!("-5m"), json!(1e300), json!("999999999h")] {
            assert_eq!(keep(ever.clone()), Some(KeepAlive::Always), "{ever}");
        }
        for (value, seconds) in [
            (json!(30), 30.0),
            (json!("300"), 300.0),
            (json!("5m"), 300.0),
            (json!("1h30m"), 5400.0),
            (json!("1.5h"), 5400.0),
            (json!("250ms"), 0.25),
            (json!("1m0.5s"), 60.5),
        ] {
            let time = Duration::from_secs_f64(seconds);
            assert_eq!(keep(value.clone()), Some(KeepAlive::For(time)), "{value}");
        }
        for nonsense in
            [json!(null), json!(""), json!("five minutes"), json!("5x"), json!("m"), json!([]), json!("5m3")]
        {
            assert_eq!(keep(nonsense.clone()), None, "{nonsense}");
        }
        assert_eq!(keep_alive(&json!({})), None);
    }

    #[test]
    fn a_request_without_a_question_is_empty() {
        assert!(is_empty(&json!({"messages": []})) && is_empty(&json!({"prompt": ""})));
        assert!(!is_empty(&json!({"prompt": "x"})));
    }

    #[test]
    fn texts_become_vectors() {
        assert_eq!(
            embed(&json!({"input": ["a"], "dimensions": 8}), "m").body,
            json!({"model": "m", "input": ["a"], "dimensions": 8})
        );
        assert_eq!(embed(&json!({"prompt": "a"}), "m").body["input"], "a");
    }

    #[test]
    fn a_question_in_another_form_is_refused() {
        for (asked, words) in [
            (json!({"messages": "hi"}), "`messages`: expected a list, got text"),
            (json!({"messages": ["hi"]}), "`messages[0]`: expected an object, got text"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
                "`messages[0].content`: expected text, got a list",
            ),
            (json!({"prompt": 5}), "`prompt`: expected text, got a number"),
            (json!({"prompt": "a", "stream": "no"}), "`stream`: expected true or false, got text"),
            (json!({"prompt": "a", "images": [1]}), "`images`: expected a list of texts, got a list"),
            (json!({"prompt": "a", "format": "xml"}), "`format`: expected \"json\" or a JSON schema"),
            (
                json!({"prompt": "a", "keep_alive": "soon"}),
                "`keep_alive`: expected seconds or a duration like \"5m\"",
            ),
        ] {
            assert_eq!(check(&asked), Err(words.to_owned()), "{asked}");
        }
        for fine in [
            json!({}),
            json!({"messages": null, "stream": null, "format": "", "keep_alive": "-1m"}),
            json!({"messages": [{"role": "assistant", "content": null, "tool_calls": []}], "format": {"type": "object"}}),
            json!({"prompt": "", "keep_alive": 0, "options": {}, "think": "high"}),
        ] {
            assert_eq!(check(&fine), Ok(()), "{fine}");
        }
    }
}
