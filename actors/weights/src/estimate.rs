//! What a variant is going to use: its words, the headers of its files, and the sum.

use crate::files::LaunchFiles;
use crate::{gguf, safetensors};
use llm_manager_policy::memory::{Cards, DraftModel, Engine, Estimate, Facts, LoadedWeights, llama, served};
use llm_manager_policy::spec::VariantSpec;
use std::fmt;
use std::path::Path;

/// Why nothing can be said of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Its command or script starts no server that is known here.
    Engine,
    /// The model that it names is no file here.
    NoFile(String),
    /// The file can't be read.
    Unreadable(String),
}

impl fmt::Display for Unknown {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::Engine => to.write_str(
                "its command or script starts no llama-server, vLLM or SGLang with a model, as far as one can read it \
                 without running it; write memory_mb as a mapping, or let a run be measured",
            ),
            Unknown::NoFile(written) => {
                write!(to, "{written:?} is no file or folder here; once it is downloaded, name its path")
            }
            Unknown::Unreadable(why) => to.write_str(why),
        }
    }
}

/// Reckons what `variant` is going to use on `cards`; relative paths start at `base`. Reads the disk.
///
/// # Errors
/// See [`Unknown`].
pub fn look(variant: &VariantSpec, base: &Path, cards: &Cards) -> Result<Estimate, Unknown> {
    reckon(&LaunchFiles::of(variant, base).ok_or(Unknown::Engine)?, cards)
}

/// The same for the words of a command.
///
/// # Errors
/// See [`Unknown`].
pub fn look_at(words: &[String], base: &Path, cards: &Cards) -> Result<Estimate, Unknown> {
    reckon(&LaunchFiles::of_words(words, base).ok_or(Unknown::Engine)?, cards)
}

fn reckon(wanted: &LaunchFiles, cards: &Cards) -> Result<Estimate, Unknown> {
    let launched = &wanted.launched;
    let path = wanted.find(&launched.model);
    let mut estimate = match &launched.engine {
        Engine::Served(flags) => {
            // It takes its share of the card whatever the model weighs; one in a hub's cache isn't looked for.
            let bytes = path.filter(|path| path.is_dir()).and_then(|folder| safetensors::bytes(&folder).ok());
            served(bytes, flags, cards)
        }
        Engine::Llama(flags) => {
            let facts = |written: &str| {
                let path = wanted.find(written).ok_or_else(|| Unknown::NoFile(written.to_owned()))?;
                let header = gguf::read(&path).map_err(Unknown::Unreadable)?;
                Facts::of(&header)
                    .map_err(|error| Unknown::Unreadable(format!("{}: {error}", path.display())))
            };
            let projector = match &launched.projector {
                None => 0,
                Some(written) => {
                    let path = wanted.find(written).ok_or_else(|| Unknown::NoFile(written.clone()))?;
                    gguf::read(&path).map_err(Unknown::Unreadable)?.bytes()
                }
            };
            let draft = match &launched.draft {
                None => None,
                Some((written, keys, values, gpu_layers)) => {
                    let (keys, values, gpu_layers) = (*keys, *values, *gpu_layers);
                    Some(DraftModel { facts: facts(written)?, keys, values, gpu_layers })
                }
            };
            llama(&LoadedWeights { facts: facts(&launched.model)?, projector, draft }, flags, cards)
        }
    };
    for flag in &launched.ignored {
        estimate.notes.push(format!("{flag} isn't reckoned with"));
    }
    if launched.projector.is_some() {
        estimate
            .notes
            .push("what the projector needs while it looks at a picture isn't reckoned with".to_owned());
    }
    Ok(estimate)
}
