//! Reads a JSON object byte by byte and says whether it is the usage chunk of a stream: an empty
//! `choices` and a `usage` that is not null. Knows the structure alone: never allocates, never recurses.

/// Objects and arrays inside each other beyond this are no usage chunk.
const MAX_DEPTH: u32 = 64;

/// What the bytes seen so far can still become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whatever follows, this is no usage chunk.
    Never,
    /// It depends on what follows.
    Open,
    /// If nothing but white space follows, this is a usage chunk.
    Usage,
}

/// A push parser: the bytes may arrive cut anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skimmer {
    state: State,
    /// One bit for each open bracket, the newest lowest: 1 for an object, 0 for an array.
    nesting: u64,
    depth: u32,
    key: Key,
    choices_empty: bool,
    usage_given: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `{`: a key or `}`.
    FirstKey,
    /// After `,` in an object.
    NextKey,
    InKey,
    EscapedInKey,
    Colon,
    Value,
    /// After `[`: a value or `]`.
    FirstItem,
    InString,
    Escaped,
    /// A number or a word; the flag stands while it may still be `null`, with the letters matched.
    Scalar(Option<u8>),
    AfterValue,
    End,
    Failed,
}

/// A key of the outermost object, as far as it has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Choices(u8),
    Usage(u8),
    Unread,
}

