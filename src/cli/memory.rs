//! `explain --memory MODEL`: what a model's memory is made of.

use super::client::{ManagerClient, segment};
use awc::http::Method;
use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Memory {
    model: String,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    variant: String,
    basis: String,
    memory_mb: BTreeMap<String, u64>,
    measured_mb: BTreeMap<String, u64>,
    found: Option<String>,
    parts: Vec<Part>,
    notes: Vec<String>,
    unknown: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    device: String,
    part: String,
    memory_mb: f64,
}

/// The text that tells it.
pub(super) async fn explain(manager: &ManagerClient, model: &str) -> Result<String, String> {
    let path = format!("/api/models/{}/memory", segment(model));
    let memory: Memory = manager.ask_json(Method::GET, &path).await?;
    let mut text = Vec::new();
    for variant in &memory.variants {
        text.push(tell(&memory.model, variant));
    }
    Ok(text.join("\n\n"))
}

fn tell(model: &str, variant: &Variant) -> String {
    let amounts = |amounts: &BTreeMap<String, u64>| {
        let words: Vec<_> = amounts.iter().map(|(device, mib)| format!("{mib} MiB on {device}")).collect();
        words.join(", ")
    };
    let name = &variant.variant;
    let mut lines = vec![match variant.basis.as_str() {
        "declared" => format!("{model}: {name} is given {} (memory_mb)", amounts(&variant.memory_mb)),
        "measured" => {
            format!("{model}: {name} is given {}, the most that a run used", amounts(&variant.memory_mb))
        }
        "estimated" => {
            format!(
                "{model}: {name} is given {}, an estimate until a run is measured",
                amounts(&variant.memory_mb)
            )
        }
        _ => format!("{model}: the memory of {name} is not checked"),
    }];
    if variant.basis != "measured" && !variant.measured_mb.is_empty() {
        lines.push(format!("  measured: {}", amounts(&variant.measured_mb)));
    }
    if let Some(why) = &variant.unknown {
        lines.push(format!("  no estimate: {why}"));
        return lines.join("\n");
    }
    if let Some(found) = &variant.found {
        lines.push(format!("  {found}"));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for part in &variant.parts {
        table.add_row([part.device.clone(), part.part.clone(), format!("{:.1} MiB", part.memory_mb)]);
        *sums.entry(&part.device).or_default() += part.memory_mb;
    }
    for (device, sum) in sums {
        table.add_row([device.to_owned(), "in all".to_owned(), format!("{} MiB", sum.ceil())]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines.extend(table.to_string().lines().map(|line| format!("  {}", line.trim_end())));
    lines.extend(variant.notes.iter().map(|note| format!("  note: {note}")));
    lines.join("\n")
}
