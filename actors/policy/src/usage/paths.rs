//! Where each engine writes what we read: the way from the root of a document to the fields.

use super::fields::{EventKind, Field, JsonPlace};
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
    pub(super) fn kind(&self, name: &[u8]) -> EventKind {
        match (self, name) {
            (_, b"error") | (Self::Responses, b"response.failed") => EventKind::Error,
            (Self::Responses, b"response.completed" | b"response.incomplete" | b"response.cancelled")
            | (Self::Anthropic, b"message_stop") => EventKind::End,
            (Self::OpenAi, b"transcript.text.done" | b"speech.audio.done") => EventKind::End,
            (Self::OpenAi, b"image_generation.completed" | b"image_edit.completed") => EventKind::End,
            (Self::Responses, b"response.audio.delta" | b"response.output_audio.delta") => EventKind::Sound,
            _ => EventKind::Other,
        }
    }
}

impl Dialect {
    pub(super) fn root(&self) -> JsonPlace {
        match self {
            Self::Pointers(pointers) => JsonPlace::Pointers((1_u8 << pointers.paths.len()).wrapping_sub(1)),
            _ => JsonPlace::Root,
        }
    }

    /// The place of a key in an object at `parent`, or of an item in an array (its index is the key).
    pub(super) fn child(&self, parent: JsonPlace, depth: usize, key: &[u8]) -> JsonPlace {
        match parent {
            JsonPlace::Root => self.root_child(key),
            JsonPlace::Wrapper => match key {
                b"usage" => JsonPlace::Usage,
                b"error" => JsonPlace::Error,
                _ => JsonPlace::Other,
            },
            JsonPlace::Usage => usage_child(key),
            JsonPlace::InputDetails => match key {
                b"cached_tokens" => JsonPlace::Count(Field::Cached),
                // OpenAI; LiteLLM; DashScope.
                b"cache_write_tokens" | b"cache_creation_tokens" | b"cache_creation_input_tokens" => {
                    JsonPlace::Count(Field::CacheWrite)
                }
                _ => JsonPlace::Other,
            },
            JsonPlace::OutputDetails if matches!(key, b"reasoning_tokens" | b"thinking_tokens") => {
                JsonPlace::Count(Field::Reasoning)
            }
            JsonPlace::Timings => JsonPlace::Count(match key {
                b"prompt_n" => Field::PromptN,
                b"cache_n" => Field::CacheN,
                b"predicted_n" => Field::PredictedN,
                _ => return JsonPlace::Other,
            }),
            JsonPlace::Meta if key == b"tokens" => JsonPlace::MetaTokens,
            JsonPlace::Meta if key == b"billed_units" => JsonPlace::MetaBilled,
            JsonPlace::MetaTokens if key == b"input_tokens" => JsonPlace::Count(Field::Input),
            JsonPlace::MetaTokens if key == b"output_tokens" => JsonPlace::Count(Field::Output),
            // What is billed may be less than what was read, so it counts only where nothing else is said.
            JsonPlace::MetaBilled if key == b"input_tokens" => JsonPlace::Count(Field::Total),
            JsonPlace::Choices => JsonPlace::Choice,
            JsonPlace::Choice => match key {
                b"delta" | b"message" => JsonPlace::Delta,
                b"text" => JsonPlace::Text,
                b"index" => JsonPlace::Count(Field::Choice),
                b"finish_reason" => JsonPlace::Finish,
                // Moonshot's streams.
                b"usage" => JsonPlace::Usage,
                // Routers, of the provider that has failed.
                b"error" => JsonPlace::Fault,
                _ => JsonPlace::Other,
            },
            JsonPlace::Delta => self.delta_child(key),
            JsonPlace::ToolCalls => JsonPlace::ToolCall,
            JsonPlace::ToolCall if key == b"function" => JsonPlace::Function,
            JsonPlace::Function if matches!(key, b"name" | b"arguments") => JsonPlace::Text,
            JsonPlace::Blocks => JsonPlace::Block,
            JsonPlace::Block => match key {
                b"text" | b"thinking" | b"arguments" => JsonPlace::Text,
                b"content" | b"summary" => JsonPlace::Blocks,
                _ => JsonPlace::Other,
            },
            JsonPlace::Error | JsonPlace::Fault if key == b"message" => JsonPlace::Words,
            // A list of errors, as FastAPI has it in `detail`.
            JsonPlace::Error if key.is_empty() => JsonPlace::Error,
            JsonPlace::Error if key == b"msg" => JsonPlace::Words,
            // A text in parts, as Mistral's reasoning models have it.
            JsonPlace::Text => JsonPlace::Block,
            JsonPlace::Pointers(among) => match self {
                Self::Pointers(pointers) => match pointers.narrow(among, depth, key) {
                    // An error is one wherever its counts would be.
                    JsonPlace::Other if depth == 0 && key == b"error" => JsonPlace::Error,
                    node => node,
                },
                _ => JsonPlace::Other,
            },
            _ => JsonPlace::Other,
        }
    }

    fn root_child(&self, key: &[u8]) -> JsonPlace {
        match (self, key) {
            (Self::OpenAi, b"choices") => JsonPlace::Choices,
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
            ) => JsonPlace::Other,
            (_, b"usage") => JsonPlace::Usage,
            (_, b"timings") => JsonPlace::Timings,
            (_, b"error") => JsonPlace::Error,
            // `"object":"error"` is what some servers write (vLLM before 0.10, FastChat).
            (_, b"type" | b"object") => JsonPlace::Kind,
            (Self::Responses, b"response") | (Self::Anthropic, b"message") => JsonPlace::Wrapper,
            // Every `...delta` event of the responses has its text here.
            (Self::Responses, b"delta") => JsonPlace::Text,
            (Self::Anthropic, b"delta") => JsonPlace::Delta,
            (Self::Responses, b"output") | (Self::Anthropic, b"content") => JsonPlace::Blocks,
            (Self::Embedding, b"meta") => JsonPlace::Meta,
            // FastAPI's word for an error; nobody else has it in the root.
            (_, b"detail") => JsonPlace::Error,
            // FastChat's streams: the words are in `text`.
            (Self::OpenAi, b"error_code") => JsonPlace::Count(Field::Fault),
            (Self::OpenAi, b"text") | (_, b"message") => JsonPlace::Words,
            // llama.cpp's own completions (`/infill`); streams of transcriptions.
            (Self::OpenAi, b"content" | b"delta") => JsonPlace::Text,
            // Groq's streams.
            (Self::OpenAi, b"x_groq") => JsonPlace::Wrapper,
            (Self::OpenAi, _) => JsonPlace::More,
            _ => JsonPlace::Other,
        }
    }

    fn delta_child(&self, key: &[u8]) -> JsonPlace {
        match (self, key) {
            (Self::Anthropic, b"text" | b"thinking" | b"partial_json") => JsonPlace::Text,
            (Self::OpenAi, b"content" | b"refusal") => JsonPlace::Text,
            (Self::OpenAi, b"reasoning_content" | b"reasoning") => JsonPlace::Thought,
            (Self::OpenAi, b"tool_calls") => JsonPlace::ToolCalls,
            (Self::OpenAi, b"function_call") => JsonPlace::Function,
            _ => JsonPlace::Other,
        }
    }
}

fn usage_child(key: &[u8]) -> JsonPlace {
    JsonPlace::Count(match key {
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
            return JsonPlace::InputDetails;
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            return JsonPlace::OutputDetails;
        }
        _ => return JsonPlace::Other,
    })
}
