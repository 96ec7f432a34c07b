use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::time::{Duration, Instant};

use actix_web::body::BodySize;
use actix_web::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::gateway::actor::{Age, Load};
use crate::http::gateway::in_flight::nobody;
use crate::http::gateway::worker::Worker;
use bytes::Bytes;
use llm_manager_actors::fault::Panic;
use llm_manager_actors::model::Backend;
use llm_manager_actors::supervisor::Child;
use llm_manager_actors::tell;
use std::net::SocketAddr;
use std::rc::Rc;

/// A Gateway of its own, and the one backend that it is asked for.
#[derive(Clone)]
struct Pool(Rc<Client>);

struct Client {
    worker: Worker,
    load: Load,
    backend: Backend,
    _gateway: Child,
}

impl Pool {
    fn new(address: SocketAddr) -> Self {
        let load = Load::default();
        let (worker, gateway) = Worker::alone(&load);
        let backend = Backend::at(llm_manager_process::Endpoint::local(address));
        Self(Rc::new(Client { worker, load, backend, _gateway: gateway }))
    }

    /// Connections that are open, and requests on their way.
    fn open(&self) -> (usize, usize) {
        (self.0.load.connections(), self.0.load.requests())
    }
}

/// What the backend does on one connection; when the steps are over it closes.
#[derive(Clone, Copy)]
enum Step {
    /// Reads a whole request.
    Read,
    /// Reads a little of it and leaves the rest unread.
    ReadSome,
    Send(&'static str),
    Flood(usize),
    Pause(u64),
    /// Waits until the other side closes.
    AwaitClose,
    Reset,
}
use Step::*;

#[derive(Default)]
struct Log {
    requests: RefCell<Vec<String>>,
    connections: Cell<usize>,
    closed: Cell<Option<Instant>>,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn backend(scripts: &'static [&'static [Step]]) -> (Pool, Rc<Log>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    let log = Rc::new(Log::default());
    let shared = Rc::clone(&log);
    actix_rt::spawn(async move {
        for script in scripts {
            let (stream, _) = listener.accept().await.unwrap();
            shared.connections.set(shared.connections.get() + 1);
            actix_rt::spawn(play(stream, script, Rc::clone(&shared)));
        }
    });
    (pool, log)
}

async fn play(mut stream: TcpStream, script: &'static [Step], log: Rc<Log>) {
    for step in script {
        match *step {
            Read => match read_request(&mut stream).await {
                Some(request) => log.requests.borrow_mut().push(request),
                None => return log.closed.set(Some(Instant::now())),
            },
            ReadSome => drop(stream.read(&mut [0; 64]).await),
            Send(text) => drop(stream.write_all(text.as_bytes()).await),
            Flood(length) => drop(stream.write_all(&vec![b'x'; length]).await),
            Pause(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            AwaitClose => {
                while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
                log.closed.set(Some(Instant::now()));
            }
            Reset => stream.set_zero_linger().unwrap(),
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse::<usize>().unwrap() {
                return Some(whole);
            }
        }
        if stream.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

async fn send(pool: &Pool, method: Method, body: &'static str) -> Result<Response, UpstreamError> {
    send_on(pool, method, body, false).await
}

async fn send_afresh(pool: &Pool) -> Result<Response, UpstreamError> {
    send_on(pool, Method::POST, "{}", true).await
}

async fn send_on(
    pool: &Pool,
    method: Method,
    body: &'static str,
    afresh: bool,
) -> Result<Response, UpstreamError> {
    let headers = HeaderMap::new();
    let request_id = actix_web::http::header::HeaderValue::from_static("made-here");
    let parts = RequestParts {
        method: &method,
        path_and_query: "/v1/x?y=1",
        headers: &headers,
        request_id: &request_id,
    };
    let body = Bytes::from_static(body.as_bytes());
    let told = nobody();
    let sent = pool.0.worker.send(pool.0.backend.clone(), parts, body.into(), afresh, &told);
    tokio::time::timeout(Duration::from_secs(5), sent).await.expect("no answer in time")
}

async fn post(pool: &Pool) -> Result<Response, UpstreamError> {
    send(pool, Method::POST, "{}").await
}

async fn next(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    let next = poll_fn(|cx| body.poll_next(cx));
    tokio::time::timeout(Duration::from_secs(5), next).await.expect("no bytes in time")
}

async fn read(mut response: Response) -> Result<String, BodyError> {
    let mut text = Vec::new();
    while let Some(bytes) = next(&mut response.body).await {
        text.extend_from_slice(&bytes?);
    }
    assert!(next(&mut response.body).await.is_none());
    Ok(String::from_utf8(text).unwrap())
}

/// Gives the other tasks of this thread time to see what happened on the sockets.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[actix_rt::test]
async fn a_request_and_its_answer_pass() {
    const ANSWER: &str = "HTTP/1.1 201 Created\r\nX-A: 1\r\nConnection: keep-alive, X-B\r\nX-B: 2\r\nX-A: 3\r\n\
                  Content-Length: 5\r\n\r\nhello";
    let (pool, log) = backend(&[&[Read, Send(ANSWER), AwaitClose]]).await;
    let response = post(&pool).await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.body.size(), BodySize::Sized(5));
    let names: Vec<_> =
        response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(names, [("x-a", b"1".as_slice()), ("x-a", b"3")]);
    assert_eq!(read(response).await.unwrap(), "hello");
    let request = log.requests.borrow()[0].clone();
    assert!(request.starts_with("POST /v1/x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
    assert!(request.ends_with("content-length: 2\r\n\r\n{}"), "{request}");
}

#[actix_rt::test]
async fn a_post_without_a_body_says_so() {
    let (pool, log) = backend(&[&[Read, Send(OK)]]).await;
    read(send(&pool, Method::POST, "").await.unwrap()).await.unwrap();
    assert!(log.requests.borrow()[0].contains("content-length: 0\r\n"));
}

#[actix_rt::test]
async fn chunks_pass_as_they_come() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, _) =
        backend(&[&[Read, Send(HEAD), Pause(50), Send("3\r\ntwo\r\n0\r\nX-T: 1\r\n\r\n"), Read]]).await;
    let mut response = post(&pool).await.unwrap();
    assert_eq!(response.body.size(), BodySize::Stream);
    assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "one");
    assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "two");
    assert!(next(&mut response.body).await.is_none());
    assert_eq!(pool.open(), (1, 0));
}

#[actix_rt::test]
async fn a_slow_dribble_arrives_whole() {
    const SCRIPT: &[Step] = &[
        Read,
        Send("HTT"),
        Pause(5),
        Send("P/1.1 200 OK\r"),
        Pause(5),
        Send("\nTransfer-Encoding: chu"),
        Pause(5),
        Send("nked\r\n\r\n5"),
        Pause(5),
        Send("\r\nhe"),
        Pause(5),
        Send("llo\r"),
        Pause(5),
        Send("\n0\r\n"),
        Pause(5),
        Send("\r\n"),
        AwaitClose,
    ];
    let (pool, _) = backend(&[SCRIPT]).await;
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "hello");
}

