//! Models, their logs and memory, and the devices.

use super::operation::{Operation, Schemas, object, operation};
use crate::http::api::{devices, manager, memory, pauses, told, views};
use serde_json::json;

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let (one, all) = (schemas.of::<views::ModelView>(), schemas.list::<views::ModelView>());
    let lines = schemas.list::<views::LineView<'static>>();
    let devices = schemas.list::<devices::DeviceView>();
    let order = |path, summary| operation("post", path, summary, one.clone()).query("wait");
    vec![
        operation("get", "/health", "Whether it serves", object(&[("status", "string")])),
        operation("get", "/metrics", "Numbers for Prometheus (OpenMetrics)", json!({"type": "string"}))
            .content("application/openmetrics-text"),
        operation(
            "get",
            "/metrics/backends",
            "What ready backends say of themselves (Prometheus)",
            json!({"type": "string"}),
        )
        .content("text/plain"),
        operation("get", "/api/models", "All models", all.clone()),
        operation(
            "get",
            "/api/models/{name}",
            "One model, its variants and runs",
            schemas.of::<views::ModelDetails>(),
        ),
        order("/api/models/{name}/start", "Makes it ready"),
        order("/api/models/{name}/stop", "Stops it; aborts a start").query("wait,now"),
        order("/api/models/{name}/restart", "Stops it and starts a fresh backend"),
        order("/api/models/{name}/park", "Parks it once its responses have finished"),
        order("/api/models/{name}/wake", "Wakes it if it is parked, starts it otherwise"),
        operation("post", "/api/models/stop-all", "Stops every model", all.clone()).query("wait,now"),
        operation("post", "/api/models/restart-autostart", "Restarts those with `auto_start`", all)
            .query("wait"),
        operation(
            "get",
            "/api/models/{name}/placement",
            "What would happen if it were started now",
            schemas.of::<devices::PlacementView>(),
        ),
        operation(
            "get",
            "/api/models/{name}/memory",
            "What its memory is made of, by variant",
            schemas.of::<memory::MemoryView>(),
        ),
        operation(
            "get",
            "/api/models/{name}/logs",
            "What its backend printed; with `follow`, as server-sent events",
            lines.clone(),
        )
        .query("tail,follow,since,grep"),
        operation(
            "get",
            "/api/runs/{id}/logs",
            "What the backend of a run printed, as far as it is kept",
            lines.clone(),
        )
        .query("tail,since,grep"),
        operation("get", "/api/logs", "The manager's own log", lines).query("tail,follow"),
        operation("get", "/api/devices", "All devices, and who holds what", devices),
        operation(
            "post",
            "/api/devices/{device}/pause",
            "Keeps models off a device for a while",
            schemas.list::<pauses::PauseView>(),
        )
        .query("minutes,until"),
        operation(
            "post",
            "/api/devices/{device}/resume",
            "Models may use it again",
            schemas.list::<pauses::PauseView>(),
        ),
        operation(
            "get",
            "/api/devices/history",
            "Their readings of the last hour",
            schemas.of::<devices::HistoryView>(),
        ),
        operation(
            "get",
            "/api/events",
            "Everything that the dashboard shows, as server-sent events; each one's data",
            schemas.of::<told::Told>(),
        )
        .content("text/event-stream"),
        operation(
            "get",
            "/api/leadership",
            "Which of several managers leads",
            schemas.of::<manager::LeadershipView>(),
        ),
        operation("get", "/api/supervision", "The tree of actors", schemas.of::<views::NodeView>()),
        operation(
            "post",
            "/api/debug/panic/{name}",
            "Makes an actor panic; only with fault injection",
            object(&[("actor", "string")]),
        )
        .status("202"),
    ]
}
