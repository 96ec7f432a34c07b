//! Where models and engines are: the folders that the common programs use.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::ollama;
use super::search::{MOST_ENTRIES, ModelSearch};

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct SearchPaths {
    /// Folders with GGUF files and folders of safetensors.
    pub(super) folders: Vec<PathBuf>,
    /// Ollama's folders of models.
    pub(super) ollama: Vec<PathBuf>,
    /// Folders with programs, first match first.
    pub(super) programs: Vec<PathBuf>,
    /// Where the system lists graphics cards.
    pub(super) cards: PathBuf,
}

impl SearchPaths {
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
pub(super) fn models(places: &SearchPaths) -> ModelSearch {
    let mut search = ModelSearch::default();
    for folder in &places.folders {
        search.look_into(folder, 0);
    }
    for folder in &places.ollama {
        ollama::look_into(folder, &mut search);
    }
    if search.is_cut() {
        let text =
            format!("more than {MOST_ENTRIES} files: not all were looked at; name a folder with `--models`");
        search.left_out.push(text);
    }
    // The hub's snapshots are links: what is one file is one model.
    let mut seen = HashSet::new();
    search
        .models
        .retain(|model| seen.insert(model.path.canonicalize().unwrap_or_else(|_| model.path.clone())));
    search.models.sort_by_key(|one| one.name.to_lowercase());
    let mut names = HashSet::new();
    for model in &mut search.models {
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
    search
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::gguf;
    use super::*;
    #[cfg(unix)]
    use std::ffi::OsStr;

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

        let places = SearchPaths {
            folders: vec![root.join("m"), root.join("m"), root.join("none")],
            ollama: vec![root.join("o")],
            ..SearchPaths::default()
        };
        let search = models(&places);
        let said = search.left_out.join("\n");
        assert_eq!(search.left_out.len(), 2, "{said}");
        assert!(
            said.contains("broken.gguf: ") && said.contains("tiny.gguf: it is smaller than 1 MiB"),
            "{said}"
        );
        let found: Vec<_> = search
            .models
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
    fn what_is_no_model_is_left_out_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let chat = gguf("llama", None);
        put(root, "m/whole-00001-of-00002.gguf", &chat, 2 << 20);
        put(root, "m/whole-00002-of-00002.gguf", &chat, 2 << 20);
        put(root, "m/cut-00001-of-00003.gguf", &chat, 2 << 20);
        put(root, "m/{port}/a.gguf", &chat, 2 << 20);
        put(root, "m/flux.gguf", &gguf("flux", None), 2 << 20);
        put(root, "m/sees/model.gguf", &gguf("gemma3", None), 2 << 20);
        put(root, "m/sees/eyes.gguf", &gguf("clip", None), 2 << 20);
        let folders = [
            ("sd/unet", "{\"_class_name\": \"UNet\"}"),
            ("whisper", "{\"architectures\": [\"WhisperForConditionalGeneration\"]}"),
            ("vectors", "{\"architectures\": [\"MPNetModel\"]}"),
            ("writes", "{\"architectures\": [\"GPT2LMHeadModel\"]}"),
            ("tokens", "{\"architectures\": [\"BertForTokenClassification\"]}"),
            ("bare", "{}"),
        ];
        for (name, config) in folders {
            put(root, &format!("m/{name}/model.safetensors"), b"", 2 << 20);
            put(root, &format!("m/{name}/config.json"), config.as_bytes(), config.len() as u64);
        }
        put(root, "m/sd/model_index.json", b"{}", 2);
        for (name, digest) in [("registry.ollama.ai/me/mine/7b", "aa"), ("hf.co/org/name/Q4", "bb")] {
            put(root, &format!("o/blobs/sha256-{digest}"), &chat, 2 << 20);
            let text =
                format!("{{\"layers\":[{{\"mediaType\":\"x.model\",\"digest\":\"sha256:{digest}\"}}]}}");
            put(root, &format!("o/manifests/{name}"), text.as_bytes(), text.len() as u64);
        }
        put(root, "elsewhere/linked.gguf", &chat, 2 << 20);
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            std::os::unix::fs::symlink(root.join("elsewhere"), root.join("m/link")).unwrap();
            std::os::unix::fs::symlink(root, root.join("m/circle")).unwrap();
            let odd = root.join("m").join(OsStr::from_bytes(b"\xff.gguf"));
            std::fs::write(&odd, &chat).unwrap();
            std::fs::File::options().write(true).open(&odd).unwrap().set_len(2 << 20).unwrap();
        }
        let places = SearchPaths {
            folders: vec![root.join("m")],
            ollama: vec![root.join("o")],
            ..SearchPaths::default()
        };
        let search = models(&places);
        let found: Vec<_> = search
            .models
            .iter()
            .map(|model| format!("{} {} {}", model.name, model.mode, model.projector.is_some()))
            .collect();
        let mut wanted = vec![
            "hf.co/org/name:Q4 Chat false",
            "linked Chat false",
            "me/mine:7b Chat false",
            "model Chat true",
            "vectors Embedding false",
            "whisper Transcription false",
            "whole Chat false",
            "writes Chat false",
        ];
        if cfg!(not(unix)) {
            wanted.retain(|line| !line.starts_with("linked"));
        }
        assert_eq!(found, wanted);
        let said = search.left_out.join("\n");
        for part in [
            "cut-00001-of-00003.gguf: 2 of its 3 parts are missing",
            "a.gguf: {port} and {model} are filled in",
            "flux.gguf: it makes images",
            "sd: it makes images",
            "tokens: no mode is known for the architecture BertForTokenClassification",
            "bare: its config.json names no architecture",
        ] {
            assert!(said.contains(part), "{part}\n{said}");
        }
        assert_eq!(said.contains("not UTF-8"), cfg!(unix), "{said}");
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
