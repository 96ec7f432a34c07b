//! What the ledger knows: usage, requests, runs, prices; and what is kept of requests.

use super::bodies;
use super::operation::{Operation, Schemas, object, operation};
use crate::http::api::{audit, billing, captures, queue, requests, running, runs, statement, storage, usage};
use serde_json::json;

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    const FILTERS: &str = "from,to,model,variant,mode,endpoint,api_key,by";
    let plans = schemas.of::<billing::PlansView<'static>>();
    let report = schemas.of::<usage::views::ReportView<'static>>();
    let mut renaming = object(&[("to", "string"), ("merge?", "boolean")]);
    renaming["additionalProperties"] = json!(false);
    renaming["properties"]["to"]["minLength"] = json!(1);
    let renamed = object(&[("model", "string"), ("former_name", "string"), ("merged", "boolean")]);
    let deleted = object(&[("model", "string"), ("orphan", "boolean"), ("deleted", "object")]);
    vec![
        operation("get", "/api/usage/summary", "Totals of a period", report.clone()).query(FILTERS),
        operation(
            "get",
            "/api/usage/series",
            "The same as a series",
            schemas.of::<usage::views::SeriesView<'static>>(),
        )
        .query("from,to,model,variant,mode,endpoint,api_key,by,bucket,tz"),
        operation("get", "/api/usage/session", "Totals since the manager's start", report)
            .query("model,variant,mode,endpoint,api_key,by"),
        operation(
            "get",
            "/api/requests",
            "The request log; CSV with `Accept: text/csv`",
            schemas.of::<requests::PageView<'static>>(),
        )
        .query(
            "from,to,model,variant,mode,endpoint,api_key,outcome,status,request_id,run_id,limit,after,shares",
        ),
        operation(
            "get",
            "/api/statement",
            "What a month cost whom; CSV with `format=csv`",
            schemas.of::<statement::View>(),
        )
        .query("month,tz,format"),
        operation("get", "/api/queue", "Requests that wait, in order", schemas.list::<queue::QueuedView>()),
        operation(
            "get",
            "/api/requests/running",
            "Requests that backends serve now",
            schemas.list::<running::RunningView>(),
        ),
        operation(
            "post",
            "/api/requests/{id}/cancel",
            "Ends a request that waits or runs",
            object(&[("id", "string"), ("was", "string")]),
        ),
        operation(
            "get",
            "/api/requests/{id}/capture",
            "What is kept of a request to a model with `capture: true`; admins only",
            schemas.of::<captures::CaptureView<'static>>(),
        )
        .query("started_at"),
        operation(
            "delete",
            "/api/requests/{id}/capture",
            "Deletes what is kept of a request; admins only",
            object(&[("request_id", "string"), ("deleted", "integer")]),
        ),
        operation("get", "/api/audit", "Who did what, newest first", schemas.of::<audit::Page>())
            .query("from,to,model,who,before,limit"),
        operation("get", "/api/runs", "Runs of backends, newest first", schemas.of::<runs::Page>())
            .query("model,from,to,limit"),
        operation("get", "/api/runs/{id}", "One run, with the times of its start", schemas.of::<runs::One>()),
        operation(
            "get",
            "/api/runs/{id}/shares",
            "The price of a run, divided among its requests",
            schemas.of::<runs::Shares>(),
        ),
        operation("get", "/api/billing/{model}", "The price plan in force, and the history", plans.clone()),
        operation("put", "/api/billing/{model}", "A new plan", plans).body(bodies::plan()),
        operation(
            "get",
            "/api/storage",
            "Rows and bytes of each model",
            schemas.of::<storage::StorageView<'static>>(),
        ),
        operation("delete", "/api/storage/{model}", "Deletes a model's data", deleted),
        operation("post", "/api/storage/{model}/rename", "Renames the data of a removed model", renamed)
            .body(renaming),
    ]
}
