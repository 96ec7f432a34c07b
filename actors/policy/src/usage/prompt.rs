//! How much text a request asks with: for the answers of which nobody says what their input was.
//!
//! Text is what people and programs wrote for the model. Images, sound and files in base64 are not, and neither are the
//! names, brackets and types of JSON and of the schemas of tools: only the words in them are.

use crate::byte_search;

/// Deeper bodies are refused before they come here.
const MAX_DEPTH: usize = 256;
/// Shorter texts are never taken for base64.
const SHORT: usize = 256;

/// What a request asks with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Bytes of its texts.
    pub text_bytes: u64,
    /// Tokens that it gives by their numbers.
    pub ids: u64,
    /// Prompts of their own in the list `prompt`.
    pub prompts: u64,
    /// The answer is to begin with it.
    pub echoes: bool,
    /// Bytes and numbers up to the end of the first of several.
    first: u64,
}

impl Prompt {
    /// About so many tokens: four bytes are about one token of English text.
    ///
    /// That is OpenAI's rule of thumb (help.openai.com, "What are tokens and how to count them?"), and what GPUStack takes
    /// for streams that broke.
    pub fn tokens(&self) -> u64 {
        self.text_bytes.div_ceil(4).saturating_add(self.ids)
    }

    /// The tokens of all prompts, where so many are those of the first.
    pub(super) fn all_of(&self, first: u64) -> u64 {
        let all = u128::from(self.text_bytes.saturating_add(self.ids));
        let scaled = u128::from(first) * all / u128::from(self.first.max(1));
        if self.first == 0 { first } else { u64::try_from(scaled).unwrap_or(u64::MAX).max(first) }
    }

    /// One more prompt begins.
    fn begins(&mut self) {
        self.prompts += 1;
        if self.prompts == 2 {
            self.first = self.text_bytes + self.ids;
        }
    }
}

/// What a value is to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Settings.
    #[default]
    Other,
    Text,
    /// A schema: of its texts only descriptions and names are for reading.
    Schema,
    /// A file.
    Data,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    part: Part,
    object: bool,
    /// The list `prompt`.
    prompts: bool,
}

/// Reads the JSON body of a request. What isn't JSON has no text.
pub fn read(body: &[u8]) -> Prompt {
    let mut prompt = Prompt::default();
    let mut frames: Vec<Frame> = Vec::with_capacity(16);
    // Of the value that comes next.
    let mut next = Frame::default();
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let top = frames.last().copied().unwrap_or_default();
        match byte {
            b'"' => {
                let end = end_of_string(body, at + 1);
                let text = body.get(at + 1..end).unwrap_or_default();
                at = end;
                if top.object && is_key(body, end + 1) {
                    if frames.len() == 1 && text == b"echo" {
                        prompt.echoes = is_true(body, end + 1);
                    }
                    next = Frame { prompts: frames.len() == 1 && text == b"prompt", ..Frame::default() };
                    next.part = child(top.part, text);
                } else {
                    let part = if top.object { next.part } else { top.part };
                    if top.prompts {
                        prompt.begins();
                    }
                    prompt.text_bytes += match part {
                        Part::Text => length(text),
                        Part::Data if !is_base64(text, SHORT) => length(text),
                        _ => 0,
                    };
                }
            }
            b'{' | b'[' => {
                let object = byte == b'{';
                if top.prompts {
                    prompt.begins();
                }
                // Items are what their list is.
                let of = if frames.is_empty() || top.object { next } else { Frame { prompts: false, ..top } };
                if frames.len() == MAX_DEPTH {
                    return prompt;
                }
                frames.push(Frame { object, prompts: of.prompts && !object, ..of });
                next = Frame::default();
            }
            b'}' | b']' => {
                frames.pop();
            }
            b'0'..=b'9' => {
                let rest = body.get(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
                at += length.unwrap_or(rest.len()) - 1;
                prompt.ids += u64::from(!top.object && top.part == Part::Text);
            }
            _ => {}
        }
        at += 1;
    }
    prompt.prompts = prompt.prompts.max(1);
    prompt
}

