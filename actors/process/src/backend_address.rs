//! Where a backend is reached, and what every request to it carries: made once per run, shared by all who ask it.

mod stream;
#[cfg_attr(not(feature = "tls"), path = "backend_address/no_tls.rs")]
mod tls;

pub use stream::BackendStream;
#[cfg(feature = "tls")]
pub use tls::trusting;

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use llm_manager_policy::spec::UrlPlace;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tls::Tls;
use tokio::net::TcpStream;

/// Names of the managers that a request has come through, so that it doesn't go round in a circle.
pub const VIA: HeaderName = HeaderName::from_static("x-llm-manager-via");

/// Where a backend is reached.
pub struct BackendAddress {
    to: To,
    /// For the header `Host`.
    host: HeaderValue,
}

enum To {
    /// On this machine.
    Here(SocketAddr),
    /// Somebody else runs it.
    There(Box<There>),
    /// On a node of a cluster, started by this manager.
    Node(Box<Node>),
}

/// A server on a node of a cluster.
struct Node {
    host: String,
    port: u16,
    key: HeaderValue,
}

/// A server that somebody else runs.
struct There {
    place: UrlPlace,
    tls: Option<Tls>,
    key: Option<HeaderValue>,
    /// The name of this manager, for `VIA`.
    manager: HeaderValue,
}

impl BackendAddress {
    /// A backend of this machine.
    pub fn local(address: SocketAddr) -> Self {
        let host = HeaderValue::from_str(&address.to_string());
        Self { to: To::Here(address), host: host.unwrap_or(HeaderValue::from_static("localhost")) }
    }

    /// A server that somebody else runs, asked by the manager of this name. Reads the certificates that this machine
    /// trusts, if it has to: blocks.
    ///
    /// # Errors
    /// Something of it can't stand in a header, or no certificate is trusted here.
    pub fn there(place: &UrlPlace, manager: &str) -> Result<Self, String> {
        let value = |text: &str, what: &str| {
            HeaderValue::from_str(text).map_err(|_| format!("its {what} can't be sent in a header"))
        };
        let key = match &place.key {
            Some(key) => {
                let mut key = value(&format!("Bearer {}", key.reveal()), "key")?;
                key.set_sensitive(true);
                Some(key)
            }
            None => None,
        };
        let tls = if place.tls { Some(Tls::to(&place.host)?) } else { None };
        let host = value(&place.authority(), "address")?;
        let place = UrlPlace { key: None, ..place.clone() };
        let there = There { place, tls, key, manager: value(manager, "manager")? };
        Ok(Self { to: To::There(Box::new(there)), host })
    }

    /// A backend of this manager on a node of a cluster; `key` is what it wants to hear.
    ///
    /// # Errors
    /// Something of it can't stand in a header.
    pub fn node(host: &str, port: u16, key: &str) -> Result<Self, String> {
        let value = |text: &str, what: &str| {
            HeaderValue::from_str(text).map_err(|_| format!("its {what} can't be sent in a header"))
        };
        let mut key = value(&format!("Bearer {key}"), "key")?;
        key.set_sensitive(true);
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let authority = value(&authority, "address")?;
        Ok(Self { to: To::Node(Box::new(Node { host: host.to_owned(), port, key })), host: authority })
    }

