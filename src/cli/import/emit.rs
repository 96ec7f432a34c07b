//! A configuration of ours, as text.

/// What is to be written, values as YAML.
#[derive(Debug, Default)]
pub(super) struct GeneratedConfig {
    /// Lines at the top, without `#`.
    pub(super) head: Vec<String>,
    pub(super) program: Vec<(&'static str, String)>,
    /// Names of devices of one MiB each, of which one model at a time may have one.
    pub(super) slots: Vec<String>,
    pub(super) models: Vec<ModelEntry>,
}

/// One model.
#[derive(Debug, Default)]
pub(super) struct ModelEntry {
    pub(super) name: String,
    pub(super) keys: Vec<(&'static str, String)>,
    pub(super) variants: Vec<(String, Vec<(&'static str, String)>)>,
}

impl GeneratedConfig {
    pub(super) fn text(&self) -> String {
        let mut text: String = self.head.iter().map(|line| format!("# {line}\n")).collect();
        if !self.program.is_empty() {
            text.push_str("program:\n");
            text.push_str(&lines(&self.program, 2));
        }
        if !self.slots.is_empty() {
            text.push_str(
                "# Not real devices: each has one MiB, and models that need it are never loaded together.\ndevices:\n",
            );
            for slot in &self.slots {
                text.push_str(&format!("  - name: {}\n    command: {}\n", quoted(slot), list(&SLOT)));
            }
        }
        text.push_str(if self.models.is_empty() { "Local-Models: {}\n" } else { "Local-Models:\n" });
        for model in &self.models {
            text.push_str(&format!("  {}:\n{}", quoted(&model.name), lines(&model.keys, 4)));
            for (name, keys) in &model.variants {
                text.push_str(&format!("    {}:\n{}", quoted(name), lines(keys, 6)));
            }
        }
        text
    }
}

const SLOT: [&str; 3] = [
    "sh",
    "-c",
    r#"echo '{"online":true,"memory_total_mb":1,"memory_used_mb":0,"utilization":0,"temperature_c":0}'"#,
];

fn lines(keys: &[(&str, String)], indent: usize) -> String {
    keys.iter().map(|(key, value)| format!("{:indent$}{key}: {value}\n", "")).collect()
}

/// A text between double quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list of texts.
pub(super) fn list(items: &[impl AsRef<str>]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", "))
}

/// A mapping of texts to what is YAML already.
pub(super) fn map(entries: &[(String, String)]) -> String {
    let entry = |(key, value): &(String, String)| format!("{}: {value}", quoted(key));
    format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}

/// A number of seconds, in minutes.
pub(super) fn minutes(seconds: i64) -> String {
    (seconds as f64 / 60.0).to_string()
}
