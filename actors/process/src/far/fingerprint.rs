//! By what a job was launched, in a form that another version of this program, built with another Rust, finds the same.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What was asked of a cluster, as one word that can be kept and compared: `SCHEME:SHA256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    scheme: &'static str,
    word: String,
}

/// What a recorded fingerprint says of a job that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It was launched by the same.
    Same,
    /// It was launched by something else.
    Other,
    /// Another version of this program has made it: it can't be compared.
    Unknown,
}

impl Fingerprint {
    /// `scheme` names what `asked` consists of. Whoever changes that on purpose takes another scheme, so that jobs of before are taken
    /// over instead of being ended. A member that is null counts as absent: something new that nobody uses changes nothing.
    pub fn new(scheme: &'static str, asked: &Value) -> Self {
        let mut text = String::new();
        write(asked, &mut text);
        let hash = Sha256::digest(text.as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { scheme, word: format!("{scheme}:{hash}") }
    }

    /// As it is kept.
    pub fn as_str(&self) -> &str {
        &self.word
    }

    /// Compares it with one that was kept.
    pub fn likeness(&self, kept: &str) -> Likeness {
        match kept.split_once(':') {
            Some((scheme, _)) if scheme == self.scheme => {
                if kept == self.word {
                    Likeness::Same
                } else {
                    Likeness::Other
                }
            }
            _ => Likeness::Unknown,
        }
    }
}

/// JSON in one form: members by their names, whatever order the library keeps.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_depends_on_what_is_asked_alone() {
        let of = |value: &Value| Fingerprint::new("x1", value);
        let one = of(&json!({"a": [1, {"c": "ü", "b": null}], "b": {"x": true}}));
        assert_eq!(
            one.as_str(),
            "x1:44e614d10e105cb92ab4c10a5de54548d5ee1ff4cd5dde64845170b2ca3aeb36",
            "pinned: another word ends every job that runs at an upgrade"
        );
        assert_eq!(
            one,
            of(&serde_json::from_str(r#"{"b":{"x":true},"a":[1,{"c":"ü"}],"new":null}"#).unwrap())
        );
        for other in
            [json!({}), json!({"a": [1], "b": {"x": true}}), json!(["a"]), json!([["a"]]), json!("a")]
        {
            assert_eq!(one.likeness(of(&other).as_str()), Likeness::Other, "{other}");
        }
        assert_eq!(one.likeness(one.as_str()), Likeness::Same);
        for unknown in ["", "0123456789abcdef", "x2:f38d0a40"] {
            assert_eq!(one.likeness(unknown), Likeness::Unknown, "{unknown}");
        }
    }
}
