//! Where a variant runs: on this machine, or somewhere else.

use super::routes::Routes;
use crate::cluster::{PodRequest, SlurmRequest};
use std::fmt;

/// Where a variant runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// On this machine, where the manager starts it.
    #[default]
    Local,
    /// Somebody else runs it: it is only asked.
    Url(UrlPlace),
    /// A job of a Slurm cluster.
    Slurm(SlurmRequest),
    /// A Pod of a Kubernetes cluster.
    Kubernetes(Box<PodRequest>),
}

impl Place {
    /// True if the manager starts it on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }
}

/// For people; a variant of this machine needs no words.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("this machine"),
            Self::Url(place) => place.fmt(f),
            Self::Slurm(ask) => ask.fmt(f),
            Self::Kubernetes(ask) => ask.fmt(f),
        }
    }
}

/// A server that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPlace {
    /// https.
    pub tls: bool,
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// Where its API begins, such as `/v1`; without a slash at its end.
    pub path: String,
    /// Sent to it with every request.
    pub key: Option<Secret>,
}

/// A text that nobody may read.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For whoever sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// It begins with neither `http://` nor `https://`.
    Scheme,
    /// There is no host in it.
    Host,
    /// What stands behind the colon is no port.
    Port,
    /// A name or a password stands in it.
    User,
    /// It doesn't say where the API begins.
    NoPath,
    /// It has a query, a fragment, or a space.
    Tail,
    /// It is the address of one endpoint.
    Endpoint,
}

impl UrlPlace {
    /// Reads an address such as `http://box:8080/v1`.
    ///
    /// # Errors
    /// See [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ => return Err(BadUrl::Scheme),
        };
        if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
            return Err(BadUrl::Tail);
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(BadUrl::User);
        }
        let (host, port) = split_port(authority, if tls { 443 } else { 80 })?;
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(BadUrl::NoPath);
        }
        const ENDPOINTS: [&str; 6] =
            ["/completions", "/embeddings", "/rerank", "/models", "/messages", "/responses"];
        if ENDPOINTS.iter().any(|endpoint| path.ends_with(endpoint)) {
            return Err(BadUrl::Endpoint);
        }
        Ok(Self { tls, host, port, path: path.to_owned(), key: None })
    }

    /// Whether its API begins where one would think: a part of the path is `v1` or alike.
    pub fn is_usual(&self) -> bool {
        let version = |part: &str| {
            let digits = part.strip_prefix('v').unwrap_or_default();
            digits.starts_with(|first: char| first.is_ascii_digit())
        };
        self.path.split('/').any(version)
    }

    /// What stands in the header `Host`, and between the scheme and the path.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Where it serves what clients ask for under the paths of OpenAI; `own` are paths of its own.
    pub fn routes(&self, own: Routes) -> Routes {
        let before_v1 = self.path.strip_suffix("/v1");
        Routes {
            prefix: (self.path != "/v1").then(|| self.path.clone()),
            base: before_v1.filter(|base| !base.is_empty()).map(str::to_owned),
            ..own
        }
    }

    /// Whether a key that is sent to it unencrypted stays among machines of one's own: this one, a private network, or a
    /// name that only such a network knows.
    pub fn is_near(&self) -> bool {
        use std::net::IpAddr;
        match self.host.parse() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => {
                const LOCAL: [&str; 6] =
                    [".local", ".lan", ".internal", ".home.arpa", ".localhost", ".ts.net"];
                let host = self.host.to_ascii_lowercase();
                !host.contains('.') || LOCAL.iter().any(|end| host.ends_with(end))
            }
        }
    }
}

fn split_port(authority: &str, usual: u16) -> Result<(String, u16), BadUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadUrl::Host)?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(BadUrl::Host);
            }
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(BadUrl::Port)?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    if host.is_empty() || !host.chars().all(fits) {
        return Err(BadUrl::Host);
    }
    let port = match port {
        None => usual,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(BadUrl::Port)?,
    };
    Ok((host.to_owned(), port))
}

