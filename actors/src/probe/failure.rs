//! Why a backend will never be ready, in words that name the cause and the way out.

use llm_manager_policy::readiness::{ReadinessError, RefusedThing};
use std::fmt;

/// Why a backend will never be ready.
#[derive(Debug)]
pub enum ProbeFailure {
    /// The probe itself failed.
    Broke(String),
    /// Somebody else answers on its port.
    Stranger(String),
    /// It refuses what every client would ask.
    Refuses(ReadinessError),
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broke(text) => {
                write!(f, "the probe failed: {text}: please report this with the log around it")
            }
            Self::Stranger(text) => f.write_str(text),
            Self::Refuses(refused) => refuses(refused, f),
        }
    }
}

fn refuses(refused: &ReadinessError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ReadinessError { what, question, status, text, listed } = refused;
    match what {
        RefusedThing::Name(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            write!(f, "the backend does not know the model by the name {}", names.join(" or "))?;
            write!(f, " ({question}: status {status}: {text}); ")?;
            match &listed[..] {
                [] => write!(f, "it lists no models")?,
                some => write!(f, "it lists {}", shortened(some))?,
            }
            write!(f, ": set `served_name` to the name that it knows")
        }
        RefusedThing::Path => write!(
            f,
            "the backend does not know the path of the probe {question} (status {status}: {text}): does the \
             model's `mode` fit what the script starts? If its API begins elsewhere than at /v1, set `api_prefix`"
        ),
        RefusedThing::Key => write!(
            f,
            "the backend answers the probe {question} with status {status}: {text} (it needs a key of its own: set it in the model's `probe`, as in {{headers: {{Authorization: \"Bearer ...\"}}}}, or start it \
             without one, because only this machine reaches it)"
        ),
        RefusedThing::Request => write!(
            f,
            "the backend answers the probe {question} with status {status}: {text} \
             (does the model's `mode` fit what the script starts?)"
        ),
    }
}

fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        text.push(format!("{} more", names.len() - SHOWN));
    }
    text.join(", ")
}
