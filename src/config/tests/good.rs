//! What good files become.

use std::time::Duration;

use llm_manager_policy::spec::{Launch, Spec};
use llm_manager_policy::usage::Pointers;

use super::super::{load, parse, schema};
use super::{check, folder, load_text};
use crate::config::keys::Section;

fn spec(yaml: &str) -> Spec {
    match load_text(yaml) {
        Ok(loaded) => loaded.spec,
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in
        ["", "\u{feff}", "# nothing\n", "program:\nLocal-Models:\n", "program: {}\nLocal-Models: {}\n"]
    {
        let program = spec(text).program;
        assert_eq!((program.host.as_str(), program.port), ("127.0.0.1", 8080), "{text:?}");
        assert_eq!(program.log_level, "info");
        assert_eq!((program.max_waiting, program.max_body_bytes), (10_000, 256 * 1024 * 1024));
        assert_eq!((program.drain_timeout, program.log_retention_days), (Duration::from_secs(30), 30));
        assert!(program.database.ends_with("data/llm-manager.db") && !program.disable_gpu_monitoring);
        assert!(program.api_keys.is_empty());
    }
    let spec = spec("Local-Models: {m: {$V}}");
    let model = &spec.models[0];
    assert_eq!(model.mode.name, "Chat");
    assert_eq!(model.alive_time, Some(Duration::from_secs(15 * 60)));
    assert_eq!(
        (model.start_timeout, model.stop_timeout),
        (Duration::from_secs(300), Duration::from_secs(10))
    );
    assert_eq!((model.port, model.max_concurrency), (None, None));
    assert_eq!((model.first_byte_timeout, model.idle_timeout), (None, None));
    assert!(!model.auto_start && !model.foreign_listener);
}

#[test]
fn models_take_times_from_the_program_unless_they_have_their_own() {
    let spec = spec(
        "program: {alive_time: 0.5, start_timeout: 1.5, stop_timeout: 0}\n\
         Local-Models:\n  a: {$V}\n  b: {alive_time: 0, start_timeout: 9, stop_timeout: 8, idle_timeout: 0.25, $V}\n",
    );
    let times = |index: usize| {
        let model = &spec.models[index];
        (model.alive_time, model.start_timeout, model.stop_timeout, model.idle_timeout)
    };
    let ms = Duration::from_millis;
    assert_eq!(times(0), (Some(ms(30_000)), ms(1500), ms(0), None));
    assert_eq!(times(1), (None, ms(9000), ms(8000), Some(ms(250))));
    let never = self::spec("program: {alive_time: 0}\nLocal-Models: {a: {$V}, b: {alive_time: 1, $V}}");
    assert_eq!(never.models[0].alive_time, None);
    assert_eq!(never.models[1].alive_time, Some(ms(60_000)));
}

#[test]
fn variants_keep_the_order_of_the_file() {
    let spec = spec(
        "Local-Models:\n  m:\n    Z: &z {script_path: ok.sh, env: {A: 1, B: true, C: x, D: 1.5}}\n    aliases: [n]\n\
         \x20   A: {<<: *z, required_devices: [v100], memory_mb: {v100: 5}}\n\
         \x20   alive_tim: {command: [run, \"{port}\"]}\n    B: {command: [./ok.sh]}\n",
    );
    let variants = &spec.models[0].variants;
    let names: Vec<_> = variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["Z", "A", "alive_tim", "B"]);
    let script = Launch::Script(spec.base_dir.join("ok.sh"));
    assert_eq!((&variants[0].launch, &variants[1].launch), (&script, &script));
    assert_eq!(variants[1].memory_mb["v100"], 5);
    assert_eq!(variants[1].env, variants[0].env);
    let env: Vec<_> = variants[0].env.values().map(String::as_str).collect();
    assert_eq!(env, ["1", "true", "x", "1.5"]);
    assert_eq!(variants[2].launch, Launch::Command(vec!["run".to_owned(), "{port}".to_owned()]));
    let program = spec.base_dir.join("ok.sh").to_string_lossy().into_owned();
    assert_eq!(variants[3].launch, Launch::Command(vec![program]));
}

#[test]
fn merging_keeps_the_order_of_the_file() {
    let spec = spec(
        "Local-Models:\n  a: &base {max_concurrency: 3, $V}\n  b: {<<: *base, max_concurrency: 4}\n  c: {<<: [*base]}\n",
    );
    let limits: Vec<_> = spec.models.iter().map(|model| model.max_concurrency).collect();
    assert_eq!(limits, [Some(3), Some(4), Some(3)]);
    // The variants of the base come after the model's own.
    let spec = self::spec(
        "Local-Models:\n  a: &base {$V}\n  b:\n    <<: *base\n    Z: {command: [z]}\n    Y: {command: [y]}\n\
         \x20   X: {command: [x]}\n",
    );
    let names: Vec<_> = spec.models[1].variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["Z", "Y", "X", "V"]);
    check("program:\n  <<: 5\n", &["2 program.<<: expected an alias of a mapping | *name"]);
}