impl Skimmer {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.state {
            State::Failed => Verdict::Never,
            State::End if self.choices_empty && self.usage_given => Verdict::Usage,
            State::End => Verdict::Never,
            _ => Verdict::Open,
        }
    }

    #[inline]
    pub(crate) fn step(&mut self, byte: u8) {
        self.state = match self.state {
            State::Failed => State::Failed,
            State::InString => match byte {
                b'"' => State::AfterValue,
                b'\\' => State::Escaped,
                0..0x20 => State::Failed,
                _ => State::InString,
            },
            State::Escaped => State::InString,
            State::EscapedInKey => State::InKey,
            State::InKey => self.in_key(byte),
            State::Scalar(null) => self.in_scalar(null, byte),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => self.state,
            State::Start if byte == b'{' => self.open(true),
            State::FirstKey if byte == b'}' => self.close(true),
            State::FirstKey | State::NextKey if byte == b'"' => {
                self.key = if self.depth == 1 { Key::Unread } else { self.key };
                State::InKey
            }
            State::Colon if byte == b':' => State::Value,
            State::FirstItem if byte == b']' => {
                self.choices_empty |= self.depth == 2 && matches!(self.key, Key::Choices(_));
                self.close(false)
            }
            State::FirstItem if self.depth == 2 && matches!(self.key, Key::Choices(_)) => State::Failed,
            State::Value | State::FirstItem => self.begin_value(byte),
            State::AfterValue => self.after_value(byte),
            _ => State::Failed,
        };
    }

    fn in_key(&mut self, byte: u8) -> State {
        if byte == b'"' {
            if self.depth == 1 && !matches!(self.key, Key::Choices(7) | Key::Usage(5)) {
                self.key = Key::Other;
            }
            return State::Colon;
        }
        if byte < 0x20 {
            return State::Failed;
        }
        if self.depth == 1 {
            // A key written with escapes is never one of ours: no backend writes them so.
            self.key = match self.key {
                Key::Unread if byte == b'c' => Key::Choices(1),
                Key::Unread if byte == b'u' => Key::Usage(1),
                Key::Choices(n) if b"choices".get(usize::from(n)) == Some(&byte) => Key::Choices(n + 1),
                Key::Usage(n) if b"usage".get(usize::from(n)) == Some(&byte) => Key::Usage(n + 1),
                _ => Key::Other,
            };
        }
        if byte == b'\\' { State::EscapedInKey } else { State::InKey }
    }

    fn begin_value(&mut self, byte: u8) -> State {
        let is_choices = self.depth == 1 && matches!(self.key, Key::Choices(_));
        if is_choices && byte != b'[' {
            return State::Failed;
        }
        let is_usage = self.depth == 1 && matches!(self.key, Key::Usage(_));
        if is_usage && byte != b'n' {
            self.usage_given = true;
        }
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'"' => State::InString,
            b'n' => State::Scalar(Some(1)),
            b'-' | b'0'..=b'9' | b't' | b'f' => State::Scalar(None),
            _ => State::Failed,
        }
    }

    fn in_scalar(&mut self, null: Option<u8>, byte: u8) -> State {
        if matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') {
            return State::Scalar(match null {
                Some(n) if b"null".get(usize::from(n)) == Some(&byte) => Some(n + 1),
                Some(_) => return State::Failed,
                None => None,
            });
        }
        if null.is_some_and(|matched| matched != 4) {
            return State::Failed;
        }
        if null.is_some() && self.depth == 1 && matches!(self.key, Key::Usage(_)) {
            return State::Failed;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => State::AfterValue,
            _ => self.after_value(byte),
        }
    }

    fn after_value(&mut self, byte: u8) -> State {
        let in_object = self.nesting & 1 == 1;
        match byte {
            b',' if in_object => State::NextKey,
            b',' => State::Value,
            b'}' if in_object => self.close(true),
            b']' if !in_object => self.close(false),
            _ => State::Failed,
        }
    }

    fn open(&mut self, object: bool) -> State {
        if self.depth == MAX_DEPTH {
            return State::Failed;
        }
        self.depth += 1;
        self.nesting = self.nesting << 1 | u64::from(object);
        if object { State::FirstKey } else { State::FirstItem }
    }

    fn close(&mut self, object: bool) -> State {
        debug_assert_eq!(self.nesting & 1 == 1, object);
        self.depth = self.depth.saturating_sub(1);
        self.nesting >>= 1;
        if self.depth == 0 { State::End } else { State::AfterValue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn skim(text: &[u8]) -> Verdict {
        let mut skimmer = Skimmer::default();
        text.iter().for_each(|&byte| skimmer.step(byte));
        skimmer.verdict()
    }

    fn is_usage(value: &Value) -> bool {
        let empty = value.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
        empty && value.get("usage").is_some_and(|usage| !usage.is_null())
    }

    #[test]
    fn tells_usage_chunks_from_others() {
        let usage = [
            r#"{"choices":[],"usage":{"prompt_tokens":3}}"#,
            r#" { "usage" : { "a" : [ 1 , {} ] } , "choices" : [ ] , "id" : "x" } "#,
            r#"{"choices":[],"usage":0}"#,
            r#"{"x":"\"choices\":[1]","choices":[],"usage":"n"}"#,
            r#"{"deep":{"choices":[1],"usage":null},"choices":[],"usage":{}}"#,
        ];
        for text in usage {
            assert_eq!(skim(text.as_bytes()), Verdict::Usage, "{text}");
        }
        let others = [
            r#"{"choices":[{"delta":{"content":"\"choices\":[]"}}],"usage":{}}"#,
            r#"{"choices":[],"usage":null}"#,
            r#"{"choices":[]}"#,
            r#"{"usage":{}}"#,
            r#"{"a":{"choices":[],"usage":{}}}"#,
            r#"{"choices":{},"usage":{}}"#,
            r#"{"choices":[],"usage":{}} x"#,
            r#"{"choices":[],"usage":{]}"#,
            r#"[{"choices":[],"usage":{}}]"#,
            "[DONE]",
        ];
        for text in others {
            assert_eq!(skim(text.as_bytes()), Verdict::Never, "{text}");
        }
        assert_eq!(skim(br#"{"choices":[],"usage":{}"#), Verdict::Open);
        let deep = format!(r#"{{"choices":[],"usage":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        assert_eq!(skim(deep.as_bytes()), Verdict::Never);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(Value::from("\"choices\":[]\\")),
        ];
        let name = prop_oneof![
            3 => Just("choices".to_owned()), 3 => Just("usage".to_owned()),
            1 => Just("usages".to_owned()), 1 => Just("choice".to_owned()), 1 => "[a-z]{0,3}",
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                2 => proptest::collection::vec((name.clone(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_with_a_parser_that_builds_a_tree(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            prop_assert_eq!(skim(&text.unwrap()) == Verdict::Usage, is_usage(&value));
        }

        #[test]
        fn hides_nothing_that_a_parser_would_show(value in json(), at: prop::sample::Index, byte: u8) {
            let mut text = serde_json::to_vec(&value).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(value) = serde_json::from_slice::<Value>(&text) {
                prop_assert_eq!(skim(&text) == Verdict::Usage, is_usage(&value));
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            skim(&bytes);
        }
    }
}
