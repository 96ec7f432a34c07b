//! Models of safetensors: a folder with an index, or with one file or some.

use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An index of a large model has some hundred kilobytes.
const LARGEST_INDEX: u64 = 64 << 20;

/// The files of the folder that hold the model.
///
/// # Errors
/// The folder can't be read, or its index is damaged.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        let map = read(&index)?;
        let parts = map.get("weight_map").and_then(Value::as_object);
        let parts = parts.ok_or_else(|| format!("{}: has no `weight_map`", index.display()))?;
        let mut names: Vec<&str> = parts.values().filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        // A name that leads out of the folder is none of a part.
        return Ok(names
            .into_iter()
            .filter(|name| !name.contains(['/', '\\']))
            .map(|name| folder.join(name))
            .collect());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_weights =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "safetensors") && path.is_file();
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_weights).collect();
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Value, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    file.take(LARGEST_INDEX)
        .read_to_end(&mut text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Bytes of the model in the folder: what the index says is the sum of its tensors, or the files themselves.
///
/// # Errors
/// There are none, or one is missing.
pub(crate) fn bytes(folder: &Path) -> Result<u64, String> {
    let files = files(folder)?;
    if files.is_empty() {
        return Err(format!("{}: has no file of safetensors in it", folder.display()));
    }
    let size = |path: &PathBuf| path.metadata().map(|found| found.len());
    let sizes = files.iter().map(|path| size(path).map_err(|error| format!("{}: {error}", path.display())));
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_the_parts_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        assert!(bytes(folder.path()).unwrap_err().contains("no file of safetensors"));
        put("a.safetensors", &[0; 10]);
        put("other.safetensors", &[0; 100]);
        assert_eq!(bytes(folder.path()), Ok(110));
        let index = br#"{"metadata": {"total_size": 7}, "weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "../../etc/passwd"}}"#;
        put("model.safetensors.index.json", index);
        assert!(bytes(folder.path()).unwrap_err().contains("b.safetensors"));
        put("b.safetensors", &[0; 5]);
        assert_eq!(bytes(folder.path()), Ok(15));
        put("model.safetensors.index.json", b"{");
        assert!(bytes(folder.path()).unwrap_err().contains("index.json"));
    }
}
