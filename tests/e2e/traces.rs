//! Traces of requests, as a collector gets them: OTLP over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message as _;

use crate::support::{Config, Manager, Model, PATIENCE, assert_says, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A collector that answers its requests with these statuses, then with 200; what it was sent.
fn collector(statuses: &'static [u16]) -> (String, Receiver<(String, Vec<Span>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                head.push_str(&line.to_ascii_lowercase());
                line.clear();
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(&200);
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if *status == 200 {
                let data = TracesData::decode(body.as_slice()).unwrap();
                let scopes = data.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                let spans = scopes.flat_map(|scope| scope.spans).collect();
                if sender.send((head, spans)).is_err() {
                    return;
                }
            }
        }
    });
    (url, receiver)
}

fn config(url: &str, rest: &str) -> Config {
    let traces = format!("traces: {{endpoint: {url:?}, headers: {{X-Tenant: lab}}{rest}}}");
    Config::with(Model::chat("chat").flags(&["--load-delay-ms", "300"])).program(&traces)
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

#[test]
fn each_part_of_a_request_is_a_span_of_its_trace() {
    let (url, received) = collector(&[503]);
    let mut manager = Manager::start(&config(&url, ""));
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let reply = manager.chat("chat").header("traceparent", &parent).fake("echo=1").send().ok();
    let (head, spans) = received.recv_timeout(PATIENCE).unwrap();
    assert_says(&head, &["post /v1/traces ", "content-type: application/x-protobuf", "x-tenant: lab"]);
    assert!(spans.iter().all(|span| span.trace_id == u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes()));
    let find = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let root = find("POST /v1/chat/completions");
    assert_eq!(root.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(attribute(root, "gen_ai.request.model"), Some(&Value::StringValue("chat".to_owned())));
    assert_eq!(attribute(root, "http.response.status_code"), Some(&Value::IntValue(200)));
    assert_eq!((attribute(root, "error.type"), &root.status), (None, &None));
    for (name, of) in [
        ("wait", "POST /v1/chat/completions"),
        ("placement", "wait"),
        ("start", "wait"),
        ("backend", "POST /v1/chat/completions"),
        ("first byte", "backend"),
        ("stream", "backend"),
    ] {
        let (span, of) = (find(name), find(of));
        assert_eq!(span.parent_span_id, of.span_id, "{name}");
        assert!(span.start_time_unix_nano >= of.start_time_unix_nano, "{name}");
        assert!(span.end_time_unix_nano <= of.end_time_unix_nano, "{name}");
    }
    let start = find("start");
    assert!(start.end_time_unix_nano - start.start_time_unix_nano >= 300_000_000, "{start:?}");
    // The backend's own spans belong to ours.
    let headers = reply.json()["headers"].to_string().to_ascii_lowercase();
    let backend = u64::from_be_bytes(find("backend").span_id.clone().try_into().unwrap());
    assert_says(&headers, &[&format!("00-{TRACE}-{backend:016x}-01")]);
    assert_says(&manager.log(), &["traces: ", "503", "are kept until it takes them"]);
    // What is still here at the end goes at the end; and an error is one.
    manager.chat("chat").fake("die=before-answer").send();
    manager.chat("chat").header("traceparent", &parent.replace("-01", "-00")).send().ok();
    manager.stop();
    let mut roots = Vec::new();
    while let Ok((_, spans)) = received.try_recv() {
        roots.extend(spans.into_iter().filter(|span| span.name.starts_with("POST")));
    }
    assert_eq!(roots.len(), 1, "the third is not traced, as its client wants it: {roots:#?}");
    assert_eq!(attribute(&roots[0], "error.type"), Some(&Value::StringValue("backend_error".to_owned())));
    assert_eq!(roots[0].status.as_ref().unwrap().code, 2);
}

#[test]
fn whoever_decides_nothing_is_traced_by_percent_and_a_silent_collector_harms_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut manager = Manager::start(&config(&url, ", percent: 0"));
    let reply = manager.chat("chat").fake("echo=1").send().ok();
    assert!(!reply.json()["headers"].to_string().to_ascii_lowercase().contains("traceparent"));
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    manager.chat("chat").header("traceparent", &parent).send().ok();
    wait_until("the log says that nobody is there", PATIENCE, || {
        manager.log().contains(&format!("traces: {url}/v1/traces: "))
    });
    manager.chat("chat").header("traceparent", &parent).send().ok();
    manager.stop();
    assert_says(&manager.log(), &["spans are lost"]);
}
