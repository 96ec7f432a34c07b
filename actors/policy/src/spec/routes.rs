//! Where a backend serves what clients ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a backend serves what clients ask for under the paths of OpenAI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Where its API begins, without a slash at its end; `None`: at `/v1`, as the paths are written.
    pub prefix: Option<String>,
    /// What stands before all its other paths; `None`: nothing.
    pub base: Option<String>,
    /// Its own path for one of ours; the prefix is not put before it.
    pub paths: BTreeMap<String, String>,
}

impl Routes {
    /// Whether every path is the backend's own, too.
    pub fn are_plain(&self) -> bool {
        self.prefix.is_none() && self.base.is_none() && self.paths.is_empty()
    }

    /// The path under which the backend serves what is `path` here.
    pub fn of<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        if let Some(own) = self.paths.get(path) {
            return own.as_str().into();
        }
        let of_api = path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (of_api, &self.prefix) {
            (Some(rest), Some(prefix)) => format!("{prefix}{rest}").into(),
            (Some(_), None) => path.into(),
            (None, _) => self.beside(path),
        }
    }

    /// The same for a path that is the backend's own.
    pub fn beside<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match &self.base {
            Some(base) => format!("{base}{path}").into(),
            None => path.into(),
        }
    }

    /// The other way: what a client asks for here to reach the backend's `own` path, which may have a query.
    pub fn back<'a>(&self, own: &'a str) -> Cow<'a, str> {
        let (path, query) = own.split_at(own.find(['?', '#']).unwrap_or(own.len()));
        let below = |prefix: &String| path.strip_prefix(prefix.as_str()).filter(|rest| rest.starts_with('/'));
        if let Some((ours, _)) = self.paths.iter().find(|(_, theirs)| *theirs == path) {
            return format!("{ours}{query}").into();
        }
        if let Some(rest) = self.prefix.as_ref().and_then(below) {
            return format!("/v1{rest}{query}").into();
        }
        self.back_beside(own)
    }

    /// The same for a path that is the backend's own.
    pub fn back_beside<'a>(&self, own: &'a str) -> Cow<'a, str> {
        let below = self.base.as_ref().and_then(|base| own.strip_prefix(base.as_str()));
        below.filter(|rest| rest.starts_with('/')).unwrap_or(own).into()
    }

    /// What is not said here is as the others have it.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        self.prefix = self.prefix.or_else(|| others.prefix.clone());
        self.base = self.base.or_else(|| others.base.clone());
        for (path, own) in &others.paths {
            self.paths.entry(path.clone()).or_insert_with(|| own.clone());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_its_own_stands_before_the_prefix() {
        let paths = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(ours, own)| ((*ours).to_owned(), (*own).to_owned())).collect()
        };
        let mode = Routes {
            prefix: Some("/api".into()),
            paths: paths(&[("/v1/rerank", "/r"), ("/v1/x", "/x")]),
            ..Routes::default()
        };
        let routes = Routes { paths: paths(&[("/v1/rerank", "/rank")]), ..Routes::default() }.or(&mode);
        assert_eq!(routes.of("/v1/rerank"), "/rank", "the model's own");
        assert_eq!(routes.of("/v1/x"), "/x", "the mode's");
        assert_eq!(routes.of("/v1/embeddings"), "/api/embeddings");
        assert_eq!(routes.of("/v1"), "/api");
        assert_eq!(routes.of("/v1x"), "/v1x");
        assert_eq!(routes.of("/tokenize"), "/tokenize");
        let empty = Routes { prefix: Some(String::new()), ..Routes::default() };
        assert_eq!(empty.of("/v1/embeddings"), "/embeddings");
        assert!(Routes::default().are_plain() && !empty.are_plain() && !routes.are_plain());
        assert_eq!(Routes::default().of("/v1/embeddings"), "/v1/embeddings");
    }

    #[test]
    fn every_path_finds_its_way_back() {
        let paths = [("/v1/rerank", "/rank")].map(|(ours, own)| (ours.to_owned(), own.to_owned())).into();
        let routes = Routes { prefix: Some("/api/v3".into()), base: Some("/box".into()), paths };
        for ours in ["/v1/rerank", "/v1/embeddings", "/v1/a?b=/v1", "/tokenize"] {
            assert_eq!(routes.back(&routes.of(ours)), ours);
            assert_eq!(routes.back_beside(&routes.beside(ours)), ours);
        }
        assert_eq!(routes.back("/rank?top=1"), "/v1/rerank?top=1");
        assert_eq!(routes.back("/api/v3x"), "/api/v3x");
        assert_eq!(routes.back("/boxes/1"), "/boxes/1");
        assert_eq!(
            Routes { prefix: Some(String::new()), ..Routes::default() }.back("/embeddings"),
            "/v1/embeddings"
        );
        assert_eq!(Routes::default().back("/v1/embeddings"), "/v1/embeddings");
    }
}
