//! TLS: the certificate comes from files and is read again; the command line knows its own manager.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::inbox::Inbox;
use crate::support::{self, Config, Model, PATIENCE, Variant, free_port, wait_until};

const BINARY: &str = env!("CARGO_BIN_EXE_llm-manager");

/// A manager that speaks TLS, which the harness does not.
struct Manager {
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

/// Writes a certificate and its key, as tools that renew them do it.
fn certify(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, text) in [("cert.pem", cert.pem()), ("key.pem", signing_key.serialize_pem())] {
        std::fs::write(dir.join("new"), text).unwrap();
        std::fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
    cert.der().clone()
}

impl Manager {
    fn prepare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let fake = env!("CARGO_BIN_EXE_fake-model-server");
        let text = format!(
            "program:\n  port: {port}\n  Disable_GPU_monitoring: true\n  base_path: /llm\n  api_keys: [the-key]\n  \
             tls: {{cert: cert.pem, key: key.pem}}\nLocal-Models:\n  chat:\n    mode: Chat\n    Default:\n      \
             command: [{fake}, --port, \"{{port}}\", --name, chat]\n"
        );
        std::fs::write(dir.path().join("config.yaml"), text).unwrap();
        Self { dir, port, child: None }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(self.dir.path().join("config.yaml")).args(words).env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    fn cli(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        self.child = Some(self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        wait_until("it serves", PATIENCE, || self.cli(&["status"]).status.success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What a client that trusts this certificate alone is answered.
    fn ask(&self, trusted: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut stream = StreamOwned::new(client, stream);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn health(&self, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
        self.ask(trusted, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let ended = child.wait();
        if std::thread::panicking() {
            eprintln!("--- the manager's log ---\n{}", self.log());
        } else {
            assert!(ended.unwrap().success(), "{}", self.log());
        }
    }
}

#[test]
fn clients_and_the_command_line_come_over_tls() {
    let mut manager = Manager::prepare();
    let certificate = certify(manager.dir.path());
    manager.start();
    assert!(
        manager.log().contains(&format!("at https://127.0.0.1:{}/llm", manager.port)),
        "{}",
        manager.log()
    );
    let body = r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = format!(
        "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-key\r\nConnection: \
         close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = manager.ask(&certificate, &request).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("data: [DONE]"), "{answer}");
    let session = r#"{"key":"the-key"}"#;
    let request = format!(
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{session}",
        session.len()
    );
    let answer = manager.ask(&certificate, &request).unwrap();
    assert!(answer.contains("Path=/llm; Secure"), "{answer}");
    let told = String::from_utf8(manager.cli(&["status"]).stdout).unwrap();
    assert!(told.contains("chat") && told.contains("ready"), "{told}");
    let told = String::from_utf8(manager.cli(&["connect"]).stdout).unwrap();
    assert!(told.contains(&format!("https://127.0.0.1:{}/llm/v1\n", manager.port)), "{told}");
    // Who speaks plain HTTP to it gets no answer, and harms nobody.
    let mut plain = TcpStream::connect(("127.0.0.1", manager.port)).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(manager.health(&certificate).unwrap().contains("\"ok\""));
}

#[test]
fn a_renewed_certificate_comes_in_force_and_a_broken_one_does_not() {
    let mut manager = Manager::prepare();
    let first = certify(manager.dir.path());
    manager.start();
    manager.health(&first).unwrap();
    std::fs::write(manager.dir.path().join("cert.pem"), "no certificate").unwrap();
    wait_until("the mistake is told", PATIENCE, || {
        manager.log().contains("tls: the former certificate stays in force: ")
    });
    manager.health(&first).unwrap();
    let second = certify(manager.dir.path());
    wait_until("the second one is shown", PATIENCE, || manager.health(&second).is_ok());
    let error = manager.health(&first).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(manager.cli(&["status"]).status.success(), "the command line knows it from the file");
    assert!(manager.log().contains("tls: the new certificate in "), "{}", manager.log());
}

#[test]
fn mistakes_in_the_files_are_told_before_anything_starts() {
    let manager = Manager::prepare();
    let told = |words: &[&str]| {
        for command in ["check", "serve"] {
            let output = manager.cli(&[command]);
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(words.iter().all(|word| said.contains(word)), "{command}: {said}");
        }
    };
    let path = |name: &str| manager.dir.path().join(name);
    told(&["cert.pem", "program.tls.cert", "No such file"]);
    std::fs::write(path("cert.pem"), "hello").unwrap();
    told(&["program.tls.cert", "no certificate"]);
    certify(manager.dir.path());
    let key = std::fs::read(path("key.pem")).unwrap();
    std::fs::remove_file(path("key.pem")).unwrap();
    told(&["key.pem", "program.tls.key"]);
    certify(manager.dir.path());
    std::fs::write(path("key.pem"), key).unwrap();
    told(&["config.yaml:", "program.tls.key: ", "it is not the key of", "cert.pem"]);
}

#[test]
fn a_server_elsewhere_has_to_show_a_certificate_that_is_trusted_here() {
    let mut far = Manager::prepare();
    certify(far.dir.path());
    far.start();
    let there = format!("https://localhost:{}/llm/v1", far.port);
    let config =
        Config::with(Model::chat("chat").variant(Variant::new("There").elsewhere(&there, Some("the-key"))));
    let trusting = |dir: &Path| {
        let file = dir.join("cert.pem").display().to_string();
        support::Manager::start_with(&config, &[("SSL_CERT_FILE", &file)])
    };

    let near = trusting(far.dir.path());
    let large = "x".repeat(300_000);
    let body = serde_json::json!({"model": "chat", "messages": [{"role": "user", "content": large}], "stream": true});
    for _ in 0..2 {
        let reply = near.post("/v1/chat/completions").json(&body).fake("tokens=50").send().ok();
        assert!(reply.text().contains("[DONE]"), "{}", reply.text());
    }
    let theirs = near.get("/upstream/chat/api/models").send().ok();
    assert_eq!(theirs.json()[0]["name"], "chat", "its other paths begin below its own base path");

    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    let refused = trusting(other.path()).chat("chat").send().error(503, "insufficient_resources").text();
    assert!(refused.contains("certificate") && refused.contains(&there), "{refused}");
}

#[test]
fn a_certificate_that_ends_soon_is_told_of() {
    let inbox = Inbox::open();
    let mut manager = Manager::prepare();
    let config = manager.dir.path().join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("notify: [{{name: ops, webhook: \"{}\"}}]\n{text}", inbox.url("/")))
        .unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    // Its days are named without a clock, so that the end is the next day or the one after.
    let end =
        (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(36)).to_zoned(jiff::tz::TimeZone::UTC);
    let (year, month, day) = (end.year(), end.month(), end.day());
    parameters.not_after = rcgen::date_time_ymd(year.into(), month.cast_unsigned(), day.cast_unsigned());
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(manager.dir.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(manager.dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    manager.start();
    let told = inbox.wait(1)[0].json();
    assert_eq!(told["event"], "certificate", "{told}");
    let title = told["title"].as_str().unwrap();
    assert!(
        title == "The certificate ends within a day" || title == "The certificate ends within 3 days",
        "{title}"
    );
    let wanted = format!("(`program.tls.cert`) ends at {year}-{month:02}-{day:02} 00:00 UTC.");
    assert!(told["text"].as_str().unwrap().contains(&wanted), "{wanted}: {told}");
}
