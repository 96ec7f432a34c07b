//! A small server that keeps what it is sent, and answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;

use super::{PATIENCE, wait_until};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Letter {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Status and body; `None`: nothing, and the connection stays open.
pub(crate) type Answer = Option<(u16, String)>;

/// The server; it ends with the process.
pub(crate) struct Inbox {
    port: u16,
    letters: Arc<ArcSwap<Vec<Letter>>>,
}

impl Inbox {
    /// One that answers so.
    pub(crate) fn start(answer: impl Fn(usize, &Letter) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let letters = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let (kept, answer) = (Arc::clone(&letters), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { port, letters }
    }

    /// One that takes everything.
    pub(crate) fn open() -> Self {
        Self::start(|_, _| Some((200, "ok".to_owned())))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        Vec::clone(&self.letters.load())
    }

    /// Waits for so many; all that there are.
    #[track_caller]
    pub(crate) fn wait(&self, count: usize) -> Vec<Letter> {
        wait_until(&format!("{count} have come"), PATIENCE, || self.letters().len() >= count);
        self.letters()
    }
}

fn serve(
    stream: TcpStream,
    kept: &ArcSwap<Vec<Letter>>,
    answer: &(dyn Fn(usize, &Letter) -> Answer + Send + Sync),
) {
    let mut reader = BufReader::new(stream);
    let Some(letter) = read(&mut reader) else { return };
    let before = kept.rcu(|kept| {
        let mut kept = Vec::clone(kept);
        kept.push(letter.clone());
        kept
    });
    match answer(before.len(), &letter) {
        Some((status, body)) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nretry-after: 1\r\n\r\n{body}");
            // A client that has gone needs no answer.
            let _ = reader.get_mut().write_all(text.as_bytes());
        }
        // Until the test is over.
        None => loop {
            std::thread::park();
        },
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Letter> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let letter = Letter { method, path, headers, body: String::new() };
    let length = letter.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Letter { body: String::from_utf8(body).ok()?, ..letter })
}