#[actix_rt::test]
async fn a_large_answer_arrives_whole() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(HEAD), Flood(20_000_000), AwaitClose]]).await;
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap().len(), 20_000_000);
}

#[actix_rt::test]
async fn an_answer_that_breaks_off_is_an_error() {
    const BROKEN: [&str; 4] = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none",
    ];
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(BROKEN[0])],
        &[Read, Send(BROKEN[1])],
        &[Read, Send(BROKEN[2])],
        &[Read, Send(BROKEN[3])],
        &[Read, Send(BROKEN[0]), Pause(20), Reset],
        &[Read, Send(BROKEN[3]), Pause(20), Reset],
    ];
    let (pool, _) = backend(SCRIPTS).await;
    for _ in SCRIPTS {
        let mut response = post(&pool).await.unwrap();
        assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "one");
        assert!(next(&mut response.body).await.unwrap().is_err());
        assert!(next(&mut response.body).await.is_none());
    }
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn a_body_may_end_with_its_connection() {
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send("HTTP/1.0 200 OK\r\n\r\none"), Pause(10), Send("two")],
        &[Read, Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none"), Pause(10), Send("two")],
    ];
    let (pool, _) = backend(SCRIPTS).await;
    for _ in SCRIPTS {
        let response = post(&pool).await.unwrap();
        assert_eq!(response.body.size(), BodySize::Stream);
        assert_eq!(read(response).await.unwrap(), "onetwo");
    }
}

