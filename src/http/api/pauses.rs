//! "Not now": an operator keeps models off a device for a while.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, post};
use super::query::{invalid, time};
use crate::http::api::management::ManagementState;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::route::at;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::{SignedDuration, Timestamp};
use llm_manager_actors::scheduler::PauseDevices;
use llm_manager_actors::supervisor::ask;
use llm_manager_policy::devices::Requirement;
use serde::{Deserialize, Serialize};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/devices/{device:.+}/pause", web::post().to(pause)))
        .service(at("/devices/{device:.+}/resume", web::post().to(resume)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let paused = schemas.list::<PauseView>();
    vec![
        post("/api/devices/{device}/pause", "Keeps models off a device for a while", paused.clone())
            .refused("device_not_found,conflict")
            .query("minutes,until")
            .words(
                "\"not now\": until `?minutes=120` or `?until=TIME` are over (a week at the most), no \
                 model is started on the devices that this entry of `required_devices` (or id) means; \
                 idle models on them stop at once, busy ones when their responses have ended. Requests \
                 that need the device get 503 with the time. Answers the devices",
            ),
        post("/api/devices/{device}/resume", "Models may use it again", paused)
            .refused("device_not_found,conflict")
            .words("models may use them again"),
    ]
}

/// The longest pause, in minutes: a week. What is meant for longer belongs into the configuration.
const MOST_MINUTES: f64 = 7.0 * 24.0 * 60.0;

/// Until when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseOptions {
    minutes: Option<f64>,
    until: Option<String>,
}

/// What was paused, or may be used again.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DevicePause"), schemars(rename = "DevicePause"))]
pub(crate) struct PauseView {
    id: String,
    name: String,
    /// Null: it may be used.
    #[cfg_attr(test, ts(type = "string | null"))]
    paused_until: Option<Timestamp>,
}

/// `POST /api/devices/{device}/pause`
async fn pause(
    shared: ManagementState,
    device: web::Path<String>,
    query: web::Query<PauseOptions>,
) -> Result<HttpResponse, ApiError> {
    let until = until(&query)?;
    set(&shared, &device, Some(until)).await
}

/// `POST /api/devices/{device}/resume`
async fn resume(shared: ManagementState, device: web::Path<String>) -> Result<HttpResponse, ApiError> {
    set(&shared, &device, None).await
}

fn until(wanted: &PauseOptions) -> Result<Timestamp, ApiError> {
    let now = Timestamp::now();
    let longest = || invalid("a pause lasts for a minute's fraction to a week (10080 minutes)");
    let minutes = match (wanted.minutes, time("until", wanted.until.as_ref())?) {
        (Some(minutes), None) => minutes,
        (None, Some(until)) => {
            let until = Timestamp::from_microsecond(until).map_err(|_| longest())?;
            until.duration_since(now).as_secs_f64() / 60.0
        }
        _ => {
            return Err(invalid("a pause needs an end: `?minutes=120` or `?until=2026-01-31T18:00:00Z`"));
        }
    };
    if !(minutes > 0.0 && minutes <= MOST_MINUTES) {
        return Err(longest());
    }
    let length = SignedDuration::try_from_secs_f64(minutes * 60.0).map_err(|_| longest())?;
    now.checked_add(length).map_err(|_| longest())
}

async fn set(
    shared: &ManagementState,
    device: &str,
    until: Option<Timestamp>,
) -> Result<HttpResponse, ApiError> {
    let devices =
        Requirement::parse(device).map_err(|why| invalid(format!("\"{}\" {why}", quoted(device))))?;
    let Some(scheduler) = &shared.scheduler else {
        let message = "devices are not looked at, so none can be paused (Disable_GPU_monitoring); \
                       POST /api/pause pauses all starts";
        return Err(ApiError::new(ApiErrorKind::Conflict, message));
    };
    let down =
        || ApiError::new(ApiErrorKind::Internal, "the scheduler does not answer; see the manager's log");
    let addr = scheduler.addr().ok_or_else(down)?;
    let found = ask(&addr, PauseDevices { devices, until }).await.ok_or_else(down)?;
    if found.is_empty() {
        let message = format!("no device matches `{}`; `GET /api/devices` lists them", quoted(device));
        return Err(ApiError::new(ApiErrorKind::DeviceNotFound, message));
    }
    let view = |(id, name)| PauseView { id, name, paused_until: until };
    let views: Vec<PauseView> = found.into_iter().map(view).collect();
    for view in &views {
        match until {
            Some(until) => log::info!("devices/{}: paused until {until}: no model may use it", view.name),
            None => log::info!("devices/{}: no longer paused", view.name),
        }
    }
    Ok(HttpResponse::Ok().json(views))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_one_end_within_a_week() {
        let ends = |minutes, until: Option<&str>| {
            until_of(PauseOptions { minutes, until: until.map(str::to_owned) }).map_err(|error| error.message)
        };
        fn until_of(wanted: PauseOptions) -> Result<f64, ApiError> {
            until(&wanted).map(|end| end.duration_since(Timestamp::now()).as_secs_f64())
        }
        assert!((ends(Some(0.5), None).unwrap() - 30.0).abs() < 1.0);
        let soon = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
        assert!((ends(None, Some(&soon)).unwrap() - 3600.0).abs() < 1.0);
        for (minutes, until) in [
            (None, None),
            (Some(1.0), Some(&*soon)),
            (Some(0.0), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(10_081.0), None),
            (None, Some("2020-01-01T00:00:00Z")),
            (None, Some("soon")),
        ] {
            assert!(ends(minutes, until).is_err(), "{minutes:?} {until:?}");
        }
    }
}