impl fmt::Display for UrlPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for text in [
            "http://box:8080/v1",
            "https://api.example.com/v1",
            "http://[fd00::1]:9000/llm/v1",
            "https://api.example.com/v1beta/openai",
            "http://127.0.0.1/api/paas/v4",
        ] {
            assert_eq!(UrlPlace::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(UrlPlace::parse("HTTP://box:80/v1/").unwrap().to_string(), "http://box/v1");
    }

    #[test]
    fn a_secret_is_not_shown_and_a_key_stays_among_machines_of_ones_own() {
        assert_eq!(format!("{:?}", Secret::new("s-1".to_owned())), "***");
        let near = |host: &str| UrlPlace::parse(&format!("http://{host}/v1")).unwrap().is_near();
        for host in
            ["127.0.0.1", "10.0.0.1", "169.254.1.1", "[::1]", "[fd00::1]", "[fe80::1]", "box", "box.lan"]
        {
            assert!(near(host), "{host}");
        }
        for host in ["8.8.8.8", "[2001:db8::1]", "api.example.com"] {
            assert!(!near(host), "{host}");
        }
    }

    #[test]
    fn a_usual_address_has_a_version_in_its_path() {
        let is_usual = |path: &str| UrlPlace::parse(&format!("http://box{path}")).unwrap().is_usual();
        assert!(is_usual("/v1") && is_usual("/v1beta/openai") && is_usual("/api/paas/v4"));
        assert!(!is_usual("/api") && !is_usual("/vx") && !is_usual("/very/1"));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_apart() {
        for (text, wrong) in [
            ("box:8080/v1", BadUrl::Scheme),
            ("ftp://box/v1", BadUrl::Scheme),
            ("http:///v1", BadUrl::Host),
            ("http://a b/v1", BadUrl::Tail),
            ("http://[::1/v1", BadUrl::Host),
            ("http://box:http/v1", BadUrl::Port),
            ("http://box:0/v1", BadUrl::Port),
            ("http://me:secret@box/v1", BadUrl::User),
            ("http://box:8080", BadUrl::NoPath),
            ("http://box:8080/", BadUrl::NoPath),
            ("http://box/v1?key=x", BadUrl::Tail),
            ("http://box/v1/chat/completions", BadUrl::Endpoint),
        ] {
            assert_eq!(UrlPlace::parse(text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn paths_begin_where_the_address_says() {
        let of = |url: &str, path: &str| {
            UrlPlace::parse(url).unwrap().routes(Routes::default()).of(path).into_owned()
        };
        assert_eq!(of("http://box/v1", "/v1/models"), "/v1/models");
        assert_eq!(of("http://box/v1", "/health"), "/health");
        assert_eq!(of("http://box/llm/v1", "/v1/models"), "/llm/v1/models");
        assert_eq!(of("http://box/llm/v1", "/health"), "/llm/health");
        assert_eq!(of("http://box/v1beta/openai", "/v1/models"), "/v1beta/openai/models");
        assert_eq!(of("http://box/v1beta/openai", "/health"), "/health");
        assert!(UrlPlace::parse("http://box/v1").unwrap().routes(Routes::default()).are_plain());
    }

    #[test]
    fn a_private_network_is_near_and_the_internet_is_not() {
        let near = |host: &str| UrlPlace::parse(&format!("http://{host}/v1")).unwrap().is_near();
        assert!(
            ["box", "127.0.0.1", "10.1.2.3", "192.168.1.5:8080", "[::1]", "gpu.lan"].into_iter().all(near)
        );
        assert!(!["api.example.com", "8.8.8.8", "[2001:db8::1]"].into_iter().any(near));
    }

    #[test]
    fn a_key_is_not_printed() {
        let mut place = UrlPlace::parse("http://box/v1").unwrap();
        place.key = Some(Secret::new("sk-12345678".to_owned()));
        assert!(!format!("{place:?} {place}").contains("12345678"));
    }
}
