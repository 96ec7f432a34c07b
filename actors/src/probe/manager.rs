//! What another manager says of one of its models, while requests wait there.

use super::connection::ProbeConnection;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::readiness::ProbeQuestion;
use llm_manager_process::BackendAddress;
use serde_json::Value;
use std::sync::Arc;

/// What another manager says of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteModel {
    /// What it does: `queued` or `starting`.
    pub state: ModelState,
    /// For what it waits, and where that is.
    pub waits_for: Arc<str>,
}

/// Asks for the state of one model.
pub struct StateLine {
    line: ProbeConnection,
    question: ProbeQuestion,
    last: Option<RemoteModel>,
}

impl StateLine {
    /// `base` is where that manager's own paths begin, without a slash at its end.
    pub fn new(endpoint: Arc<BackendAddress>, base: &str, model: &str) -> Self {
        let question = ProbeQuestion {
            method: "GET".to_owned(),
            path: format!("{base}/api/models/{}", segment(model)),
            body: None,
            name: model.to_owned(),
            headers: Vec::new(),
        };
        Self { line: ProbeConnection::new(endpoint), question, last: None }
    }

    /// What its requests have to wait for, if they have to. `None`: it doesn't let itself be asked.
    pub async fn ask(&mut self) -> Option<Option<RemoteModel>> {
        match self.line.ask(&self.question).await {
            Ok((200, body)) => Some(read(&body, &self.line.endpoint().to_string())),
            Ok((400..500, _)) => None,
            // Whether it is there at all is found out by others.
            Ok(_) | Err(_) => Some(None),
        }
    }

    /// Whether that is something else than the last time.
    pub fn is_news(&mut self, now: &Option<RemoteModel>) -> bool {
        let is_news = self.last != *now;
        self.last.clone_from(now);
        is_news
    }
}

fn read(body: &[u8], place: &str) -> Option<RemoteModel> {
    let model: Value = serde_json::from_slice(body).ok()?;
    let state = ModelState::parse(model.get("state")?.as_str()?)?;
    let waits_for = model.get("waits_for").and_then(Value::as_str);
    let what = match (state, waits_for) {
        (ModelState::Queued | ModelState::Starting, Some(words)) => words,
        (ModelState::Queued, None) => "waits for memory",
        (ModelState::Starting, None) => "starts",
        _ => return None,
    };
    Some(RemoteModel { state, waits_for: format!("{place}: {what}").into() })
}

/// A name as one part of a path.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_waits_for_is_told() {
        let told =
            |body: &str| read(body.as_bytes(), "box").map(|there| (there.state, there.waits_for.to_string()));
        let queued = Some((ModelState::Queued, "box: waits for memory".to_owned()));
        assert_eq!(told(r#"{"state":"queued","waits_for":null}"#), queued);
        let starting = Some((ModelState::Starting, "box: GET /health".to_owned()));
        assert_eq!(told(r#"{"state":"starting","waits_for":"GET /health"}"#), starting);
        for other in [r#"{"state":"ready"}"#, r#"{"state":"new"}"#, "[]", ""] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(segment("org/Qwen 3"), "org%2FQwen%203");
    }
}
