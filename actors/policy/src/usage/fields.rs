//! What an answer can carry: its numbers, and the places of a document in which they stand.

/// A longer key is none of ours, a longer number none either. Keys with escapes are none of ours too: no
/// engine writes its field names so.
pub(super) const MAX_TEXT: usize = 40;

/// What an event means for its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EventKind {
    #[default]
    Other,
    /// The last one.
    End,
    Error,
    /// Its text is sound in base64.
    Sound,
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
    /// Which choice this is.
    Choice,
    /// The code of an error; 0 is none.
    Fault,
    /// No number: the text of an event.
    Text,
}

/// A place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum JsonPlace {
    /// Nothing below here matters.
    #[default]
    Other,
    /// A member of the root that a client may want, whatever it is.
    More,
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
    /// The parts of a whole answer, and one of them.
    Blocks,
    Block,
    /// The engine has failed: an object, or the words themselves.
    Error,
    /// What a choice says, in case it has failed.
    Fault,
    /// What it says of that.
    Words,
    /// The `type` of an event.
    Kind,
    /// The `finish_reason` of a choice.
    Finish,
    Count(Field),
    Text,
    /// What the model thinks: some engines say it twice, under an old and a new name.
    Thought,
    /// Bits of the custom paths that go through here.
    Pointers(u8),
}

impl JsonPlace {
    /// Whether an object or array here is worth looking into.
    pub(super) fn is_container(self) -> bool {
        !matches!(
            self,
            Self::Other | Self::More | Self::Count(_) | Self::Text | Self::Words | Self::Kind | Self::Finish
        )
    }
}

/// A count of tokens.
pub(super) fn count(text: &[u8]) -> Option<u64> {
    // Cohere writes its counts as floats.
    let whole = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => {
            let fraction = text.get(dot + 1..).filter(|fraction| !fraction.is_empty())?;
            fraction.iter().all(|&digit| digit == b'0').then(|| text.get(..dot))??
        }
        None => text,
    };
    if whole.is_empty() || whole.len() > 19 {
        return None;
    }
    let count = whole
        .iter()
        .try_fold(0_u64, |sum, &digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))?;
    i64::try_from(count).ok()?;
    Some(count)
}
