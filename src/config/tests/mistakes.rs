//! Every kind of mistake is told with its line, and what helps.

use super::check;

#[test]
fn text_that_is_no_yaml() {
    check("program:\n  port: [1, 2\n", &["2 : not valid YAML | the [ that opens here is never closed"]);
    check("program:\n\tport: 1\n", &["2 : not valid YAML | spaces, not tabs"]);
    check("a: 1\n---\nb: 2\n", &["2 : more than one document | one document"]);
    check("program: *nowhere\n", &["1 : unknown anchor | starts with * needs quotes"]);
    check(
        "- a\n",
        &["- : expected a mapping, got a list | `Local-Models`".trim_end_matches(" | `Local-Models`")],
    );
    check("program:\n  port: 99999999999999999999\n", &["2 : invalid type: integer | too large"]);
    check("hello", &["- : expected a mapping, got the text \"hello\" | Local-Models"]);
}

#[test]
fn keys_that_are_there_twice() {
    check(
        "program:\n  port: 1\n  host: localhost\n  port: 2\nprogram: {}\n",
        &["4 program.port: there twice, first on line 2", "5 program: there twice, first on line 1"],
    );
    check("Local-Models:\n  m: {$V}\n  m: {$V}\n", &["3 Local-Models.m: twice"]);
}

#[test]
fn unknown_keys() {
    check("progam: {}\n", &["1 progam: unknown key | did you mean `program`?"]);
    check("program:\n  prot: 1\n", &["2 program.prot: unknown key | did you mean `port`?"]);
    check("program: {mode: Chat}\n", &["1 program.mode: unknown key | `mode` is a key of a model"]);
    check("program: {colour: red}\n", &["1 program.colour: unknown key | has the keys host, port"]);
    check(
        "Local-Models:\n  qwen:\n    alive_tme: 5\n    $V\n",
        &["3 Local-Models.qwen.alive_tme: unknown key | did you mean `alive_time`?"],
    );
    check(
        "Local-Models:\n  m:\n    $V\n    W: {script_path: ok.sh, enf: {}}\n",
        &["4 Local-Models.m.W.enf: unknown key | did you mean `env`?"],
    );
    check("devices: [{name: n, command: [x], comand: 1}]", &["1 devices[0].comand: unknown key | `command`"]);
    check("modes: {M: {endpoints: [/x], prob: {}}}", &["1 modes.M.prob: unknown key | `probe`"]);
    check(
        "modes: {M: {endpoints: [/x], probe: {path: /x, bdy: 1}}}",
        &["1 modes.M.probe.bdy: unknown key | `body`"],
    );
}

#[test]
fn keys_that_are_no_text() {
    check("1: x\n", &["1 1: expected text as a key, got the number 1 | \"1\""]);
    check(
        "Local-Models:\n  1.5: {$V}\n  true: {$V}\n",
        &[
            "2 Local-Models.1.5: expected text as a key, got the number 1.5 | put it in quotes: \"1.5\"",
            "3 Local-Models.true: expected text as a key, got true | put it in quotes: \"true\"",
        ],
    );
    check("? [a]\n: b\n", &["- ?: expected text as a key, got a list"]);
}