#[actix_rt::test]
async fn preliminary_answers_are_skipped() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(HINTS), Pause(10), Send(CONTINUE), Send(OK), AwaitClose]]).await;
    let response = post(&pool).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.headers.is_empty());
    assert_eq!(read(response).await.unwrap(), "ok");
}

#[actix_rt::test]
async fn a_finished_connection_is_used_again() {
    let (pool, log) = backend(&[&[Read, Send(OK), Read, Send(OK), Read, Send(OK), AwaitClose]]).await;
    for _ in 0..3 {
        assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "ok");
    }
    assert_eq!((log.connections.get(), log.requests.borrow().len()), (1, 3));
    drop(pool);
    settle().await;
    assert!(log.closed.get().is_some(), "the pool left a connection behind");
}

#[actix_rt::test]
async fn an_answer_without_a_body_frees_its_connection() {
    const NONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    const SAME: &str = "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n";
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 88\r\n\r\n";
    let (pool, log) = backend(&[&[Read, Send(NONE), Read, Send(SAME), Read, Send(HEAD), AwaitClose]]).await;
    let none = post(&pool).await.unwrap();
    assert_eq!((none.status.as_u16(), none.body.size()), (204, BodySize::None));
    let same = post(&pool).await.unwrap();
    assert_eq!((same.headers[0].1.as_bytes(), same.body.size()), (b"77".as_slice(), BodySize::None));
    let head = send(&pool, Method::HEAD, "").await.unwrap();
    assert_eq!(head.body.size(), BodySize::Sized(88));
    assert_eq!(read(head).await.unwrap(), "");
    assert_eq!(log.connections.get(), 1);
}

#[actix_rt::test]
async fn a_stale_connection_is_replaced_by_a_fresh_one() {
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(OK)],
        // Takes the next request and closes without a word.
        &[Read, Send(OK), Read],
        &[Read, Send(OK), Read, Reset],
        &[Read, Send(OK), AwaitClose],
    ];
    let (pool, log) = backend(SCRIPTS).await;
    for _ in 0..4 {
        // What may have been read is not sent again on the quiet: the caller decides, and counts.
        let answer = match post(&pool).await {
            Err(UpstreamError::Stale(_)) => send_afresh(&pool).await,
            other => other,
        };
        assert_eq!(read(answer.unwrap()).await.unwrap(), "ok");
    }
    assert_eq!(log.connections.get(), 4);
}

#[actix_rt::test]
async fn a_request_that_may_have_been_read_is_not_sent_again_by_itself() {
    let (pool, log) = backend(&[&[Read, Send(OK), Read], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert!(matches!(post(&pool).await, Err(UpstreamError::Stale(_))));
    assert_eq!(log.connections.get(), 1);
}

#[actix_rt::test]
async fn a_101_that_nobody_asked_for_is_no_answer() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(SWITCH), AwaitClose]]).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BadAnswer(_))));
}

#[actix_rt::test]
async fn a_flood_of_interim_answers_ends() {
    const FLOOD: &str = "HTTP/1.1 102 Processing\r\nX-Pad: 0123456789012345678901234567890123456789\r\n\r\n";
    static SCRIPT: std::sync::LazyLock<Vec<Step>> =
        std::sync::LazyLock::new(|| std::iter::once(Read).chain((0..8000).map(|_| Send(FLOOD))).collect());
    let scripts: &'static [&'static [Step]] = Box::leak(Box::new([SCRIPT.as_slice()]));
    let (pool, _) = backend(scripts).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BadAnswer(_))));
}

