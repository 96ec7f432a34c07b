//! What one request asks the server to do.

use std::time::Duration;

pub(crate) const VOCABULARY: &str = "\
words of a request: header `x-fake: key=value,...`, query `?key=value&...`, or body field `x_fake`
  tokens=N          tokens of the answer (default: max_tokens of the body, else 8)
  delay_ms=N        pause before each token
  head_delay_ms=N   pause before the status line
  wait_file=PATH    no status line before this file exists
  stream_file=PATH  half of the tokens, then no more before this file exists
  die=WHERE         the process ends at once: before-answer, mid-stream, mid-json
  cut=WHERE         the connection ends at once: before-answer, mid-stream, mid-json
  once=PATH         die, cut, wrong and status act only if this file doesn't exist, and make it
  status=NNN        this status, with an error body (204 and 304: with none)
  wrong=garbage     bytes that aren't HTTP; wrong=headers: an endless header
  split=1           a stream is sent byte by byte
  crlf=1            a stream ends its lines with CR LF
  no_usage=1        no token counts
  prompt=N cached=N token counts to report
  ping=1            a comment line between events
  size=N            the answer's text has N bytes
  stamp=1           each token of a stream is `t=MICROSECONDS`: the Unix time at which it is written
  raw=PATH          answers the bytes of this file, head and all, and closes (once stream_file exists)
  strict=1          refuses a body with stream_options, as some engines do
  close=1           the connection is closed after the answer
  log=TEXT          prints TEXT to stderr
  echo=1            answers what came in: {method, path, query, headers, body}";

/// A request's orders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) given: bool,
    pub(crate) tokens: Option<u64>,
    pub(crate) delay: Duration,
    pub(crate) head_delay: Duration,
    pub(crate) wait_file: Option<String>,
    pub(crate) stream_file: Option<String>,
    pub(crate) die: Option<Place>,
    pub(crate) cut: Option<Place>,
    pub(crate) once: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) wrong: Option<String>,
    pub(crate) split: bool,
    pub(crate) crlf: bool,
    pub(crate) no_usage: bool,
    pub(crate) prompt: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) ping: bool,
    pub(crate) size: Option<usize>,
    pub(crate) stamp: bool,
    pub(crate) raw: Option<String>,
    pub(crate) strict: bool,
    pub(crate) close: bool,
    pub(crate) echo: bool,
}

/// Where an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    BeforeAnswer,
    Middle,
}

impl Script {
    /// Reads `key=value` pairs; words that it doesn't know are left to others.
    pub(crate) fn read(&mut self, text: &str, separator: char) {
        for pair in text.split(separator) {
            let (key, value) = pair.trim().split_once('=').unwrap_or((pair.trim(), "1"));
            let number = || value.parse::<u64>().unwrap_or_default();
            match key {
                "tokens" => self.tokens = Some(number()),
                "delay_ms" => self.delay = Duration::from_millis(number()),
                "head_delay_ms" => self.head_delay = Duration::from_millis(number()),
                "wait_file" => self.wait_file = Some(value.to_owned()),
                "stream_file" => self.stream_file = Some(value.to_owned()),
                "die" => self.die = Some(Place::read(value)),
                "cut" => self.cut = Some(Place::read(value)),
                "once" => self.once = Some(value.to_owned()),
                "status" => self.status = value.parse().ok(),
                "wrong" => self.wrong = Some(value.to_owned()),
                "split" => self.split = value == "1",
                "crlf" => self.crlf = value == "1",
                "no_usage" => self.no_usage = value == "1",
                "prompt" => self.prompt = Some(number()),
                "cached" => self.cached = Some(number()),
                "ping" => self.ping = value == "1",
                "size" => self.size = value.parse().ok(),
                "stamp" => self.stamp = value == "1",
                "raw" => self.raw = Some(value.to_owned()),
                "strict" => self.strict = value == "1",
                "close" => self.close = value == "1",
                "echo" => self.echo = value == "1",
                "log" => eprintln!("{value}"),
                _ => continue,
            }
            self.given = true;
        }
    }

    /// Lets `once` act: the second request of its kind is an ordinary one.
    pub(crate) fn spend_once(&mut self) {
        let Some(file) = &self.once else { return };
        let first = std::fs::OpenOptions::new().write(true).create_new(true).open(file).is_ok();
        if !first {
            self.die = None;
            self.cut = None;
            self.wrong = None;
            self.status = None;
        }
    }
}

impl Place {
    fn read(word: &str) -> Self {
        if word == "before-answer" { Self::BeforeAnswer } else { Self::Middle }
    }
}
