//! `config.yaml` for tests.

use std::path::Path;

/// A configuration to be written; `{dir}` in any text becomes the manager's folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    program: Vec<String>,
    top: String,
    models: Vec<Model>,
    keys: Vec<String>,
}

impl Config {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A configuration with one model.
    pub(crate) fn with(model: Model) -> Self {
        Self::new().model(model)
    }

    pub(crate) fn model(mut self, model: Model) -> Self {
        self.models.push(model);
        self
    }

    /// A line of `program:`, such as `max_waiting: 2`; instead of an earlier one of the same key.
    pub(crate) fn program(mut self, line: &str) -> Self {
        let key = line.split(':').next();
        self.program.retain(|other| other.split(':').next() != key);
        self.program.push(line.to_owned());
        self
    }

    /// Text at the top level, such as `modes:`.
    pub(crate) fn top(mut self, text: &str) -> Self {
        self.top.push_str(text);
        self.top.push('\n');
        self
    }

    pub(crate) fn api_key(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    pub(crate) fn first_key(&self) -> Option<String> {
        self.keys.first().cloned()
    }

    pub(crate) fn text(&self, port: u16, dir: &Path) -> String {
        let mut text = format!("program:\n  host: 127.0.0.1\n  port: {port}\n  alive_time: 0\n");
        if !self.program.iter().any(|line| line.starts_with("log_level")) {
            text.push_str("  log_level: DEBUG\n");
        }
        if !self.program.iter().any(|line| line.starts_with("Disable_GPU_monitoring")) {
            text.push_str("  Disable_GPU_monitoring: true\n");
        }
        if !self.keys.is_empty() {
            text.push_str(&format!("  api_keys: {:?}\n", self.keys));
        }
        if !self.program.iter().any(|line| line.starts_with("stop_timeout")) {
            text.push_str("  stop_timeout: 5\n");
        }
        for line in &self.program {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&self.top);
        text.push_str(if self.models.is_empty() { "Local-Models: {}\n" } else { "Local-Models:\n" });
        for model in &self.models {
            text.push_str(&model.text());
        }
        text.replace("{dir}", &dir.display().to_string())
    }
}

/// One entry of `Local-Models:`; its backend is the fake server unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    name: String,
    mode: String,
    lines: Vec<String>,
    flags: Vec<String>,
    command: Option<Vec<String>>,
    variants: Vec<Variant>,
    start_timeout: u32,
}

/// One way to launch a model.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    name: String,
    devices: Vec<(String, Option<u64>)>,
    lines: Vec<String>,
    flags: Vec<String>,
    command: Option<Vec<String>>,
    script: Option<String>,
    elsewhere: Option<String>,
}

impl Variant {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            devices: vec![],
            lines: vec![],
            flags: vec![],
            command: None,
            script: None,
            elsewhere: None,
        }
    }

    /// A server that somebody else runs, instead of one that is started.
    pub(crate) fn elsewhere(mut self, url: &str, key: Option<&str>) -> Self {
        let key = key.map_or_else(String::new, |key| format!(", key: {key:?}"));
        self.elsewhere = Some(format!("{{url: {url:?}{key}}}"));
        self
    }

    /// An entry of `required_devices`, and its memory in MiB.
    pub(crate) fn on(mut self, device: &str, mib: u64) -> Self {
        self.devices.push((device.to_owned(), Some(mib)));
        self
    }

    /// An entry of `required_devices` without an amount.
    pub(crate) fn on_any(mut self, device: &str) -> Self {
        self.devices.push((device.to_owned(), None));
        self
    }

    /// A line of the variant, such as `memory_mb: auto`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Flags of the fake server in this variant.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Something other than the fake server.
    pub(crate) fn command(mut self, command: &[&str]) -> Self {
        self.command = Some(command.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// A script in the folder of the configuration instead of a command.
    pub(crate) fn script(mut self, name: &str) -> Self {
        self.script = Some(name.to_owned());
        self
    }

    fn text(&self, model: &Model) -> String {
        if let Some(on) = &self.elsewhere {
            let lines = self.lines.iter().map(|line| format!("      {line}\n"));
            return format!("    {}:\n      on: {on}\n{}", self.name, lines.collect::<String>());
        }
        let command = self.command.clone().or_else(|| model.command.clone()).unwrap_or_else(|| {
            let fixed = [
                env!("CARGO_BIN_EXE_fake-model-server"),
                "--port",
                "{port}",
                "--name",
                &model.name,
                "--marker",
                "{dir}",
                "--start-file",
                &format!("{{dir}}/starts-{}", model.name),
            ];
            let flags = model.flags.iter().chain(&self.flags).cloned();
            fixed.into_iter().map(str::to_owned).chain(flags).collect()
        });
        let devices: Vec<&str> = self.devices.iter().map(|(device, _)| &**device).collect();
        let amounts = self.devices.iter().filter_map(|(device, mib)| Some((device, (*mib)?)));
        let amounts: Vec<String> = amounts.map(|(device, mib)| format!("{device:?}: {mib}")).collect();
        let mut text = format!("    {}:\n", self.name);
        if !devices.is_empty() {
            text.push_str(&format!("      required_devices: {devices:?}\n"));
        }
        if !amounts.is_empty() {
            text.push_str(&format!("      memory_mb: {{{}}}\n", amounts.join(", ")));
        }
        for line in &self.lines {
            text.push_str(&format!("      {line}\n"));
        }
        match &self.script {
            Some(script) => text.push_str(&format!("      script_path: {script:?}\n")),
            None => text.push_str(&format!("      command: {command:?}\n")),
        }
        text
    }
}

impl Model {
    pub(crate) fn new(name: &str, mode: &str) -> Self {
        Self {
            name: name.to_owned(),
            mode: mode.to_owned(),
            lines: vec![],
            flags: vec![],
            command: None,
            variants: vec![],
            start_timeout: 30,
        }
    }

    pub(crate) fn chat(name: &str) -> Self {
        Self::new(name, "Chat")
    }

    /// A line of the entry, such as `alive_time: 0.01`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    pub(crate) fn start_timeout(mut self, seconds: u32) -> Self {
        self.start_timeout = seconds;
        self
    }

    /// Flags of the fake server.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Something other than the fake server.
    pub(crate) fn command(mut self, command: &[&str]) -> Self {
        self.command = Some(command.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// A way to launch it; without any there is one that needs no device.
    pub(crate) fn variant(mut self, variant: Variant) -> Self {
        self.variants.push(variant);
        self
    }

    fn text(&self) -> String {
        let mut text = format!("  {}:\n    mode: {}\n", self.name, self.mode);
        text.push_str(&format!("    start_timeout: {}\n", self.start_timeout));
        for line in &self.lines {
            text.push_str(&format!("    {line}\n"));
        }
        if self.variants.is_empty() {
            text.push_str(&Variant::new("only").text(self));
        }
        for variant in &self.variants {
            text.push_str(&variant.text(self));
        }
        text
    }
}