#[actix_rt::test]
async fn only_a_kept_connection_and_silence_are_tried_again() {
    const SCRIPTS: &[&[Step]] = &[&[Read], &[Read, Send(OK), Read, Send("HTTP/1.1 2")], &[Read, Send(OK)]];
    let (pool, log) = backend(SCRIPTS).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BeforeAnswer(_))));
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "ok");
    assert!(matches!(post(&pool).await, Err(UpstreamError::BeforeAnswer(_))));
    assert_eq!(log.connections.get(), 2);
}

#[actix_rt::test]
async fn connection_close_is_honoured() {
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let (pool, log) = backend(&[&[Read, Send(CLOSE), AwaitClose], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (0, 0));
    settle().await;
    assert!(log.closed.get().is_some());
    read(post(&pool).await.unwrap()).await.unwrap();
}

#[actix_rt::test]
async fn no_connection_is_kept_to_a_backend_that_ends() {
    let (pool, log) = backend(&[&[Read, Send(OK), AwaitClose], &[Read, Send(OK), AwaitClose]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (1, 0));
    pool.0.backend.ending().cancel();
    settle().await;
    assert!(log.closed.take().is_some());
    // An answer that was still running leaves nothing behind.
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (0, 0));
    settle().await;
    assert!(log.closed.get().is_some());
}

#[actix_rt::test]
async fn what_the_backend_closed_is_not_held_open() {
    let (pool, _) = backend(&[&[Read, Send(OK), Pause(100)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (1, 0));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn an_old_connection_is_not_used() {
    let (pool, log) = backend(&[&[Read, Send(OK), AwaitClose], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    pool.0.worker.live().addr().unwrap().send(Age).await.unwrap();
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(log.connections.get(), 2);
}

#[actix_rt::test]
async fn leaving_closes_the_connection_at_once() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, log) = backend(&[&[Read, AwaitClose], &[Read, Send(STREAM), AwaitClose]]).await;
    let waiting = tokio::time::timeout(Duration::from_millis(50), post(&pool)).await;
    let left = Instant::now();
    assert!(waiting.is_err());
    settle().await;
    assert!(log.closed.take().unwrap() - left < Duration::from_millis(100));

    let mut response = post(&pool).await.unwrap();
    next(&mut response.body).await.unwrap().unwrap();
    let left = Instant::now();
    drop(response);
    settle().await;
    assert!(log.closed.take().unwrap() - left < Duration::from_millis(100));
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn what_is_no_answer_is_said_so() {
    const TOO_LARGE: &[Step] = &[Read, Send("HTTP/1.1 200 OK\r\nX-A: "), Flood(200_000), Send("\r\n\r\n")];
    let (pool, _) = backend(&[&[Read, Send("SSH-2.0-OpenSSH_9.2\r\n\r\n")], TOO_LARGE]).await;
    for _ in 0..2 {
        let error = post(&pool).await.unwrap_err();
        assert!(matches!(error, UpstreamError::BadAnswer(_)), "{error:?}");
    }
}

#[actix_rt::test]
async fn an_unreachable_backend_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(post(&pool).await, Err(UpstreamError::Connect(_))));
}

#[actix_rt::test]
async fn an_answer_before_the_upload_is_read_is_returned() {
    const REFUSED: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    const SCRIPTS: &[&[Step]] = &[&[ReadSome, Send(REFUSED)], &[ReadSome, Send(REFUSED), Pause(200)]];
    let large: &'static str = String::leak("x".repeat(30_000_000));
    for _ in 0..20 {
        let (pool, _) = backend(SCRIPTS).await;
        for _ in SCRIPTS {
            let response = send(&pool, Method::POST, large).await.unwrap();
            assert_eq!(response.status, 413);
            assert_eq!(read(response).await.unwrap(), "no");
            assert_eq!(pool.open(), (0, 0));
        }
    }
}

/// The backend is on a thread of its own: it closes in the middle of a write, not between two.
#[actix_rt::test]
async fn an_answer_is_found_behind_a_failed_write() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    let rounds = 100;
    let server = std::thread::spawn(move || {
        for _ in 0..rounds {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 64]).unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        }
    });
    let large: &'static str = String::leak("x".repeat(30_000_000));
    for _ in 0..rounds {
        let response = send(&pool, Method::POST, large).await.unwrap();
        assert_eq!(response.status, 413);
        assert_eq!(read(response).await.unwrap(), "no");
    }
    server.join().unwrap();
}

