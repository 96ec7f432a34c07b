//! `init`: looks at what is on this machine and writes a configuration for it. Starts nothing.

mod command;
mod header;
mod inventory;
mod ollama;
mod placements;
mod search;
mod search_paths;
mod write;

use clap::Args;
use llm_manager_devices::{amd, cpu, intel, nvidia};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::app::device_check;
use crate::config;
use inventory::{FoundDevice, Inventory};
use search_paths::SearchPaths;

/// Where to look beside the usual folders.
#[derive(Args)]
pub(super) struct InitOrder {
    /// Another folder with models; may be given several times.
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// Print the configuration instead of writing it.
    #[arg(long)]
    print: bool,
}

impl InitOrder {
    /// Writes the configuration to `path`; what there is to say about it.
    pub(super) fn run(&self, path: &Path) -> Result<String, String> {
        if !self.print && path.exists() {
            return Err(format!(
                "{} is there already, and is left as it is; name another file with `--config FILE`, or see \
                 what would be written with `init --print`",
                path.display()
            ));
        }
        let missing = self.models.iter().find(|folder| !folder.is_dir());
        if let Some(folder) = missing {
            return Err(format!("{} is no folder (--models)", folder.display()));
        }
        let found = self.look();
        let text = write::config(&found);
        // What `check` would refuse must not be written.
        config::parse(text.as_bytes(), path).map_err(|report| {
            format!("a fault of `init`: its configuration has errors\n{report}\n\n{text}")
        })?;
        if self.print {
            return Ok(text);
        }
        let created = std::fs::File::options().write(true).create_new(true).open(path);
        created
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(summary(&found, path))
    }

    fn look(&self) -> Inventory {
        let places = SearchPaths::of_machine(&self.models);
        let samples = device_check::built_in().into_iter().flatten().flatten().filter(|sample| sample.online);
        let samples: Vec<_> = samples.collect();
        let seen = |plugin| samples.iter().any(|sample| sample.plugin == plugin);
        let mut other_cards = search_paths::cards(&places.cards, seen(nvidia::NAME));
        other_cards.retain(|vendor| match *vendor {
            "AMD" => !seen(amd::NAME),
            "Intel" => !seen(intel::NAME),
            _ => true,
        });
        // Memory that is the machine's own is `cpu` already.
        let devices = samples.iter().filter(|sample| !sample.unified).filter_map(|sample| {
            let is_gpu = sample.plugin != cpu::NAME;
            Some(FoundDevice { name: sample.name.clone(), total_mib: sample.memory_total_mib?, is_gpu })
        });
        let devices: Vec<_> = devices.collect();
        let search = search_paths::models(&places);
        Inventory {
            devices,
            other_cards,
            llama_server: places.program("llama-server"),
            vllm: places.program("vllm"),
            models: search.models,
            left_out: search.left_out,
            folders: places.existing_folders(),
        }
    }
}

/// What was found, and what comes next.
fn summary(found: &Inventory, path: &Path) -> String {
    let mut lines = Vec::new();
    for device in &found.devices {
        lines.push(format!("device   {}, {} MiB", device.name, device.total_mib));
    }
    for vendor in &found.other_cards {
        lines.push(format!("device   a card of {vendor}; see the comment on `devices` in the file"));
    }
    for (name, program) in [("llama-server", &found.llama_server), ("vllm", &found.vllm)] {
        let place = program.as_ref().map_or("not found".to_owned(), |path| path.display().to_string());
        lines.push(format!("engine   {name}: {place}"));
    }
    for model in &found.models {
        let mib = model.bytes.div_ceil(1 << 20);
        lines.push(format!("model    {} ({}), {mib} MiB: {}", model.name, model.mode, model.path.display()));
    }
    lines.extend(found.left_out.iter().map(|what| format!("left out {what}")));
    if found.models.is_empty() {
        let folders: Vec<_> = found.folders.iter().map(|folder| folder.display().to_string()).collect();
        let folders =
            if folders.is_empty() { "none of the usual ones exists".to_owned() } else { folders.join(", ") };
        lines.push(format!("model    none found (folders: {folders}); add one with --models DIR"));
    }
    let config = match path.to_str() {
        Some("config.yaml") => String::new(),
        _ => format!(" --config {}", path.display()),
    };
    lines.push(format!("\n{} is written; nothing was started. Next:", path.display()));
    lines.push(format!("  llm-manager{config} check"));
    lines.push(format!("  llm-manager{config}"));
    lines.join("\n")
}
