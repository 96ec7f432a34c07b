//! Wrong keys: who tries some is slowed down, by address. A right key never is.
//!
//! The key has been looked at before, so a slow refusal tells nothing that a quick one wouldn't.

use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::peer;
use actix_web::{HttpRequest, web};
use llm_manager_policy::proxies::Network;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many wrong keys of one address within `WINDOW` are taken for a mistake.
const MISTAKES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);
/// So many refusals may be held back at once by one worker: they hold connections that others need.
const HELD: usize = 64;
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// What one worker has seen.
#[derive(Default)]
pub(crate) struct WrongKeys {
    seen: RefCell<HashMap<IpAddr, (u32, Instant)>>,
    held: Cell<usize>,
}

impl WrongKeys {
    /// Whether a wrong key of this address is more than a mistake.
    fn is_guess(&self, address: IpAddr, now: Instant) -> bool {
        let mut seen = self.seen.borrow_mut();
        if seen.len() >= ADDRESSES && !seen.contains_key(&address) {
            seen.retain(|_, (_, since)| now.duration_since(*since) < WINDOW);
            if seen.len() >= ADDRESSES {
                // Somebody has many addresses: all strangers are slow then.
                return true;
            }
        }
        let (count, since) = seen.entry(address).or_insert((0, now));
        if now.duration_since(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        *count > MISTAKES
    }
}

/// Holds the refusal of a wrong key back for a while, if its sender has had some.
pub(crate) async fn slow_down(request: &HttpRequest, trusted: &[Network], error: ApiError) -> ApiError {
    if error.kind != ApiErrorKind::InvalidApiKey {
        return error;
    }
    let Some(wrong) = request.app_data::<web::Data<WrongKeys>>() else { return error };
    let Some(client) = peer::address(request, trusted) else { return error };
    if !wrong.is_guess(client, Instant::now()) {
        return error;
    }
    if wrong.held.get() >= HELD {
        let message = "too many wrong keys come from this address; try again with the right one";
        let error = ApiError::new(ApiErrorKind::TooManyAttempts, message);
        return ApiError { retry_after: Some(PAUSE), ..error };
    }
    let _held = Held::take(&wrong.held);
    tokio::time::sleep(PAUSE).await;
    error
}

/// Counted for as long as its sender waits.
struct Held<'a>(&'a Cell<usize>);

impl<'a> Held<'a> {
    fn take(held: &'a Cell<usize>) -> Self {
        held.set(held.get() + 1);
        Self(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_forgiven_and_guesses_are_not() {
        let wrong = WrongKeys::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Instant::now();
        assert!((0..MISTAKES).all(|_| !wrong.is_guess(one, now)));
        assert!(wrong.is_guess(one, now) && wrong.is_guess(one, now + WINDOW / 2));
        assert!(!wrong.is_guess(other, now));
        assert!(!wrong.is_guess(one, now + WINDOW));
    }

    #[test]
    fn many_addresses_fill_no_memory() {
        let wrong = WrongKeys::default();
        let now = Instant::now();
        for number in 0..2 * ADDRESSES as u32 {
            wrong.is_guess(IpAddr::from(number.to_be_bytes()), now);
        }
        assert_eq!(wrong.seen.borrow().len(), ADDRESSES);
        assert!(wrong.is_guess(IpAddr::from([255; 4]), now));
        assert!(!wrong.is_guess(IpAddr::from([255; 4]), now + WINDOW));
    }
}
