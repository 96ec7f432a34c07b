//! Configurations of others, and what they must become.

use std::path::Path;

use llm_manager_ledger::{Configuration, DefinedModel, ImportedVariant};
use llm_manager_policy::spec::{Launch, ModelSpec, Spec};

use super::{emit::GeneratedConfig, llama_swap, original, report::ImportReport, yaml11};
use crate::config;

fn spec(output: &GeneratedConfig) -> Spec {
    let text = output.text();
    match config::parse(text.as_bytes(), &std::env::temp_dir().join("config.yaml")) {
        Ok(loaded) => loaded.spec,
        Err(report) => panic!("{report}\n{text}"),
    }
}

fn from_llama_swap(yaml: &str) -> (Spec, String) {
    let mut report = ImportReport::of(Path::new("l.yaml"));
    let variable = |name: &str| (name == "KEY").then(|| "secret".to_owned());
    let output = llama_swap::convert(&yaml11::parse(yaml).unwrap(), &variable, &mut report).unwrap();
    (spec(&output), report.to_string())
}

fn words(model: &ModelSpec) -> Vec<&str> {
    match &model.variants[0].launch {
        Launch::Command(words) => words.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ports_go_by_name_and_macros_by_place() {
    let (spec, report) = from_llama_swap(
        "startPort: 9000\nglobalTTL: 90\nhealthCheckTimeout: 3\napiKeys: [\"${env.KEY}\"]\n\
         macros: {ctx: 010, run: \"serve --port ${PORT} -c ${ctx}\"}\nmodels:\n\
         \x20 b: {cmd: \"${run} --name ${MODEL_ID}\", aliases: [010, one]}\n\
         \x20 own: {cmd: \"x --port 7\", proxy: \"http://localhost:7000\", ttl: 0}\n\
         \x20 B2:\n    ttl: 1.5\n    macros: {ctx: 9}\n    concurrencyLimit: \"${ctx}\"\n    cmd: |\n      # said\n      ${run} \\\n      # more\n      --x 'a b' # c\n\
         hooks: {on_startup: {preload: [one, nobody]}}\n",
    );
    assert_eq!(spec.program.api_keys, ["secret"]);
    let ports: Vec<_> = spec.models.iter().map(|model| (model.name.as_str(), model.port.unwrap())).collect();
    // Capital letters come first, as bytes do.
    assert_eq!(ports, [("b", 9001), ("own", 7000), ("B2", 9000)]);
    assert_eq!(words(&spec.models[0]), ["serve", "--port", "9001", "-c", "8", "--name", "b"]);
    assert_eq!(words(&spec.models[2]), ["serve", "--port", "9000", "-c", "8", "--x", "a b", "#", "c"]);
    assert_eq!(spec.models[0].aliases, ["8", "one"]);
    let seconds = |model: &ModelSpec| model.alive_time.map(|time| time.as_secs_f64());
    assert_eq!(
        spec.models.iter().map(|model| seconds(model)).collect::<Vec<_>>(),
        [Some(90.0), None, Some(1.0)]
    );
    assert_eq!(spec.models[0].start_timeout.as_secs(), 15);
    assert_eq!((spec.models[0].max_concurrency, spec.models[2].max_concurrency), (Some(10), Some(9)));
    assert!(spec.models[0].auto_start && !spec.models[1].auto_start);
    assert!(
        report.contains("l.yaml:18: warning: hooks.on_startup.preload: there is no model \"nobody\""),
        "{report}"
    );
    assert!(report.contains("one at a time of the 3 models"), "{report}");
}

#[test]
fn what_says_how_a_backend_is_reached_and_stopped_is_kept() {
    let (spec, report) = from_llama_swap(
        "models:\n  org/embedder:\n    cmd: docker run --rm --name e -p 9310:80 tei\n    cmdStop: docker stop e\n\
         \x20   proxy: http://127.0.0.1:9310\n    checkEndpoint: /ready\n    useModelName: text\n    env: [\"A=b=c\", \"bad\"]\n\
         \x20   filters: {stripParams: top_p, setParamsByID: {\"org:long\": {max_tokens: 1}, \"${MODEL_ID}:x\": {}}}\n    tll: 9\n    unlisted: yes\n\
         \x20 far: {cmd: \"x ${PORT}\", proxy: \"http://gpu.example:80\", checkEndpoint: none}\n  empty: {ttl: 1}\n\
         groups: {g: {swap: false, persistent: true, members: [org/embedder, ghost]}}\npeers: {p: {}}\n",
    );
    let model = &spec.models[0];
    assert_eq!((model.mode.name.as_str(), model.port), ("Embedding", Some(9310)));
    assert!(model.foreign_listener && model.pinned);
    assert_eq!(model.aliases, ["org:long", "org/embedder:x"]);
    let variant = &model.variants[0];
    assert_eq!(variant.served_name.as_deref(), Some("text"));
    assert_eq!(variant.stop_command.as_deref(), Some(&["docker", "stop", "e"].map(str::to_owned)[..]));
    assert_eq!(variant.probe.as_ref().unwrap().paths, ["/ready"]);
    assert_eq!(variant.env["A"], "b=c");
    assert_eq!(spec.models[1].port, Some(5800));
    for line in [
        "l.yaml:10: warning: models.org/embedder.tll: unknown key",
        "models.org/embedder.filters.stripParams: has no counterpart",
        "warning: models.empty: has no counterpart here: it has no cmd",
        "models.far.proxy: has no counterpart here: http://gpu.example:80 is another machine",
        "groups.g: there is no model \"ghost\"",
        "peers: has no counterpart",
        "is no NAME=value",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

/// As llama-swap's own example writes them.
#[test]
fn aliases_may_be_mappings() {
    let (spec, report) = from_llama_swap(
        "models:\n  a:\n    cmd: x ${PORT}\n    aliases:\n      - {id: gpt-4o, name: GPT, unlisted: true}\n      - plain\n\
         \x20     - id: \"${MODEL_ID}:x\"\n      - {name: nobody}\n      - [list]\n",
    );
    assert_eq!(spec.models[0].aliases, ["gpt-4o", "plain", "a:x"]);
    for line in [
        "l.yaml:5: warning: models.a.aliases.unlisted: has no counterpart here",
        "l.yaml:5: warning: models.a.aliases.name: has no counterpart here",
        "l.yaml:8: warning: models.a.aliases: a name is neither text nor has an id: left out",
        "l.yaml:9: warning: models.a.aliases: a name is neither text nor has an id: left out",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

#[test]
fn what_a_model_is_for_is_guessed() {
    for (model, mode) in [
        ("{cmd: \"llama-server ${PORT}\"}", "Chat"),
        ("{cmd: \"whisper-server ${PORT}\"}", "Transcription"),
        ("{cmd: \"x ${PORT} --request-path /v1/audio/transcriptions\"}", "Transcription"),
        ("{cmd: \"x ${PORT}\", capabilities: {in: [audio], out: [text]}}", "Transcription"),
        ("{cmd: \"x ${PORT}\", capabilities: {in: [text, audio], out: [text], context: 8192}}", "Chat"),
        ("{cmd: \"x ${PORT}\", capabilities: {in: [text], out: [audio]}}", "Speech"),
        ("{cmd: \"x ${PORT}\", capabilities: {out: [text, image]}}", "Chat"),
        ("{cmd: \"sd-server ${PORT}\"}", "Image"),
        ("{cmd: \"x ${PORT}\", capabilities: {in: [text, image], out: [image]}}", "Image"),
        ("{cmd: \"x ${PORT}\", capabilities: {reranker: true}}", "Reranker"),
        ("{cmd: \"x ${PORT} --embeddings\"}", "Embedding"),
    ] {
        let (spec, report) = from_llama_swap(&format!("models: {{a: {model}}}\n"));
        assert_eq!(spec.models[0].mode.name, mode, "{model}");
        assert_eq!(spec.models[0].context_length, model.contains("context").then_some(8192), "{report}");
    }
}

#[test]
fn models_that_exclude_each_other_share_a_device() {
    let (spec, _) = from_llama_swap(
        "models: {a: {cmd: \"x ${PORT}\"}, b: {cmd: \"x ${PORT}\"}, c: {cmd: \"x ${PORT}\"}}\n\
         groups: {one: {members: [a, b]}, two: {members: [b, c]}}\n",
    );
    let slots: Vec<_> = spec.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(slots, ["swap slot", "exchange slot 002"]);
    let devices = |index: usize| spec.models[index].variants[0].required_devices.join(", ");
    assert_eq!(
        [devices(0), devices(1), devices(2)],
        ["swap slot", "swap slot, exchange slot 002", "exchange slot 002"]
    );
}

#[test]
fn mistakes_that_llama_swap_stops_at_stop_the_import() {
    for (yaml, words) in [
        ("models: {a: {cmd: \"x ${env.NO}\"}}", "the variable NO isn't set"),
        ("models: {a: {cmd: \"x ${no}\"}}", "the macro no isn't defined"),
        ("models: {a: {cmd: \"x 'y\"}}", "never closed"),
        ("apiKeys: [\"${env.NO}\"]", "apiKeys"),
    ] {
        let mut report = ImportReport::of(Path::new("l.yaml"));
        let error = llama_swap::convert(&yaml11::parse(yaml).unwrap(), &|_| None, &mut report).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn configurations_of_the_original_in_all_their_forms() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"program": {"openai_port": 8081, "webui_port": 1, "Disable_GPU_monitoring": false, "TokenTracker": ["Chat"]},
        "Old": {"aliases": ["Old-1", "gpt"], "bat_path": "S\\old.sh", "mode": "Chat", "gpu_mem_mb": {"v100": 16000}, "port": 10001}}"#;
    let yaml = "program: {port: 8081, alive_time: 60}\nwake_on_lan: {}\nLocal-Models:\n  Old:\n    aliases: [Old-1, gpt]\n\
                \x20   mode: Chat\n    port: 10001\n    auto_start: yes\n    V100:\n      required_devices: [v100]\n      script_path: \"S\\\\old.sh\"\n\
                \x20     memory_mb: {v100: 16000, other: 5}\n";
    for text in [json, yaml] {
        let mut report = ImportReport::of(Path::new("c"));
        let output = original::convert(&yaml11::parse(text).unwrap(), folder.path(), &mut report).unwrap();
        let text = output.text().replace(r#""S/old.sh""#, r#""/bin/sh""#);
        let spec = config::parse(text.as_bytes(), &folder.path().join("config.yaml")).unwrap().spec;
        let model = &spec.models[0];
        assert_eq!((spec.program.port, model.port), (8081, Some(10001)));
        assert_eq!(model.aliases, ["Old-1", "gpt"]);
        assert_eq!(model.variants[0].required_devices, ["v100"]);
        assert_eq!(model.variants[0].memory_mb["v100"], 16_000);
        assert_eq!(model.alive_time.is_some(), text.contains("alive_time: 60"));
        let report = report.to_string();
        assert!(
            report.contains("there is no script S/old.sh") && report.contains("has no counterpart"),
            "{report}"
        );
        assert!(report.contains("the original's ledger calls it Old-1"), "{report}");
    }
}

#[test]
fn a_command_of_v3_names_what_v3_would_and_secrets_of_its_settings_stay_there() {
    let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let given = Configuration {
        settings: vec![
            setting("claude_configs", r#"{"a": {"ANTHROPIC_AUTH_TOKEN": "sk-hidden"}}"#),
            setting("log_retention_days", "30"),
            setting("port", "8081"),
        ],
        models: vec![DefinedModel {
            name: "Qwen 3".to_owned(),
            mode: "Chat".to_owned(),
            port: 10_001,
            aliases: vec!["qwen-api".to_owned(), "Qwen 3".to_owned()],
            variants: vec![ImportedVariant {
                name: "Dual".to_owned(),
                required_devices: "[]".to_owned(),
                memory_mb: "{}".to_owned(),
                command: r#"{"exe": "serve", "args": ["-a", "{{alias}}", "-p", "{{port}}"]}"#.to_owned(),
            }],
            ..DefinedModel::default()
        }],
    };
    let mut report = ImportReport::of(Path::new("v3.db"));
    let spec = spec(&original::of_v3(&given, &mut report));
    assert_eq!(spec.program.port, 8081);
    // Its backend knows itself by the first alias.
    assert_eq!(words(&spec.models[0]), ["serve", "-a", "qwen-api", "-p", "{port}"]);
    let report = report.to_string();
    assert!(!report.contains("sk-hidden"), "{report}");
    assert!(report.contains("claude_configs: has no counterpart here: see `llm-manager connect"), "{report}");
    assert!(report.contains("log_retention_days: has no counterpart here: write `logs: {days"), "{report}");
}
