//! Where models and engines are: the folders that the common programs use.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::found::{Format, Model};
use super::header::Header;

/// How deep below a folder of models files are looked for: `hub/models--x/snapshots/hash/file`, and one more.
const DEEPEST: usize = 6;
/// Folders and files that are looked at in all; a home folder on a slow disk must not hold `init` up.
const MOST_ENTRIES: usize = 50_000;
/// What is smaller isn't a model, but a vocabulary or a test file.
const SMALLEST: u64 = 1 << 20;

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Folders with GGUF files and folders of safetensors.
    pub(super) folders: Vec<PathBuf>,
    /// Ollama's folders of models.
    pub(super) ollama: Vec<PathBuf>,
    /// Folders with programs, first match first.
    pub(super) programs: Vec<PathBuf>,
    /// Where the system lists graphics cards.
    pub(super) cards: PathBuf,
}

impl Places {
    /// The usual places of this machine, and `more`.
    pub(super) fn of_machine(more: &[PathBuf]) -> Self {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default();
        let cache = variable("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
        let hugging_face = variable("HF_HUB_CACHE")
            .or_else(|| variable("HF_HOME").map(|folder| folder.join("hub")))
            .unwrap_or_else(|| cache.join("huggingface/hub"));
        let mut folders = more.to_vec();
        folders.extend([PathBuf::from("models"), home.join("models"), home.join("Models")]);
        folders.extend([home.join(".lmstudio/models"), cache.join("lm-studio/models")]);
        folders.extend([variable("LLAMA_CACHE").unwrap_or_else(|| cache.join("llama.cpp")), hugging_face]);
        let ollama = match variable("OLLAMA_MODELS") {
            Some(folder) => vec![folder],
            None => vec![home.join(".ollama/models"), PathBuf::from("/usr/share/ollama/.ollama/models")],
        };
        let mut programs: Vec<_> = variable("PATH")
            .iter()
            .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>())
            .collect();
        programs.extend([home.join("llama.cpp/build/bin"), home.join(".local/bin"), home.join("vllm/bin")]);
        programs.extend(["/usr/local/bin", "/opt/homebrew/bin", "/opt/llama.cpp/bin"].map(PathBuf::from));
        Self { folders, ollama, programs, cards: PathBuf::from("/sys/class/drm") }
    }

    /// Where `name` is installed.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let found = self.programs.iter().map(|folder| folder.join(&file)).find(|path| is_program(path))?;
        std::path::absolute(found).ok()
    }

    pub(super) fn existing_folders(&self) -> Vec<PathBuf> {
        self.folders.iter().chain(&self.ollama).filter(|folder| folder.is_dir()).cloned().collect()
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Vendors of graphics cards that no built-in plugin reads, by the numbers that PCI gives them.
pub(super) fn cards(drm: &Path, has_nvidia: bool) -> Vec<&'static str> {
    let mut vendors = Vec::new();
    for entry in std::fs::read_dir(drm).into_iter().flatten().flatten() {
        let vendor = std::fs::read_to_string(entry.path().join("device/vendor")).unwrap_or_default();
        let vendor = match vendor.trim() {
            "0x1002" => "AMD",
            "0x8086" => "Intel",
            "0x10de" if !has_nvidia => "NVIDIA (its driver's library libnvidia-ml isn't there)",
            _ => continue,
        };
        if !vendors.contains(&vendor) {
            vendors.push(vendor);
        }
    }
    vendors
}

/// Every model in `places`, each once, in order of their names.
pub(super) fn models(places: &Places) -> Vec<Model> {
    let mut models = Vec::new();
    let mut left = MOST_ENTRIES;
    for folder in &places.folders {
        look_into(folder, 0, &mut left, &mut models);
    }
    for folder in &places.ollama {
        ollama(folder, &mut models);
    }
    // The hub's snapshots are links: what is one file is one model.
    let mut seen = HashSet::new();
    models.retain(|model| seen.insert(model.path.canonicalize().unwrap_or_else(|_| model.path.clone())));
    models.sort_by_key(|one| one.name.to_lowercase());
    let mut names = HashSet::new();
    for model in &mut models {
        // A file may be called what a model may not.
        let plain: String = model.name.chars().map(|c| if c.is_control() { '-' } else { c }).collect();
        let plain = Some(plain.trim()).filter(|name| !name.is_empty()).unwrap_or("model").to_owned();
        model.name.clone_from(&plain);
        let mut number = 2;
        while !names.insert(model.name.clone()) {
            model.name = format!("{plain}-{number}");
            number += 1;
        }
    }
    models
}

