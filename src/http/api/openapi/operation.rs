//! One operation of the description, which stands beside its handler; and the schemas of the views.

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// One method of one path.
pub(crate) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// A sentence or two, for `docs/reference/api.md`, too; `None`: the summary says it all.
    pub(super) words: Option<&'static str>,
    pub(super) query: &'static str,
    pub(super) body: Option<Value>,
    pub(super) status: &'static str,
    /// What the answer may be: types of the content, with their schemas.
    pub(super) answers: Vec<(&'static str, Value)>,
    /// The schema of its errors.
    pub(super) errors: &'static str,
    /// Nobody needs a key for it.
    pub(super) open: bool,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, summary: &'static str, answer: Value) -> Self {
        Self {
            method,
            path,
            summary,
            words: None,
            query: "",
            body: None,
            status: "200",
            answers: vec![("application/json", answer)],
            errors: "Error",
            open: false,
        }
    }

    pub(crate) fn words(mut self, words: &'static str) -> Self {
        self.words = Some(words);
        self
    }

    /// Names of what may be in the query; what they may say is in `openapi.rs`.
    pub(crate) fn query(mut self, names: &'static str) -> Self {
        self.query = names;
        if names.split(',').any(|name| name == "follow") { self.streams() } else { self }
    }

    pub(crate) fn body(mut self, schema: Value) -> Self {
        self.body = Some(schema);
        self
    }

    pub(crate) fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    /// The answer is of this type, not JSON.
    pub(crate) fn content(mut self, kind: &'static str) -> Self {
        self.answers[0].0 = kind;
        self
    }

    /// The answer may be of this type instead.
    pub(crate) fn or(mut self, kind: &'static str, schema: Value) -> Self {
        self.answers.push((kind, schema));
        self
    }

    /// The answer may be a stream of events.
    pub(crate) fn streams(self) -> Self {
        let text = json!({"type": "string"});
        let event =
            json!({"type": "object", "properties": {"event": text, "data": text}, "required": ["data"]});
        self.or("text/event-stream", event)
    }

    /// The answer may be a sheet of CSV.
    pub(crate) fn sheet(self) -> Self {
        self.or("text/csv", json!({"type": "string"}))
    }

    /// Its errors have the form of another API.
    pub(crate) fn errors(mut self, schema: &'static str) -> Self {
        self.errors = schema;
        self
    }

    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

pub(crate) fn get(path: &'static str, summary: &'static str, answer: Value) -> Operation {
    Operation::new("get", path, summary, answer)
}

pub(crate) fn post(path: &'static str, summary: &'static str, answer: Value) -> Operation {
    Operation::new("post", path, summary, answer)
}

pub(crate) fn put(path: &'static str, summary: &'static str, answer: Value) -> Operation {
    Operation::new("put", path, summary, answer)
}

pub(crate) fn delete(path: &'static str, summary: &'static str, answer: Value) -> Operation {
    Operation::new("delete", path, summary, answer)
}

/// Schemas of the views, each once.
pub(crate) struct Schemas(pub(super) SchemaGenerator);

impl Schemas {
    pub(crate) fn of<T: JsonSchema>(&mut self) -> Value {
        Schema::to_value(self.0.subschema_for::<T>())
    }

    pub(crate) fn list<T: JsonSchema>(&mut self) -> Value {
        json!({"type": "array", "items": self.of::<T>()})
    }
}

/// The text of a time, or none: an empty one says as much as a missing one.
pub(crate) fn optional_time() -> Value {
    json!({"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]})
}

pub(crate) fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// What clients send to a model.
pub(crate) fn model_body() -> Value {
    json!({"type": "object", "properties": {"model": {"type": "string", "minLength": 1}}, "required": ["model"]})
}

/// An object with these members; the ones with `?` may be missing.
pub(crate) fn object(members: &[(&str, &str)]) -> Value {
    let schema = |(name, kind): &(&str, &str)| {
        let kind = match *kind {
            "object" => json!({"type": "object"}),
            "objects" => json!({"type": "array", "items": {"type": "object"}}),
            "strings" => json!({"type": "array", "items": {"type": "string"}}),
            "object?" => json!({"type": ["object", "null"]}),
            "string?" => json!({"type": ["string", "null"]}),
            kind => json!({"type": kind}),
        };
        (name.trim_end_matches('?').to_owned(), kind)
    };
    let required: Vec<_> =
        members.iter().filter(|(name, _)| !name.ends_with('?')).map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": members.iter().map(schema).collect::<Map<_, _>>(), "required": required})
}
