//! Endpoints: which paths are served, what is special about each, and which one a client means that has its path
//! slightly wrong.
//!
//! The table below is what the built-in modes serve. An entry of `modes:` adds paths of its own; those may have
//! parts in braces, which stand for any one segment.

use crate::spec::ModeSpec;
use std::collections::HashMap;
use std::sync::Arc;

/// One row of the table.
struct Known {
    path: &'static str,
    modes: &'static [&'static str],
    methods: &'static [&'static str],
    /// False: nothing is generated, so nothing is to be counted.
    counted: bool,
}

const POST: &[&str] = &["POST"];
const GET: &[&str] = &["GET"];
/// What a path of `modes:` takes: its backend knows better.
const ANY: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
const CHAT: &[&str] = &["Chat"];
const TEXT: &[&str] = &["Chat", "Base"];
const TOKENS: &[&str] = &["Chat", "Base", "Embedding", "Reranker"];

/// Those asked most often come first.
const TABLE: &[Known] = &[
    known("/v1/chat/completions", CHAT, POST, true),
    known("/v1/responses", CHAT, POST, true),
    known("/v1/messages", CHAT, POST, true),
    known("/v1/completions", TEXT, POST, true),
    known("/v1/embeddings", &["Embedding"], POST, true),
    known("/v1/rerank", &["Reranker"], POST, true),
    known("/v1/score", &["Reranker", "Embedding"], POST, true),
    // Cohere's client; vLLM.
    known("/v2/embed", &["Embedding"], POST, true),
    known("/pooling", &["Embedding", "Reranker"], POST, true),
    known("/classify", &["Embedding", "Reranker"], POST, true),
    known("/v1/messages/count_tokens", CHAT, POST, false),
    known("/v1/responses/input_tokens", CHAT, POST, false),
    known("/infill", TEXT, POST, true),
    known("/tokenize", TOKENS, POST, false),
    known("/detokenize", TOKENS, POST, false),
    known("/apply-template", CHAT, POST, false),
    known("/v1/audio/transcriptions", &["Transcription"], POST, true),
    known("/v1/audio/translations", &["Transcription"], POST, true),
    known("/v1/audio/speech", &["Speech"], POST, true),
    known("/v1/audio/voices", &["Speech"], GET, false),
    known("/v1/images/generations", &["Image"], POST, true),
    known("/v1/images/edits", &["Image"], POST, true),
    known("/v1/images/variations", &["Image"], POST, true),
    known("/v1/realtime", &["Chat", "Transcription", "Speech"], GET, true),
    known("/v1/responses/{id}", CHAT, &["GET", "DELETE"], false),
    known("/v1/responses/{id}/input_items", CHAT, GET, false),
    known("/v1/responses/{id}/cancel", CHAT, POST, false),
];

/// Other names of the same service, which not every backend knows by all of them.
const SYNONYMS: &[(&str, &str)] = &[
    ("/v1/reranking", "/v1/rerank"),
    ("/v2/rerank", "/v1/rerank"),
    ("/v1/apply_template", "/apply-template"),
];

/// Where the rest of a backend is found, and what the ledger calls it.
pub const UPSTREAM: &str = "/upstream";

/// Endpoints whose streams carry usage only when they are asked to.
const USAGE_ON_REQUEST: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

const fn known(
    path: &'static str,
    modes: &'static [&'static str],
    methods: &'static [&'static str],
    counted: bool,
) -> Known {
    Known { path, modes, methods, counted }
}

/// What the built-in mode of this name serves.
pub fn of_mode(mode: &str) -> Vec<String> {
    TABLE.iter().filter(|row| row.modes.contains(&mode)).map(|row| row.path.to_owned()).collect()
}

/// One path that is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As the mode writes it; also what the ledger calls it.
    pub path: Arc<str>,
    /// Methods that it takes.
    pub methods: Vec<&'static str>,
    /// False: nothing is generated, so nothing is to be counted.
    pub counted: bool,
    /// True: its streams carry usage only when they are asked to.
    pub usage_on_request: bool,
    /// True: it is of the table above, so what its answers mean is known.
    pub built_in: bool,
}

impl Endpoint {
    /// HEAD is answered where GET is.
    pub fn takes(&self, method: &str) -> bool {
        self.methods.iter().any(|known| *known == method || (*known == "GET" && method == "HEAD"))
    }

    /// Whether a whole answer of this type is one JSON document. Of what people add, nobody knows; sound and its text have
    /// other forms, and vLLM's embeddings may be bytes.
    pub fn answers_document(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_text = essence.is_empty() || essence.starts_with("text/") || essence.ends_with("json");
        self.built_in && self.counted && !self.path.starts_with("/v1/audio/") && is_text
    }