fn look_into(folder: &Path, depth: usize, left: &mut usize, models: &mut Vec<Model>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let Some(rest) = left.checked_sub(1) else { return };
        *left = rest;
        let path = entry.path();
        // A link to a folder might lead in a circle; one to a file is how the hub keeps them.
        match path.metadata() {
            Ok(found) if found.is_file() => files.push((path, found.len())),
            Ok(found) if found.is_dir() && !path.is_symlink() => folders.push(path),
            _ => {}
        }
    }
    files.sort();
    folders.sort();
    gguf(&files, models);
    safetensors(folder, &files, models);
    if depth < DEEPEST {
        for folder in folders {
            look_into(&folder, depth + 1, left, models);
        }
    }
}

/// The part and the number of parts in `name-00002-of-00005`, and what stands before them.
fn part(stem: &str) -> Option<(&str, u32)> {
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(count) && is_number(number)).then(|| Some((name, number.parse().ok()?)))?
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn gguf(files: &[(PathBuf, u64)], models: &mut Vec<Model>) {
    let files = files.iter().filter(|(path, _)| has_extension(path, "gguf"));
    let files: Vec<_> = files.map(|(path, bytes)| (path, stem(path), *bytes)).collect();
    let is_projector = |stem: &str| stem.to_ascii_lowercase().contains("mmproj");
    let projector = files.iter().find(|(_, stem, _)| is_projector(stem)).map(|(path, ..)| (*path).clone());
    for (path, stem, bytes) in files.iter().filter(|(_, stem, _)| !is_projector(stem)) {
        let (name, bytes) = match part(stem) {
            // The server is given the first part, and finds the others.
            Some((name, 1)) => {
                let parts =
                    files.iter().filter(|(_, other, _)| part(other).is_some_and(|(of, _)| of == name));
                (name.to_owned(), parts.map(|(.., bytes)| bytes).sum())
            }
            Some(_) => continue,
            None => (stem.clone(), *bytes),
        };
        let Some(header) = Header::read(path) else { continue };
        if bytes < SMALLEST {
            continue;
        }
        let mode = header.mode(&name);
        let projector = projector.clone().filter(|_| mode == "Chat");
        models.push(Model { name, path: absolute(path), format: Format::Gguf, bytes, mode, projector });
    }
}

