//! The configuration that `init` proposes, with the reasons in comments.

use super::command::command;
use super::inventory::{FoundModel, Inventory, WeightFormat};
use super::placements::{Placement, placements};

/// A commented configuration for what was found.
pub(super) fn config(found: &Inventory) -> String {
    let mut text = String::from(
        "# Written by `llm-manager init` for what it found on this machine. Every key is explained in\n\
         # config.example.yaml; `llm-manager check` says what is wrong with this file.\n\n\
         program:\n\
         \x20 host: 127.0.0.1   # 0.0.0.0 for the whole network; set api_keys then\n\
         \x20 port: 8080\n\
         \x20 alive_time: 15    # minutes without a request until a model is stopped; 0 = never\n",
    );
    if found.devices.is_empty() {
        text.push_str("  # No device could be read: models are started without a check of memory.\n  Disable_GPU_monitoring: true\n");
    }
    text.push('\n');
    for device in &found.devices {
        text.push_str(&format!("# Device: {}, {} MiB.\n", device.name, device.total_mib));
    }
    for vendor in &found.other_cards {
        text.push_str(&format!(
            "# There is a card of {vendor}, whose memory isn't read. `devices` takes a command that reads it; see\n\
             # plugins/ in the sources for worked examples.\n"
        ));
    }
    for (name, program) in [("llama-server", &found.llama_server), ("vllm", &found.vllm)] {
        match program {
            Some(path) => {
                text.push_str(&format!("# Engine: {name} at {}.\n", comment(&path.display().to_string())))
            }
            None => text.push_str(&format!("# Engine: {name} was not found.\n")),
        }
    }
    text.push('\n');
    let (usable, unusable): (Vec<_>, Vec<_>) =
        found.models.iter().partition(|model| model.format == WeightFormat::Gguf || found.vllm.is_some());
    for model in unusable {
        text.push_str(&format!(
            "# Left out, since no engine for it was found: {} in {}.\n",
            comment(&model.name),
            comment(&model.path.display().to_string())
        ));
    }
    for what in &found.left_out {
        text.push_str(&format!("# Left out: {}\n", comment(what)));
    }
    if usable.is_empty() {
        text.push_str(NO_MODEL);
        return text;
    }
    text.push_str(
        "# memory_mb is an estimate for the context (-c) of the command; `llm-manager explain --memory MODEL` says what it is\n\
         # made of. Write `auto` instead of the mapping to go by what a run was measured to use.\nLocal-Models:\n",
    );
    for model in usable {
        text.push_str(&entry(found, model));
    }
    text
}

const NO_MODEL: &str = "\
# No model was found. Run `llm-manager init --models DIR` with the folder of your models, or write an entry like this:
#
#Local-Models:
#  my-model:
#    mode: Chat
#    Default:
#      command: [llama-server, -m, /path/to/model.gguf, --host, 127.0.0.1, --port, \"{port}\"]
Local-Models: {}
";

fn entry(found: &Inventory, model: &FoundModel) -> String {
    let mut text = format!("  {}:\n    mode: {}\n", quoted(&model.name), model.mode);
    let need = model.memory_mib();
    let mut variants = 0;
    for Placement { name, devices, is_gpu, context } in placements(found, model) {
        variants += 1;
        text.push_str(&format!("    {name}:\n"));
        if !devices.is_empty() {
            let names: Vec<_> = devices.iter().map(|(name, _)| quoted(name)).collect();
            let memory: Vec<_> =
                devices.iter().map(|(name, mib)| format!("{}: {mib}", quoted(name))).collect();
            text.push_str(&format!("      required_devices: [{}]\n", names.join(", ")));
            text.push_str(&format!("      memory_mb: {{{}}}\n", memory.join(", ")));
        }
        let words = command(found, model, is_gpu, devices.len(), context);
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        text.push_str(&format!("      command: [{}]\n", words.join(", ")));
    }
    if variants == 0 {
        let has_card = found.devices.iter().any(|device| device.is_gpu);
        let why = match model.format {
            WeightFormat::Safetensors if !has_card => {
                "vLLM runs it on a graphics card, and none is seen here".to_owned()
            }
            _ => format!("it needs about {need} MiB and no device here has as much"),
        };
        return format!("  # Left out, since {why}: {}.\n", comment(&model.name));
    }
    text
}

