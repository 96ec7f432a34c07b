//! `connect`: what to put into a client, for this address, this key and one model. The dashboard shows the same
//! snippets, from the same file.

use clap::Args;
use llm_manager_policy::spec::{ModelSpec, Spec};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The snippets, with `@...@` where something is filled in.
const CLIENTS: &str = include_str!("../../webui/src/shared/connect/clients.json");
/// What stands for a key where none is needed: most clients insist on one.
const NO_KEY: &str = "none";

/// What stands for the secret of one of `keys`.
const OWN_KEY: &str = "YOUR_KEY";

/// A client's name, as the command line takes it.
fn known(client: &str) -> Result<String, String> {
    let clients: Vec<Client> = serde_json::from_str(CLIENTS).map_err(|error| error.to_string())?;
    let found = clients.iter().find(|one| one.id.eq_ignore_ascii_case(client));
    found.map(|one| one.id.clone()).ok_or_else(|| format!("the clients are {}", ids(&clients)))
}

/// What to print, and for which model.
#[derive(Args)]
pub(super) struct ConnectOrder {
    /// curl, python, node, codex, claude-code, opencode, aider, open-webui, continue or langchain; default: the
    /// address, the key and the models.
    #[arg(value_parser = known)]
    client: Option<String>,
    /// The model to use, by name or alias; default: the first one that fits.
    #[arg(long)]
    model: Option<String>,
    /// The address under which clients reach the manager, such as http://192.168.1.5:8080; default: the one that it
    /// listens on.
    #[arg(long, value_name = "URL", value_parser = checked)]
    address: Option<String>,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    title: String,
    /// Mode to the steps for a model of this mode.
    modes: BTreeMap<String, Vec<Step>>,
}

#[derive(Deserialize)]
struct Step {
    /// A file, or what runs it: `shell`, `python`, `node`.
    r#where: String,
    text: String,
}

/// What is filled in.
struct Target<'a> {
    origin: &'a str,
    model: &'a str,
    key: Option<&'a str>,
}

impl ConnectOrder {
    /// What there is to say; `origin` is where this configuration's manager is reached.
    pub(super) fn run(&self, spec: &Spec, origin: &str) -> Result<String, String> {
        let clients: Vec<Client> = serde_json::from_str(CLIENTS).map_err(|error| error.to_string())?;
        let origin = match &self.address {
            Some(address) => checked(address)?,
            None => origin.to_owned(),
        };
        let plain = spec.program.api_keys.first().map(String::as_str);
        // Of the others the secret isn't kept, and each client has its own.
        let key = plain.or_else(|| (!spec.keys.is_empty()).then_some(OWN_KEY));
        let Some(wanted) = &self.client else {
            return Ok(overview(&clients, spec, &origin, key));
        };
        let client = clients.iter().find(|client| client.id.eq_ignore_ascii_case(wanted));
        let client = client
            .ok_or_else(|| format!("no client {wanted:?} is known; the clients are {}", ids(&clients)))?;
        let (model, name) = self.model(spec, client)?;
        let target = Target { origin: &origin, model: name, key };
        let steps = client.modes.get(&model.mode.name).map(Vec::as_slice).unwrap_or_default();
        let step = |step: &Step| {
            let text = fill(&step.text, &target);
            // A program can be run as it is printed; of a file, the name is told.
            if ["shell", "python", "node"].contains(&step.r#where.as_str()) {
                text
            } else {
                format!("# {}\n{text}", step.r#where)
            }
        };
        Ok(steps.iter().map(step).collect::<Vec<_>>().join("\n\n"))
    }

    /// The model to ask for, and the name to ask it by.
    fn model<'a>(&'a self, spec: &'a Spec, client: &Client) -> Result<(&'a ModelSpec, &'a str), String> {
        let serves = |model: &&ModelSpec| client.modes.contains_key(&model.mode.name);
        let modes = || client.modes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let models = || spec.models.iter().map(AsRef::as_ref);
        let Some(name) = &self.model else {
            // A chat is what most people try first.
            let found = models()
                .filter(serves)
                .find(|model| model.mode.name == "Chat")
                .or_else(|| models().find(serves));
            return match found {
                Some(model) => Ok((model, &model.name)),
                None => Err(format!(
                    "no model of the configuration can be used with {}: it takes the modes {}",
                    client.title,
                    modes()
                )),
            };
        };
        let model = models()
            .find(|model| model.name == *name || model.aliases.iter().any(|alias| alias == name))
            .ok_or_else(|| format!("there is no model {name:?} in the configuration"))?;
        if serves(&model) {
            return Ok((model, name));
        }
        Err(format!(
            "the model {name:?} has the mode {}, and {} takes {}",
            model.mode.name,
            client.title,
            modes()
        ))
    }
}

