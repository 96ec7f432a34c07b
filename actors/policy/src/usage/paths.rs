//! Where each engine writes its counts: the way from the root of a document to the fields.

use std::fmt;
use std::sync::Arc;

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat and text completions.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Embeddings and rerank: nothing is generated.
    Embedding,
    /// A mode of `modes:`.
    Pointers(Arc<Pointers>),
}

impl Dialect {
    /// Of a built-in endpoint; one that is not known is read like OpenAI's.
    pub fn of_endpoint(path: &str) -> Self {
        match path.rsplit('/').next().unwrap_or_default() {
            "responses" => Self::Responses,
            "messages" => Self::Anthropic,
            "embeddings" | "embed" | "rerank" | "reranking" => Self::Embedding,
            _ => Self::OpenAi,
        }
    }
}

/// Where a custom answer has its counts: JSON pointers (RFC 6901), compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    paths: Vec<(Vec<String>, Field)>,
}

/// Why a JSON pointer can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPointer {
    /// It is empty or doesn't begin with `/`.
    NoSlash,
    /// A `~` is not followed by `0` or `1`.
    Escape,
    /// It goes deeper than 12 levels.
    TooDeep,
    /// A key in it is longer than 40 bytes.
    TooLong,
}

impl fmt::Display for BadPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "a JSON pointer begins with `/`",
            Self::Escape => "`~` in a JSON pointer is written `~0`, `/` in a key `~1`",
            Self::TooDeep => "a JSON pointer may be 12 levels deep",
            Self::TooLong => "a key in a JSON pointer may be 40 bytes long",
        })
    }
}

impl std::error::Error for BadPointer {}

impl Pointers {
    /// Counts at `pointer`: see [`crate::usage`] for what they mean.
    pub fn input(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Input)
    }

    pub fn cached(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Cached)
    }

    pub fn output(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Output)
    }

    /// The text in an event of a stream, by which tokens are counted when no counts come.
    pub fn text(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Text)
    }

    fn with(mut self, pointer: &str, field: Field) -> Result<Self, BadPointer> {
        let rest = pointer.strip_prefix('/').ok_or(BadPointer::NoSlash)?;
        let path = rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?;
        if path.len() > 12 {
            return Err(BadPointer::TooDeep);
        }
        if path.iter().any(|key| key.len() > super::walk::MAX_TEXT) {
            return Err(BadPointer::TooLong);
        }
        self.paths.retain(|(_, other)| *other != field);
        self.paths.push((path, field));
        Ok(self)
    }

    /// The paths of `among` (one bit each) that go on with this key at this depth.
    fn narrow(&self, among: u8, depth: usize, key: &[u8]) -> Node {
        let mut left = 0;
        for (nth, (path, field)) in self.paths.iter().enumerate() {
            let bit = 1 << nth;
            if among & bit != 0 && path.get(depth).is_some_and(|part| part.as_bytes() == key) {
                if path.len() == depth + 1 {
                    return if *field == Field::Text { Node::Text } else { Node::Count(*field) };
                }
                left |= bit;
            }
        }
        if left == 0 { Node::Other } else { Node::Pointers(left) }
    }
}

fn unescape(part: &str) -> Result<String, BadPointer> {
    let mut rest = part.chars();
    let mut key = String::with_capacity(part.len());
    while let Some(letter) = rest.next() {
        key.push(match letter {
            '~' => match rest.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(BadPointer::Escape),
            },
            _ => letter,
        });
    }
    Ok(key)
}

/// One number that an answer can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Input,
    Output,
    Total,
    Cached,
    CacheWrite,
    Reasoning,
    PromptN,
    CacheN,
    PredictedN,
    PromptMs,
    PredictedMs,
    /// No number: the text of an event.
    Text,
}

/// A place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing below here matters.
    #[default]
    Other,
    Root,
    /// An object that holds a report at `usage`: `response` or `message` of an event.
    Wrapper,
    Usage,
    /// The details inside a usage object.
    InputDetails,
    OutputDetails,
    Timings,
    Meta,
    MetaTokens,
    MetaBilled,
    Choices,
    Choice,
    Delta,
    ToolCalls,
    ToolCall,
    Function,
    Count(Field),
    Text,
    /// Bits of the custom paths that go through here.
    Pointers(u8),
}

impl Node {
    /// Whether an object or array here is worth looking into.
    pub(super) fn is_container(self) -> bool {
        !matches!(self, Self::Other | Self::Count(_) | Self::Text)
    }

