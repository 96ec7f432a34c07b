//! Readiness of a server that somebody else runs: it is ready when it answers. Nothing is asked of it that costs money or
//! starts something there: the first request of a client tells the rest.

use super::names::{Listing, ModelNames};
use super::{BackendInfo, ProbeAnswer, ProbeQuestion, probes};
use crate::spec::{ModeSpec, VariantSpec};
use std::time::Duration;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(200);
/// So long it may be silent, or say that it is not well, before it counts as down.
const PATIENCE: Duration = Duration::from_secs(1);

/// The one question to such a server.
#[derive(Clone, Debug)]
pub struct RemoteProbe {
    question: ProbeQuestion,
    names: ModelNames,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteReadiness {
    /// It answers.
    Ready(BackendInfo),
    /// Ask again after this time.
    Wait(Duration),
    /// It counts as down, and why.
    Down(String),
}

impl RemoteProbe {
    /// The variant's own probe, or its list of models.
    pub fn new(mode: &ModeSpec, variant: &VariantSpec, names: ModelNames) -> Self {
        let own = variant.probe.as_ref().filter(|own| !own.paths.is_empty());
        let probe = own.and_then(|_| probes(mode, variant).into_iter().next());
        let path = || variant.routes.of("/v1/models").into_owned();
        let question = match probe {
            Some(probe) => ProbeQuestion {
                method: probe.method,
                path: probe.paths.into_iter().next().unwrap_or_else(path),
                body: probe.body,
                name: names.fallback().name.clone(),
                headers: probe.headers,
            },
            None => ProbeQuestion {
                method: "GET".to_owned(),
                path: path(),
                body: None,
                name: names.fallback().name.clone(),
                headers: variant.probe.as_ref().map_or_else(Vec::new, |own| own.headers.clone()),
            },
        };
        Self { question, names }
    }

    /// What to ask.
    pub fn question(&self) -> &ProbeQuestion {
        &self.question
    }

    /// Takes what was heard, `now` after the beginning; `why` is what was wrong where nothing was heard.
    pub fn hear(&self, heard: ProbeAnswer, why: Option<String>, now: Duration) -> RemoteReadiness {
        let wrong = match heard {
            ProbeAnswer::Nothing => why.unwrap_or_else(|| "no answer".to_owned()),
            ProbeAnswer::Answer { status: 401 | 403, text, .. } => {
                return RemoteReadiness::Down(format!(
                    "it refuses the key (status 401 or 403: {text}): set `on.key`"
                ));
            }
            ProbeAnswer::Answer { status: status @ (500 | 502..), text, .. } => {
                format!("status {status}: {text}")
            }
            // Whatever it thinks of the question: it answers.
            ProbeAnswer::Answer { listing, .. } => {
                let name = self.names.elsewhere(listing.as_ref());
                let context = listing.as_ref().and_then(|listing| listing.context(&name));
                let manager = listing.as_ref().is_some_and(Listing::is_of_manager);
                return RemoteReadiness::Ready(BackendInfo {
                    served_name: Some(name),
                    context,
                    manager,
                    ..BackendInfo::default()
                });
            }
        };
        if now < PATIENCE { RemoteReadiness::Wait(PAUSE) } else { RemoteReadiness::Down(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::ListedModel;

    fn far(served: Option<&str>) -> RemoteProbe {
        let question = ProbeQuestion {
            method: "GET".to_owned(),
            path: "/v1/models".to_owned(),
            body: None,
            name: String::new(),
            headers: Vec::new(),
        };
        RemoteProbe { question, names: ModelNames::new("m", &["alias".to_owned()], served) }
    }

    fn answer(status: u16, models: Option<&[&str]>) -> ProbeAnswer {
        let listed = |name: &&str| ListedModel { name: (*name).to_owned(), loaded: false, context: Some(7) };
        let listing = models.map(|names| Listing { models: names.iter().map(listed).collect(), owner: None });
        ProbeAnswer::Answer { status, text: "text".to_owned(), listing, took: Duration::ZERO }
    }

    fn name(served: Option<&str>, models: Option<&[&str]>) -> Option<String> {
        match far(served).hear(answer(200, models), None, Duration::ZERO) {
            RemoteReadiness::Ready(found) => found.served_name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_name_is_the_configured_one_or_one_that_is_listed() {
        assert_eq!(name(Some("other"), Some(&["m"])).as_deref(), Some("other"));
        assert_eq!(name(None, Some(&["x", "m"])).as_deref(), Some("m"));
        assert_eq!(name(None, Some(&["x", "alias"])).as_deref(), Some("alias"));
        assert_eq!(name(None, Some(&["only"])).as_deref(), Some("only"));
        assert_eq!(name(None, Some(&["x", "y"])).as_deref(), Some("m"));
        assert_eq!(name(None, None).as_deref(), Some("m"));
    }

    #[test]
    fn what_it_lists_tells_its_context_and_whether_it_is_a_manager() {
        for (owner, is_manager) in [("llm-manager", true), ("vllm", false)] {
            let models = vec![ListedModel { name: "m".to_owned(), loaded: false, context: Some(7) }];
            let listing = Some(Listing { models, owner: Some(owner.to_owned()) });
            let heard =
                ProbeAnswer::Answer { status: 200, text: String::new(), listing, took: Duration::ZERO };
            let RemoteReadiness::Ready(found) = far(None).hear(heard, None, Duration::ZERO) else {
                panic!("{owner}")
            };
            assert_eq!((found.context, found.manager), (Some(7), is_manager));
        }
    }

    #[test]
    fn whoever_answers_is_ready_and_whoever_does_not_is_down_after_a_moment() {
        let far = far(None);
        let soon = Duration::from_millis(10);
        for status in [200, 404, 405, 429, 400, 501] {
            assert!(
                matches!(far.hear(answer(status, None), None, soon), RemoteReadiness::Ready(_)),
                "{status}"
            );
        }
        for (heard, why) in [(ProbeAnswer::Nothing, Some("refused".to_owned())), (answer(503, None), None)] {
            assert_eq!(far.hear(heard.clone(), why.clone(), soon), RemoteReadiness::Wait(PAUSE));
            let RemoteReadiness::Down(said) = far.hear(heard, why, PATIENCE) else { panic!() };
            assert!(said == "refused" || said == "status 503: text", "{said}");
        }
        let RemoteReadiness::Down(said) = far.hear(answer(401, None), None, soon) else { panic!() };
        assert!(said.contains("on.key"), "{said}");
    }
}
