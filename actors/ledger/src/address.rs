//! The address of a PostgreSQL ledger: what of it may be shown, and the deadlines that are added to it.
//!
//! A password can stand in many places: before the `@`, with characters that libpq takes for the end of it, or in
//! a parameter. So what is shown is put together from parts that are known to be harmless, and the messages of the
//! client library are cleaned of everything that might be a secret.

/// Parameters whose values may be shown.
const HARMLESS: [&str; 14] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
    "sslmode",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "target_session_attrs",
];
/// A server that is frozen, or behind a cut network, is given up: in seconds, the last one in milliseconds.
const DEADLINES: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];
const MASK: &str = "***";

/// The parts of an address, as far as it has the usual form.
struct Parts<'a> {
    /// What may hold a password.
    credentials: &'a str,
    /// Host, port and database.
    place: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

fn parts(address: &str) -> Parts<'_> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters: Vec<(&str, &str)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    // That question mark was part of a password.
    let odd = parameters.iter().any(|(name, _)| name.contains('@'));
    let (credentials, place) = (if odd { rest } else { before }).rsplit_once('@').unwrap_or(("", before));
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    Parts { credentials, place, parameters }
}

fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&decoded(name).to_ascii_lowercase().as_str())
}

/// What stands where a port should: half of a password, if somebody has forgotten the host.
fn wrong_port(place: &str) -> Option<&str> {
    let hosts = place.split_once('/').map_or(place, |(hosts, _)| hosts);
    let (_, port) = hosts.rsplit_once(':').filter(|(_, port)| !port.contains(']'))?;
    port.chars().any(|letter| !letter.is_ascii_digit()).then_some(port)
}

/// Without percent signs; what isn't UTF-8 then stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Host, port and database: what tells one ledger from another.
pub(super) fn shown(address: &str) -> String {
    let parts = parts(address);
    let told: Vec<String> = parts
        .parameters
        .iter()
        .filter(|(name, value)| ["host", "hostaddr", "port", "dbname"].contains(name) && !value.contains('@'))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let separator = if told.is_empty() { "" } else { "?" };
    let place =
        wrong_port(parts.place).map_or(parts.place.to_owned(), |port| parts.place.replace(port, MASK));
    format!("postgres://{place}{separator}{}", told.join("&"))
}

/// All texts of an address that may be a secret, or a piece of one; the longest first.
fn secrets(address: &str) -> Vec<String> {
    let parts = parts(address);
    let mut all = Vec::new();
    all.extend(parts.credentials.split_once(':').map(|(_, password)| password));
    all.extend(wrong_port(parts.place));
    for (name, value) in parts.parameters.iter().filter(|(name, _)| !is_harmless(name)) {
        // `?password:secret` has no value.
        all.push(if value.is_empty() { name } else { value });
    }
    let mut secrets = Vec::new();
    for text in all.into_iter().flat_map(|text| [text.to_owned(), decoded(text)]) {
        // The client library may have cut it where it saw the end of something.
        secrets.extend(text.split(['@', ':', '/', '?', '&', '=', '#', '[', ']', ',']).map(str::to_owned));
        secrets.push(text);
    }
    secrets.retain(|secret| !secret.is_empty() && secret != "password");
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// A message of the client library without anything that might be secret.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "there is no such library then"))]
pub(super) fn masked(address: &str, message: &str) -> String {
    secrets(address).iter().fold(message.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
}

/// The address with a limit on everything that could last for ever; what the user has set stays.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nobody connects then"))]
pub(super) fn with_deadlines(address: &str) -> String {
    let parts = parts(address);
    let set = |name: &str| parts.parameters.iter().any(|(given, _)| *given == name);
    let mut all = address.to_owned();
    for (name, value) in DEADLINES.iter().filter(|(name, _)| !set(name)) {
        let separator = if all.contains('?') { '&' } else { '?' };
        all.push_str(&format!("{separator}{name}={value}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with the text that the client library might print of it.
    const ADDRESSES: [&str; 12] = [
        "postgres://llm:Sup3rS3cret@db:5432/llm",
        "postgres://llm:Sup3r/S3cret@db:5432/llm",
        "postgres://llm:Sup3r@S3cret@db:5432/llm",
        "postgres://llm:Sup3r?S3cret@db:5432/llm",
        "postgres://llm:Sup3r#S3cret@db:5432/llm",
        "postgres://llm:Sup3r%2FS3cret@db:5432/llm",
        "postgres://llm:Sup3rS3cret@db:5432/llm?application_name=a@b",
        "postgres://db/llm?user=llm&password=Sup3rS3cret",
        "postgres://db/llm?user=llm&pass%77ord=Sup3r%53%33cret",
        "postgresql:///llm?host=/run/pg&password=Sup3r&S3cret",
        "postgres://db/llm?PASSWORD=Sup3rS3cret&sslpassword=S3cret",
        "postgres://db/llm?password:Sup3rS3cret",
    ];

    #[test]
    fn no_spelling_of_an_address_shows_its_password() {
        for address in ADDRESSES {
            let mut texts = vec![shown(address), masked(address, address)];
            if !address.contains("Sup3rS3cret") && address.contains("@db") && !address.contains('%') {
                // It was cut in two.
                texts.push(masked(address, "invalid integer value \"Sup3r\" for connection option \"port\""));
                texts.push(masked(address, "could not translate host name \"S3cret@db\" to address"));
            }
            for text in texts {
                assert!(!text.contains("Sup3r") && !text.contains("3cret"), "{address}: {text}");
            }
        }
    }

    #[test]
    fn the_place_stays_readable() {
        assert_eq!(shown("postgres://llm:secret@db:5432/books"), "postgres://db:5432/books");
        assert_eq!(shown("postgres://llm:secret@db/books?application_name=a@b"), "postgres://db/books");
        assert_eq!(shown("postgresql:///books?host=/run/pg&password=x"), "postgres:///books?host=/run/pg");
        assert_eq!(shown("postgres://db/books"), "postgres://db/books");
        let refused = "connection to server at \"db\" failed: Connection refused";
        assert_eq!(masked("postgres://llm:secret@db:5432/books", refused), refused);
    }

    #[test]
    fn deadlines_are_added_unless_they_are_set() {
        let plain = with_deadlines("postgres://db/books");
        assert!(plain.starts_with("postgres://db/books?connect_timeout=2&keepalives_idle=5"), "{plain}");
        let set = with_deadlines("postgres://db/books?connect_timeout=9");
        assert!(set.starts_with("postgres://db/books?connect_timeout=9&keepalives_idle=5"), "{set}");
        assert!(!set.contains("connect_timeout=2"), "{set}");
    }
}
