//! The wire, byte by byte: backends that play a script.

mod answers;
mod connections;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::time::{Duration, Instant};

use actix_web::body::BodySize;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::gateway::actor::{AgeConnections, GatewayLoad};
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
    load: GatewayLoad,
    backend: Backend,
    _gateway: Child,
}

impl Pool {
    fn new(address: SocketAddr) -> Self {
        let load = GatewayLoad::default();
        let (worker, gateway) = Worker::alone(&load);
        let backend = Backend::at(llm_manager_process::BackendAddress::local(address));
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
    let sent = pool.0.worker.send(&pool.0.backend, parts, body.into(), afresh, &told);
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
