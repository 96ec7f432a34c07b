//! Where each engine writes what we read: the way from the root of a document to the fields.

use super::fields::{Field, Kind, Node};
use super::pointers::Pointers;
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
            "embeddings" | "embed" | "rerank" | "reranking" | "score" | "pooling" | "classify" => {
                Self::Embedding
            }
            _ => Self::OpenAi,
        }
    }

    /// How the streams of this endpoint end, in words; `None`: nobody knows, so any end is a good one.
    pub fn end_of_stream(&self, path: &str) -> Option<&'static str> {
        match self {
            Self::OpenAi if path.ends_with("/completions") => Some("`[DONE]` or a `finish_reason`"),
            Self::Responses => Some("`response.completed`"),
            Self::Anthropic => Some("`message_stop`"),
            Self::OpenAi | Self::Embedding | Self::Pointers(_) => None,
        }
    }

    /// What the `type` of an event says of the stream.
    pub(super) fn kind(&self, name: &[u8]) -> Kind {
        match (self, name) {
            (_, b"error") | (Self::Responses, b"response.failed") => Kind::Error,
            (Self::Responses, b"response.completed" | b"response.incomplete" | b"response.cancelled")
            | (Self::Anthropic, b"message_stop") => Kind::End,
            (Self::OpenAi, b"transcript.text.done" | b"speech.audio.done") => Kind::End,
            (Self::OpenAi, b"image_generation.completed" | b"image_edit.completed") => Kind::End,
            (Self::Responses, b"response.audio.delta" | b"response.output_audio.delta") => Kind::Sound,
            _ => Kind::Other,
        }
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
            Node::Wrapper => match key {
                b"usage" => Node::Usage,
                b"error" => Node::Error,
                _ => Node::Other,
            },
            Node::Usage => usage_child(key),
            Node::InputDetails => match key {
                b"cached_tokens" => Node::Count(Field::Cached),
                // OpenAI; LiteLLM; DashScope.
                b"cache_write_tokens" | b"cache_creation_tokens" | b"cache_creation_input_tokens" => {
                    Node::Count(Field::CacheWrite)
                }
                _ => Node::Other,
            },
            Node::OutputDetails if matches!(key, b"reasoning_tokens" | b"thinking_tokens") => {
                Node::Count(Field::Reasoning)
            }
            Node::Timings => Node::Count(match key {
                b"prompt_n" => Field::PromptN,
                b"cache_n" => Field::CacheN,
                b"predicted_n" => Field::PredictedN,
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
                b"delta" | b"message" => Node::Delta,
                b"text" => Node::Text,
                b"index" => Node::Count(Field::Choice),
                b"finish_reason" => Node::Finish,
                // Moonshot's streams.
                b"usage" => Node::Usage,
                // Routers, of the provider that has failed.
                b"error" => Node::Fault,
                _ => Node::Other,
            },
            Node::Delta => self.delta_child(key),
            Node::ToolCalls => Node::ToolCall,
            Node::ToolCall if key == b"function" => Node::Function,
            Node::Function if matches!(key, b"name" | b"arguments") => Node::Text,
            Node::Blocks => Node::Block,
            Node::Block => match key {
                b"text" | b"thinking" | b"arguments" => Node::Text,
                b"content" | b"summary" => Node::Blocks,
                _ => Node::Other,
            },
            Node::Error | Node::Fault if key == b"message" => Node::Words,
            // A list of errors, as FastAPI has it in `detail`.
            Node::Error if key.is_empty() => Node::Error,
            Node::Error if key == b"msg" => Node::Words,
            // A text in parts, as Mistral's reasoning models have it.
            Node::Text => Node::Block,
            Node::Pointers(among) => match self {
                Self::Pointers(pointers) => match pointers.narrow(among, depth, key) {
                    // An error is one wherever its counts would be.
                    Node::Other if depth == 0 && key == b"error" => Node::Error,
                    node => node,
                },
                _ => Node::Other,
            },
            _ => Node::Other,
        }
    }

    fn root_child(&self, key: &[u8]) -> Node {
        match (self, key) {
            (Self::OpenAi, b"choices") => Node::Choices,
            // What every event has.
            (
                Self::OpenAi,
                b"id"
                | b"created"
                | b"model"
                | b"system_fingerprint"
                | b"service_tier"
                | b"provider"
                | b"obfuscation",
            ) => Node::Other,
            (_, b"usage") => Node::Usage,
            (_, b"timings") => Node::Timings,
            (_, b"error") => Node::Error,
            // `"object":"error"` is what some servers write (vLLM before 0.10, FastChat).
            (_, b"type" | b"object") => Node::Kind,
            (Self::Responses, b"response") | (Self::Anthropic, b"message") => Node::Wrapper,
            // Every `...delta` event of the responses has its text here.
            (Self::Responses, b"delta") => Node::Text,
            (Self::Anthropic, b"delta") => Node::Delta,
            (Self::Responses, b"output") | (Self::Anthropic, b"content") => Node::Blocks,
            (Self::Embedding, b"meta") => Node::Meta,
            // FastAPI's word for an error; nobody else has it in the root.
            (_, b"detail") => Node::Error,
            // FastChat's streams: the words are in `text`.
            (Self::OpenAi, b"error_code") => Node::Count(Field::Fault),
            (Self::OpenAi, b"text") | (_, b"message") => Node::Words,
            // llama.cpp's own completions (`/infill`); streams of transcriptions.
            (Self::OpenAi, b"content" | b"delta") => Node::Text,
            // Groq's streams.
            (Self::OpenAi, b"x_groq") => Node::Wrapper,
            (Self::OpenAi, _) => Node::More,
            _ => Node::Other,
        }
    }

    fn delta_child(&self, key: &[u8]) -> Node {
        match (self, key) {
            (Self::Anthropic, b"text" | b"thinking" | b"partial_json") => Node::Text,
            (Self::OpenAi, b"content" | b"refusal") => Node::Text,
            (Self::OpenAi, b"reasoning_content" | b"reasoning") => Node::Thought,
            (Self::OpenAi, b"tool_calls") => Node::ToolCalls,
            (Self::OpenAi, b"function_call") => Node::Function,
            _ => Node::Other,
        }
    }
}

fn usage_child(key: &[u8]) -> Node {
    Node::Count(match key {
        b"prompt_tokens" | b"input_tokens" => Field::Input,
        b"completion_tokens" | b"output_tokens" => Field::Output,
        b"total_tokens" => Field::Total,
        // Anthropic; DeepSeek; Moonshot; others.
        b"cache_read_input_tokens" | b"prompt_cache_hit_tokens" | b"cached_tokens" | b"num_cached_tokens" => {
            Field::Cached
        }
        b"cache_creation_input_tokens" => Field::CacheWrite,
        // SGLang.
        b"reasoning_tokens" => Field::Reasoning,
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
            return Node::InputDetails;
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            return Node::OutputDetails;
        }
        _ => return Node::Other,
    })
}
