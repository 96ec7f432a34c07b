//! Sockets: reads requests, hands them to `answer`, and notices clients that leave.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::answer;
use crate::journal::Journal;
use crate::script::Script;
use crate::sleep::Bed;
use crate::stats::STATS;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) knows: Vec<String>,
    pub(crate) context: Option<u32>,
    pub(crate) key: Option<String>,
    pub(crate) no_metrics: bool,
    pub(crate) loaded_at: Instant,
    pub(crate) load_until_file: Option<PathBuf>,
    pub(crate) hang: bool,
    pub(crate) sleep: Option<Bed>,
    pub(crate) journal: Journal,
}

impl Server {
    /// Whether it knows a model of this name.
    pub(crate) fn takes(&self, model: &str) -> bool {
        self.knows.is_empty() || self.knows.iter().any(|known| known == model)
    }
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// In the order and spelling of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) keep_alive: bool,
    pub(crate) script: Script,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    KeepAlive,
    Close,
}

pub(crate) async fn serve(listener: std::net::TcpListener, server: Arc<Server>) {
    let tasks = tokio::task::LocalSet::new();
    let listener = {
        let _guard = tasks.enter();
        TcpListener::from_std(listener).unwrap()
    };
    tasks
        .run_until(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let server = Arc::clone(&server);
                tokio::task::spawn_local(async move {
                    STATS.count(&STATS.connections, 1);
                    STATS.count(&STATS.open_connections, 1);
                    let _ = converse(stream, &server).await;
                    STATS.open_connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        })
        .await;
}

async fn converse(mut stream: TcpStream, server: &Server) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = stream.split();
    if server.hang {
        return drain(&mut input).await;
    }
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some(request) = read_request(&mut input, &mut output, &mut buffer).await? else { return Ok(()) };
        if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")) {
            return talk(&request, &mut input, &mut output, &mut buffer).await;
        }
        let quiet = request.path.starts_with("/fake/");
        let active = (!quiet).then(|| STATS.begin(request.script.given));
        let after = {
            let answering = answer::answer(server, &request, &mut output);
            tokio::pin!(answering);
            loop {
                tokio::select! {
                    biased;
                    after = &mut answering => break after,
                    read = input.read_buf(&mut buffer) => {
                        if !matches!(read, Ok(bytes) if bytes > 0) {
                            STATS.client_left(&request.path);
                            return Ok(());
                        }
                    }
                }
            }
        };
        drop(active);
        if after.is_err() && !quiet {
            STATS.client_left(&request.path);
        }
        if after? == After::Close || !request.keep_alive {
            return output.shutdown().await;
        }
    }
}

/// A WebSocket that says under which path it was opened, and then what it hears; `status` refuses it. Frames aren't
/// looked at.
async fn talk(
    request: &Request,
    input: &mut ReadHalf<'_>,
    output: &mut WriteHalf<'_>,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    if let Some(status) = request.script.status {
        let head = format!("HTTP/1.1 {status} Told So\r\nContent-Length: 4\r\n\r\nnot!");
        return output.write_all(head.as_bytes()).await;
    }
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: fake\r\n\r\n";
    let hello = format!("{head}opened {}?{}\n", request.path, request.query);
    output.write_all(hello.as_bytes()).await?;
    loop {
        output.write_all(buffer).await?;
        buffer.clear();
        if input.read_buf(buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn drain(input: &mut ReadHalf<'_>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    while input.read(&mut bytes).await? > 0 {}
    Ok(())
}

async fn read_request(
    input: &mut ReadHalf<'_>,
    output: &mut WriteHalf<'_>,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Request>> {
    let (mut request, head, framing) = loop {
        if let Some(found) = parse_head(buffer)? {
            break found;
        }
        if input.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    buffer.drain(..head);
    if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect")) {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    match framing {
        Framing::Length(length) => {
            while buffer.len() < length {
                if input.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
            request.body = buffer.drain(..length).collect();
        }
        Framing::Chunked => {
            while let Some(size) = read_chunk_size(input, buffer).await? {
                while buffer.len() < size + 2 {
                    if input.read_buf(buffer).await? == 0 {
                        return Ok(None);
                    }
                }
                request.body.extend(buffer.drain(..size));
                buffer.drain(..2);
                if size == 0 {
                    break;
                }
            }
        }
    }
    answer::read_script(&mut request);
    Ok(Some(request))
}

async fn read_chunk_size(input: &mut ReadHalf<'_>, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 2);
            let size = line.split(';').next().unwrap_or_default().trim();
            return Ok(usize::from_str_radix(size, 16).ok());
        }
        if input.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// The head of a request, and its length, once all of it has come.
fn parse_head(buffer: &[u8]) -> io::Result<Option<(Request, usize, Framing)>> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    let (path, query) = parsed.path.unwrap().split_once('?').unwrap_or((parsed.path.unwrap(), ""));
    let mut framing = Framing::Length(0);
    let mut keep_alive = parsed.version == Some(1);
    let mut pairs = Vec::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        if header.name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.trim().parse().map_err(io::Error::other)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep_alive = !value.eq_ignore_ascii_case("close");
        }
        pairs.push((header.name.to_owned(), value));
    }
    let request = Request {
        method: parsed.method.unwrap().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: pairs,
        body: Vec::new(),
        keep_alive,
        script: Script::default(),
    };
    Ok(Some((request, length, framing)))
}
