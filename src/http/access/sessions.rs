//! Sign-in for browsers: a page can't send a key with an `EventSource`, and must not keep one where scripts read.
//!
//! A session is a token that this process has signed; nothing is kept of it. So it ends when the browser closes,
//! after `LIFETIME`, or with the process. Signing out takes the cookie from the browser: a copy that somebody else
//! has made stays good until then.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use std::fmt::Write;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// A dashboard may stay open for a week.
const LIFETIME: i64 = 7 * 24 * 3600;
/// So many keys may be tried at once; with the pause, so many per second.
const GUESSES: usize = 8;

/// Makes tokens, and knows its own again.
pub struct Sessions {
    secret: [u8; 32],
    /// Cookies don't tell ports apart: two managers of one machine would sign each other's users out.
    pub(crate) cookie: String,
    pub(crate) guesses: Arc<Semaphore>,
}

impl Sessions {
    /// For the manager on this port. An error is ready to be printed.
    pub fn new(port: u16) -> Result<Self, String> {
        let mut secret = [0; 32];
        random(&mut secret)?;
        Ok(Self { secret, cookie: format!("llm-manager-{port}"), guesses: Arc::new(Semaphore::new(GUESSES)) })
    }

    /// A token for whoever has the key with this label.
    pub(crate) fn issue(&self, label: &str, now: i64) -> Result<String, String> {
        let mut nonce = [0; 16];
        random(&mut nonce)?;
        let claims = format!("{}.{}.{}", now.saturating_add(LIFETIME), hex(label.as_bytes()), hex(&nonce));
        let mac = self.sign(&claims).ok_or("the session could not be signed")?;
        Ok(format!("{claims}.{mac}"))
    }

    /// The key's label in hex, if the token is ours and still good.
    fn label<'a>(&self, token: &'a str, now: i64) -> Option<&'a str> {
        let (claims, mac) = token.rsplit_once('.')?;
        if !bool::from(self.sign(claims)?.as_bytes().ct_eq(mac.as_bytes())) {
            return None;
        }
        let mut parts = claims.split('.');
        let (expires, label) = (parts.next()?.parse::<i64>().ok()?, parts.next()?);
        (now < expires).then_some(label)
    }

    /// Which of these labels the cookie of a request is for. A session ends when its key leaves the configuration.
    pub(crate) fn of(&self, headers: &HeaderMap, labels: &[Arc<str>]) -> Option<usize> {
        let now = Timestamp::now().as_second();
        let values = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let label =
            values.flat_map(|value| value.split(';')).find_map(|pair| self.label(self.token(pair)?, now))?;
        labels.iter().position(|known| hex(known.as_bytes()) == label)
    }

    /// What is left of a `Cookie` header for a backend.
    pub(crate) fn withhold(&self, value: &HeaderValue) -> Option<HeaderValue> {
        // What isn't ASCII can't be told apart, and so stays here.
        let text = value.to_str().ok()?;
        let kept: Vec<_> = text.split(';').map(str::trim).filter(|pair| self.token(pair).is_none()).collect();
        if kept.is_empty() { None } else { HeaderValue::from_str(&kept.join("; ")).ok() }
    }

    fn token<'a>(&self, pair: &'a str) -> Option<&'a str> {
        let (name, value) = pair.trim().split_once('=')?;
        (name == self.cookie).then_some(value)
    }

    fn sign(&self, claims: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(claims.as_bytes());
        Some(hex(&mac.finalize().into_bytes()))
    }
}

fn random(bytes: &mut [u8]) -> Result<(), String> {
    getrandom::fill(bytes).map_err(|error| format!("the system gives no random numbers: {error}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(8080).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_time_and_its_process() {
        let ours = sessions();
        let token = ours.issue("b", 1000).unwrap();
        assert_eq!(ours.label(&token, 1000), Some("62"));
        assert_eq!(ours.label(&token, 999 + LIFETIME), Some("62"));
        assert_eq!(ours.label(&token, 1000 + LIFETIME), None);
        assert_eq!(sessions().label(&token, 1000), None);
        assert_ne!(token, ours.issue("b", 1000).unwrap());
    }

    #[test]
    fn a_token_is_for_its_key_wherever_that_stands() {
        let ours = sessions();
        let token = ours.issue("b", Timestamp::now().as_second()).unwrap();
        let cookie = HeaderValue::from_str(&format!("llm-manager-8080={token}")).unwrap();
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        let place = |labels: &[&str]| {
            ours.of(&headers, &labels.iter().map(|label| Arc::from(*label)).collect::<Vec<_>>())
        };
        assert_eq!((place(&["a", "b"]), place(&["b"]), place(&["a"])), (Some(1), Some(0), None));
    }

    #[test]
    fn a_token_that_was_changed_is_worth_nothing() {
        let ours = sessions();
        let token = ours.issue("a", 1000).unwrap();
        let other_key = token.replacen(".61.", ".62.", 1);
        for wrong in [other_key.as_str(), &format!("9{token}"), &token[..token.len() - 1], "", ".", "..."] {
            assert_eq!(ours.label(wrong, 1000), None, "{wrong}");
        }
    }

    #[test]
    fn only_our_cookie_is_withheld() {
        let ours = sessions();
        let left = |text: &'static str| {
            ours.withhold(&HeaderValue::from_static(text)).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(left("a=1; llm-manager-8080=x.y; b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(left("llm-manager-8080=x"), None);
        assert_eq!(left("llm-manager-8081=x; odd").as_deref(), Some("llm-manager-8081=x; odd"));
    }
}
