//! Which files a launch reads.

use crate::{gguf, safetensors};
use llm_manager_policy::memory::{Launched, script};
use llm_manager_policy::spec::{Launch, VariantSpec};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A script of a backend is short.
const LARGEST_SCRIPT: u64 = 1 << 20;

/// What a launch wants, as far as its words say.
pub(crate) struct LaunchFiles {
    pub(crate) launched: Launched,
    /// Folders that relative paths may start from.
    bases: Vec<PathBuf>,
}

impl LaunchFiles {
    /// Reads the command or the script of the variant.
    pub(crate) fn of(variant: &VariantSpec, base: &Path) -> Option<Self> {
        let mut environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        environment.extend(variant.env.clone());
        let mut bases = vec![base.to_owned()];
        let words = match &variant.launch {
            Launch::Command(words) => words.clone(),
            Launch::Nothing => return None,
            Launch::Script(path) => {
                let mut text = Vec::new();
                File::open(path).ok()?.take(LARGEST_SCRIPT).read_to_end(&mut text).ok()?;
                bases.extend(path.parent().map(Path::to_owned));
                script(&String::from_utf8_lossy(&text), &mut environment, Launched::is_known)?
            }
        };
        Some(Self { launched: Launched::of(&words, &environment)?, bases })
    }

    /// Reads the words of a command.
    pub(crate) fn of_words(words: &[String], base: &Path) -> Option<Self> {
        Some(Self { launched: Launched::of(words, &BTreeMap::new())?, bases: vec![base.to_owned()] })
    }

    /// Where a file or folder is that the words name.
    pub(crate) fn find(&self, written: &str) -> Option<PathBuf> {
        if written.is_empty() {
            return None;
        }
        let written = match written.strip_prefix("~/") {
            Some(rest) => std::env::home_dir()?.join(rest),
            None => PathBuf::from(written),
        };
        self.bases.iter().map(|base| base.join(&written)).find(|path| path.exists())
    }
}

/// The files of weights that a launch is going to read: those of `weights`, or what its command line names.
pub fn files(variant: &VariantSpec, weights: &[PathBuf], base: &Path) -> Vec<PathBuf> {
    if !weights.is_empty() {
        return weights.iter().flat_map(|path| whole(path)).collect();
    }
    let Some(wanted) = LaunchFiles::of(variant, base) else { return Vec::new() };
    let launched = &wanted.launched;
    let draft = launched.draft.as_ref().map(|(file, ..)| file);
    let named = std::iter::once(&launched.model).chain(launched.projector.as_ref()).chain(draft);
    named.filter_map(|written| wanted.find(written)).flat_map(|path| whole(&path)).collect()
}

/// A file with its further parts, or the files of a folder.
fn whole(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return safetensors::files(path).unwrap_or_default();
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parts = name.rsplit_once("-of-").and_then(|(_, end)| end.strip_suffix(".gguf")?.parse::<u64>().ok());
    let further = (2..=parts.unwrap_or(1).min(1000)).filter_map(|number| gguf::part(path, number, parts?));
    std::iter::once(path.to_owned()).chain(further).filter(|path| path.is_file()).collect()
}