fn child(parent: Part, key: &[u8]) -> Part {
    match key {
        b"type" | b"role" | b"id" | b"model" | b"user" | b"url" | b"image_url" | b"video_url"
        | b"audio_url" | b"file_id" | b"media_type" | b"mime_type" | b"detail" | b"status"
        | b"tool_call_id" | b"tool_use_id" | b"call_id" | b"signature" | b"encrypted_content"
        | b"cache_control" | b"stop" => Part::Other,
        b"data" | b"file_data" | b"b64_json" | b"image" | b"images" | b"audio" | b"video" | b"bytes" => {
            Part::Data
        }
        b"tools" | b"functions" | b"response_format" | b"parameters" | b"input_schema" | b"json_schema"
        | b"schema" | b"format" | b"tool_choice" => Part::Schema,
        b"description" | b"name" if parent != Part::Other => Part::Text,
        _ if parent == Part::Schema => Part::Schema,
        b"content" | b"input" | b"prompt" | b"suffix" | b"system" | b"instructions" | b"arguments"
        | b"query" | b"queries" | b"documents" | b"texts" | b"text" | b"text_1" | b"text_2" | b"output"
        | b"thinking" | b"reasoning_content" | b"reasoning" | b"refusal" | b"title" | b"passage"
        | b"context" | b"summary" | b"input_prefix" | b"input_suffix" | b"input_extra" => Part::Text,
        _ => parent,
    }
}

fn is_key(body: &[u8], mut at: usize) -> bool {
    while body.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    body.get(at) == Some(&b':')
}

/// Whether the value behind this key's end is `true`.
fn is_true(body: &[u8], at: usize) -> bool {
    let rest = body.get(at..).unwrap_or_default().trim_ascii_start();
    rest.strip_prefix(b":").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
}

/// Where the quote lies that ends the string which begins at `at`.
fn end_of_string(body: &[u8], mut at: usize) -> usize {
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += byte_search::quote(rest);
        match body.get(at) {
            Some(b'\\') => at += 2,
            _ => break,
        }
    }
    at.min(body.len())
}

/// Bytes of a text without its escapes, and without the files in it.
fn length(text: &[u8]) -> u64 {
    const MARK: &[u8] = b";base64,";
    if is_base64(text, SHORT) && looks_random(text) {
        return 0;
    }
    let mut bytes = text.len() as u64;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b';')) {
        let here = rest.get(at..).unwrap_or_default();
        let mut done = 1;
        if let Some(file) = here.strip_prefix(MARK) {
            let length = file.iter().position(|byte| !is_of_base64(*byte)).unwrap_or(file.len());
            bytes -= length as u64;
            done = MARK.len() + length;
        } else if here.first() == Some(&b'\\') {
            // `\u` and its digits are about three bytes of UTF-8.
            bytes = bytes.saturating_sub(if here.get(1) == Some(&b'u') { 3 } else { 1 });
            done = 2;
        }
        rest = here.get(done..).unwrap_or_default();
    }
    bytes
}

fn is_base64(text: &[u8], at_least: usize) -> bool {
    text.len() >= at_least && text.iter().take(at_least).all(|byte| is_of_base64(*byte))
}

/// No text of one kind of letters, such as a long line.
fn looks_random(text: &[u8]) -> bool {
    let head = text.get(..SHORT).unwrap_or(text);
    head.iter().any(u8::is_ascii_uppercase)
        && head.iter().any(u8::is_ascii_lowercase)
        && head.iter().any(u8::is_ascii_digit)
}

fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(body: &str) -> u64 {
        read(body.as_bytes()).text_bytes
    }

    #[test]
    fn text_counts_and_json_does_not() {
        for (body, text) in [
            (r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#, 5),
            (
                r#"{"messages":[{"role":"system","content":[{"type":"text","text":"be brief"}]}],"temperature":0.5}"#,
                8,
            ),
            (r#"{"model":"m","input":"one two","instructions":"three"}"#, 12),
            (r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"abcd"}]}]}"#, 4),
            (r#"{"system":"abc","messages":[{"role":"user","content":[{"type":"text","text":"de"}]}]}"#, 5),
            (r#"{"prompt":["one","two"]}"#, 6),
            (r#"{"query":"ab","documents":["cde",{"text":"fg"}]}"#, 7),
            (r#"{"content":"a\"\\\n\u4f60b"}"#, 1 + 3 + 3 + 1),
            (r#"{ "content" : "abc" , "user" : "somebody" }"#, 3),
            (
                r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"run","arguments":"{}"}}]}]}"#,
                2,
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"tool_use","id":"x","name":"run","input":{"command":"ls"}}]}]}"#,
                3 + 2,
            ),
            // Files within a text.
            (r#"{"content":"ab;base64,QUJD cd"}"#, 17 - 4),
            (r#"{"content":";base64,QUJD;base64,QUJD"}"#, 24 - 8),
            // Short words may look like anything.
            (r#"{"content":"aB3"}"#, 3),
            ("hello", 0),
            ("", 0),
        ] {
            assert_eq!(bytes(body), text, "{body}");
        }
    }

    #[test]
    fn files_are_no_text() {
        let file = "QUJD".repeat(100_000);
        for part in [
            format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{file}"}}}}"#),
            format!(r#"{{"type":"input_image","image_url":"data:image/png;base64,{file}"}}"#),
            format!(r#"{{"type":"input_audio","input_audio":{{"data":"{file}","format":"wav"}}}}"#),
            format!(
                r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{file}"}}}}"#
            ),
            format!(
                r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{file}"}}}}"#
            ),
            format!(r#"{{"type":"text","text":"![x](data:image/png;base64,{file})"}}"#),
        ] {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"What?"}},{part}]}}]}}"#
            );
            assert!((5..60).contains(&bytes(&body)), "{} {}", bytes(&body), &part[..60]);
        }
        let mixed = "aB3/".repeat(1000);
        assert_eq!(bytes(&format!(r#"{{"input":"{mixed}"}}"#)), 0);
        assert_eq!(bytes(&format!(r#"{{"input":"{}"}}"#, "x".repeat(4000))), 4000);
        assert_eq!(
            bytes(&format!(r#"{{"input":"{}"}}"#, "The 3 cats ".repeat(40))),
            440,
            "blanks are of no file"
        );
        let plain = r#"{"content":[{"type":"document","source":{"type":"text","data":"a plain text"}}]}"#;
        assert_eq!(bytes(plain), 12);
        assert_eq!(bytes(&format!(r#"{{"messages":[{{"content":"a","images":["{file}"]}}]}}"#)), 1);
    }

    #[test]
    fn of_tools_only_the_words_count() {
        let tool = r#"{"type":"function","function":{"name":"get","description":"Gets it","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Where","enum":["a","b"]}},"required":["city"]}}}"#;
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}]}}"#);
        assert_eq!(bytes(&body), 2 + 3 + 7 + 5);
    }

    #[test]
    fn numbers_of_tokens_and_prompts_are_counted() {
        let of = |body: &str| {
            let prompt = read(body.as_bytes());
            (prompt.tokens(), prompt.prompts)
        };
        assert_eq!(of(r#"{"prompt":"12345678"}"#), (2, 1));
        assert_eq!(of(r#"{"prompt":[1,2,30]}"#), (3, 1));
        assert_eq!(of(r#"{"prompt":[[1,2],[3]],"max_tokens":9}"#), (3, 2));
        assert_eq!(of(r#"{"prompt":["abcd","abcd","abcd"],"n":2}"#), (3, 3));
        assert_eq!(of(r#"{"prompt":[["abcd","abcd"],["abcd"]]}"#), (3, 2));
        assert_eq!(of(r#"{"input":[[1,2],[3,4,5]]}"#), (5, 1));
        let all = |body: &str, first| read(body.as_bytes()).all_of(first);
        assert_eq!(all(r#"{"prompt":["abcd","abcdefgh","ab"]}"#, 10), 35);
        assert_eq!(all(r#"{"prompt":[[1,2],[3,4,5]]}"#, 4), 10);
        assert_eq!((all(r#"{"prompt":"abcd"}"#, 10), all(r#"{"prompt":["","a"]}"#, 10)), (10, 10));
    }

    #[test]
    fn names_and_lists_that_are_no_prompt() {
        assert_eq!(bytes(r#"{"content":"\"ab\"","user":"somebody"}"#), 4, "a quote may be escaped");
        assert_eq!(bytes(r#"{"tools":[{"parameters":{"text":"abc","description":"de"}}]}"#), 2);
        let hex = "a1b2".repeat(1000);
        assert_eq!(bytes(&format!(r#"{{"input":"{hex}"}}"#)), 4000, "a long number is no file");
        assert_eq!(read(br#"{"stop":[1,2,3],"x":[4]}"#).ids, 0);
        assert_eq!(read(br#"{"prompt":{"a":"x","b":"y"}}"#).prompts, 1, "an object is one");
    }

    proptest! {
        #[test]
        fn never_more_than_the_body(body: Vec<u8>) {
            let prompt = read(&body);
            prop_assert!(prompt.text_bytes + prompt.ids <= body.len() as u64);
        }

        #[test]
        fn never_panics_on_broken_json(text in "[\\[\\]{}\",:\\\\a-z0-9;]{0,60}") {
            read(text.as_bytes());
        }
    }
}
