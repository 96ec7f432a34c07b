//! One operation of the description, and the schemas of the views.

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static str,
    pub(super) body: Option<Value>,
    /// Status, type of the content, its schema.
    pub(super) answer: (&'static str, &'static str, Value),
}

impl Operation {
    pub(super) fn query(mut self, names: &'static str) -> Self {
        self.query = names;
        self
    }

    pub(super) fn body(mut self, schema: Value) -> Self {
        self.body = Some(schema);
        self
    }

    pub(super) fn status(mut self, status: &'static str) -> Self {
        self.answer.0 = status;
        self
    }

    pub(super) fn content(mut self, kind: &'static str) -> Self {
        self.answer.1 = kind;
        self
    }
}

pub(super) fn operation(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    answer: Value,
) -> Operation {
    let answer = ("200", "application/json", answer);
    Operation { method, path, summary, query: "", body: None, answer }
}

/// Schemas of the views, each once.
pub(super) struct Schemas(pub(super) SchemaGenerator);

impl Schemas {
    pub(super) fn of<T: JsonSchema>(&mut self) -> Value {
        Schema::to_value(self.0.subschema_for::<T>())
    }

    pub(super) fn list<T: JsonSchema>(&mut self) -> Value {
        json!({"type": "array", "items": self.of::<T>()})
    }
}

/// An object with these members; the ones with `?` may be missing.
pub(super) fn object(members: &[(&str, &str)]) -> Value {
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