    /// Whether the end of this object completes a report.
    pub(super) fn is_report(self) -> bool {
        matches!(self, Self::Usage | Self::Timings | Self::Meta)
    }
}

impl Dialect {
    pub(super) fn root(&self) -> Node {
        match self {
            Self::Pointers(pointers) => Node::Pointers((1_u8 << pointers.paths.len()).wrapping_sub(1)),
            _ => Node::Root,
        }
    }

    /// The place of a key in an object at `parent`, or of an item in an array (its index is the key).
    pub(super) fn child(&self, parent: Node, depth: usize, key: &[u8]) -> Node {
        match parent {
            Node::Root => self.root_child(key),
            Node::Wrapper if key == b"usage" => Node::Usage,
            Node::Usage => usage_child(key),
            Node::InputDetails => match key {
                b"cached_tokens" => Node::Count(Field::Cached),
                b"cache_write_tokens" => Node::Count(Field::CacheWrite),
                _ => Node::Other,
            },
            Node::OutputDetails if matches!(key, b"reasoning_tokens" | b"thinking_tokens") => {
                Node::Count(Field::Reasoning)
            }
            Node::Timings => Node::count(match key {
                b"prompt_n" => Field::PromptN,
                b"cache_n" => Field::CacheN,
                b"predicted_n" => Field::PredictedN,
                b"prompt_ms" => Field::PromptMs,
                b"predicted_ms" => Field::PredictedMs,
                _ => return Node::Other,
            }),
            Node::Meta if key == b"tokens" => Node::MetaTokens,
            Node::Meta if key == b"billed_units" => Node::MetaBilled,
            Node::MetaTokens if key == b"input_tokens" => Node::Count(Field::Input),
            Node::MetaTokens if key == b"output_tokens" => Node::Count(Field::Output),
            // What is billed may be less than what was read, so it counts only where nothing else is said.
            Node::MetaBilled if key == b"input_tokens" => Node::Count(Field::Total),
            Node::Choices => Node::Choice,
            Node::Choice => match key {
                b"delta" => Node::Delta,
                b"text" => Node::Text,
                _ => Node::Other,
            },
            Node::Delta => self.delta_child(key),
            Node::ToolCalls => Node::ToolCall,
            Node::ToolCall if key == b"function" => Node::Function,
            Node::Function if matches!(key, b"name" | b"arguments") => Node::Text,
            Node::Pointers(among) => match self {
                Self::Pointers(pointers) => pointers.narrow(among, depth, key),
                _ => Node::Other,
            },
            _ => Node::Other,
        }
    }

    fn root_child(&self, key: &[u8]) -> Node {
        match (key, self) {
            (b"usage", _) => Node::Usage,
            (b"timings", _) => Node::Timings,
            (b"choices", Self::OpenAi) => Node::Choices,
            (b"response", Self::Responses) | (b"message", Self::Anthropic) => Node::Wrapper,
            // Every `...delta` event of the responses has its text here.
            (b"delta", Self::Responses) => Node::Text,
            (b"delta", Self::Anthropic) => Node::Delta,
            (b"meta", Self::Embedding) => Node::Meta,
            _ => Node::Other,
        }
    }

    fn delta_child(&self, key: &[u8]) -> Node {
        match (self, key) {
            (Self::Anthropic, b"text" | b"thinking" | b"partial_json") => Node::Text,
            (Self::OpenAi, b"content" | b"reasoning_content" | b"reasoning" | b"refusal") => Node::Text,
            (Self::OpenAi, b"tool_calls") => Node::ToolCalls,
            (Self::OpenAi, b"function_call") => Node::Function,
            _ => Node::Other,
        }
    }
}

impl Node {
    fn count(field: Field) -> Self {
        Self::Count(field)
    }
}

fn usage_child(key: &[u8]) -> Node {
    Node::count(match key {
        b"prompt_tokens" | b"input_tokens" => Field::Input,
        b"completion_tokens" | b"output_tokens" => Field::Output,
        b"total_tokens" => Field::Total,
        b"cache_read_input_tokens" | b"prompt_cache_hit_tokens" => Field::Cached,
        b"cache_creation_input_tokens" => Field::CacheWrite,
        b"prompt_tokens_details" | b"input_tokens_details" => return Node::InputDetails,
        b"completion_tokens_details" | b"output_tokens_details" => return Node::OutputDetails,
        _ => return Node::Other,
    })
}