#[test]
fn wrong_types() {
    check("program: 5\n", &["1 program: expected a mapping, got the number 5 | host, port"]);
    check("Local-Models: [a]\n", &["1 Local-Models: expected a mapping by name, got a list"]);
    check("devices: {a: b}\n", &["1 devices: expected a list of mappings, got a mapping"]);
    check("devices: [a]\n", &["1 devices[0]: expected a mapping, got the text \"a\" | name, command"]);
    check("Local-Models: {m: 5}\n", &["1 Local-Models.m: expected a mapping, got the number 5"]);
    for (entry, expected) in [
        (
            "port: \"80\"",
            "port: expected a whole number from 1 to 65535, got the text \"80\" | remove the quotes",
        ),
        ("port: 70000", "port: expected a whole number from 1 to 65535, got the number 70000"),
        ("port: 0", "port: expected a whole number"),
        ("port: 80.5", "port: expected a whole number"),
        ("port: -1", "port: expected a whole number"),
        ("port: !x 1", "port: has a `!tag` | remove"),
        ("host: 127", "host: expected text, got the number 127 | \"127\""),
        ("host: \"\"", "host: is empty | write something between the quotes"),
        ("host: \"http://localhost\"", "host: expected an IP address or a host name | no http://"),
        ("log_level: LOUD", "log_level: expected one of ERROR, WARN"),
        ("log_level: INF", "log_level: expected one of | did you mean `INFO`?"),
        ("Disable_GPU_monitoring: yes", "Disable_GPU_monitoring: expected true or false | write true"),
        ("Disable_GPU_monitoring: 0", "Disable_GPU_monitoring: expected true or false, got the number 0"),
        ("database: dir", "database: is a folder"),
        ("database: mysql://u:secret@h/d", "database: no database of the kind \"mysql\""),
        ("database: \"sqlite:data/x.db\"", "database: no database of the kind \"sqlite\""),
        ("database: \"file:x.db\"", "database: no database of the kind \"file\""),
        ("database: \"postgres:/u:secret@h/d\"", "database: this is no address of PostgreSQL | two slashes"),
        ("database: \"host=h dbname=d password=secret\"", "database: these are the words | postgres://USER"),
        ("database: \":memory:\"", "database: a ledger in memory"),
        ("database: ~/x.db", "database: has `~` or a variable in it | write the whole path"),
        ("database: $HOME/x.db", "database: has `~` or a variable in it | write the whole path"),
        ("database: \"${DATABASE_URL}\"", "database: has `~` or a variable in it"),
        ("database: \"%APPDATA%/x.db\"", "database: has `~` or a variable in it"),
        ("database: new/", "database: is a folder | a file in it"),
        ("log_file: {path: ~/x.log}", "log_file.path: has `~` or a variable in it"),
        ("max_waiting: 0", "max_waiting: expected a whole number from 1"),
        ("max_body_mb: 5000", "max_body_mb: expected a whole number from 1 to 4096"),
        ("log_retention_days: null", ""),
    ] {
        let expected = if expected.is_empty() { None } else { Some(format!("2 program.{expected}")) };
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check(&format!("program:\n  {entry}\n"), &expected);
    }
}

#[test]
fn times_that_are_none() {
    for value in ["-1", "-0.5", ".nan", ".inf", "-.inf", "1e300", "604801000", "\"5\"", "5s", "[5]"] {
        for key in ["alive_time", "start_timeout", "stop_timeout", "drain_timeout"] {
            let expected = format!("1 program.{key}: expected a number from");
            check(&format!("program: {{{key}: {value}}}"), &[&expected]);
        }
        for key in ["alive_time", "start_timeout", "stop_timeout", "first_byte_timeout", "idle_timeout"] {
            let expected = format!("1 Local-Models.m.{key}: expected a number from");
            check(&format!("Local-Models: {{m: {{$V, {key}: {value}}}}}"), &[&expected]);
        }
    }
    check("program: {start_timeout: 0}", &["1 program.start_timeout: expected a number from 0.01"]);
}

#[test]
fn keys_that_open_nothing() {
    let wants = "expected a key: text of printable ASCII characters without spaces";
    check(
        "program:\n  api_keys:\n    - good\n    - \"\"\n    - a b\n    - k\u{e9}y\n    - 5\n",
        &[
            &format!("4 program.api_keys[1]: {wants}"),
            &format!("5 program.api_keys[2]: {wants}"),
            &format!("6 program.api_keys[3]: {wants}"),
            &format!("7 program.api_keys[4]: {wants} | quotes"),
        ],
    );
    check("program: {api_keys: secret}", &["1 program.api_keys: expected a list of keys, got a text"]);
    check(
        "program:\n  host: 0.0.0.0\n  api_keys:\n",
        &["3 program.api_keys: expected a list of keys, got nothing"],
    );
}

#[test]
fn an_open_door_is_a_warning() {
    check("program:\n  host: 0.0.0.0\n", &["2 program.host: anyone who reaches this address | api_keys"]);
    check("program: {host: \"::\", api_keys: []}", &["1 program.host: anyone"]);
    check("program: {host: \"0.0.0.0\", api_keys: [k]}", &[]);
    for host in ["127.0.0.1", "127.1.2.3", "\"::1\"", "\"[::1]\"", "localhost"] {
        check(&format!("program: {{host: {host}}}"), &[]);
    }
}

