//! What a request asks with: its text is read when it is needed, unless it is too large to be kept until then.

use bytes::Bytes;
use llm_manager_policy::usage::prompt::{self, Prompt};

/// A larger body isn't kept for an estimate that is needed but seldom: it is read at once.
const LARGE: usize = 256 * 1024;

/// What the request asks with.
pub(in crate::http::gateway) struct Question<'a> {
    pub(super) text: Text,
    /// The name or alias by which it asks for the model.
    pub(super) model: &'a str,
    /// The client wants a stream.
    pub(super) stream: bool,
}

/// Its text, read or still to be read.
pub(in crate::http::gateway) enum Text {
    Body(Bytes),
    Read(Prompt),
}

impl Default for Text {
    fn default() -> Self {
        Self::Read(Prompt::default())
    }
}

impl<'a> Question<'a> {
    /// That of a JSON body.
    pub(in crate::http::gateway) fn of(body: &Bytes, model: &'a str, stream: bool) -> Self {
        let text = if body.len() > LARGE { Text::Read(prompt::read(body)) } else { Text::Body(body.clone()) };
        Self { text, model, stream }
    }

    /// One of whose text nothing is known.
    pub(in crate::http::gateway) fn unread(model: &'a str) -> Self {
        Self { text: Text::default(), model, stream: false }
    }
}

impl Text {
    pub(in crate::http::gateway) fn read(&self) -> Prompt {
        match self {
            Self::Body(body) => prompt::read(body),
            Self::Read(prompt) => *prompt,
        }
    }
}
