//! A search for models in folders: what is one, and what only looks like it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::header::{ModelHeader, Use};
use super::inventory::{FoundModel, WeightFormat};

/// How deep below a folder of models files are looked for: `hub/models--x/snapshots/hash/file`, and one more.
const DEEPEST: usize = 6;
/// Folders and files that are looked at in all; a home folder on a slow disk must not hold `init` up.
pub(super) const MOST_ENTRIES: usize = 50_000;
/// What is smaller isn't a model, but a vocabulary or a test file.
const SMALLEST: u64 = 1 << 20;

/// What a search has found.
#[derive(Debug, Default)]
pub(super) struct ModelSearch {
    pub(super) models: Vec<FoundModel>,
    /// What looks like a model and can't be one here: a sentence each.
    pub(super) left_out: Vec<String>,
    /// Folders that were looked into, without their links.
    seen: HashSet<PathBuf>,
    entries: usize,
}

/// What is in a folder, in order.
pub(super) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

impl ModelSearch {
    /// Whether it was given up because there is too much to look at.
    pub(super) fn is_cut(&self) -> bool {
        self.entries >= MOST_ENTRIES
    }

    fn leave_out(&mut self, path: &Path, why: impl std::fmt::Display) {
        let text = format!("{}: {why}", path.display());
        if !self.left_out.contains(&text) {
            self.left_out.push(text);
        }
    }

    /// Adds what lies in `folder` and below it.
    pub(super) fn look_into(&mut self, folder: &Path, depth: usize) {
        // Links may lead in a circle, or here twice.
        let Ok(real) = folder.canonicalize() else { return };
        if !self.seen.insert(real) {
            return;
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.leave_out(folder, error),
        };
        let mut files = Vec::new();
        let mut folders = Vec::new();
        for entry in entries.flatten() {
            if self.entries >= MOST_ENTRIES {
                break;
            }
            self.entries += 1;
            let path = entry.path();
            match path.metadata() {
                Ok(found) if found.is_file() => files.push((path, found.len())),
                Ok(found) if found.is_dir() => folders.push(path),
                _ => {}
            }
        }
        files.sort();
        folders.sort();
        self.ggufs(&files);
        if files.iter().any(|(path, _)| path.file_name() == Some(OsStr::new("model_index.json"))) {
            return self
                .leave_out(folder, "it makes images or the like (diffusers), and no engine here does");
        }
        self.safetensors(folder, &files);
        if depth < DEEPEST {
            for folder in folders {
                self.look_into(&folder, depth + 1);
            }
        }
    }

    /// The GGUF files of one folder.
    fn ggufs(&mut self, files: &[(PathBuf, u64)]) {
        let files = files.iter().filter(|(path, bytes)| has_extension(path, "gguf") && *bytes > 0);
        let files: Vec<_> = files.map(|(path, bytes)| (path, stem(path), *bytes)).collect();
        let is_projector = |path: &Path, stem: &str| {
            stem.to_ascii_lowercase().contains("mmproj")
                || ModelHeader::read(path).is_ok_and(|header| header.usage(stem) == Use::Projector)
        };
        let (projectors, models): (Vec<_>, Vec<_>) =
            files.iter().partition(|(path, stem, _)| is_projector(path, stem));
        let projector = projectors.first().map(|(path, ..)| (*path).clone());
        for (path, stem, bytes) in models {
            let (name, bytes) = match part(stem) {
                // The server is given the first part, and finds the others.
                Some((name, 1, count)) => {
                    let parts = files.iter().filter(
                        |(_, other, _)| matches!(part(other), Some((of, _, total)) if of == name && total == count),
                    );
                    let parts: Vec<u64> = parts.map(|(.., bytes)| *bytes).collect();
                    if parts.len() < count as usize {
                        self.leave_out(
                            path,
                            format!("{} of its {count} parts are missing", count as usize - parts.len()),
                        );
                        continue;
                    }
                    (name.to_owned(), parts.iter().sum())
                }
                Some(_) => continue,
                None => (stem.clone(), *bytes),
            };
            self.gguf(name, path, bytes, projector.clone());
        }
    }