#[test]
fn names_and_ports_that_two_models_want() {
    check(
        "Local-Models:\n  a:\n    aliases: [x, b, x]\n    $V\n  b:\n    aliases:\n      - x\n      - b\n    $V\n",
        &[
            "3 Local-Models.a.aliases[1]: `b` is also the name of the model `b`",
            "3 Local-Models.a.aliases[2]: `x` is also an alias of the model `a`",
            "7 Local-Models.b.aliases[0]: `x` is also an alias of the model `a`",
            "8 Local-Models.b.aliases[1]: `b` is also the name of the model `b`",
        ],
    );
    check(
        "Local-Models:\n  a: {port: 9001, $V}\n  b:\n    port: 9001\n    $V\n  c: {port: 8080, $V}\n",
        &[
            "4 Local-Models.b.port: port 9001 is also that of the model `a`",
            "6 Local-Models.c.port: port 8080 is also that of the manager itself",
        ],
    );
    check("program: {port: 9001}\nLocal-Models: {a: {port: 9001, $V}}", &["2 Local-Models.a.port: manager"]);
}

#[test]
fn names_that_are_none() {
    check("Local-Models: {\"\": {$V}}", &["1 Local-Models.: is empty"]);
    check("Local-Models: {\"a\\tb\": {$V}}", &["1 Local-Models.a\\tb: control character"]);
    check("Local-Models: {\"a \": {$V}}", &["1 Local-Models.a : space"]);
    check(
        "Local-Models: {a: {aliases: [\"\", 5], $V}}",
        &[
            "1 Local-Models.a.aliases[0]: is empty",
            "1 Local-Models.a.aliases[1]: expected text, got the number 5 | \"5\"",
        ],
    );
    check(
        "Local-Models: {a: {aliases: gpt, $V}}",
        &["1 Local-Models.a.aliases: expected a list | [\"a\", \"b\"]"],
    );
    check("Local-Models: {a: {\"\": {script_path: ok.sh}}}", &["1 Local-Models.a.: is empty"]);
}

#[test]
fn models_that_cannot_be_started() {
    check("Local-Models:\n  a:\n", &["2 Local-Models.a: has no variant | script_path"]);
    check("Local-Models:\n  a: {port: 9001}\n", &["2 Local-Models.a: has no variant"]);
    check(
        "Local-Models:\n  a:\n    script_path: ok.sh\n",
        &["3 Local-Models.a.script_path: `script_path` belongs in a variant | Default"],
    );
    check("Local-Models: {a: {env: {K: v}, $V}}", &["1 Local-Models.a.env: belongs in a variant"]);
    check(
        "Local-Models:\n  a:\n    V: {}\n",
        &["3 Local-Models.a.V: has neither `script_path` nor `command`"],
    );
    check(
        "Local-Models: {a: {V: }}",
        &["1 Local-Models.a.V: unknown key", "1 Local-Models.a: has no variant"],
    );
    for (variant, expected) in [
        ("script_path: ok.sh, command: [x]", "command: has `script_path` and `command`"),
        ("script_path: ok.sh, bat_path: ok.sh", "bat_path: has `script_path` and `bat_path`"),
        ("script_path: no.sh", "script_path: there is no file | start from the folder"),
        ("bat_path: no.sh", "bat_path: there is no file"),
        ("script_path: dir", "script_path: is not a file"),
        ("script_path: ok.sh/x", "script_path: "),
        ("script_path: 5", "script_path: expected text, got the number 5"),
        ("command: []", "command: is empty"),
        ("command: llama-server", "command: expected a list of program and arguments, got a text"),
        ("command: [\"\"]", "command[0]: is empty"),
        ("command: [x, --port, 8080]", "command[2]: expected text, got the number 8080 | \"8080\""),
        ("command: [\"./no.sh\"]", "command[0]: there is no file"),
        ("command: [\"x\\0\"]", "command[0]: NUL"),
    ] {
        let yaml = format!("Local-Models:\n  a:\n    V:\n      {{{variant}}}\n");
        check(&yaml, &[&format!("4 Local-Models.a.V.{expected}")]);
    }
}

