//! The manager itself: its configuration, keys and sessions, its end.

use super::bodies;
use super::operation::{Operation, Schemas, object, operation};
use crate::http::api::{files, notify};
use serde_json::json;

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let session = object(&[("key_wanted", "boolean"), ("signed_in", "boolean"), ("key", "string?")]);
    let config = object(&[
        ("path", "string"),
        ("program", "string"),
        ("text", "string"),
        ("version", "string"),
        ("writable", "boolean"),
        ("live_reload", "boolean"),
        ("restart_needed", "boolean"),
        ("needs_restart", "strings"),
        ("reload_needed", "boolean"),
        ("refused", "object?"),
    ]);
    let plan = object(&[
        ("changed", "strings"),
        ("restarted", "strings"),
        ("needs_restart", "strings"),
        ("added", "strings"),
        ("removed", "strings"),
        ("lines", "strings"),
    ]);
    let made = object(&[("name", "string"), ("secret", "string")]);
    let paused = object(&[("paused", "boolean")]);
    let saved = object(&[
        ("restart_needed", "boolean"),
        ("backup", "string"),
        ("version", "string"),
        ("plan", "object?"),
        ("error", "string?"),
    ]);
    let checked = object(&[("problems", "objects"), ("warnings", "objects"), ("plan", "object?")]);
    let draft = object(&[("text", "string"), ("version", "string")]);
    vec![
        operation(
            "get",
            "/api/session",
            "Whether a key is needed, and whose session this is",
            session.clone(),
        ),
        operation("post", "/api/session", "Signs a browser in", session.clone())
            .body(object(&[("key", "string")])),
        operation("delete", "/api/session", "Removes the cookie from the browser", session),
        operation("get", "/api/config", "The configuration", config),
        operation("put", "/api/config", "Replaces it, if `version` is that of the file", saved).body(draft),
        operation("post", "/api/config/check", "What `llm-manager check` would say", checked)
            .body(object(&[("text", "string")])),
        operation("post", "/api/config/reload", "Applies the file as it is now", plan),
        operation("get", "/api/config/files", "A folder of this machine", schemas.of::<files::FolderView>())
            .query("folder"),
        operation("get", "/api/config/schema", "Its JSON Schema", json!({"type": "object"})),
        operation("get", "/api/keys", "Keys without their secrets", object(&[("keys", "objects")])),
        operation("post", "/api/keys", "Makes a key; its secret is told once", made.clone())
            .body(bodies::key())
            .status("201"),
        operation("post", "/api/keys/{name}/rotate", "Another secret for a key that was made", made),
        operation(
            "delete",
            "/api/keys/{name}",
            "Takes a key away that was made",
            object(&[("name", "string"), ("revoked", "boolean")]),
        ),
        operation(
            "get",
            "/api/notify",
            "Whom word goes out to, and how that goes",
            schemas.list::<notify::OutletView>(),
        ),
        operation("post", "/api/notify/{name}/test", "Sends a test there", schemas.of::<notify::TestView>()),
        operation("get", "/api/pause", "Whether starts by requests are paused", paused.clone()),
        operation("post", "/api/pause", "Pauses starts by requests", paused.clone()),
        operation("post", "/api/resume", "Requests may start models again", paused),
        operation("post", "/api/shutdown", "Ends the manager", object(&[("stopping", "boolean")]))
            .status("202"),
        operation(
            "post",
            "/api/restart",
            "Shuts down and starts again",
            object(&[("restarting", "boolean")]),
        )
        .status("202"),
        operation("get", "/api/openapi.json", "This description", json!({"type": "object"})),
    ]
}
