//! Which models exclude each other, and which are loaded at the start.

use super::super::emit::{GeneratedConfig, ModelEntry, list, map};
use super::super::exclusion;
use super::super::report::ImportReport;
use super::super::yaml11::YamlNode;

pub(super) fn groups(
    file: &YamlNode,
    ids: &[String],
    output: &mut GeneratedConfig,
    report: &mut ImportReport,
) {
    let settings = file.get("routing").and_then(|routing| routing.get("router")?.get("settings"));
    let find = |key: &str| file.get(key).or_else(|| settings?.get(key));
    if let Some(matrix) = find("matrix") {
        let groups = exclusion::of_matrix(matrix, ids, report);
        for group in groups {
            slot(output, &group, matrix.line, report);
        }
        if let Some(costs) = matrix.get("evict_costs") {
            report.lost(
                costs.line,
                "matrix.evict_costs",
                "the models that are cheapest to load again are stopped first",
            );
        }
        return;
    }
    let mut grouped: Vec<String> = Vec::new();
    for (name, group) in find("groups").into_iter().flat_map(YamlNode::entries) {
        let at = format!("groups.{}", name.text().unwrap_or_default());
        let mut members = Vec::new();
        for member in group.get("members").map(YamlNode::items).unwrap_or_default() {
            match member.text().filter(|member| ids.contains(member)) {
                Some(member) => members.push(member),
                None => report.warn(
                    member.line,
                    &at,
                    format!("there is no model {:?}", member.text().unwrap_or_default()),
                ),
            }
        }
        let flag = |key: &str, default: bool| group.get(key).and_then(YamlNode::flag).unwrap_or(default);
        if flag("persistent", false) {
            report.taken(name.line, &at, "pinned: true of its members");
            for model in output.models.iter_mut().filter(|model| members.contains(&model.name)) {
                model.keys.push(("pinned", "true".to_owned()));
            }
        }
        if flag("swap", true) && members.len() > 1 {
            slot(output, &members, name.line, report);
        }
        report.lost(
            name.line,
            &format!("{at}.exclusive"),
            "models are stopped when their memory is needed, not by groups",
        );
        grouped.extend(members);
    }
    let rest = ids.iter().filter(|id| !grouped.contains(id)).count();
    if rest > 1 {
        let why = format!(
            "llama-swap runs one at a time of the {rest} models that are in no group; here memory decides"
        );
        report.lost(0, "groups", why);
    }
}

/// The models of a group never run together: each needs all of one small device.
fn slot(output: &mut GeneratedConfig, members: &[String], line: usize, report: &mut ImportReport) {
    let name = match output.slots.len() {
        0 => "swap slot".to_owned(),
        // No name may be a part of another one.
        count => format!("exchange slot {:03}", count + 1),
    };
    report.taken(line, "one at a time", format!("the device {name:?} for {}", members.join(", ")));
    for model in output.models.iter_mut().filter(|model| members.contains(&model.name)) {
        for (_, keys) in &mut model.variants {
            let mut slots: Vec<String> = vec![name.clone()];
            if let Some((_, known)) = keys.iter().find(|(key, _)| *key == "required_devices") {
                let known: Vec<String> = serde_json::from_str(known).unwrap_or_default();
                slots.splice(0..0, known);
            }
            keys.retain(|(key, _)| !matches!(*key, "required_devices" | "memory_mb"));
            let memory: Vec<_> = slots.iter().map(|slot| (slot.clone(), "1".to_owned())).collect();
            keys.insert(0, ("memory_mb", map(&memory)));
            keys.insert(0, ("required_devices", list(&slots)));
        }
    }
    output.slots.push(name);
}

pub(super) fn preload(file: &YamlNode, output: &mut GeneratedConfig, report: &mut ImportReport) {
    let preload = file.get("hooks").and_then(|hooks| hooks.get("on_startup")?.get("preload"));
    for item in preload.map(YamlNode::items).unwrap_or_default() {
        let name = item.text().unwrap_or_default();
        let has_alias = |entry: &ModelEntry| {
            entry.keys.iter().any(|(key, value)| {
                *key == "aliases"
                    && serde_json::from_str::<Vec<String>>(value).is_ok_and(|aliases| aliases.contains(&name))
            })
        };
        match output.models.iter_mut().find(|entry| entry.name == name || has_alias(entry)) {
            Some(entry) => {
                report.taken(
                    item.line,
                    "hooks.on_startup.preload",
                    format!("Local-Models.{}.auto_start: true", entry.name),
                );
                if !entry.keys.iter().any(|(key, _)| *key == "auto_start") {
                    entry.keys.push(("auto_start", "true".to_owned()));
                }
            }
            None => report.warn(item.line, "hooks.on_startup.preload", format!("there is no model {name:?}")),
        }
    }
}
