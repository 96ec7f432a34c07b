//! The weights are read into the page cache as soon as somebody wants the model: while it waits for memory, and while
//! its server gets ready to read them itself.

use super::actor::Model;
use super::published::Published;
use llm_manager_policy::duration_text::DurationText;
use llm_manager_policy::memory::Launched;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::Launch;
use llm_manager_weights::{files, free_ram, read_ahead};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// One model at a time, in the order in which they were wanted: two that read at once are slower than two in turn.
static TURN: Semaphore = Semaphore::const_new(1);

impl Model {
    /// Begins to read, if there is something to read.
    pub(super) fn read_ahead(&self) {
        let spec = &self.spec;
        // Whichever variant it becomes: they nearly always share the weights.
        let Some(variant) = spec.variants.first().filter(|variant| variant.place.is_local()) else { return };
        let is_other = matches!(&variant.launch, Launch::Command(words) if !Launched::is_known(words));
        if !spec.read_ahead || (spec.weights.is_empty() && is_other) {
            return;
        }
        let (face, epoch, base) = (Arc::clone(&self.handle), self.state.epoch, self.env.working_dir.clone());
        actix_rt::spawn(async move {
            let Ok(_turn) = TURN.acquire().await else { return };
            // It fails only with the program, and then nobody wants it any more.
            let _ = actix_rt::task::spawn_blocking(move || read(&face, epoch, &base)).await;
        });
    }
}

fn read(face: &Published, epoch: u64, base: &Path) {
    let spec = face.spec.load_full();
    let Some(variant) = spec.variants.first() else { return };
    let Some(free) = free_ram() else { return };
    let files = files(variant, &spec.weights, base);
    let begin = Instant::now();
    let is_wanted = || {
        let status = face.status();
        let begins = matches!(status.state, ModelState::Queued | ModelState::Starting);
        // The status of this life may not have been shown yet.
        status.epoch < epoch || (status.epoch == epoch && begins)
    };
    let name = &spec.name;
    match read_ahead(&files, free, is_wanted) {
        Ok(bytes) if bytes >= 1 << 20 => {
            log::info!(
                "models/{name}: read {} MiB of weights ahead, in {}",
                bytes >> 20,
                DurationText(begin.elapsed())
            );
        }
        Ok(_) => {}
        Err(error) => log::warn!("models/{name}: the weights can't be read ahead: {error}"),
    }
}
