//! The command that starts a model.

use super::inventory::{FoundModel, Inventory, WeightFormat};

/// The words that start the model.
pub(super) fn command(
    found: &Inventory,
    model: &FoundModel,
    is_gpu: bool,
    cards: usize,
    context: Option<u64>,
) -> Vec<String> {
    let program = match model.format {
        WeightFormat::Gguf => {
            found.llama_server.as_ref().map_or("llama-server".to_owned(), |path| path.display().to_string())
        }
        WeightFormat::Safetensors => {
            found.vllm.as_ref().map_or("vllm".to_owned(), |path| path.display().to_string())
        }
    };
    let path = model.path.display().to_string();
    let mut words = vec![program];
    match model.format {
        WeightFormat::Gguf => {
            words.extend(["-m".to_owned(), path]);
            if let Some(projector) = &model.projector {
                words.extend(["--mmproj".to_owned(), projector.display().to_string()]);
            }
            words.extend(["--host", "127.0.0.1", "--port", "{port}", "-ngl"].map(str::to_owned));
            words.push(if is_gpu { "99" } else { "0" }.to_owned());
            words.extend(context.into_iter().flat_map(|tokens| ["-c".to_owned(), tokens.to_string()]));
            match model.mode {
                "Embedding" => words.push("--embeddings".to_owned()),
                "Reranker" => words.push("--reranking".to_owned()),
                _ => {}
            }
        }
        WeightFormat::Safetensors => {
            words.extend(["serve".to_owned(), path]);
            words.extend(
                ["--host", "127.0.0.1", "--port", "{port}", "--served-model-name"].map(str::to_owned),
            );
            words.push(model.name.clone());
            if cards > 1 {
                words.extend(["--tensor-parallel-size".to_owned(), cards.to_string()]);
            }
        }
    }
    words
}