#[actix_rt::test]
async fn many_at_once_share_a_pool() {
    // As connections are opened one after another, the first may have answered before the last is there.
    let (pool, log) = backend(vec![&*[Read, Pause(5), Send(OK)].repeat(400).leak(); 200].leak()).await;
    for _ in 0..2 {
        let asked: Vec<_> = (0..200)
            .map(|_| {
                let pool = pool.clone();
                actix_rt::spawn(async move { read(post(&pool).await.unwrap()).await.unwrap() })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), "ok");
        }
    }
    let (connections, requests) = (log.connections.get(), log.requests.borrow().len());
    assert!(connections <= 200 && requests == 400, "{connections} connections, {requests} requests");
}

/// Waits until `done`; a test that waits in vain fails by its own timeout.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_rt::test]
async fn what_is_on_its_way_is_counted() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, _) = backend(&[&[Read, Send(STREAM), AwaitClose], &[Read, AwaitClose]]).await;
    assert_eq!(pool.open(), (0, 0));
    let response = post(&pool).await.unwrap();
    assert_eq!(pool.open(), (1, 1));
    let asking = pool.clone();
    let waiting = actix_rt::spawn(async move { post(&asking).await.map(drop) });
    until(|| pool.open() == (2, 2)).await;
    waiting.abort();
    until(|| pool.open() == (1, 1)).await;
    drop(response);
    until(|| pool.open() == (0, 0)).await;
}

#[actix_rt::test]
async fn a_crash_ends_what_the_gateway_had_on_its_way() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let scripts: &[&[Step]] =
        &[&[Read, Send(OK), AwaitClose], &[Read, Send(STREAM), AwaitClose], &[Read, AwaitClose]];
    let (pool, log) = backend(scripts).await;
    let idle = post(&pool).await.unwrap();
    let mut streaming = {
        // On the second connection: the first has not been given back yet.
        let streaming = post(&pool).await.unwrap();
        read(idle).await.unwrap();
        streaming
    };
    assert_eq!(next(&mut streaming.body).await.unwrap().unwrap(), "one");
    let asking = pool.clone();
    let waiting = actix_rt::spawn(async move { send_afresh(&asking).await.map(drop) });
    until(|| log.requests.borrow().len() == 3).await;

    tell(&pool.0.worker.live().addr().unwrap(), Panic);
    let broken = next(&mut streaming.body).await.unwrap().unwrap_err();
    assert!(broken.crashed, "{broken}");
    assert!(matches!(waiting.await.unwrap(), Err(UpstreamError::Crashed)));
    assert_eq!(pool.open(), (0, 0), "a connection outlived its Gateway");
}

#[actix_rt::test]
async fn a_request_waits_for_a_gateway_that_is_being_restarted() {
    let (pool, _) = backend(&[&[Read, Send(OK), AwaitClose]]).await;
    tell(&pool.0.worker.live().addr().unwrap(), Panic);
    until(|| pool.0.worker.live().addr().is_none()).await;
    let asking = pool.clone();
    let asked = actix_rt::spawn(async move { read(post(&asking).await.unwrap()).await.unwrap() });
    settle().await;
    let _next =
        Child::start(crate::http::gateway::actor::Gateway::new(Load::default()), pool.0.worker.live());
    assert_eq!(asked.await.unwrap(), "ok");
}

/// More at once than are opened at once: those that wait for their turn get one each, if none comes back before.
#[actix_rt::test]
async fn a_burst_gets_its_connections_in_turn() {
    const BURST: usize = 40;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    let all_at_once = async {
        let mut streams = Vec::new();
        while streams.len() < BURST {
            let mut stream = listener.accept().await.unwrap().0;
            read_request(&mut stream).await.unwrap();
            streams.push(stream);
        }
        for stream in &mut streams {
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    };
    let asked = futures_util::future::join_all(
        (0..BURST).map(|_| async { read(post(&pool).await?).await.map_err(|_| UpstreamError::Crashed) }),
    );
    let (answers, ()) = futures_util::future::join(asked, all_at_once).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|text| text == "ok")));
}
