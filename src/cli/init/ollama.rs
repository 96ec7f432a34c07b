//! Ollama's folder: GGUF files under their digest; a manifest per host, owner, name and tag says which is whose.

use serde_json::Value;
use std::path::Path;

use super::search::{ModelSearch, sorted};

/// The host and the owner that Ollama leaves out of a name.
const HOST: &str = "registry.ollama.ai";
const OWNER: &str = "library";

/// Adds what lies in `folder`.
pub(super) fn look_into(folder: &Path, search: &mut ModelSearch) {
    for host in sorted(&folder.join("manifests")) {
        for owner in sorted(&host) {
            for name in sorted(&owner) {
                for tag in sorted(&name) {
                    let part = |path: &Path| {
                        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
                    };
                    let (host, owner, name) = (part(&host), part(&owner), part(&name));
                    let name = match (host.as_str(), owner.as_str()) {
                        (HOST, OWNER) => name,
                        (HOST, owner) => format!("{owner}/{name}"),
                        (host, owner) => format!("{host}/{owner}/{name}"),
                    };
                    let manifest = std::fs::read(&tag).ok();
                    let manifest: Option<Value> =
                        manifest.and_then(|text| serde_json::from_slice(&text).ok());
                    if let Some(manifest) = manifest {
                        model(folder, format!("{name}:{}", part(&tag)), &manifest, search);
                    }
                }
            }
        }
    }
}

fn model(folder: &Path, name: String, manifest: &Value, search: &mut ModelSearch) {
    let file = |kind: &str| {
        let of_kind = |layer: &&Value| layer["mediaType"].as_str().is_some_and(|found| found.ends_with(kind));
        let layer = manifest["layers"].as_array()?.iter().find(of_kind)?;
        let digest = layer["digest"].as_str()?.replace(':', "-");
        // A digest that leads elsewhere is none.
        let path = folder.join("blobs").join(&digest);
        (!digest.contains(['/', '\\'])).then_some(path).filter(|path| path.is_file())
    };
    if let Some(path) = file(".model") {
        let bytes = path.metadata().map_or(0, |found| found.len());
        search.gguf(name, &path, bytes, file(".projector"));
    }
}