/// A text of YAML between double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text that can't end a comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use llm_manager_policy::spec::{Launch, Spec};

    use super::super::inventory::FoundDevice;
    use super::*;
    use crate::config;

    fn spec(text: &str) -> Spec {
        match config::parse(text.as_bytes(), &std::env::temp_dir().join("config.yaml")) {
            Ok(loaded) => loaded.spec,
            Err(report) => panic!("{report}\n{text}"),
        }
    }

    fn device(name: &str, total_mib: u64, is_gpu: bool) -> FoundDevice {
        FoundDevice { name: name.to_owned(), total_mib, is_gpu }
    }

    fn gguf(name: &str, gib: u64, mode: &'static str) -> FoundModel {
        let path = PathBuf::from(format!("/srv/{name}.gguf"));
        FoundModel {
            name: name.to_owned(),
            path,
            format: WeightFormat::Gguf,
            bytes: gib << 30,
            mode,
            projector: None,
        }
    }

    #[test]
    fn what_was_found_becomes_a_file_without_errors() {
        let found = Inventory {
            devices: vec![
                device("NVIDIA GeForce RTX 3090", 24_576, true),
                device("NVIDIA GeForce RTX 3090", 24_576, true),
                device("cpu", 65_536, false),
            ],
            other_cards: vec!["AMD"],
            models: vec![
                gguf("small \"one\": #1", 4, "Chat"),
                gguf("large", 30, "Embedding"),
                gguf("huge", 200, "Chat"),
                FoundModel { format: WeightFormat::Safetensors, ..gguf("tensors", 4, "Chat") },
            ],
            ..Inventory::default()
        };
        let text = config(&found);
        let spec = spec(&text);
        let shape: Vec<_> = spec
            .models
            .iter()
            .map(|model| {
                let variants = model
                    .variants
                    .iter()
                    .map(|variant| (variant.name.as_str(), variant.required_devices.len()));
                (model.mode.name.as_str(), variants.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            shape,
            [("Chat", vec![("GPU", 1), ("CPU", 1)]), ("Embedding", vec![("All-GPUs", 2), ("CPU", 1)])]
        );
        assert_eq!(spec.models[0].variants[0].memory_mb["NVIDIA GeForce RTX 3090"], 4506);
        assert_eq!(spec.models[1].variants[0].memory_mb["NVIDIA GeForce RTX 3090 #2"], 16_896);
        let Launch::Command(words) = &spec.models[1].variants[1].launch else { panic!("{text}") };
        assert_eq!(words[0], "llama-server");
        assert!(
            words.contains(&"--embeddings".to_owned()) && words.contains(&"{port}".to_owned()),
            "{words:?}"
        );
        for left_out in
            ["no device here has as much: huge", "no engine for it was found: tensors", "a card of AMD"]
        {
            assert!(text.contains(left_out), "{text}");
        }
    }

    #[test]
    fn a_machine_with_nothing_gets_a_file_that_says_what_to_do() {
        let text = config(&Inventory::default());
        let spec = spec(&text);
        assert!(spec.models.is_empty() && spec.program.disable_gpu_monitoring);
        assert!(text.contains("init --models DIR"), "{text}");
        // The example in the comments is one, too.
        let example: String =
            text.lines().skip_while(|line| *line != "#Local-Models:").collect::<Vec<_>>().join("\n");
        let example = example.replace('#', "").replace("Local-Models: {}", "");
        assert_eq!(self::spec(&example).models[0].name, "my-model");
    }

    #[test]
    fn weights_for_vllm_are_served_by_it() {
        let found = Inventory {
            devices: vec![device("NVIDIA H100", 81_920, true), device("cpu", 65_536, false)],
            vllm: Some(std::env::current_exe().unwrap()),
            models: vec![FoundModel { format: WeightFormat::Safetensors, ..gguf("tensors", 4, "Chat") }],
            ..Inventory::default()
        };
        let spec = spec(&config(&found));
        let [variant] = &spec.models[0].variants[..] else { panic!("{:?}", spec.models[0]) };
        let Launch::Command(words) = &variant.launch else { panic!("{variant:?}") };
        assert_eq!(words[1], "serve");
        assert!(words.windows(2).any(|pair| pair[0] == "--served-model-name" && pair[1] == "tensors"));
    }
}
