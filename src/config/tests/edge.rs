//! `log_file`, `trusted_proxies`, `base_path`, `tls`.

use std::path::Path;

use llm_manager_policy::spec::{ProgramSpec, TlsSpec};

use crate::config::{examine, parse};

const FILE: &str = "/etc/llm/config.yaml";

fn text(lines: &str) -> String {
    format!("program:\n  {}\n", lines.replace('\n', "\n  "))
}

fn program(lines: &str) -> Result<ProgramSpec, String> {
    let loaded = parse(text(lines).as_bytes(), Path::new(FILE));
    loaded.map(|loaded| loaded.spec.program).map_err(|report| report.to_string())
}

#[test]
fn all_of_it_is_read() {
    let spec = program(
        "log_format: json\nlog_file: {path: log/manager.log, size_mb: 3}\nlog_requests: true\n\
         trusted_proxies: [127.0.0.1, \"fd00::/8\"]\nbase_path: /llm/x/",
    )
    .unwrap();
    let file = spec.log_file.unwrap();
    assert_eq!((file.path.as_path(), file.bytes), (Path::new("/etc/llm/log/manager.log"), 3 << 20));
    assert_eq!((file.count, spec.log_json, spec.log_requests), (5, true, true));
    assert!(spec.trusted_proxies[1].contains("fd00::7".parse().unwrap()));
    assert_eq!(spec.base_path, "/llm/x");
    // The files aren't there, which is told where a start is meant.
    let (spec, report) =
        examine(text("tls: {cert: c.pem, key: /k.pem}").as_bytes(), Path::new(FILE)).unwrap();
    let tls = TlsSpec { cert: Path::new("/etc/llm/c.pem").into(), key: Path::new("/k.pem").into() };
    assert_eq!((spec.program.tls, report.is_empty()), (Some(tls), true));
    let plain = program("port: 1").unwrap();
    assert!(!plain.log_json && plain.log_file.is_none() && plain.base_path.is_empty() && plain.tls.is_none());
    assert_eq!(program("base_path: /").unwrap().base_path, "");
}

#[test]
fn mistakes_are_named() {
    for (lines, words) in [
        ("log_format: xml", "program.log_format"),
        ("log_file: manager.log", "program.log_file: expected a mapping"),
        ("log_file: {path: /etc}", "/etc is a folder"),
        ("log_file: {size_mb: 5}", "`path` is missing"),
        ("log_file: {path: x, days: 5}", "program.log_file.days: unknown key"),
        ("trusted_proxies: [10.0.0.0/8, proxy]", "program.trusted_proxies[1]: \"proxy\" is no IP address"),
        ("base_path: llm", "write it like \"/llm\""),
        ("base_path: /a//b", "is no plain path"),
        ("base_path: /../b", "is no plain path"),
        ("base_path: /a%20b", "is no plain path"),
        ("base_path: /v1", "/v1 is a path of the manager's own"),
        ("tls: {cert: c.pem}", "program.tls: `key` is missing"),
        ("tls: {cert: c.pem, key: /k.pem}", "program.tls.cert: /etc/llm/c.pem: No such file"),
        ("traces: {percent: 5}", "program.traces: `endpoint` is missing"),
        ("traces: {endpoint: collector}", "program.traces.endpoint: is no http or https address"),
    ] {
        let report = program(lines).unwrap_err();
        assert!(report.contains(words), "{lines}: {report}");
    }
}
