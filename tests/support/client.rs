//! A blocking HTTP/1.1 client that hides nothing: whether an answer was complete, and its exact bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    port: u16,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(port: u16, method: &str, path: &str) -> Self {
        Self { port, method: method.to_owned(), path: path.to_owned(), headers: vec![], body: vec![] }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the fake backend shall do with this request.
    pub(crate) fn fake(self, script: &str) -> Self {
        self.header("x-fake", script)
    }

    /// The same with other orders for the fake backend.
    pub(crate) fn fake_instead(mut self, script: &str) -> Self {
        self.headers.retain(|(name, _)| name != "x-fake");
        self.fake(script)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn chat(self, model: &str, stream: bool) -> Self {
        let messages = json!([{"role": "user", "content": "hello"}]);
        self.json(&match stream {
            true => json!({"model": model, "messages": messages, "stream": true}),
            false => json!({"model": model, "messages": messages}),
        })
    }

    /// Sends the request and returns the connection.
    pub(crate) fn try_open(&self) -> io::Result<Live> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: 127.0.0.1\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // An answer may come before all of a large body has gone.
        let _ = stream.write_all(&self.body);
        Ok(Live::new(stream, self.method == "HEAD"))
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Live {
        self.try_open().unwrap()
    }

    pub(crate) fn try_send(&self) -> io::Result<Reply> {
        self.try_open()?.try_finish()
    }

    /// Sends the request and reads the whole answer.
    #[track_caller]
    pub(crate) fn send(&self) -> Reply {
        self.try_send().unwrap()
    }

    /// The same in a thread of its own.
    pub(crate) fn spawn(&self) -> std::thread::JoinHandle<Reply> {
        let call = self.clone();
        std::thread::spawn(move || call.send())
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// As its framing says.
    Complete,
    /// The connection was closed too early.
    Cut,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// Expects success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!((self.status, self.end), (200, End::Complete), "{}", self.text());
        self
    }

    /// Expects an error of the manager's own making, in the form that the contract gives.
    #[track_caller]
    pub(crate) fn error(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.end, End::Complete);
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "content type {kind}");
        let body = self.json();
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no error object: {body}"));
        assert_eq!(body["error"]["code"], code, "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(body["error"]["type"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(error.contains_key("param"), "{body}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
        self
    }

    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Seconds of a Retry-After header that must be there.
    #[track_caller]
    pub(crate) fn retry_after(&self) -> u64 {
        let value = self.header("retry-after").expect("a Retry-After header");
        value.parse().expect("whole seconds")
    }
}

/// A status line's number, the headers, and how long the body will be.
type Head = (u16, Vec<(String, String)>, Framing);

enum Framing {
    Length(usize),
    Chunked,
    ToTheEnd,
}

/// An answer that is being read.
pub(crate) struct Live {
    stream: TcpStream,
    no_body: bool,
    raw: Vec<u8>,
    head: Option<Head>,
    body: Vec<u8>,
    complete: bool,
    closed: bool,
    deadline: Instant,
}

impl Live {
    fn new(stream: TcpStream, no_body: bool) -> Self {
        Self {
            stream,
            no_body,
            raw: vec![],
            head: None,
            body: vec![],
            complete: false,
            closed: false,
            deadline: Instant::now() + Duration::from_secs(60),
        }
    }

    /// Reads until the status line and headers are there; the status.
    #[track_caller]
    pub(crate) fn status(&mut self) -> u16 {
        while self.head.is_none() && !self.closed {
            self.pump().unwrap();
        }
        self.head.as_ref().expect("an answer").0
    }

    /// Reads until the body contains `part`.
    #[track_caller]
    pub(crate) fn until(&mut self, part: &str) {
        while memchr::memmem::find(&self.body, part.as_bytes()).is_none() {
            let text = String::from_utf8_lossy(&self.body);
            assert!(!self.complete && !self.closed, "the answer ended without {part:?}: {text}");
            self.pump().unwrap_or_else(|error| {
                panic!("no {part:?} ({error}) in {}", String::from_utf8_lossy(&self.body))
            });
        }
    }