#[test]
fn memory_and_environment() {
    for (entries, expected) in [
        ("memory_mb: {v100: 5}", "memory_mb.v100: not among this variant's required_devices | add \"v100\""),
        ("required_devices: [v100], memory_mb: {v10: 5}", "memory_mb.v10: not among | did you mean `v100`?"),
        ("required_devices: [v100], memory_mb: {v100: -5}", "memory_mb.v100: expected a whole number from 0"),
        ("required_devices: [v100], memory_mb: {v100: \"5\"}", "memory_mb.v100: expected a whole | quotes"),
        ("required_devices: [v100], memory_mb: {100: 5}", "memory_mb.100: expected text as a key"),
        ("required_devices: v100, memory_mb: {v100: 5}", "required_devices: expected a list of texts"),
        (
            "memory_mb: 5",
            "memory_mb: expected a mapping from device names to MiB, or the word auto, got a number",
        ),
        ("env: [a]", "env: expected a mapping from variable names to values, got a list"),
        ("env: {A: [secret]}", "env.A: expected text, a number, true or false, got a list"),
        ("env: {A=B: x}", "env.A=B: is not a variable name"),
        ("env: {\"\": x}", "env.: is not a variable name"),
        ("env: {A: \"x\\0\"}", "env.A: NUL"),
        ("env: {1: x}", "env.1: expected text as a key, got the number 1"),
    ] {
        let yaml = format!("Local-Models:\n  a:\n    V:\n      {{script_path: ok.sh, {entries}}}\n");
        check(&yaml, &[&format!("4 Local-Models.a.V.{expected}")]);
    }
}

#[test]
fn modes_and_probes() {
    check(
        "Local-Models:\n  a:\n    mode: chat\n    $V\n",
        &[
            "3 Local-Models.a.mode: unknown mode \"chat\"; the modes are Chat, Base, Embedding, Reranker | `Chat`",
        ],
    );
    check("Local-Models: {a: {mode: Painting, $V}}", &["1 Local-Models.a.mode: unknown mode | `modes`"]);
    check("modes:\n  Chat: {endpoints: [/x]}\n  Base: {probe: {path: /x}}\n", &[]);
    check("modes:\n  M: {}\n", &["2 modes.M: `endpoints` is missing"]);
    check("modes:\n  M:\n", &["2 modes.M: expected a mapping, got nothing"]);
    check("modes: {M: {endpoints: []}}", &["1 modes.M.endpoints: is empty"]);
    check("modes: {M: {endpoints: [v1/x]}}", &["1 modes.M.endpoints[0]: starts with \"/\" | \"/v1/x\""]);
    check("modes: {M: {endpoints: [\"/x?y\"]}}", &["1 modes.M.endpoints[0]: without query"]);
    for reserved in ["/api", "/api/x", "/health", "/metrics", "/v1/models", "/v1/models/x", "/upstream", "/"]
    {
        let yaml = format!("modes:\n  M:\n    endpoints:\n      - /v1/fine\n      - {reserved}\n");
        check(&yaml, &["5 modes.M.endpoints[1]: reserved"]);
    }
    check("modes: {M: {endpoints: [/apis, /v1/models2]}}", &[]);
    for (probe, expected) in [
        ("{method: PUT, path: /x}", ".method: expected one of GET, POST"),
        ("{method: GET}", ": `path` is missing"),
        ("{path: /x, paths: [/y]}", ".paths: `path` and `paths` are both there"),
        ("{paths: []}", ".paths: is empty"),
        ("{path: x}", ".path: starts with \"/\""),
        ("{paths: [/x, y]}", ".paths[1]: starts with \"/\""),
        ("{path: /x, body: {}}", ".body: a GET request has no body"),
        ("{path: /x, method: POST, body: \"{\"}", ".body: expected JSON"),
        ("{path: /x, method: POST, body: 5}", ".body: expected JSON"),
    ] {
        let yaml = format!("modes:\n  M:\n    endpoints: [/m]\n    probe: {probe}\n");
        check(&yaml, &[&format!("4 modes.M.probe{expected}")]);
    }
}

