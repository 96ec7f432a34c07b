//! Slips of the hand: each is told on its own line, with a way out that changes nothing of what was written.

use super::super::{parse, schema};
use super::{check, folder, load_text};

#[test]
fn numbers_in_env_are_passed_on_as_they_are_written() {
    let yaml = "x-common: &common {G: 2.50}\nLocal-Models:\n  m:\n    V:\n      script_path: ok.sh\n      env: &env\n\
                \x20       A: 1.10\n        B: 1e3\n        C: 0x1F\n        D: 010\n        E: True\n        F: yes\n\
                \x20   W: {script_path: ok.sh, env: *env}\n    X: {script_path: ok.sh, env: {<<: [*common, *env], A: 7.0}}\n";
    let spec = load_text(yaml).unwrap().spec;
    let env = |index: usize| -> Vec<String> {
        let env = &spec.models[0].variants[index].env;
        env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let written = ["A=1.10", "B=1e3", "C=0x1F", "D=010", "E=True", "F=yes"];
    assert_eq!(env(0), written);
    assert_eq!(env(1), written);
    assert_eq!(env(2), ["A=7.0", "B=1e3", "C=0x1F", "D=010", "E=True", "F=yes", "G=2.50"]);
}

#[test]
fn hints_show_what_was_written() {
    check(
        "Local-Models:\n  m:\n    aliases:\n      - 3.10\n      - True\n      - null\n    $V\n",
        &[
            "4 Local-Models.m.aliases[0]: got the number 3.10 | put it in quotes: \"3.10\"",
            "5 Local-Models.m.aliases[1]: got True | put it in quotes: \"True\"",
            "6 Local-Models.m.aliases[2]: got nothing | put it in quotes: \"null\"",
        ],
    );
    check(
        "Local-Models:\n  # comment\n  1.10: {$V}\n\n  1e3: {$V}\n  0x10:\n    $V\n",
        &[
            "3 Local-Models.1.10: expected text as a key, got the number 1.10 | \"1.10\"",
            "5 Local-Models.1e3: got the number 1e3 | \"1e3\"",
            "6 Local-Models.0x10: got the number 0x10 | \"0x10\"",
        ],
    );
    check(
        "Local-Models:\n  m:\n    1.50:\n      script_path: ok.sh\n    $V\n",
        &["3 Local-Models.m.1.50: got the number 1.50 | \"1.50\""],
    );
    check(
        "Local-Models:\n  m:\n    V:\n      script_path: ok.sh\n      env:\n        A: x\n        1.0: x\n",
        &["7 Local-Models.m.V.env.1.0: expected text as a key, got the number 1.0 | \"1.0\""],
    );
    check(
        "Local-Models:\n  m:\n    billing: {method: hourly, currency: CNY, per_hour: 1.50}\n    $V\n",
        &["3 Local-Models.m.billing.per_hour: quotes, got the number 1.50 | \"1.50\""],
    );
}

#[test]
fn nobody_is_told_to_remove_quotes_that_are_not_there() {
    for (value, hint) in [
        ("018431", "drop the leading zero: write 18431"),
        ("\"018431\"", "write 18431, without quotes"),
        ("'80'", "remove the quotes"),
        ("!!str 18431", "remove the tag !!str"),
        ("1_000", "write 1000"),
        ("８０８０", "ASCII digits: 8080"),
        ("“8080”", "write 8080"),
    ] {
        check(
            &format!("program:\n  port: {value}\n"),
            &[&format!("2 program.port: expected a whole number | {hint}")],
        );
    }
    for (value, hint) in [
        ("010", "drop the leading zero: write 10"),
        ("08", "drop the leading zero: write 8"),
        ("1e400", "too large"),
        ("0,5", "0.5"),
        ("15m", "it counts minutes"),
    ] {
        check(
            &format!("program:\n  alive_time: {value}\n"),
            &[&format!("2 program.alive_time: expected a number from | {hint}")],
        );
    }
    for (value, hint) in [
        ("y", "write true"),
        ("1", "write true"),
        ("\"true\"", "write true, without quotes"),
        ("yes", "write true"),
        ("off", "write false"),
        ("0", "write false"),
    ] {
        check(
            &format!("Local-Models:\n  m:\n    auto_start: {value}\n    $V\n"),
            &[&format!("3 Local-Models.m.auto_start: expected true or false | {hint}")],
        );
    }
    let report = load_text("Local-Models: {m: {auto_start: yes, $V}}").unwrap_err().to_string();
    assert!(!report.contains("quotes"), "{report}");
}

#[test]
fn placeholders_without_quotes() {
    let quotes = "put it in quotes: \"{port}\"";
    check(
        "Local-Models:\n  m:\n    V:\n      command: [x, --port, {port}]\n",
        &[&format!("4 Local-Models.m.V.command[2]: expected text, got a mapping | {quotes}")],
    );
    check(
        "Local-Models:\n  m:\n    V:\n      command:\n        - x\n        - {{port}}\n",
        &[&format!("6 Local-Models.m.V.command[1]: expected text | {quotes}")],
    );
    check(
        "Local-Models:\n  m:\n    V:\n      script_path: ok.sh\n      env: {P: {port}}\n",
        &[&format!("5 Local-Models.m.V.env.P: expected text | {quotes}")],
    );
    check(
        "modes:\n  M:\n    endpoints: [/m]\n    probe: {method: POST, path: /m, body: {model: {model}}}\n",
        &["4 modes.M.probe.body: placeholder without quotes | \"{model}\""],
    );
    for (item, hint) in [("--port={port}", "such as \"--port={port}\""), ("${PORT}", "write \"{port}\"")] {
        check(
            &format!("Local-Models:\n  m:\n    V:\n      command: [x, {item}]\n"),
            &[&format!("4 : not valid YAML | {hint}")],
        );
    }
}

#[test]
fn windows_paths_in_double_quotes() {
    let way_out = "single quotes, or write it with /";
    for path in [r"D:\models\x.bat", r"C:\Users\me\x.bat", r"\\server\x"] {
        let yaml = format!("Local-Models:\n  m:\n    V:\n      script_path: \"{path}\"\n");
        let Err(report) = load_text(&yaml) else { panic!("{yaml}") };
        let text = report.to_string();
        let is_told = text.contains(way_out) || path.starts_with(r"\\");
        assert!(is_told && text.contains("config.yaml:4:"), "{text}");
    }
    check(
        "Local-Models:\n  m:\n    V:\n      script_path: \"D:\\new\\tools.bat\"\n",
        &[&format!("4 Local-Models.m.V.script_path: has a control character | {way_out}")],
    );
    check(
        "Local-Models:\n  m:\n    V:\n      command: [x, -m, \"D:\\temp\\big.gguf\"]\n      env: {D: \"C:\\new\"}\n",
        &[
            &format!("4 Local-Models.m.V.command[2]: control character | {way_out}"),
            &format!("5 Local-Models.m.V.env.D: control character | {way_out}"),
        ],
    );
    // A line break in an argument is nobody's path.
    check("Local-Models: {m: {V: {command: [sh, -c, \"echo a\\necho b\"]}}}", &[]);
}

#[test]
fn anchors_have_a_place() {
    check("x-defaults: &d {auto_start: true}\nLocal-Models:\n  m: {<<: *d, $V}\n", &[]);
    check("defaults: &d {auto_start: true}\n", &["1 defaults: unknown key | begins with x-"]);
    check("program: {x-a: 1}\n", &["1 program.x-a: unknown key"]);
    assert!(schema()["patternProperties"].get("^x-").is_some());
}

#[test]
fn characters_of_other_keyboards() {
    check(
        "Local-Models:\n  m:\n    aliases: [“a1”, it’s]\n    $V\n",
        &["3 Local-Models.m.aliases[0]: a part of the text | write \"a1\""],
    );
    check(
        "program:\n  host: localhost\n  port：8080\n  alive_time: 5\n",
        &["3 : not valid YAML | full-width colon"],
    );
    check("program:\n  port：8080\n", &["1 program: expected a mapping, got the text | full-width colon"]);
    check("program: {port：8080}\n", &["1 program.port：8080: unknown key | full-width colon"]);
    check(
        "program:\n  host: localhost\n  port:8080\n  alive_time: 5\n",
        &["3 : not valid YAML | `port: 8080`"],
    );
    check("program:\n  port:8080\n", &["1 program: expected a mapping | `port: 8080`"]);
    check("Local-Models: {m: {aliases: [a，b], $V}}", &["1 Local-Models.m.aliases[0]: full-width comma"]);
    check("program:\n  host: \"localhost\n  port: 8080\n", &["2 : not valid YAML | never closed"]);
}

#[test]
fn files_of_the_original_program_are_taken() {
    let yaml = "program:\n  host: \"127.0.0.1\"\n  port: 8080\n  alive_time: 60\n  Disable_GPU_monitoring: false\n\
                \x20 device_plugin_dir: \"plugins/devices\"\n  interface_plugin_dir: \"plugins/interfaces\"\n\
                \x20 log_level: \"INFO\"\n  TokenTracker:\n    - \"Chat\"\n  claude_settings_path: \"x\"\n\
                wake_on_lan:\n  pc: {broadcast_address: a, mac_address: b}\nclaude_configs:\n  a: {b: c}\n\
                Local-Models:\n  bge:\n    aliases: [\"bge\", \"b\"]\n    mode: \"Embedding\"\n    port: 10002\n\
                \x20   auto_start: false\n    CPU:\n      required_devices: [\"CPU\"]\n      script_path: \"ok.sh\"\n\
                \x20     memory_mb:\n        CPU: 0\n";
    let none = "has no effect here";
    check(
        yaml,
        &[
            &format!("6 program.device_plugin_dir: {none} | `devices`"),
            &format!("7 program.interface_plugin_dir: {none} | `modes`"),
            &format!("9 program.TokenTracker: {none} | remove it"),
            &format!("11 program.claude_settings_path: {none} | connect claude-code"),
            &format!("12 wake_on_lan: {none} | remove it"),
            &format!("14 claude_configs: {none} | connect claude-code"),
            "18 Local-Models.bge.aliases[0]: also the name of the model `bge` | remove it",
        ],
    );
    let (_folder, file) = folder();
    let loaded = parse(yaml.as_bytes(), &file).unwrap();
    assert_eq!(loaded.spec.models[0].aliases, ["b"]);
}

#[test]
fn what_is_inside_of_a_name_that_is_a_number_is_looked_at_too() {
    check(
        "Local-Models:\n  3.10:\n    mode: Chatt\n    aliases: [1.10]\n    V: {command: [x, {port}]}\n",
        &[
            "2 Local-Models.3.10: expected text as a key, got the number 3.10 | \"3.10\"",
            "3 Local-Models.3.10.mode: unknown mode | `Chat`",
            "4 Local-Models.3.10.aliases[0]: the number 1.10 | \"1.10\"",
            "5 Local-Models.3.10.V.command[1]: expected text | \"{port}\"",
        ],
    );
    check(
        "Local-Models:\n  m:\n    1:\n      command: [x, 4096]\n",
        &[
            "3 Local-Models.m.1: expected text as a key | \"1\"",
            "4 Local-Models.m.1.command[1]: the number 4096 | \"4096\"",
        ],
    );
}

#[test]
fn values_that_are_nearly_right_say_how_to_write_them() {
    for (value, hint) in [
        ("8080,", "write 8080"),
        ("8080;", "write 8080"),
        ("8080 // why", "`8080 # why`"),
        ("8080# why", "`8080 # why`"),
        ("8080.0", "write it without a point: 8080"),
    ] {
        let text = format!("program:\n  port: {value}\n");
        check(&text, &[&format!("2 program.port: expected a whole number | {hint}")]);
    }
    check(
        "Local-Models:\n  m:\n    V:\n      script_path: ok.sh\n      env: {A: null, B: , C: [1], D: ~}\n",
        &[
            "5 Local-Models.m.V.env.A: got nothing | put it in quotes: \"null\"",
            "5 Local-Models.m.V.env.B: got nothing | for an empty value, write \"\"",
            "5 Local-Models.m.V.env.C: got a list | in quotes",
            "5 Local-Models.m.V.env.D: got nothing | put it in quotes: \"~\"",
        ],
    );
    check(
        "Local-Models:\n  m:\n    V:\n      script_path: ok.sh\n      env: [A=1]\n      memory_mb: 8GB\n",
        &[
            "5 Local-Models.m.V.env: got a list | write it like {NAME: \"value\"}",
            "6 Local-Models.m.V.memory_mb: got a text | write it like {v100: 16000}",
        ],
    );
    check(
        "Local-Models:\n  m:\n    V: {script_path: ok.sh, required_devices: [v100], memory_mb: {v100: 8,000}}\n",
        &["3 Local-Models.m.V.memory_mb.000: got nothing | without a comma"],
    );
    check(
        "Local-Models:\n  m:\n    V: {script_path: ~/ok.sh}\n  n:\n    V: {script_path: $HOME/ok.sh}\n",
        &[
            "3 Local-Models.m.V.script_path: there is no file | write the whole path",
            "5 Local-Models.n.V.script_path: there is no file | write the whole path",
        ],
    );
    check(
        "Local-Models:\n  m:\n    V: {command: [x, --port, $PORT]}\n  n:\n    V: {command: [bash, -c, \"x $PORT\"]}\n",
        &["3 Local-Models.m.V.command[2]: passed on as it stands | write \"{port}\""],
    );
}

#[test]
fn models_and_variants_in_another_form_say_how_to_write_them() {
    check("models: {m: {$V}}\n", &["1 models: unknown key | `Local-Models`"]);
    check(
        "Local-Models:\nm:\n  mode: Chat\n  $V\n",
        &["2 m: unknown key | a model stands below `Local-Models:`"],
    );
    check(
        "Local-Models:\n  - name: m\n    mode: Chat\n",
        &["1 Local-Models: expected a mapping by name, got a list | write no list"],
    );
    check(
        "Local-Models:\n  m:\n    V: [x, \"{port}\"]\n  n:\n    V: start.sh\n  o:\n    aliase: [a]\n    $V\n",
        &[
            "3 Local-Models.m.V: a variant is a mapping | `V: {command: [...]}`",
            "5 Local-Models.n.V: a variant is a mapping | `V: {script_path: start.sh}`",
            "7 Local-Models.o.aliase: unknown key | `aliases`",
        ],
    );
    check("program:\n  port = 8080\n", &["1 program: expected a mapping | `port: 8080`"]);
}

#[test]
fn what_keeps_a_file_from_being_yaml_is_told_where_it_is() {
    for (text, expected) in [
        ("program:\n  host: \"a\n  log_level: \"INFO\"\n", "2 : not valid YAML | never closed"),
        ("program:\n  port=80\n  host: x\n", "2 : not valid YAML | `port: 80`"),
        ("program:\n  host: a: b\n", "2 : not valid YAML | `host: \"a: b\"`"),
        ("program:\n  host: ::\n  port: 1\n", "2 : not valid YAML | `host: \"::\"`"),
        ("program:\n  host: 'it's'\n", "2 : not valid YAML | written twice"),
        ("program:\n  host: \"a\"b\n  port: 1\n", "2 : not valid YAML | behind the closing quote"),
        ("program:\n  host: a\n    port: 1\n", "3 : not valid YAML | deeper than the line above"),
        ("program:\n  host:\u{a0}a\n  port: 1\n", "2 : not valid YAML | U+00A0"),
        ("program:\n\u{3000}\u{3000}host: a\n  port: 1\n", "2 : not valid YAML | U+3000"),
        ("program:\n  host: @a\n", "2 : not valid YAML | starts with @ needs quotes"),
        ("program:\n\thost: a\n", "2 : not valid YAML | spaces, not tabs"),
        ("program: {\n  host: a, // why\n  port: 1}\n", "2 : not valid YAML | begins with a space and `#`"),
        ("keys: [a, #b]\nprogram:\n  port: 1\n", "1 : not valid YAML | starts with # needs quotes"),
        ("keys: [a, b\nprogram:\n  port: 1\n", "1 : not valid YAML | the [ that opens here is never closed"),
        ("devices: [{name: a: b}]\n", "1 : not valid YAML | with a colon in it needs quotes"),
        ("x: 1\ny: *z\n", "2 : not valid YAML | starts with * needs quotes"),
    ] {
        check(text, &[expected]);
    }
}
