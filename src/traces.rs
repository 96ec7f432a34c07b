//! Traces: what a request waited for and how long each part took, for an OpenTelemetry collector (`program.traces`).
//! Without the feature `otel` there are none.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod exporter;
#[cfg(feature = "otel")]
mod spans;
#[cfg(feature = "otel")]
mod tracer;

#[cfg(not(feature = "otel"))]
pub(crate) use absent::{Trace, Tracer};
#[cfg(feature = "otel")]
pub(crate) use tracer::{Trace, Tracer};

use llm_manager_actors::model::StartTrace as Start;
use llm_manager_ledger::RequestRow;

/// Whether this program was built with them.
pub(crate) const BUILT_IN: bool = cfg!(feature = "otel");

/// A request that has ended.
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "nobody reads it without the feature"))]
pub(crate) struct EndedRequest<'a> {
    pub(crate) row: &'a RequestRow,
    pub(crate) method: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) model: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) api_key: &'a str,
    /// The start of its model that it waited for.
    pub(crate) start: Option<Start>,
}
