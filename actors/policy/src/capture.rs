//! Bodies of requests that are kept for a while: what of a request must not be kept, and which of them go.

use std::borrow::Cow;
use std::time::Duration;

/// What stands for a secret.
const STARS: &str = "***";
/// Parts of names of headers and of parameters whose values are secrets.
const SECRET_PARTS: [&str; 9] =
    ["auth", "cookie", "key", "token", "secret", "passw", "credential", "signature", "session"];
/// Names with such a part that say nothing secret.
const HARMLESS: [&str; 3] = ["sec-websocket-key", "idempotency-key", "max_tokens"];
/// Names with this in them count tokens: `x-ratelimit-remaining-tokens`, `anthropic-ratelimit-tokens-limit`.
const COUNTS: &str = "ratelimit";

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureBounds {
    /// Of each body; the rest of a longer one is left out.
    pub body_bytes: usize,
    /// Of all of them together: the oldest go first.
    pub total_bytes: u64,
    /// After the beginning of its request.
    pub keep: Duration,
}

impl Default for CaptureBounds {
    fn default() -> Self {
        Self { body_bytes: 1 << 20, total_bytes: 256 << 20, keep: Duration::from_secs(24 * 3600) }
    }
}

/// One that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptCapture {
    /// When its request began, in microseconds since 1970.
    pub started_us: i64,
    /// What it takes.
    pub bytes: u64,
}

/// How many of these, the oldest first, go now. `most`: how many there may be.
pub fn doomed(
    oldest_first: impl Iterator<Item = KeptCapture> + Clone,
    now_us: i64,
    most: usize,
    bounds: &CaptureBounds,
) -> usize {
    let (mut left, mut bytes) = oldest_first
        .clone()
        .fold((0, 0_u64), |(count, bytes), kept| (count + 1, bytes.saturating_add(kept.bytes)));
    let mut gone = 0;
    for kept in oldest_first {
        if left <= most && bytes <= bounds.total_bytes && due_us(kept, bounds) > now_us {
            break;
        }
        (left, bytes, gone) = (left - 1, bytes - kept.bytes, gone + 1);
    }
    gone
}

/// When it goes for its age.
pub fn due_us(kept: KeptCapture, bounds: &CaptureBounds) -> i64 {
    kept.started_us.saturating_add(i64::try_from(bounds.keep.as_micros()).unwrap_or(i64::MAX))
}

/// Whether the value of a header or parameter of this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let harmless = HARMLESS.contains(&name.as_str()) || name.contains(COUNTS);
    !harmless && SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// The value of a header as it may be kept.
pub fn header<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) { STARS } else { value }
}

/// A path with its query as it may be kept: without the values of parameters that are secrets.
pub fn path(path: &str) -> Cow<'_, str> {
    let Some((place, query)) = path.split_once('?') else { return Cow::Borrowed(path) };
    // A name may be written in other letters (`%6bey`): then it is taken for a secret.
    let hides =
        |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_secret(name) || name.contains('%'));
    if !query.split('&').any(hides) {
        return Cow::Borrowed(path);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if hides(pair) => format!("{name}={STARS}"),
        _ => pair.to_owned(),
    });
    Cow::Owned(format!("{place}?{}", pairs.collect::<Vec<_>>().join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_told_from_other_headers() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "X-Api-Key",
            "api-key",
            "x-goog-api-key",
            "Cookie",
            "Set-Cookie",
            "x-auth-token",
            "X-Amz-Security-Token",
            "x-amz-signature",
        ] {
            assert_eq!(header(name, "abc"), "***", "{name}");
        }
        for name in [
            "content-type",
            "user-agent",
            "accept",
            "x-request-id",
            "idempotency-key",
            "x-ratelimit-remaining-tokens",
            "x-llm-manager-run",
        ] {
            assert_eq!(header(name, "abc"), "abc", "{name}");
        }
    }

    #[test]
    fn a_query_keeps_what_is_no_secret() {
        assert_eq!(path("/v1/x"), "/v1/x");
        assert_eq!(path("/v1/x?model=m&stream"), "/v1/x?model=m&stream");
        assert_eq!(path("/v1/x?key=abc&model=m"), "/v1/x?key=***&model=m");
        assert_eq!(
            path("/v1/x?model=m&%6bey=abc&Access_Token=x=y"),
            "/v1/x?model=m&%6bey=***&Access_Token=***"
        );
    }

    #[test]
    fn it_is_kept_so_long_after_its_start() {
        let bounds = CaptureBounds { body_bytes: 1, total_bytes: 1, keep: Duration::from_secs(2) };
        assert_eq!(due_us(KeptCapture { started_us: 5_000_000, bytes: 1 }, &bounds), 7_000_000);
        let forever = CaptureBounds { keep: Duration::MAX, ..bounds };
        assert_eq!(due_us(KeptCapture { started_us: 5, bytes: 1 }, &forever), i64::MAX);
    }

    proptest! {
        /// What stays keeps all bounds; what goes is the oldest, and no more than has to.
        #[test]
        fn the_oldest_go_until_the_rest_keeps_the_bounds(
            kept in prop::collection::vec((0_i64..1000, 0_u64..50), 0..40),
            now in 0_i64..1200, most in 0_usize..30, total in 0_u64..800, keep in 1_u64..500,
        ) {
            let mut kept: Vec<KeptCapture> = kept.into_iter().map(|(started_us, bytes)| KeptCapture { started_us, bytes }).collect();
            kept.sort_by_key(|kept| kept.started_us);
            let bounds = CaptureBounds { body_bytes: 1, total_bytes: total, keep: Duration::from_micros(keep) };
            let fits = |rest: &[KeptCapture]| {
                rest.len() <= most
                    && rest.iter().map(|kept| kept.bytes).sum::<u64>() <= total
                    && rest.first().is_none_or(|oldest| due_us(*oldest, &bounds) > now)
            };
            let gone = doomed(kept.iter().copied(), now, most, &bounds);
            prop_assert!(fits(&kept[gone..]));
            prop_assert!(gone == 0 || !fits(&kept[gone - 1..]));
        }
    }
}
