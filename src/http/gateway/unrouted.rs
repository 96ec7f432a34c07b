//! Requests that reach no model because their path, method or model does not exist. They have a row in the ledger,
//! so that the dashboard shows why a client gets nothing; they are in no sum.
//!
//! Anybody may send them, so the rows are bounded, and so are the paths that the ledger learns.

use super::request_id::RequestId;
use super::sender;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::gateway::forwarding::Forwarding;
use actix_web::{HttpRequest, ResponseError, web};
use arc_swap::ArcSwap;
use llm_manager_ledger::{Labels, Outcome, RequestRow, now_us};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many rows may come at once ...
const BURST: u32 = 100;
/// ... and then one in this time.
const PAUSE: Duration = Duration::from_secs(1);
/// Paths that are told apart; others are one.
const MOST_PATHS: usize = 200;
const OTHERS: &str = "(other)";
/// A longer path is cut.
const LONGEST_PATH: usize = 120;

/// What is remembered of them.
pub(crate) struct Strays {
    paths: ArcSwap<HashSet<Arc<str>>>,
    origin: Instant,
    /// When the rows so far would have been due, one by one, in microseconds since the origin.
    due_us: AtomicU64,
}

impl Default for Strays {
    fn default() -> Self {
        Self { paths: ArcSwap::default(), origin: Instant::now(), due_us: AtomicU64::new(0) }
    }
}

impl Strays {
    /// Whether one more row may be written now.
    fn may(&self, now: Duration) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (now, pause) = (micros(now), micros(PAUSE));
        let latest = now.saturating_add(pause.saturating_mul(u64::from(BURST) - 1));
        let next = |due: u64| (due <= latest).then(|| due.max(now).saturating_add(pause));
        self.due_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// What the ledger calls this path.
    fn label(&self, path: &str) -> Arc<str> {
        let path: String = path.chars().take(LONGEST_PATH).collect();
        let known = self.paths.load();
        if let Some(label) = known.get(path.as_str()) {
            return Arc::clone(label);
        }
        if known.len() >= MOST_PATHS {
            return OTHERS.into();
        }
        let label: Arc<str> = path.into();
        self.paths.rcu(|known| {
            let mut more = HashSet::clone(known);
            more.insert(Arc::clone(&label));
            more
        });
        label
    }
}

/// Records a request that was refused before it reached a model, if it is one of these.
pub(crate) fn note(
    shared: &Forwarding,
    request: &HttpRequest,
    id: &RequestId,
    began: Instant,
    error: &ApiError,
) {
    let is_stray = matches!(
        error.kind,
        ApiErrorKind::UnknownEndpoint | ApiErrorKind::MethodNotAllowed | ApiErrorKind::ModelNotFound
    );
    let Some(strays) = request.app_data::<web::Data<Strays>>() else { return };
    if !is_stray || !shared.ledger.records() || !strays.may(strays.origin.elapsed()) {
        return;
    }
    let took = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
    let endpoint = strays.label(request.path());
    let api_key = shared.access.label(shared.access.caller(request.headers()));
    let what = error.message.lines().next().unwrap_or_default();
    shared.ledger.record(Box::new(RequestRow {
        request_id: id.to_string(),
        sender: Some(sender::of(request, &shared.trusted_proxies, "", false)),
        labels: Labels::shared(["", "", "", &endpoint, &api_key, ""]),
        started_us: now_us() - took,
        duration_us: took,
        status: error.status_code().as_u16(),
        outcome: Outcome::Refused(error.code().into()),
        error: Some(format!("{} {}: {what}", request.method(), request.path())),
        ..RequestRow::default()
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_few_rows_and_a_trickle_all() {
        let strays = Strays::default();
        let at = Duration::from_secs;
        assert_eq!((0..1000).filter(|_| strays.may(at(10))).count(), BURST as usize);
        assert!(strays.may(at(11)) && !strays.may(at(11)));
        assert_eq!((100..2000).filter(|second| strays.may(at(*second))).count(), 1900);
        assert_eq!((0..1000).filter(|_| strays.may(at(100_000))).count(), BURST as usize);
    }

    #[test]
    fn the_ledger_learns_few_paths() {
        let strays = Strays::default();
        for number in 0..MOST_PATHS {
            assert_eq!(&*strays.label(&format!("/{number}")), format!("/{number}"));
        }
        assert_eq!(&*strays.label("/one-more"), OTHERS);
        assert_eq!(&*strays.label("/7"), "/7");
        assert_eq!(Strays::default().label(&"é".repeat(900)).chars().count(), LONGEST_PATH);
    }
}
