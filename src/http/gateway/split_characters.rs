//! Reads events in which half a letter stands: of engines that cut a text in the middle of one.

use serde_json::{Map, Value};

/// What an event says. Half a letter, which no engine means to send, doesn't take the rest of it away.
pub(super) fn event(data: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(data) {
        Ok(event) => Some(event),
        Err(_) => serde_json::from_str(&mended(data)).ok(),
    }
}

/// With a mark for each byte that is of no letter, and for each half of a surrogate pair that stands alone.
fn mended(data: &[u8]) -> String {
    const MARK: &str = "\u{fffd}";
    let text = String::from_utf8_lossy(data);
    let (mut mended, mut rest) = (String::with_capacity(text.len()), &*text);
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        mended.push_str(plain);
        let half = |escape: &str| {
            let digits = escape.strip_prefix("\\u")?.get(..4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        let (first, second) = (half(escape), escape.get(6..).and_then(half));
        let (length, is_whole) = match (first, second) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (12, true),
            (Some(0xd800..0xe000), _) => (6, false),
            // A backslash and what it stands before.
            _ => (1 + escape.chars().nth(1).map_or(0, char::len_utf8), true),
        };
        let (escape, more) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.push_str(if is_whole { escape } else { MARK });
        rest = more;
    }
    mended + rest
}

#[cfg(test)]
mod tests {
    use super::event;
    use serde_json::json;

    #[test]
    fn half_a_letter_takes_nothing_else_away() {
        let text = |data: &[u8]| event(data).map(|event| event["text"].clone());
        for (data, read) in [
            (r#"{"text":"a\ud83d"}"#.as_bytes(), json!("a\u{fffd}")),
            (br#"{"text":"\ude00b\n\"\\ud83d"}"#, json!("\u{fffd}b\n\"\\ud83d")),
            (br#"{"text":"\ud83d\ude00\ud83d"}"#, json!("\u{1f600}\u{fffd}")),
            (b"{\"text\":\"a\xf0\x9f\"}", json!("a\u{fffd}")),
        ] {
            assert_eq!(text(data), Some(read), "{}", String::from_utf8_lossy(data));
        }
        for broken in ["{\"text\":\"a", "{\"text\":\"\\ud8", "[DONE]", "\\"] {
            assert_eq!(text(broken.as_bytes()), None);
        }
    }
}