/// Address, key and models: enough for any client.
fn overview(clients: &[Client], spec: &Spec, origin: &str, key: Option<&str>) -> String {
    let models: Vec<_> =
        spec.models.iter().map(|model| format!("{} ({})", model.name, model.mode.name)).collect();
    let models = if models.is_empty() { "none yet".to_owned() } else { models.join(", ") };
    let key = match key {
        None => format!("any text, such as {NO_KEY}: no key is set"),
        Some(OWN_KEY) => "the secret of a key; `llm-manager key add NAME` makes one".to_owned(),
        Some(key) => key.to_owned(),
    };
    format!(
        "base URL   {origin}/v1\n\
         API key    {key}\n\
         model      {models}\n\
         dashboard  {origin}/\n\n\
         `llm-manager connect CLIENT` prints what to put into a client: {}.",
        ids(clients)
    )
}

fn ids(clients: &[Client]) -> String {
    clients.iter().map(|client| client.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// An address without a path; `/v1` behind it is what many clients call the base URL.
fn checked(address: &str) -> Result<String, String> {
    let origin = address.trim_end_matches('/');
    let origin = origin.strip_suffix("/v1").unwrap_or(origin).trim_end_matches('/');
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && rest.chars().all(is_plain) => Ok(origin.to_owned()),
        _ => Err(format!("--address needs a URL such as http://192.168.1.5:8080, got {address:?}")),
    }
}

fn fill(text: &str, target: &Target<'_>) -> String {
    let key = target.key.unwrap_or(NO_KEY);
    let bearer = format!("Authorization: Bearer {key}");
    let lines = text.lines().filter(|line| target.key.is_some() || !line.contains("@AUTH:sh@"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let parts = [
        ("@ORIGIN@", target.origin.to_owned()),
        ("@BASE@", format!("{}/v1", target.origin)),
        ("@BASE:sh@", shell(&format!("{}/v1", target.origin))),
        ("@AUTH:sh@", shell(&bearer)),
        ("@MODEL:sh@", shell(target.model)),
        ("@KEY:sh@", shell(key)),
        ("@MODEL@", inside_quotes(target.model)),
        ("@KEY@", inside_quotes(key)),
    ];
    // In one pass: what is filled in may look like a placeholder itself.
    let mut filled = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        match parts.iter().find(|(name, _)| after.starts_with(name)) {
            Some((name, value)) => {
                filled.push_str(value);
                rest = after.get(name.len()..).unwrap_or_default();
            }
            None => {
                filled.push('@');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    filled + rest
}

/// One word for a POSIX shell.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text between quotes of JSON, YAML, TOML, Python and JavaScript alike, and inside of a shell's single quotes.
fn inside_quotes(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
    inner.replace('\'', r"\u0027")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn spec(yaml: &str) -> Spec {
        let folder = tempfile::tempdir().unwrap();
        config::parse(yaml.as_bytes(), &folder.path().join("config.yaml")).unwrap().spec
    }

    fn connect(yaml: &str, client: Option<&str>, model: Option<&str>) -> Result<String, String> {
        let order = ConnectOrder {
            client: client.map(str::to_owned),
            model: model.map(str::to_owned),
            address: None,
        };
        order.run(&spec(yaml), "http://127.0.0.1:8080")
    }

    const TWO: &str = "program: {api_keys: [\"it's-\\\"me\\\"\"]}\nLocal-Models:\n  emb: {mode: Embedding, V: {command: [x]}}\n\
                       \x20 \"o'1 \\\"@KEY@\\\"\": {aliases: [gpt], V: {command: [x]}}\n";

    #[test]
    fn the_address_the_key_and_the_models_are_enough_for_any_client() {
        let text = connect(TWO, None, None).unwrap();
        assert!(text.contains("http://127.0.0.1:8080/v1\n") && text.contains("it's-\"me\""), "{text}");
        assert!(text.contains("emb (Embedding)") && text.contains("claude-code"), "{text}");
        let text = connect("{}", None, None).unwrap();
        assert!(text.contains("no key is set") && text.contains("none yet"), "{text}");
    }

    #[test]
    fn names_and_keys_of_any_form_stay_what_they_are() {
        let model = "o'1 \"@KEY@\"";
        let text = connect(TWO, Some("opencode"), None).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(text.split("\n\n").next().unwrap().split_once('\n').unwrap().1).unwrap();
        assert_eq!(json["model"], format!("llm-manager/{model}"));
        assert_eq!(json["provider"]["llm-manager"]["options"]["apiKey"], "it's-\"me\"");
        let text = connect(TWO, Some("continue"), None).unwrap();
        let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(yaml["models"][0]["model"], model);
        let text = connect(TWO, Some("aider"), None).unwrap();
        assert!(text.contains(r#"OPENAI_API_KEY='it'\''s-"me"' "#), "{text}");
        assert!(text.ends_with(r#"--model openai/'o'\''1 "@KEY@"'"#), "{text}");
        // Brackets are a pattern for some shells.
        let target = Target { origin: "http://[::1]:8080", model: "m", key: None };
        assert_eq!(fill("curl @BASE:sh@/x", &target), "curl 'http://[::1]:8080/v1'/x");
        let text = connect(TWO, Some("curl"), None).unwrap();
        assert!(text.contains(r#"{"model": "o\u00271 \"@KEY@\"","#), "{text}");
    }

    #[test]
    fn a_model_is_chosen_that_the_client_can_use() {
        assert!(connect(TWO, Some("curl"), Some("gpt")).unwrap().contains(r#""model": "gpt""#));
        assert!(connect(TWO, Some("Curl"), Some("emb")).unwrap().contains("/v1/embeddings"));
        let error = connect(TWO, Some("codex"), Some("emb")).unwrap_err();
        assert!(error.contains("has the mode Embedding, and Codex takes Chat"), "{error}");
        assert!(connect(TWO, Some("curl"), Some("nobody")).unwrap_err().contains("no model \"nobody\""));
        assert!(connect(TWO, Some("telnet"), None).unwrap_err().contains("the clients are curl, python"));
        assert!(connect("{}", Some("codex"), None).unwrap_err().contains("no model of the configuration"));
    }

    #[test]
    fn without_keys_none_is_sent_by_curl_and_any_is_told_to_others() {
        let yaml = "Local-Models: {m: {V: {command: [x]}}}";
        assert!(!connect(yaml, Some("curl"), None).unwrap().contains("Authorization"));
        assert!(connect(yaml, Some("python"), None).unwrap().contains("api_key=\"none\""));
    }

    #[test]
    fn open_webui_leaves_the_port_to_the_manager() {
        // Its own default is 8080, as ours is: on one machine the second of the two can't start.
        let text = connect(TWO, Some("open-webui"), None).unwrap();
        assert!(text.ends_with("open-webui serve --port 3000"), "{text}");
    }

    #[test]
    fn addresses_are_checked() {
        for (address, origin) in [
            ("http://192.168.1.5:8080", "http://192.168.1.5:8080"),
            ("https://llm.example.com/llm/v1/", "https://llm.example.com/llm"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(checked(address).as_deref(), Ok(origin));
        }
        for address in ["192.168.1.5", "http://", "http://a b", "http://$(x)", "ftp://x"] {
            assert!(checked(address).is_err(), "{address}");
        }
    }

    #[test]
    fn every_client_has_steps_and_nothing_is_left_unfilled() {
        let clients: Vec<Client> = serde_json::from_str(CLIENTS).unwrap();
        assert_eq!(clients.len(), 10);
        let target = Target { origin: "http://h:1", model: "m", key: Some("k") };
        for client in &clients {
            assert!(!client.modes.is_empty());
            for step in client.modes.values().flatten() {
                let text = fill(&step.text, &target);
                assert!(!text.contains('@') || text.contains("@ai-sdk"), "{text}");
                assert!(!text.is_empty() && !step.r#where.is_empty());
            }
        }
    }
}