    /// For the header `Allow`.
    pub fn allow(&self) -> String {
        let mut methods = self.methods.clone();
        if let Some(get) = methods.iter().position(|method| *method == "GET") {
            methods.insert(get + 1, "HEAD");
        }
        methods.join(", ")
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointMatch<'a> {
    /// The endpoint of exactly this path, or the one that is meant.
    pub endpoint: &'a Arc<Endpoint>,
    /// What else the path means, for a model that does not serve `endpoint`: `/rerank` may be of a mode of one's own
    /// and is a name of `/v1/rerank` too.
    pub otherwise: Option<&'a Arc<Endpoint>>,
    /// The path for the backend, where it isn't the client's.
    pub path: Option<String>,
}

/// All that is served.
#[derive(Debug)]
pub struct Endpoints {
    /// The rest of a backend: to read from it ...
    pub reading: Arc<Endpoint>,
    /// ... and to have it do something.
    pub doing: Arc<Endpoint>,
    exact: HashMap<Arc<str>, Entry>,
    /// Those with parts in braces, in order.
    patterns: Vec<Arc<Endpoint>>,
    /// In the order of the table, then of the file.
    paths: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<Endpoint>,
    otherwise: Option<Arc<Endpoint>>,
}

impl Endpoints {
    /// The endpoints of these modes.
    pub fn new<'a>(modes: impl IntoIterator<Item = &'a ModeSpec>) -> Self {
        let rest = |counted| {
            let path = UPSTREAM.into();
            Arc::new(Endpoint {
                path,
                methods: ANY.to_vec(),
                counted,
                usage_on_request: false,
                built_in: false,
            })
        };
        let mut all = Self {
            reading: rest(false),
            doing: rest(true),
            exact: HashMap::new(),
            patterns: Vec::new(),
            paths: Vec::new(),
        };
        let modes: Vec<&ModeSpec> = modes.into_iter().collect();
        let serves = |path: &str| modes.iter().any(|mode| mode.endpoints.iter().any(|own| own == path));
        for row in TABLE.iter().filter(|row| serves(row.path)) {
            // A mode that is not of the table's and names this path may want any method.
            let ours = |mode: &&ModeSpec| {
                row.modes.contains(&mode.name.as_str()) || !mode.endpoints.iter().any(|own| own == row.path)
            };
            let methods = if modes.iter().all(ours) { row.methods } else { ANY };
            all.add(row.path, methods, row.counted);
        }
        for path in modes.iter().flat_map(|mode| &mode.endpoints) {
            if !all.paths.iter().any(|known| **known == **path) {
                all.add(path, ANY, true);
            }
        }
        let meant: Vec<_> = all.exact.keys().map(|path| (Arc::clone(path), all.synonym(path))).collect();
        for (path, synonym) in meant {
            if let Some(entry) = all.exact.get_mut(&path) {
                entry.otherwise = synonym;
            }
        }
        all
    }

    fn add(&mut self, path: &str, methods: &[&'static str], counted: bool) {
        let path: Arc<str> = path.into();
        let endpoint = Arc::new(Endpoint {
            path: Arc::clone(&path),
            methods: methods.to_vec(),
            counted,
            usage_on_request: USAGE_ON_REQUEST.contains(&&*path),
            built_in: TABLE.iter().any(|row| row.path == &*path),
        });
        self.paths.push(Arc::clone(&path));
        if path.contains('{') {
            self.patterns.push(endpoint);
        } else {
            self.exact.insert(path, Entry { endpoint, otherwise: None });
        }
    }

    /// Every path, those asked most often first.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|path| &**path)
    }

    /// Whether exactly this path is served.
    pub fn contains(&self, path: &str) -> bool {
        self.exact.contains_key(path) || self.pattern(path).is_some()
    }

    /// What a path leads to, if it can be told.
    pub fn find(&self, path: &str) -> Option<EndpointMatch<'_>> {
        if let Some(entry) = self.exact.get(path) {
            let (endpoint, otherwise) = (&entry.endpoint, entry.otherwise.as_ref());
            return Some(EndpointMatch { endpoint, otherwise, path: None });
        }
        if let Some(endpoint) = self.pattern(path) {
            return Some(EndpointMatch { endpoint, otherwise: None, path: None });
        }
        let tidied = tidy(path);
        guesses(&tidied).into_iter().find_map(|guess| {
            let (endpoint, otherwise) = self.exactly(&guess)?;
            let path = if endpoint.path.contains('{') { guess } else { endpoint.path.to_string() };
            Some(EndpointMatch { endpoint, otherwise, path: Some(path) })
        })
    }

    fn exactly(&self, path: &str) -> Option<(&Arc<Endpoint>, Option<&Arc<Endpoint>>)> {
        if let Some(entry) = self.exact.get(path) {
            return Some((&entry.endpoint, entry.otherwise.as_ref()));
        }
        let synonym = SYNONYMS.iter().find(|(name, _)| *name == path).map(|(_, meant)| *meant);
        match synonym.and_then(|meant| self.exact.get(meant)) {
            Some(entry) => Some((&entry.endpoint, None)),
            None => self.pattern(path).map(|endpoint| (endpoint, None)),
        }
    }

    /// The other endpoint that a path of exactly this spelling means.
    fn synonym(&self, path: &str) -> Option<Arc<Endpoint>> {
        guesses(path).into_iter().find_map(|guess| {
            let meant =
                SYNONYMS.iter().find(|(name, _)| *name == guess).map_or(guess.as_str(), |(_, to)| *to);
            let entry = self.exact.get(meant).filter(|entry| *entry.endpoint.path != *path)?;
            Some(Arc::clone(&entry.endpoint))
        })
    }

    fn pattern(&self, path: &str) -> Option<&Arc<Endpoint>> {
        self.patterns.iter().find(|endpoint| fits(&endpoint.path, path))
    }
}

/// Whether a path is one of this pattern.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// The path without what clients add by mistake: empty segments, and a second `/v1` from a base address that already
/// had one.
pub fn tidy(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    while let [first, second, ..] = segments[..]
        && first == "v1"
        && is_version(second)
    {
        segments.remove(0);
    }
    format!("/{}", segments.join("/"))
}

fn is_version(segment: &str) -> bool {
    matches!(segment, "v1" | "v2")
}

/// A tidy path, the same with `/v1` in front of it, and without.
fn guesses(path: &str) -> Vec<String> {
    let mut guesses = vec![path.to_owned(), format!("/v1{path}")];
    guesses.extend(path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).map(str::to_owned));
    guesses
}

#[cfg(test)]
mod tests;
