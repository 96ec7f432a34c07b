//! What the file says word for word. `serde_yaml` makes a number of `1.10`, and then the text is gone: a message that
//! shows `1.1` would name something that its reader never wrote.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag};
use serde_yaml::Value;

use super::line_index::KeyPath;

/// How far `<<` is followed. Nobody nests it deeper; a mapping that merges itself would never end.
const DEEPEST_MERGE: usize = 32;
/// In a mapping with more keys, a number as a key is shown as it was read, not as it was written.
const MOST_ODD_KEYS: usize = 1000;

/// A scalar as it stands in the file.
#[derive(Debug)]
pub(super) struct Scalar {
    /// Without its quotes, with escapes replaced.
    pub(super) text: String,
    pub(super) style: ScalarStyle,
    /// `!!str`, for example; empty: none.
    pub(super) tag: String,
}

/// The nodes of one document, in file order; an alias is the node that it stands for.
#[derive(Debug, Default)]
pub(super) struct YamlDocument {
    nodes: Vec<Node>,
    anchors: HashMap<usize, usize>,
    /// Lists and mappings that the parser is inside of.
    open: Vec<Open>,
}

#[derive(Debug)]
enum Node {
    Scalar(Scalar),
    Items(Vec<usize>),
    Entries(Entries),
}

#[derive(Debug, Default)]
struct Entries {
    keys: Vec<usize>,
    values: HashMap<String, usize>,
    /// What stands behind `<<`.
    merged: Vec<usize>,
}

#[derive(Debug)]
struct Open {
    node: usize,
    /// The key that waits for its value.
    key: Option<usize>,
}

/// A value with its place in the file.
#[derive(Clone, Copy)]
pub(super) struct LocatedValue<'a> {
    source: Option<&'a YamlDocument>,
    node: Option<usize>,
    pub(super) value: &'a Value,
}

impl YamlDocument {
    /// Takes the parser's next event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(name_of).unwrap_or_default();
                let scalar = Scalar { text: text.to_string(), style: *style, tag };
                let node = self.add(Node::Scalar(scalar), *anchor);
                self.attach(node);
            }
            Event::Alias(anchor) => {
                if let Some(node) = self.anchors.get(anchor).copied() {
                    self.attach(node);
                }
            }
            Event::SequenceStart(anchor, _) => self.begin(Node::Items(Vec::new()), *anchor),
            Event::MappingStart(anchor, _) => self.begin(Node::Entries(Entries::default()), *anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn begin(&mut self, node: Node, anchor: usize) {
        let node = self.add(node, anchor);
        self.attach(node);
        self.open.push(Open { node, key: None });
    }

    fn add(&mut self, node: Node, anchor: usize) -> usize {
        self.nodes.push(node);
        let index = self.nodes.len() - 1;
        // The parser counts anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, index);
        }
        index
    }

    /// `node` is the next key, value or item of what is open.
    fn attach(&mut self, node: usize) {
        let Some(open) = self.open.last_mut() else { return };
        let (container, key) = (open.node, open.key);
        if matches!(self.nodes.get(container), Some(Node::Entries(_))) {
            open.key = if key.is_some() { None } else { Some(node) };
        }
        let key = key.map(|key| (key, self.scalar(Some(key)).map(|key| key.text.clone())));
        match (self.nodes.get_mut(container), key) {
            (Some(Node::Items(items)), _) => items.push(node),
            (Some(Node::Entries(entries)), Some((_, Some(text)))) if text == "<<" => {
                entries.merged.push(node);
            }
            (Some(Node::Entries(entries)), Some((key, text))) => {
                entries.keys.push(key);
                if let Some(text) = text {
                    entries.values.insert(text, node);
                }
            }
            _ => {}
        }
    }

    fn scalar(&self, node: Option<usize>) -> Option<&Scalar> {
        match self.nodes.get(node?) {
            Some(Node::Scalar(scalar)) => Some(scalar),
            _ => None,
        }
    }

    fn item(&self, node: Option<usize>, index: usize) -> Option<usize> {
        match self.nodes.get(node?) {
            Some(Node::Items(items)) => items.get(index).copied(),
            _ => None,
        }
    }

    fn entry(&self, node: Option<usize>, key: &str, depth: usize) -> Option<usize> {
        match self.nodes.get(node?) {
            Some(Node::Entries(entries)) => entries.values.get(key).copied().or_else(|| {
                let mut bases = entries.merged.iter().filter(|_| depth < DEEPEST_MERGE);
                bases.find_map(|base| self.entry(Some(*base), key, depth + 1))
            }),
            // `<<` may have a list of mappings.
            Some(Node::Items(items)) if depth > 0 => {
                items.iter().find_map(|item| self.entry(Some(*item), key, depth + 1))
            }
            _ => None,
        }
    }

    fn node(&self, path: &KeyPath) -> Option<usize> {
        let root = (!self.nodes.is_empty()).then_some(0);
        path.segments().fold(root, |node, segment| {
            let index = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            index.and_then(|index| self.item(node, index)).or_else(|| self.entry(node, segment, 0))
        })
    }

    /// The key of the mapping `node` that is no text and reads as `key`.
    fn odd_key(&self, node: Option<usize>, key: &Value) -> Option<usize> {
        let Some(Node::Entries(entries)) = self.nodes.get(node?) else { return None };
        // Each is parsed: with very many, messages do without.
        let mut keys = entries.keys.iter().filter(|_| entries.keys.len() <= MOST_ODD_KEYS).copied();
        keys.find(|at| {
            let plain = self.scalar(Some(*at)).filter(|key| key.style == ScalarStyle::Plain);
            plain.is_some_and(|plain| {
                serde_yaml::from_str::<Value>(&plain.text).is_ok_and(|read| read == *key)
            })
        })
    }
}

impl<'a> LocatedValue<'a> {
    pub(super) fn at(source: &'a YamlDocument, path: &KeyPath, value: &'a Value) -> Self {
        Self { source: Some(source), node: source.node(path), value }
    }

    /// A value whose place doesn't matter, or isn't known yet.
    pub(super) fn nowhere(value: &'a Value) -> Self {
        Self { source: None, node: None, value }
    }

    /// The value as it is written, if it is a scalar.
    pub(super) fn raw(self) -> Option<&'a Scalar> {
        self.source?.scalar(self.node)
    }

    /// As it is written, if it stands without quotes.
    pub(super) fn plain(self) -> Option<&'a str> {
        self.raw().filter(|raw| raw.style == ScalarStyle::Plain).map(|raw| raw.text.as_str())
    }

    pub(super) fn item(self, index: usize, value: &'a Value) -> Self {
        Self { node: self.source.and_then(|source| source.item(self.node, index)), value, ..self }
    }

    /// A key of this mapping that is no text: `1.10`, for example.
    pub(super) fn key(self, key: &'a Value) -> Self {
        Self { node: self.source.and_then(|source| source.odd_key(self.node, key)), value: key, ..self }
    }

    pub(super) fn entry(self, key: &str, value: &'a Value) -> Self {
        Self { node: self.source.and_then(|source| source.entry(self.node, key, 0)), value, ..self }
    }
}

fn name_of(tag: &Tag) -> String {
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" => format!("!!{}", tag.suffix),
        handle => format!("{handle}{}", tag.suffix),
    }
}
