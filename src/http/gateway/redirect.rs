//! Redirect: a backend that sends its client on names itself by an address of its own. Clients don't know that one, and
//! whoever went there would pass the manager by: no lease, no row.

use super::upstream::Response;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use llm_manager_actors::model::Lease;
use std::borrow::Cow;

/// The names by which a server calls itself that listens on this machine.
const HERE: [&str; 4] = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"];

/// Has every place to which the backend of this lease sends its own clients lie below what stands for it here: the `base`
/// of all our paths, and what is `below` that. `asked`: the request named a model, so its path was one of ours.
pub(super) fn lead_back(response: &mut Response, lease: &Lease, base: &str, below: &str, asked: bool) {
    if !response.status.is_redirection() && response.status != StatusCode::CREATED {
        return;
    }
    let host = lease.endpoint().host().to_str().unwrap_or_default();
    for (name, value) in &mut response.headers {
        if *name != LOCATION {
            continue;
        }
        let path =
            value.to_str().ok().and_then(|place| of_backend(place, host)).map(|own| ours(lease, own, asked));
        let here = path.and_then(|path| HeaderValue::from_str(&format!("{base}{below}{path}")).ok());
        if let Some(here) = here {
            *value = here;
        }
    }
}

fn ours<'a>(lease: &'a Lease, own: &'a str, asked: bool) -> Cow<'a, str> {
    match lease.routes() {
        Some(routes) if asked => routes.back(own),
        Some(routes) => routes.back_beside(own),
        None => Cow::Borrowed(own),
    }
}

/// The path and the rest of a place on this backend; `None`: it is elsewhere, or is told from the place of the request.
fn of_backend<'a>(place: &'a str, host: &str) -> Option<&'a str> {
    if place.starts_with('/') && !place.starts_with("//") {
        return Some(place);
    }
    let (scheme, rest) = place.split_once("//")?;
    if !["", "http:", "https:"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_itself = authority.eq_ignore_ascii_case(host) || is_here(authority, host);
    match path {
        _ if !is_itself => None,
        "" => Some("/"),
        path => path.starts_with('/').then_some(path),
    }
}

/// Two names of this machine, with the same port.
fn is_here(authority: &str, host: &str) -> bool {
    let of_here = |text: &str| {
        let (name, port) = text.rsplit_once(':')?;
        HERE.iter().any(|here| name.eq_ignore_ascii_case(here)).then(|| port.to_owned())
    };
    of_here(authority).is_some_and(|port| of_here(host) == Some(port))
}

#[cfg(test)]
mod tests {
    use super::of_backend;

    #[test]
    fn only_what_lies_on_the_backend_comes_home() {
        let host = "127.0.0.1:4711";
        for (place, expected) in [
            ("/v1/x?a=b#c", Some("/v1/x?a=b#c")),
            ("http://127.0.0.1:4711/v1/x?a=b", Some("/v1/x?a=b")),
            ("HTTP://LOCALHOST:4711/v1/x", Some("/v1/x")),
            ("https://0.0.0.0:4711", Some("/")),
            ("//127.0.0.1:4711/x", Some("/x")),
            // Another port is another server, and so is another host.
            ("http://127.0.0.1:4712/x", None),
            ("http://127.0.0.1/x", None),
            ("https://login.example.com/?back=http://127.0.0.1:4711/", None),
            ("//evil.example/x", None),
            ("http://127.0.0.1:4711@evil.example/x", None),
            ("ftp://127.0.0.1:4711/x", None),
            ("http://127.0.0.1:4711?x", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(of_backend(place, host), expected, "{place}");
        }
        assert_eq!(of_backend("http://BOX:8080/v1", "box:8080"), Some("/v1"));
        assert_eq!(of_backend("http://127.0.0.1:8080/v1", "box:8080"), None);
    }
}