    /// One GGUF file.
    pub(super) fn gguf(&mut self, name: String, path: &Path, bytes: u64, projector: Option<PathBuf>) {
        if bytes < SMALLEST {
            return self.leave_out(path, "it is smaller than 1 MiB");
        }
        let header = match ModelHeader::read(path) {
            Ok(header) => header,
            // It names the file itself.
            Err(error) => return self.left_out.push(error),
        };
        match header.usage(&name) {
            Use::Model(mode) => {
                let projector = projector.filter(|_| mode == "Chat");
                self.add(FoundModel {
                    name,
                    path: absolute(path),
                    format: WeightFormat::Gguf,
                    bytes,
                    mode,
                    projector,
                });
            }
            Use::LeftOut(why) => self.leave_out(path, why),
            Use::Projector | Use::Nothing => {}
        }
    }

    /// A folder with weights and a `config.json` that says what they are.
    fn safetensors(&mut self, folder: &Path, files: &[(PathBuf, u64)]) {
        let weights = files.iter().filter(|(path, _)| has_extension(path, "safetensors"));
        let bytes: u64 = weights.map(|(_, bytes)| bytes).sum();
        let config = std::fs::read(folder.join("config.json")).ok();
        let config: Option<Value> = config.and_then(|text| serde_json::from_slice(&text).ok());
        let Some(config) = config.filter(|_| bytes >= SMALLEST) else { return };
        let name = name_of(folder);
        let Some(architecture) = config.pointer("/architectures/0").and_then(Value::as_str) else {
            return self.leave_out(folder, "its config.json names no architecture");
        };
        let Some(mode) = mode_of(architecture, &name) else {
            return self.leave_out(folder, format!("no mode is known for the architecture {architecture}"));
        };
        self.add(FoundModel {
            name,
            path: absolute(folder),
            format: WeightFormat::Safetensors,
            bytes,
            mode,
            projector: None,
        });
    }

    /// Takes a model whose path can be written down.
    fn add(&mut self, model: FoundModel) {
        let paths = [Some(&model.path), model.projector.as_ref()];
        let texts: Vec<_> = paths.into_iter().flatten().map(|path| path.to_str()).collect();
        if texts.contains(&None) {
            self.leave_out(&model.path, "its path is not UTF-8, as a configuration is; rename it");
        } else if texts.iter().flatten().any(|text| text.contains("{port}") || text.contains("{model}")) {
            self.leave_out(&model.path, "{port} and {model} are filled in in a command; rename it");
        } else {
            self.models.push(model);
        }
    }
}

/// Part and number of parts in `name-00002-of-00005`, and what stands before them.
fn part(stem: &str) -> Option<(&str, u32, u32)> {
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(count) && is_number(number))
        .then(|| Some((name, number.parse().ok()?, count.parse().ok()?)))?
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The mode of weights for vLLM; `None`: it serves them in none of ours.
fn mode_of(architecture: &str, name: &str) -> Option<&'static str> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| architecture.ends_with(ending));
    if ends(&["ForSequenceClassification"]) {
        return Some("Reranker");
    }
    if architecture.starts_with("Whisper") {
        return Some("Transcription");
    }
    if ends(&["Model", "ForMaskedLM"]) && !ends(&["LMHeadModel"]) {
        return Some("Embedding");
    }
    let header = ModelHeader { architecture: architecture.to_ascii_lowercase(), ..ModelHeader::default() };
    ends(&["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"]).then(|| header.mode(name))
}

/// The folder's name, or the model's in the hub's cache: `models--org--name/snapshots/hash`.
fn name_of(folder: &Path) -> String {
    let of_hub = folder.ancestors().take(4).find_map(|above| {
        let name = above.file_name()?.to_str()?.strip_prefix("models--")?;
        Some(name.rsplit("--").next()?.to_owned())
    });
    of_hub.unwrap_or_else(|| {
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