#[test]
fn devices() {
    check("devices:\n  - name: n\n", &["2 devices[0]: says nothing about the device"]);
    check("devices:\n  - command: [x]\n", &["2 devices[0]: `name` is missing"]);
    check("devices: [{name: CPU, command: [x]}]", &["1 devices[0].name: built-in device"]);
    check(
        "devices:\n  - {name: n, command: [x]}\n  - {name: n, command: [./no.sh]}\n",
        &["3 devices[1].name: another device has the name \"n\"", "3 devices[1].command[0]: no file"],
    );
}

#[test]
fn all_problems_are_told_at_once_in_file_order() {
    check(
        "program: {port: x}\nmodes: {M: {endpoints: [m]}}\nLocal-Models:\n  a:\n    mode: Nope\n    aliases: [b]\n\
         \x20   V: {script_path: no.sh}\n  b: {typo: 1}\nextra: 1\n",
        &[
            "1 program.port: expected",
            "2 modes.M.endpoints[0]: expected a path",
            "5 Local-Models.a.mode: unknown mode",
            "6 Local-Models.a.aliases[0]: `b` is also",
            "7 Local-Models.a.V.script_path: there is no file",
            "8 Local-Models.b.typo: unknown key",
            "8 Local-Models.b: has no variant",
            "9 extra: unknown key",
        ],
    );
}

#[test]
fn price_plans() {
    let plan = |plan: &str| format!("Local-Models:\n  m:\n    billing: {plan}\n    $V\n");
    check(
        &plan("{method: hourly, currency: yuan, tiers: [{input: 1, output: \"2\"}]}"),
        &[
            "3 Local-Models.m.billing.tiers[0].input: a decimal in quotes | quotes",
            "3 Local-Models.m.billing.currency: three capital letters",
            "3 Local-Models.m.billing.tiers: does not belong | hourly, with `per_hour`",
            "3 Local-Models.m.billing.per_hour: missing",
        ],
    );
    check(&plan("{method: daily, currency: CNY}"), &["3 Local-Models.m.billing.method: tiered"]);
    check(
        &plan("{method: tiered, currency: CNY}"),
        &["3 Local-Models.m.billing.tiers: has no tier | tiers:"],
    );
    check(&plan("cheap"), &["3 Local-Models.m.billing: expected a mapping | method"]);
}

#[test]
fn electricity_and_pointers() {
    check(
        "program: {electricity: {}}",
        &[
            "1 program.electricity: `price_per_kwh` is missing",
            "1 program.electricity: `currency` is missing",
        ],
    );
    check(
        "program: {electricity: {price_per_kwh: 0.6, currency: euro, colour: green}}",
        &[
            "1 program.electricity.price_per_kwh: quotes",
            "1 program.electricity.colour: unknown key",
            "1 program.electricity.currency: three capital letters, got \"euro\" | EUR",
        ],
    );
    check(
        "modes: {A: {endpoints: [/v1/a], usage: {input: in, output: /a~b}}}",
        &["1 modes.A.usage.input: begins with `/` | /usage/input_tokens", "1 modes.A.usage.output: `~0`"],
    );
    check("modes: {A: {endpoints: [/v1/a], usage: {}}}", &["1 modes.A.usage: nowhere | at least one"]);
}

#[test]
fn a_budget_of_money_has_a_currency() {
    let key = |budget: &str| {
        format!("keys: [{{name: a, secret: \"12345678\", budget: {{{budget}}}}}]\nLocal-Models: {{}}")
    };
    check(
        &key("amount: \"5\""),
        &["1 keys[0].budget: the `currency` of its `amount` is missing | write CNY or EUR"],
    );
    check(
        &key("amount: \"5\", currency: ~"),
        &["1 keys[0].budget: the `currency` of its `amount` is missing"],
    );
    check(
        &key("amount: \"5\", currency: eur"),
        &["1 keys[0].budget.currency: expected three capital letters, got \"eur\""],
    );
}

#[cfg(unix)]
#[test]
fn a_shell_is_not_given_words_to_run() {
    let entry =
        |words: &str| format!("notify: [{{name: a, command: [sh, -c, {words}]}}]\nLocal-Models: {{}}");
    check(&entry("'say {title}'"), &["1 notify[0].command[2]: a shell runs what is filled in here | `$1`"]);
    check(&entry("'say \"$1\"', sh, '{title}'"), &[]);
}
