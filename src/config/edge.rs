//! The manager's own log, and the way from its clients to it: proxies, base path, TLS.

use llm_manager_policy::capture::CaptureBounds;
use llm_manager_policy::proxies::Network;
use llm_manager_policy::spec::{LogFileSpec, TlsSpec, TracesSpec, UrlPlace};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;
use super::validate::{absolute, written};
use super::{backend, key_specs};
use crate::{tls, traces};

/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

pub(super) fn log_file(walk: &mut Walk<'_>, program: &Fields<'_>) -> Option<LogFileSpec> {
    let fields = walk.fields(Section::LogFile, &program.at("log_file"), program.value("log_file")?);
    walk.refuse_unknown(&fields);
    let path = written(walk, &fields.at("path"), fields.text("path")?);
    if path.is_dir() {
        let hint = Some("write the path of a file in it".to_owned());
        walk.error(&fields.at("path"), format!("{} is a folder", path.display()), hint);
    }
    Some(LogFileSpec {
        path,
        bytes: fields.whole("size_mb").unwrap_or_default() * 1024 * 1024,
        count: fields.whole("count").and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
    })
}

/// How much is kept of requests to models with `capture`.
pub(super) fn captures(walk: &mut Walk<'_>, program: &Fields<'_>) -> CaptureBounds {
    let empty = Value::Mapping(serde_yaml::Mapping::new());
    let value = program.value("captures").filter(|value| value.is_mapping()).unwrap_or(&empty);
    let fields = walk.fields(Section::Captures, &program.at("captures"), value);
    walk.refuse_unknown(&fields);
    CaptureBounds {
        body_bytes: usize::try_from(fields.whole("body_kb").unwrap_or_default() << 10).unwrap_or(usize::MAX),
        total_bytes: fields.whole("size_mb").unwrap_or_default() << 20,
        keep: fields.time("hours", 3600.0).unwrap_or_default(),
    }
}

pub(super) fn trusted_proxies(walk: &mut Walk<'_>, program: &Fields<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for (index, text) in program.texts("trusted_proxies").into_iter().enumerate() {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(why) => {
                let hint = "write an address such as 127.0.0.1, or a network such as 10.0.0.0/8: no names"
                    .to_owned();
                walk.error(&program.at("trusted_proxies").item(index), why, Some(hint));
            }
        }
    }
    networks
}

/// Without the slash at its end.
pub(super) fn base_path(walk: &mut Walk<'_>, program: &Fields<'_>) -> String {
    let text = program.text("base_path").unwrap_or_default().trim_end_matches('/');
    let plain = |segment: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(letters)
    };
    let mut segments = text.split('/').skip(1);
    let ours = ["api", "v1", "assets", "health", "metrics", "upstream"];
    if segments.clone().any(|segment| !plain(segment)) {
        let hint = Some("write it as in a URL: /llm, of letters, digits, -, ., _ and ~".to_owned());
        walk.error(&program.at("base_path"), format!("{text:?} is no plain path"), hint);
    } else if let Some(first) = segments.next().filter(|first| ours.contains(first)) {
        let hint = Some("choose another path, such as /llm".to_owned());
        walk.error(&program.at("base_path"), format!("/{first} is a path of the manager's own"), hint);
    }
    text.to_owned()
}

pub(super) fn tls(walk: &mut Walk<'_>, program: &Fields<'_>) -> Option<TlsSpec> {
    let fields = walk.fields(Section::Tls, &program.at("tls"), program.value("tls")?);
    walk.refuse_unknown(&fields);
    let file = |name| fields.text(name).map(|text| absolute(walk.base_dir, text));
    Some(TlsSpec { cert: file("cert")?, key: file("key")? })
}

/// The files of `tls` are read as the start reads them, so that what stops it is told before.
pub(super) fn certificate(walk: &mut Walk<'_>, spec: &TlsSpec) {
    let Err(wrong) = tls::read(spec) else { return };
    let at = KeyPath::default().key("program").key("tls").key(wrong.file.key());
    let message = format!("{}: {}", wrong.path, wrong.why);
    if wrong.is_denied {
        // The manager may be another user's, who can.
        let hint = Some("the user for whom the manager runs must be able to read it".to_owned());
        walk.warn(&at, message, hint);
    } else {
        walk.error(&at, message, None);
    }
}

/// OTLP's base address gets the path of traces:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.
pub(super) fn traces(walk: &mut Walk<'_>, program: &Fields<'_>) -> Option<TracesSpec> {
    let fields = walk.fields(Section::Traces, &program.at("traces"), program.value("traces")?);
    walk.refuse_unknown(&fields);
    let endpoint = fields.text("endpoint")?.trim_end_matches('/');
    let url = if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}{PATH}") };
    if UrlPlace::parse(&url).is_err() {
        let hint = Some("write it like http://127.0.0.1:4318".to_owned());
        walk.error(&fields.at("endpoint"), "is no http or https address", hint);
    }
    let mut headers = Vec::new();
    for (name, value) in backend::headers(walk, &fields) {
        match key_specs::resolve(walk.base_dir, &value) {
            Ok(value) => headers.push((name, value)),
            Err(why) => walk.error(&fields.at("headers"), format!("{name}: {why}"), None),
        }
    }
    if !traces::BUILT_IN {
        let hint = Some("build it with `cargo build --release --features otel`, or remove this".to_owned());
        let message = "this program was built without the feature `otel`: nothing is traced";
        walk.warn(&program.at("traces"), message, hint);
        return None;
    }
    Some(TracesSpec { url, headers, percent: fields.whole("percent").unwrap_or(100) })
}