    /// Where a backend of this machine listens; `None`: it is somewhere else.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self.to {
            To::Here(address) => Some(address),
            To::There(_) | To::Node(_) => None,
        }
    }

    /// Host and port of a backend on a node of a cluster.
    pub fn node_address(&self) -> Option<(&str, u16)> {
        match &self.to {
            To::Node(node) => Some((&node.host, node.port)),
            To::Here(_) | To::There(_) => None,
        }
    }

    /// Whether somebody else runs it.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.to, To::There(_))
    }

    /// What stands in the header `Host`.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Whether a header of the client goes there, by its name in lower case. What a client tells this manager, and what a
    /// browser tells of the page that it shows, is no business of a server elsewhere.
    pub fn takes(&self, name: &str) -> bool {
        match &self.to {
            _ if name == "host" => false,
            To::Here(_) => true,
            To::There(_) => !is_private(name),
            To::Node(_) => name != "authorization",
        }
    }

    /// What every request there carries behind what it takes of its client's, beside `Host`.
    pub fn own_headers(&self) -> impl Iterator<Item = (HeaderName, &HeaderValue)> {
        let (via, key) = match &self.to {
            To::Here(_) => (None, None),
            To::There(there) => (Some((VIA, &there.manager)), there.key.as_ref()),
            To::Node(node) => (None, Some(&node.key)),
        };
        via.into_iter().chain(key.map(|key| (AUTHORIZATION, key)))
    }

    /// Gives a request what it needs to be taken there, and takes away what doesn't go there.
    pub fn dress(&self, headers: &mut HeaderMap) {
        let stays = headers.keys().filter(|name| !self.takes(name.as_str())).cloned();
        for name in stays.collect::<Vec<_>>() {
            headers.remove(name);
        }
        headers.insert(HOST, self.host.clone());
        for (name, value) in self.own_headers() {
            headers.append(name, value.clone());
        }
    }

    /// Whether a request with these headers has been here before: whoever is reached here has sent it back.
    pub fn has_come_round<'a>(&self, mut via: impl Iterator<Item = &'a [u8]>) -> bool {
        let To::There(there) = &self.to else { return false };
        via.any(|names| {
            names.split(|byte| *byte == b',').any(|name| name.trim_ascii() == there.manager.as_bytes())
        })
    }

    /// Opens a connection. How long that may take is the caller's business.
    ///
    /// # Errors
    /// Nobody listens there, it can't be reached, or it isn't the one that it says it is.
    pub async fn connect(&self) -> io::Result<BackendStream> {
        match &self.to {
            To::Here(address) => Ok(BackendStream::Plain(open(TcpStream::connect(address).await?)?)),
            To::There(there) => there.connect().await,
            To::Node(node) => {
                Ok(BackendStream::Plain(open(TcpStream::connect((node.host.as_str(), node.port)).await?)?))
            }
        }
    }
}

fn open(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether a header of this name tells of the client, of its key or of its page.
fn is_private(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cookie"
            | "origin"
            | "referer"
            | "x-api-key"
            | "api-key"
            | "x-goog-api-key"
            | "x-forwarded-for"
            | "x-real-ip"
            | "forwarded"
    ) || name.starts_with("sec-fetch-")
}

impl There {
    async fn connect(&self) -> io::Result<BackendStream> {
        let stream = open(TcpStream::connect((self.place.host.as_str(), self.place.port)).await?)?;
        match &self.tls {
            None => Ok(BackendStream::Plain(stream)),
            Some(tls) => Ok(BackendStream::Tls(Box::new(tls.over(stream).await?))),
        }
    }
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            To::Here(address) => address.fmt(f),
            To::There(there) => there.place.fmt(f),
            To::Node(node) => write!(f, "{}:{}", node.host, node.port),
        }
    }
}

impl fmt::Debug for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::spec::Secret;

    fn endpoint(key: Option<&str>) -> BackendAddress {
        let place = UrlPlace::parse("http://box:8080/v1").unwrap();
        let key = key.map(|key| Secret::new(key.to_owned()));
        BackendAddress::there(&UrlPlace { key, ..place }, "me").unwrap()
    }

    #[test]
    fn only_the_key_of_the_place_goes_there() {
        let mut headers = HeaderMap::new();
        for name in
            ["authorization", "x-api-key", "cookie", "origin", "sec-fetch-site", "x-mine", "x-forwarded-for"]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("client"));
        }
        let mut without = headers.clone();
        endpoint(Some("far-key")).dress(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "host", "x-llm-manager-via", "x-mine"]);
        assert_eq!(
            (&headers["authorization"], &headers["host"]),
            (&"Bearer far-key".parse().unwrap(), &"box:8080".parse().unwrap())
        );
        endpoint(None).dress(&mut without);
        assert!(!without.contains_key("authorization"));
    }

    #[test]
    fn a_backend_of_this_machine_gets_what_its_client_sends() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("client"));
        let local = BackendAddress::local(([127, 0, 0, 1], 9).into());
        local.dress(&mut headers);
        assert_eq!((headers.len(), &headers["host"]), (2, &"127.0.0.1:9".parse().unwrap()));
        assert!(!local.has_come_round([b"me".as_slice()].into_iter()));
    }

    #[test]
    fn a_request_that_comes_back_is_known() {
        let mut headers = HeaderMap::new();
        headers.insert(VIA, HeaderValue::from_static("other"));
        let endpoint = endpoint(None);
        let via = |headers: &HeaderMap| {
            headers.get_all(VIA).iter().map(HeaderValue::as_bytes).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let round = |lists: &[Vec<u8>]| endpoint.has_come_round(lists.iter().map(Vec::as_slice));
        assert!(!round(&via(&headers)));
        endpoint.dress(&mut headers);
        assert!(round(&via(&headers)), "as it was sent");
        assert!(round(&[b"other, me, third".to_vec()]), "as a proxy joins it");
        assert!(!round(&[b"meander".to_vec()]));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert!(!format!("{0:?} {0}", endpoint(Some("far-key"))).contains("far-key"));
    }
}
