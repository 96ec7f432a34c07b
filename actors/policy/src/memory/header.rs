//! What the header of a file of weights says.

use std::collections::BTreeMap;

/// A value of the header, as far as anything here asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number, or a flag as 0 or 1.
    Number(u64),
    Text(String),
    /// A list of whole numbers or flags: one per layer, say.
    Numbers(Vec<u64>),
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// `blk.0.attn_q.weight`
    pub name: String,
    /// Bytes in the file.
    pub bytes: u64,
}

/// The header of a model, of all its parts together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `llama.context_length` and so on.
    pub values: BTreeMap<String, Value>,
    /// All tensors.
    pub tensors: Vec<Tensor>,
}

impl Header {
    /// `general.architecture`.
    pub fn architecture(&self) -> Option<&str> {
        match self.values.get("general.architecture")? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `key` below the architecture.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(&format!("{}.{key}", self.architecture()?))
    }

    /// That value if it is one number, or the largest of a list.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Number(number) => Some(*number),
            Value::Numbers(list) => list.iter().max().copied(),
            Value::Text(_) => None,
        }
    }

    /// That value for one layer: a single number holds for all.
    pub(super) fn of_layer(&self, key: &str, layer: usize) -> Option<u64> {
        match self.value(key)? {
            Value::Number(number) => Some(*number),
            Value::Numbers(list) => list.get(layer).copied(),
            Value::Text(_) => None,
        }
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.bytes))
    }
}