    /// Reads server-sent events, from the first on, until one is as wanted.
    #[track_caller]
    pub(crate) fn until_event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let mut looked_at = 0;
        loop {
            while let Some(end) = memchr::memmem::find(&self.body[looked_at..], b"\n\n") {
                let event = &self.body[looked_at..looked_at + end];
                looked_at += end + 2;
                let data = event.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
                if data.is_some_and(|data: Value| wanted(&data)) {
                    return;
                }
            }
            assert!(!self.complete && !self.closed, "the events ended without {what}");
            self.pump().unwrap_or_else(|error| panic!("no event: {what} ({error})"));
        }
    }

    /// Reads until the body contains `part`, or is at its end.
    #[track_caller]
    pub(crate) fn until_or_end(&mut self, part: &str) {
        while memchr::memmem::find(&self.body, part.as_bytes()).is_none() && !self.complete && !self.closed {
            self.pump().unwrap();
        }
    }

    /// Whether the body that was read so far contains `part`.
    pub(crate) fn has(&self, part: &str) -> bool {
        memchr::memmem::find(&self.body, part.as_bytes()).is_some()
    }

    /// Whether the other side has closed the connection, or sent something, by now.
    pub(crate) fn has_news(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let news =
            !matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        news
    }

    /// Reads to the end.
    pub(crate) fn try_finish(mut self) -> io::Result<Reply> {
        while !self.complete && !self.closed {
            self.pump()?;
        }
        let (status, headers, framing) =
            self.head.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"))?;
        let complete = self.complete || matches!(framing, Framing::ToTheEnd);
        Ok(Reply { status, headers, body: self.body, end: if complete { End::Complete } else { End::Cut } })
    }

    #[track_caller]
    pub(crate) fn finish(self) -> Reply {
        self.try_finish().unwrap()
    }

    /// Leaves at once, with a FIN.
    pub(crate) fn leave(self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    fn pump(&mut self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.closed = true,
            Ok(count) => self.raw.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.closed = true,
            Err(error) => return Err(error),
        }
        self.digest()
    }

    fn digest(&mut self) -> io::Result<()> {
        if self.head.is_none() {
            let Some(end) = memchr::memmem::find(&self.raw, b"\r\n\r\n") else { return Ok(()) };
            let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
            self.raw.drain(..end + 4);
            let (status, headers) = parse_head(&head)?;
            let value = |name: &str| {
                headers
                    .iter()
                    .find(|(key, _): &&(String, String)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            let framing = if self.no_body || status == 204 || status == 304 {
                Framing::Length(0)
            } else if value("transfer-encoding").is_some() {
                Framing::Chunked
            } else if let Some(length) = value("content-length") {
                Framing::Length(length.parse().map_err(io::Error::other)?)
            } else {
                Framing::ToTheEnd
            };
            self.head = Some((status, headers, framing));
        }
        match &self.head {
            Some((_, _, Framing::Length(length))) => {
                self.body.append(&mut self.raw);
                self.complete = self.body.len() >= *length;
            }
            Some((_, _, Framing::ToTheEnd)) => self.body.append(&mut self.raw),
            Some((_, _, Framing::Chunked)) => self.digest_chunks()?,
            None => {}
        }
        Ok(())
    }

    fn digest_chunks(&mut self) -> io::Result<()> {
        let mut at = 0;
        while !self.complete {
            let Some(end) = memchr::memmem::find(&self.raw[at..], b"\r\n") else { break };
            let size = std::str::from_utf8(&self.raw[at..at + end]).map_err(io::Error::other)?;
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            let start = at + end + 2;
            if self.raw.len() < start + size + 2 {
                break;
            }
            self.body.extend_from_slice(&self.raw[start..start + size]);
            at = start + size + 2;
            self.complete = size == 0;
        }
        self.raw.drain(..at);
        Ok(())
    }
}

fn parse_head(head: &str) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {head}")))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Ok((status, headers))
}