#[test]
fn own_modes_are_probed_as_they_say() {
    let spec = spec(
        "modes:\n  A: {endpoints: [/v1/a]}\n  B: {endpoints: [/v1/b], probe: {method: post, paths: [/x, /y], \
         body: {m: \"{model}\", n: 1}}}\n  C: {endpoints: [/c], probe: {method: POST, path: /c, \
         body: '{\"model\": {model}}'}}\nLocal-Models: {m: {mode: B, $V}}\n",
    );
    let names: Vec<_> = spec.modes.iter().map(|mode| mode.name.as_str()).collect();
    assert_eq!(
        names,
        ["Chat", "Base", "Embedding", "Reranker", "Transcription", "Speech", "Image", "A", "B", "C"]
    );
    let probe = |index: usize| {
        let [probe] = &spec.modes[index].probes[..] else { panic!("{:?}", spec.modes[index]) };
        (probe.method.as_str(), probe.paths.join(" "), probe.body.as_deref())
    };
    assert_eq!(probe(7), ("GET", "/v1/models /health".to_owned(), None));
    assert_eq!(probe(8), ("POST", "/x /y".to_owned(), Some(r#"{"m":{model},"n":1}"#)));
    assert_eq!(probe(9), ("POST", "/c".to_owned(), Some(r#"{"model": {model}}"#)));
    assert_eq!(spec.models[0].mode, spec.modes[8]);
}

#[test]
fn built_in_modes_are_extended() {
    let spec = spec(
        "modes:\n  Chat: {endpoints: [/v1/threads, /v1/messages]}\n  Speech: {probe: {path: /ready}, usage: {input: /n}}\n",
    );
    let chat = &spec.modes[0];
    assert_eq!(chat.endpoints.first().map(String::as_str), Some("/v1/chat/completions"));
    assert_eq!(chat.endpoints.last().map(String::as_str), Some("/v1/threads"));
    assert_eq!((chat.probes.len(), spec.modes.len()), (2, 7));
    let speech = spec.modes.iter().find(|mode| mode.name == "Speech").unwrap();
    assert_eq!((speech.probes.len(), speech.probes[0].paths[0].as_str()), (1, "/ready"));
    assert!(speech.usage.is_some() && speech.endpoints.contains(&"/v1/audio/speech".to_owned()));
}

#[test]
fn electricity_has_a_price_and_a_mode_its_pointers() {
    let spec = spec(
        "program: {electricity: {price_per_kwh: \"0.60\", currency: EUR}}\n\
         modes: {A: {endpoints: [/v1/a], usage: {input: /in, output: \"/out/a~1b\"}}, B: {endpoints: [/v1/b]}}\n",
    );
    let electricity = spec.program.electricity.unwrap();
    assert_eq!((electricity.per_kwh.to_string(), electricity.currency.as_str()), ("0.6".to_owned(), "EUR"));
    let pointers = Pointers::default().input("/in").and_then(|pointers| pointers.output("/out/a~1b"));
    assert_eq!(spec.modes[7].usage.as_deref(), pointers.ok().as_ref());
    assert_eq!(spec.modes[8].usage, None);
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let spec = spec("program: {database: ./d/x.db}\ndevices: [{name: n, command: [./ok.sh, a]}]");
    assert_eq!(spec.program.database, spec.base_dir.join("d/x.db").to_string_lossy());
    assert_eq!(spec.devices[0].command[0], spec.base_dir.join("ok.sh").to_string_lossy());
    assert!(spec.base_dir.is_absolute());
    let address = "postgres://user:pw@host/db";
    assert_eq!(self::spec(&format!("program: {{database: \"{address}\"}}")).program.database, address);
}

#[test]
fn log_levels_are_read_in_any_case() {
    for (written, level) in [("debug", "debug"), ("WARNING", "warn"), ("Warn", "warn"), ("TRACE", "trace")] {
        assert_eq!(spec(&format!("program: {{log_level: {written}}}")).program.log_level, level);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let (folder, file) = folder();
    let report = load(&file).unwrap_err().to_string();
    assert!(report.contains("no such file") && report.contains("--config FILE"), "{report}");
    assert!(report.contains("llm-manager init"), "{report}");
    let report = load(folder.path()).unwrap_err().to_string();
    assert!(report.contains("is a folder"), "{report}");
    let report = parse(b"a: 1\nb: \xff\n", &file).unwrap_err().to_string();
    assert!(report.contains("config.yaml:2: the file is not UTF-8"), "{report}");
}

#[test]
fn messages_do_not_repeat_secrets() {
    let report = load_text(
        "program: {api_keys: [\"s3cret key\"], database: \"mysql://u:s3cret@h\"}\n\
         Local-Models: {m: {V: {script_path: ok.sh, env: {A: {s3cret: 1}}}}}",
    );
    let report = report.unwrap_err();
    assert_eq!(report.problems.len(), 3, "{report}");
    assert!(!report.to_string().contains("s3cret"), "{report}");
}

#[test]
fn the_schema_has_the_keys_of_the_table() {
    let schema = schema();
    let names = |value: &serde_json::Value| -> Vec<String> {
        let mut names: Vec<_> = value["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let table = |section: Section| {
        let mut names: Vec<_> = section.keys().map(|key| key.name.to_owned()).collect();
        names.sort();
        names
    };
    let part = |pointer: &str| schema.pointer(&format!("/properties/{pointer}")).unwrap();
    let mode = part("modes/additionalProperties");
    let model = part("Local-Models/additionalProperties");
    for (section, schema) in [
        (Section::Root, &schema),
        (Section::Program, part("program")),
        (Section::Device, part("devices/items")),
        (Section::Mode, mode),
        (Section::Probe, &mode["properties"]["probe"]),
        (Section::Model, model),
        (Section::Variant, &model["additionalProperties"]),
    ] {
        assert_eq!(names(schema), table(section));
        let is_open = section == Section::Model;
        assert_eq!(schema["additionalProperties"] != serde_json::json!(false), is_open, "{section:?}");
    }
    assert_eq!(part("program")["properties"]["port"]["default"], 8080);
    assert_eq!(part("program")["properties"]["port"]["maximum"], 65_535);
}
