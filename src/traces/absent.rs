//! What stands for traces in a program that was built without them.

use super::EndedRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};
use llm_manager_actors::supervisor::ChildSpec;
use llm_manager_policy::spec::TracesSpec;

#[derive(Clone)]
pub(crate) enum Tracer {}

#[derive(Clone)]
pub(crate) enum Trace {}

impl Tracer {
    /// `check` refuses `program.traces` in this program.
    #[expect(clippy::unused_async, reason = "the other one waits")]
    pub(crate) async fn of(_spec: &TracesSpec) -> Result<Self, String> {
        Err("this program was built without the feature `otel`, which `program.traces` needs".to_owned())
    }

    pub(crate) fn child_spec(&self) -> ChildSpec {
        match *self {}
    }

    pub(crate) fn begin(&self, _headers: &HeaderMap) -> Option<Trace> {
        match *self {}
    }

    pub(crate) async fn close(&self) {
        match *self {}
    }
}

impl Trace {
    pub(crate) fn header(&self) -> HeaderValue {
        match *self {}
    }

    pub(crate) fn ends(&self, _ended: &EndedRequest<'_>) {
        match *self {}
    }
}
