//! Clients and backends that don't do their part: bodies that stop or trickle, answers that never begin.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::clock::Clock;
use crate::support::{Config, Manager, Model, PATIENCE, assert_says, wait_until};

/// A client that has sent the head of a request and nothing of its body, which it announces.
fn announces(manager: &Manager, bytes: usize) -> TcpStream {
    let mut client = TcpStream::connect(manager.url().trim_start_matches("http://")).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(3 * PATIENCE)).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json";
    client.write_all(format!("{head}\r\nContent-Length: {bytes}\r\n\r\n").as_bytes()).unwrap();
    client
}

/// All that a client is told until its connection is closed.
fn told(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The manager's connections to clients, and how many bytes it has not read of them.
fn connections(manager: &Manager) -> (usize, usize) {
    let port: u16 = manager.url().rsplit(':').next().unwrap().parse().unwrap();
    let ours = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let unread = rows.filter(|row| row[1].ends_with(&ours) && row[3] == "01").map(|row| {
        let (_, unread) = row[4].split_once(':').unwrap();
        usize::from_str_radix(unread, 16).unwrap()
    });
    unread.fold((0, 0), |(count, sum), unread| (count + 1, sum + unread))
}

/// A line of the manager's `/proc/PID/status`, in MiB.
fn mebibytes(manager: &Manager, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", manager.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
fn a_body_that_was_announced_takes_no_memory_before_it_comes() {
    const CLIENTS: usize = 32;
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let memory = || (mebibytes(&manager, "VmRSS:"), mebibytes(&manager, "VmData:"));
    let before = memory();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| announces(&manager, 250 << 20)).collect();
    let came = |what: &str| {
        wait_until(what, PATIENCE, || connections(&manager) == (CLIENTS, 0));
    };
    came("the heads are read");
    for client in &mut clients {
        client.write_all(b"{").unwrap();
    }
    came("a byte is read");
    for client in &mut clients {
        client.write_all(&[b' '; 100]).unwrap();
    }
    came("some more are read");
    let after = memory();
    // Announced are 8000 MiB.
    assert!(after.0 < before.0 + 32 && after.1 < before.1 + 200, "before {before:?}, after {after:?} MiB");
    manager.chat("chat").send().ok();
    drop(clients);
    wait_until("their connections are closed", PATIENCE, || connections(&manager).0 == 0);
}

#[test]
fn a_client_that_leaves_amid_its_body_has_asked_nothing() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    for how in [Shutdown::Write, Shutdown::Both] {
        let mut client = announces(&manager, 1000);
        client.write_all(br#"{"model":"chat","messages":[]"#).unwrap();
        wait_until("half of it is read", PATIENCE, || connections(&manager) == (1, 0));
        client.shutdown(how).unwrap();
        wait_until("its connection is closed", PATIENCE, || connections(&manager).0 == 0);
    }
    assert!(manager.starts("chat").is_empty(), "nothing is started for it");
    manager.chat("chat").send().ok();
}

#[test]
fn a_client_that_stops_amid_its_body_does_not_hold_up_the_end() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")).program("drain_timeout: 600"));
    let mut client = announces(&manager, 1000);
    client.write_all(b"{").unwrap();
    wait_until("half of it is read", PATIENCE, || connections(&manager) == (1, 0));
    let asked = Instant::now();
    manager.signal(Signal::SIGTERM);
    assert!(manager.wait_exit(PATIENCE).success());
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
    assert_says(&told(client), &["HTTP/1.1 503 ", "shutting_down"]);
}

/// With a clock that goes thirty times as fast: a minute is two seconds.
#[test]
fn a_body_that_stops_or_trickles_is_refused_and_its_connection_closed() {
    let Some(clock) = Clock::hurried(30) else { return };
    let environment = clock.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let manager = Manager::start_with(&Config::with(Model::chat("chat")), &environment);
    let mut half = announces(&manager, 1 << 20);
    half.write_all(&[b' '; 500_000]).unwrap();
    let silent = announces(&manager, 1000);
    let trickling = announces(&manager, 1 << 20);
    let mut drops = trickling.try_clone().unwrap();
    let dropping = std::thread::spawn(move || {
        // Until nobody reads any more.
        while drops.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let silence = ["HTTP/1.1 408 ", "request_timeout", "no byte of the body came for 60 s"];
    assert_says(&told(silent), &silence);
    assert_says(&told(half), &silence);
    let slowness = ["HTTP/1.1 408 ", "request_timeout", "slower than 1024 bytes a second"];
    assert_says(&told(trickling), &slowness);
    dropping.join().unwrap();
    wait_until("their connections are closed", PATIENCE, || connections(&manager).0 == 0);
    assert!(manager.starts("chat").is_empty(), "nothing is started for them");
}

/// With a clock that goes thirty times as fast: 75 seconds are two and a half.
#[test]
fn a_connection_that_stays_quiet_is_closed() {
    let Some(clock) = Clock::hurried(30) else { return };
    let environment = clock.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let manager = Manager::start_with(&Config::with(Model::chat("chat")), &environment);
    let connect = || {
        let client = TcpStream::connect(manager.url().trim_start_matches("http://")).unwrap();
        client.set_read_timeout(Some(3 * PATIENCE)).unwrap();
        client
    };
    let silent = connect();
    let mut halfway = connect();
    halfway.write_all(b"GET /health HTT").unwrap();
    let mut kept = connect();
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_says(&told(silent), &["HTTP/1.1 408 "]);
    assert_says(&told(halfway), &["HTTP/1.1 408 "]);
    let mut answered = Vec::new();
    kept.read_to_end(&mut answered).expect("it is closed before the client's patience ends");
    let answered = String::from_utf8_lossy(&answered);
    assert_says(&answered, &["HTTP/1.1 200 "]);
    assert!(!answered.contains("408"), "a client that was served may go without a word: {answered}");
    wait_until("no connection is left", PATIENCE, || connections(&manager).0 == 0);
}

/// Answers that are no answers, in bytes: 8 MiB of them.
fn storm() -> Vec<u8> {
    b"HTTP/1.1 102 Processing\r\n\r\n".repeat((8 << 20) / 27)
}

#[test]
fn a_backend_that_floods_with_interim_answers_delays_nobody() {
    let config = Config::new().model(Model::chat("storm")).model(Model::chat("calm"));
    let manager = Manager::start(&config);
    std::fs::write(manager.path("answer"), storm()).unwrap();
    let flood = manager.chat("storm").fake(&format!("raw={}", manager.word("answer")));
    manager.chat("calm").send().ok();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let refused = flood.send().error(502, "backend_error");
                    assert!(refused.message().contains("came before an answer"), "{}", refused.message());
                }
            });
        }
        let asked = Instant::now();
        for _ in 0..40 {
            manager.chat("calm").send().ok();
        }
        enough.store(true, Ordering::Relaxed);
        assert!(asked.elapsed() < PATIENCE, "others waited {:?} for 40 answers", asked.elapsed());
    });
    assert!(mebibytes(&manager, "VmRSS:") < 200, "nobody gathers it");
}

#[test]
fn a_backend_that_switches_protocols_unasked_has_not_answered() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    std::fs::write(manager.path("answer"), switch).unwrap();
    let script = format!("raw={}", manager.word("answer"));
    for call in [manager.chat("chat"), manager.chat_stream("chat")] {
        call.clone().fake(&script).send().error(502, "backend_error");
        // Such a wish is for the connection to the manager, which has not granted it.
        let call = call.header("Connection", "Upgrade").header("Upgrade", "x");
        call.fake(&script).send().error(502, "backend_error");
    }
    manager.chat("chat").send().ok();
}
