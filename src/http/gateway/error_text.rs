//! The backend's own words for an error, as its answer has them, for the ledger's row.

use serde_json::Value;

/// So much of an error's body is looked at.
pub(crate) const LONGEST: usize = 8 * 1024;
/// So many characters of it are told.
const LONGEST_WORDS: usize = 400;

/// What the body of an error says, whatever its form; `None`: nothing.
pub(crate) fn of_error(body: &[u8]) -> Option<String> {
    let words = match serde_json::from_slice(body) {
        Ok(document) => of_document(&document).unwrap_or_else(|| document.to_string()),
        // No JSON, or the beginning of some.
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let line = words.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(LONGEST_WORDS).collect())
}

/// OpenAI and most others: `error.message`; mlx: `error` is the text; FastAPI: `detail`, a text or a list of faults.
fn of_document(document: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).filter(|text| !text.trim().is_empty());
    let object = document.as_object()?;
    for name in ["error", "detail", "message", "msg"] {
        let found = match object.get(name) {
            Some(Value::Array(faults)) => {
                faults.first().and_then(|fault| text(fault).or_else(|| of_document(fault)))
            }
            Some(value) => text(value).or_else(|| of_document(value)),
            None => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::of_error;

    #[test]
    fn every_form_has_words() {
        for (body, words) in [
            (
                r#"{"error":{"message":"CUDA error: out of memory\nat x","type":"server_error"}}"#,
                "CUDA error: out of memory",
            ),
            (r#"{"error":"Cannot find x"}"#, "Cannot find x"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (
                r#"{"detail":[{"loc":["body","n"],"msg":"value is not a valid integer"}]}"#,
                "value is not a valid integer",
            ),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "Overloaded"),
            (r#"{"object":"error","message":"no such model","code":404}"#, "no such model"),
            (r#"{"error":{"code":500}}"#, r#"{"error":{"code":500}}"#),
            ("\n  Internal Server Error\nTraceback", "Internal Server Error"),
            (r#"{"error":{"mess"#, r#"{"error":{"mess"#),
        ] {
            assert_eq!(of_error(body.as_bytes()).as_deref(), Some(words), "{body}");
        }
        assert_eq!(of_error(b""), None);
        assert_eq!(of_error(b" \n "), None);
        assert!(of_error("ä".repeat(5000).as_bytes()).unwrap().chars().count() == 400);
        assert!(of_error(b"\xff\xfe").is_some());
    }
}