/// A folder with weights and a `config.json` that says what they are.
fn safetensors(folder: &Path, files: &[(PathBuf, u64)], models: &mut Vec<Model>) {
    let weights = files.iter().filter(|(path, _)| has_extension(path, "safetensors"));
    let bytes: u64 = weights.map(|(_, bytes)| bytes).sum();
    let config = std::fs::read(folder.join("config.json")).ok();
    let config: Option<Value> = config.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(config) = config.filter(|_| bytes >= SMALLEST) else { return };
    let architecture = config.pointer("/architectures/0").and_then(Value::as_str).unwrap_or_default();
    let name = name_of(folder);
    let header = Header { architecture: architecture.to_ascii_lowercase(), pooling: None };
    let mode =
        if architecture.ends_with("ForSequenceClassification") { "Reranker" } else { header.mode(&name) };
    models.push(Model {
        name,
        path: absolute(folder),
        format: Format::Safetensors,
        bytes,
        mode,
        projector: None,
    });
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

/// Ollama keeps GGUF files under their digest; a manifest per name and tag says which is whose.
fn ollama(folder: &Path, models: &mut Vec<Model>) {
    let library = folder.join("manifests/registry.ollama.ai/library");
    for name in std::fs::read_dir(library).into_iter().flatten().flatten() {
        for tag in std::fs::read_dir(name.path()).into_iter().flatten().flatten() {
            let manifest = std::fs::read(tag.path()).ok();
            let manifest: Option<Value> = manifest.and_then(|text| serde_json::from_slice(&text).ok());
            let layers = manifest.as_ref().and_then(|manifest| manifest["layers"].as_array());
            let file = |kind: &str| {
                let of_kind =
                    |layer: &&Value| layer["mediaType"].as_str().is_some_and(|found| found.ends_with(kind));
                let layer = layers?.iter().find(of_kind)?;
                let digest = layer["digest"].as_str()?.replace(':', "-");
                // A digest that leads elsewhere is none.
                let path = folder.join("blobs").join(&digest);
                (!digest.contains(['/', '\\'])).then_some(path).filter(|path| path.is_file())
            };
            let Some(path) = file(".model") else { continue };
            let (Some(header), Ok(found)) = (Header::read(&path), path.metadata()) else { continue };
            let (name, tag) = (name.file_name(), tag.file_name());
            let (name, tag) = (name.to_string_lossy(), tag.to_string_lossy());
            models.push(Model {
                name: format!("{name}:{tag}"),
                mode: header.mode(&name),
                path: absolute(&path),
                format: Format::Gguf,
                bytes: found.len(),
                projector: file(".projector"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::gguf;
    use super::*;

    fn put(folder: &Path, name: &str, bytes: &[u8], size: u64) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    }

    #[test]
    fn models_are_found_once_each_with_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let chat = gguf("qwen3", None);
        put(root, "m/Qwen3-8B-Q4.gguf", &chat, 3 << 20);
        put(root, "m/tiny.gguf", &chat, 100);
        put(root, "m/broken.gguf", b"no", 3 << 20);
        put(root, "m/vision/gemma.gguf", &chat, 2 << 20);
        put(root, "m/vision/mmproj-gemma.gguf", &chat, 2 << 20);
        put(root, "m/big/big-00001-of-00002.gguf", &chat, 2 << 20);
        put(root, "m/big/big-00002-of-00002.gguf", &chat, 4 << 20);
        put(root, "m/bge/bge.gguf", &gguf("bert", Some(2)), 2 << 20);
        let snapshot = "m/hub/models--org--Ranker/snapshots/abc";
        put(root, &format!("{snapshot}/model.safetensors"), b"", 5 << 20);
        let config = br#"{"architectures": ["XLMRobertaForSequenceClassification"]}"#;
        put(root, &format!("{snapshot}/config.json"), config, config.len() as u64);
        put(root, "o/blobs/sha256-aa", &chat, 2 << 20);
        let manifest =
            br#"{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:aa"}]}"#;
        put(root, "o/manifests/registry.ollama.ai/library/qwen3/8b", manifest, manifest.len() as u64);
        let manifest = br#"{"layers":[{"mediaType":"x.model","digest":"../../m/Qwen3-8B-Q4.gguf"}]}"#;
        put(root, "o/manifests/registry.ollama.ai/library/bad/1", manifest, manifest.len() as u64);
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.join("m/Qwen3-8B-Q4.gguf"), root.join("m/link.gguf")).unwrap();

        let places = Places {
            folders: vec![root.join("m"), root.join("m"), root.join("none")],
            ollama: vec![root.join("o")],
            ..Places::default()
        };
        let found: Vec<_> = models(&places)
            .into_iter()
            .map(|model| {
                format!("{} {} {} {}", model.name, model.mode, model.bytes >> 20, model.projector.is_some())
            })
            .collect();
        assert_eq!(
            found,
            [
                "bge Embedding 2 false",
                "big Chat 6 false",
                "gemma Chat 2 true",
                "Qwen3-8B-Q4 Chat 3 false",
                "qwen3:8b Chat 2 false",
                "Ranker Reranker 5 false",
            ]
        );
    }

    #[test]
    fn cards_that_nothing_reads_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (card, vendor) in [("card0", "0x1002\n"), ("card1", "0x10de\n"), ("card2", "0x1002\n")] {
            put(folder.path(), &format!("{card}/device/vendor"), vendor.as_bytes(), vendor.len() as u64);
        }
        assert_eq!(cards(folder.path(), true), ["AMD"]);
        assert_eq!(cards(folder.path(), false).len(), 2);
        assert!(cards(Path::new("/nowhere"), false).is_empty());
    }
}
