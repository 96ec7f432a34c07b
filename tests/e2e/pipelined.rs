//! Requests that a client sends before it has its answers.

use crate::support::{Config, Manager, Model, PATIENCE};
use std::io::{Read, Write};
use std::net::TcpStream;

fn connect(manager: &Manager) -> TcpStream {
    let port: u16 = manager.url().rsplit(':').next().unwrap().parse().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn chat(script: &str) -> String {
    let body = r#"{"model": "chat", "messages": []}"#;
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nx-fake: {script}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The answers on a connection, until there are so many.
fn answers(stream: &mut TcpStream, count: usize) {
    let (mut seen, mut rest, mut bytes) = (0, Vec::new(), vec![0; 64 << 10]);
    while seen < count {
        let length = stream.read(&mut bytes).unwrap();
        assert!(length > 0, "closed after {seen} answers: {}", String::from_utf8_lossy(&rest));
        rest.extend_from_slice(&bytes[..length]);
        // actix gives an answer the version of the request that it has decoded last.
        let mark = b" 200 OK\r\n";
        seen += memchr::memmem::find_iter(&rest, mark).count();
        let kept = rest.len().min(mark.len() - 1);
        rest.drain(..rest.len() - kept);
    }
    assert_eq!(seen, count);
}

/// The most memory that the manager held, in KiB; begins anew each time.
#[cfg(target_os = "linux")]
fn peak(manager: &Manager) -> u64 {
    let process = format!("/proc/{}", manager.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    // Where the kernel doesn't allow that, what follows has to be more than all that came before.
    let _ = std::fs::write(format!("{process}/clear_refs"), "5");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn requests_sent_ahead_wait_in_their_client() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let mut stream = connect(&manager);
    peak(&manager);
    let before = peak(&manager);
    stream.write_all(chat(&format!("wait_file={}", manager.word("go"))).as_bytes()).unwrap();
    manager.wait_leases("chat", 1);
    let mut sending = stream.try_clone().unwrap();
    let many = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000);
    let sender = std::thread::spawn(move || sending.write_all(many.as_bytes()).unwrap());
    manager.touch("go");
    answers(&mut stream, 20_001);
    sender.join().unwrap();
    let grown = peak(&manager).saturating_sub(before);
    assert!(grown < 2 << 10, "{grown} KiB for one connection");
}

#[test]
fn requests_of_all_kinds_are_answered_in_turn() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let mut stream = connect(&manager);
    // Blank lines before a request are allowed; chunks and lines that look like a request's are no requests.
    let chunked =
        "PUT /v1/nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n";
    let turn = [
        &chat("tokens=1"),
        "\r\n",
        "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        &chat("tokens=2"),
    ]
    .concat();
    let mut sending = stream.try_clone().unwrap();
    let all = turn.repeat(100);
    let sender = std::thread::spawn(move || sending.write_all(all.as_bytes()).unwrap());
    answers(&mut stream, 300);
    sender.join().unwrap();
    stream.write_all(chunked.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_ne!(&head[9..], b"200");
}

#[test]
fn a_file_full_of_requests_is_no_request() {
    let manager = Manager::start(&Config::with(Model::new("hear", "Transcription")));
    let file = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5_000);
    let body = format!(
        "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nhear\r\n--X\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"a.txt\"\r\n\r\n{file}\r\n--X--\r\n"
    );
    let call = manager.post("/v1/audio/transcriptions").fake("echo=1");
    let reply = call.header("Content-Type", "multipart/form-data; boundary=X").body(body.clone()).send().ok();
    assert_eq!(reply.json()["body"], body);
}
