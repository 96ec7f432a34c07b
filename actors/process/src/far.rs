//! Runs that are no processes of this machine, but jobs of a cluster that outlive the manager: what their places share.

mod attend;
mod fence;
mod files;
mod fingerprint;
mod read_position;
mod wish;

pub use attend::{Attended, Means, attend};
pub use fence::Fence;
pub use files::{Files, Folder, PREFIX, aside, random};
pub use fingerprint::{Fingerprint, Likeness};
pub use read_position::ReadPosition;
pub use wish::Wish;

use super::{ExitReport, PlacementState};
use llm_manager_policy::cluster::{JobEnd, JobFate};
use llm_manager_policy::ending::{Away, EndCause};
use tokio::sync::watch;

/// The names under which a server finds its key: ours, llama.cpp's and vLLM's.
pub const KEY_VARIABLES: [&str; 3] = ["LLM_MANAGER_KEY", "LLAMA_API_KEY", "VLLM_API_KEY"];

/// Says that a run waits for a place, and why. Where a server has been is told until it is gone.
pub fn tell_wait(standing: &watch::Sender<PlacementState>, why: String) {
    standing.send_if_modified(|now| {
        let news = matches!(now, PlacementState::Queued(old) if **old != *why);
        if news {
            *now = PlacementState::Queued(why.into());
        }
        news
    });
}

/// Says that a job is taken over whose fingerprint can't be compared.
pub fn tell_unknown(model: &str, job: &str) {
    log::warn!(
        "models/{model}: the {job} was launched by another version of this program, which noted what it asked for in another way: \
         it is taken over as it is; if the configuration has changed since, restart the model"
    );
}

/// How a job ended. `hopeless` is the sentence for one that was ended because it could never have run.
pub fn report(end: JobEnd, hopeless: Option<String>, last_lines: Vec<String>) -> ExitReport {
    let away = match end.fate {
        JobFate::TimeLimit => Some(Away::Taken(EndCause::TimeLimit)),
        JobFate::Preempted => Some(Away::Taken(EndCause::Preempted)),
        JobFate::NodeFailed | JobFate::Unknown => Some(Away::Taken(EndCause::NodeLost)),
        JobFate::CancelledByOthers => Some(Away::Taken(EndCause::Cancelled)),
        JobFate::Refused => Some(Away::Refused),
        JobFate::Asked => hopeless.is_some().then_some(Away::Refused),
        _ => None,
    };
    let success = matches!(end.fate, JobFate::Finished | JobFate::Asked) && hopeless.is_none();
    ExitReport { status: hopeless.unwrap_or(end.sentence), success, last_lines, survivors: Vec::new(), away }
}
