//! Writes down what was delivered to whom, line by line: a file that outlives `kill -9`.
//!
//! `ID asked` when a request has come, `ID begun` when its stream has, `ID token` for each token of a stream,
//! `ID usage PROMPT CACHED COMPLETION` when a report is on its way (`-` for what that endpoint doesn't report).
//! The ID is the request's `x-request-id`; without one nothing is written.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::connection::Request;

#[derive(Debug)]
pub(crate) struct Journal(Option<File>);

impl Journal {
    pub(crate) fn open(path: Option<&Path>) -> Self {
        Self(path.map(|path| File::options().create(true).append(true).open(path).unwrap()))
    }

    /// One line by one call of the system, so lines of several processes don't mix.
    pub(crate) fn note(&self, request: &Request, what: impl Display) {
        let Some(mut file) = self.0.as_ref() else { return };
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("x-request-id");
        if let Some((_, id)) = request.headers.iter().find(named) {
            file.write_all(format!("{id} {what}\n").as_bytes()).unwrap();
        }
    }
}
