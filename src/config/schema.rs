//! The table as a JSON Schema (draft 2020-12), by which editors complete keys and mark mistakes.

use serde_json::{Map, Value, json};

use super::keys::{ConfigKey, DefaultValue, Section, ValueKind, original};

/// The JSON Schema of the configuration file.
pub fn schema() -> Value {
    let mut schema = section(Section::Root);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!("LLM-Manager configuration"));
    }
    schema
}

fn section(section: Section) -> Value {
    let properties: Map<_, _> = section.keys().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> =
        section.keys().filter(|key| key.preset == DefaultValue::Required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let mut patterns = Map::new();
    let of_original = original::KEYS.iter().filter(|(of, ..)| *of == section);
    for (_, name, instead) in of_original {
        let help = format!("A key of the original LLM-Manager, without effect here: {instead}.");
        patterns.insert(format!("^{name}$"), json!({"deprecated": true, "description": help}));
    }
    if section == Section::Root {
        patterns.insert("^x-".to_owned(), json!({"description": "A place for anchors; not read."}));
    }
    if !patterns.is_empty() {
        schema["patternProperties"] = Value::Object(patterns);
    }
    match section {
        // Any other key is the name of a variant.
        Section::Model => schema["additionalProperties"] = self::section(Section::Variant),
        Section::Variant => {
            let mut ways = one_of(&["script_path", "bat_path", "command"]);
            let there =
                json!({"required": ["on"], "properties": {"on": {"type": "object", "required": ["url"]}}});
            ways.as_array_mut().into_iter().for_each(|ways| ways.push(there.clone()));
            schema["oneOf"] = ways;
        }
        Section::Probe => schema["oneOf"] = one_of(&["path", "paths"]),
        Section::OwnProbe => schema["not"] = json!({"required": ["path", "paths"]}),
        _ => {}
    }
    schema
}

fn one_of(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"required": [name]})).collect()
}

fn property(key: &ConfigKey) -> Value {
    let mut schema = match key.kind {
        ValueKind::Text => text(),
        ValueKind::Choice(words) => {
            let lower = words.iter().map(|word| word.to_ascii_lowercase());
            json!({"enum": words.iter().map(|word| (*word).to_owned()).chain(lower).collect::<Vec<_>>()})
        }
        ValueKind::Flag => json!({"type": "boolean"}),
        ValueKind::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        ValueKind::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        ValueKind::NumberOrAuto { min, max } => json!({"anyOf": [
            {"const": "auto"},
            {"type": ["number", "null"], "minimum": min, "maximum": max},
        ]}),
        ValueKind::Texts => json!({"type": "array", "items": text()}),
        ValueKind::TextOrTexts => json!({"anyOf": [text(), {"type": "array", "items": text()}]}),
        ValueKind::Price => json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$"}),
        ValueKind::Secret => json!({"type": "string", "minLength": 1}),
        ValueKind::ApiKeys => json!({"type": "array", "items": {"type": "string", "pattern": "^[!-~]+$"}}),
        ValueKind::Command => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        ValueKind::Memory => json!({"anyOf": [
            {"const": "auto"},
            {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        ]}),
        ValueKind::Watts => {
            json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}})
        }
        ValueKind::Script => json!({"anyOf": [
            text(),
            {"type": "object", "additionalProperties": false, "minProperties": 1,
             "properties": {"linux": text(), "windows": text()}},
        ]}),
        ValueKind::Env => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "propertyNames": {"pattern": "^[^=]+$"},
        }),
        ValueKind::Body => json!({"type": ["string", "object"]}),
        ValueKind::Headers => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number"]},
            "propertyNames": {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
        }),
        ValueKind::Listed => json!({"anyOf": [
            {"type": ["boolean", "null"]},
            {"type": "object", "properties": {"aliases": {"type": "boolean"}}, "additionalProperties": false},
        ]}),
        ValueKind::Paths => json!({
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^/[^\\s?#]*$"},
            "propertyNames": {"pattern": "^/[^\\s?#]*$"},
        }),
        ValueKind::Prefix => json!({"type": "string", "pattern": "^(/[^\\s?#]*)?$"}),
        ValueKind::One(section) => self::section(section),
        ValueKind::Many(section) => json!({"type": "array", "items": self::section(section)}),
        ValueKind::Named(section) => {
            json!({"type": "object", "additionalProperties": self::section(section)})
        }
    };
    let default = match key.preset {
        DefaultValue::Text(word) => json!(word),
        DefaultValue::Whole(number) => json!(number),
        DefaultValue::Flag(flag) => json!(flag),
        DefaultValue::Required | DefaultValue::Nothing | DefaultValue::Program => Value::Null,
    };
    if !default.is_null() {
        schema["default"] = default;
    }
    schema["description"] = json!(key.describe());
    let may_be_empty = key.preset != DefaultValue::Required && key.kind != ValueKind::ApiKeys;
    if may_be_empty {
        allow_null(&mut schema);
    }
    schema
}

/// A key without a value counts as left out.
fn allow_null(schema: &mut Value) {
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) => kinds.push(json!("null")),
        Some(kind) => *kind = json!([kind.clone(), "null"]),
        None => {}
    }
}

fn text() -> Value {
    json!({"type": "string", "pattern": "\\S"})
}
