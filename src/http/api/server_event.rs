//! What `/api/events` sends, and how an event is written.

use super::devices::DeviceView;
use super::views::ModelView;
use crate::http::api::management::Management;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// What `/api/events` sends.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "ServerEvent"), schemars(rename = "ServerEvent"))]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
pub(crate) enum ServerEvent {
    /// Everything, at first and after a gap.
    Snapshot { models: Vec<ModelView> },
    /// A model's state or numbers changed.
    Model(Box<ModelView>),
    /// An actor crashed, was restarted or was given up.
    Supervision { path: Arc<str>, message: Arc<str> },
    /// Every device, once a second.
    Devices(Vec<DeviceView>),
    /// What the models' clients get, once a second.
    Throughput(Throughput),
}

impl ServerEvent {
    /// All models as they are now.
    pub(crate) fn snapshot(shared: &Management) -> Self {
        Self::Snapshot {
            models: shared.directory.models().iter().map(|model| ModelView::of(model)).collect(),
        }
    }

    /// As it is sent.
    pub(crate) fn event(&self) -> Bytes {
        event(None, self)
    }
}

/// What a model's clients got per second, since the last time this was told.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "ModelThroughput"), schemars(rename = "ModelThroughput"))]
pub(crate) struct Rates {
    pub(crate) model: String,
    pub(crate) mode: String,
    pub(crate) requests_per_second: f64,
    pub(crate) input_tokens_per_second: f64,
    /// Counted while they stream.
    pub(crate) output_tokens_per_second: f64,
}

/// The throughput of all models; those without any are left out.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Throughput"), schemars(rename = "Throughput"))]
pub(crate) struct Throughput {
    #[cfg_attr(test, ts(type = "string"))]
    pub(crate) time: Timestamp,
    pub(crate) models: Vec<Rates>,
}

/// One event. Its data is JSON, hence a single line.
pub(crate) fn event(name: Option<&str>, data: &impl Serialize) -> Bytes {
    let data =
        serde_json::to_string(data).unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n").into(),
        None => format!("data: {data}\n\n").into(),
    }
}
