//! Lease: a request takes one as soon as it is its turn, or is told why it gets none.

use super::exchange::Exchange;
use crate::http::error::{ApiError, ApiErrorKind, LONGEST_PAUSE};
use jiff::Timestamp;
use llm_manager_actors::model::{Lease, ModelHandle, RefusedReason};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::Class;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many failures in a row are no accident.
const FAILED_FOR_GOOD: u32 = 3;
/// A refusal for want of memory that comes so soon has not waited for any.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A lease, as soon as it is its turn. `cost`: tokens that it may take, which nobody asks for unless it has to wait.
pub(crate) async fn take_lease(
    exchange: &Exchange,
    model: &Arc<ModelHandle>,
    cost: impl FnOnce() -> u64,
) -> Result<Lease, ApiError> {
    let (shared, class) = (&exchange.shared, exchange.class(&model.spec));
    if let Some(lease) = model.try_lease(class) {
        return Ok(lease);
    }
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    if shared.standby.is_paused() && matches!(model.status().state, ModelState::Stopped | ModelState::Failed)
    {
        let name = &model.spec.name;
        let message =
            format!("model `{name}` isn't running, and an operator has paused all starts (POST /api/resume)");
        return Err(ApiError::new(ApiErrorKind::ModelStopped, message));
    }
    if class == Class::Batch
        && matches!(model.status().state, ModelState::Stopped | ModelState::Failed)
        && let Some(until) = model.quiet_until()
    {
        return Err(quiet(&model.spec.name, until));
    }
    let asked = Instant::now();
    // Without a limit all go at once, whatever they cost.
    let cost = if model.spec.max_concurrency.is_some() { cost() } else { 1 };
    let lease = model.lease(class, exchange.client(cost)).await;
    lease.map_err(|refused| match shared.stopping.is_cancelled() {
        true => ApiError::shutting_down(),
        false => {
            let hopeless = match refused.reason {
                // The start was tried before, and tried again.
                RefusedReason::StartFailed => model.status().failures >= FAILED_FOR_GOOD,
                // Nothing was waited for: it never fits. Or an operator has paused a device for long.
                RefusedReason::NoMemory => {
                    asked.elapsed() < AT_ONCE || refused.retry_after > Some(LONGEST_PAUSE)
                }
                RefusedReason::Cancelled => true,
                _ => false,
            };
            ApiError { hopeless, ..refused.into() }
        }
    })
}

/// A request of the class `batch` starts nothing in quiet hours.
fn quiet(name: &str, until: Timestamp) -> ApiError {
    let message = format!(
        "model `{name}` isn't running, and requests of the class `batch` don't start it in its quiet hours, which end at {until}"
    );
    let left = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
    ApiError { retry_after: Some(left), hopeless: true, ..ApiError::new(ApiErrorKind::ModelStopped, message) }
}
