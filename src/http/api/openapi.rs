//! `/api/openapi.json`: what the management API is, for those who write clients.
//!
//! The text is made from the views, as the dashboard's types are; a test keeps it fresh.

use actix_web::HttpResponse;

pub(crate) const TEXT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`
pub(crate) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(TEXT)
}

#[cfg(test)]
mod words;

#[cfg(test)]
mod made {
    use super::words::WORDS;
    use crate::http::api::typescript::assert_fresh;
    use crate::http::api::{
        audit, billing, captures, devices, files, manager, memory, notify, pauses, queue, requests, running,
        runs, statement, storage, told, usage, views,
    };
    use schemars::generate::{SchemaGenerator, SchemaSettings};
    use schemars::{JsonSchema, Schema};
    use serde_json::{Map, Value, json};

    const OUTCOME: &str =
        "^(ok|not_ok|rejected|backend_error|client_left|refused|cancelled|failed|refused:[a-z_]+)$";
    const FILE: &str = "src/http/api/openapi.json";

    /// One method of one path.
    struct Operation {
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        query: &'static str,
        body: Option<Value>,
        /// Status, type of the content, its schema.
        answer: (&'static str, &'static str, Value),
    }

    impl Operation {
        fn query(mut self, names: &'static str) -> Self {
            self.query = names;
            self
        }

        fn body(mut self, schema: Value) -> Self {
            self.body = Some(schema);
            self
        }

        fn status(mut self, status: &'static str) -> Self {
            self.answer.0 = status;
            self
        }

        fn content(mut self, kind: &'static str) -> Self {
            self.answer.1 = kind;
            self
        }
    }

    fn operation(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        answer: Value,
    ) -> Operation {
        let answer = ("200", "application/json", answer);
        Operation { method, path, summary, query: "", body: None, answer }
    }

    /// Schemas of the views, each once.
    struct Schemas(SchemaGenerator);

    impl Schemas {
        fn of<T: JsonSchema>(&mut self) -> Value {
            Schema::to_value(self.0.subschema_for::<T>())
        }

        fn list<T: JsonSchema>(&mut self) -> Value {
            json!({"type": "array", "items": self.of::<T>()})
        }
    }

    /// An object with these members; the ones with `?` may be missing.
    fn object(members: &[(&str, &str)]) -> Value {
        let schema = |(name, kind): &(&str, &str)| {
            let kind = match *kind {
                "object" => json!({"type": "object"}),
                "objects" => json!({"type": "array", "items": {"type": "object"}}),
                "strings" => json!({"type": "array", "items": {"type": "string"}}),
                "object?" => json!({"type": ["object", "null"]}),
                "string?" => json!({"type": ["string", "null"]}),
                kind => json!({"type": kind}),
            };
            (name.trim_end_matches('?').to_owned(), kind)
        };
        let required: Vec<_> =
            members.iter().filter(|(name, _)| !name.ends_with('?')).map(|(name, _)| *name).collect();
        json!({"type": "object", "properties": members.iter().map(schema).collect::<Map<_, _>>(), "required": required})
    }

    const OLLAMA: &[(&str, &str, &str)] = &[
        ("get", "/api/version", "Ollama: the version that its API is like"),
        ("get", "/api/tags", "Ollama: all models"),
        ("get", "/api/ps", "Ollama: those that are loaded"),
        ("post", "/api/show", "Ollama: one of them"),
        ("post", "/api/chat", "Ollama: a chat; streams lines of JSON unless `stream` is false"),
        ("post", "/api/generate", "Ollama: a completion; streams lines of JSON unless `stream` is false"),
        ("post", "/api/embed", "Ollama: embeddings"),
        ("post", "/api/embeddings", "Ollama: one embedding"),
    ];

    fn openai() -> Vec<Operation> {
        let request = || json!({"type": "object", "properties": {"model": {"type": "string", "minLength": 1}}, "required": ["model"]});
        let any = || json!({"type": "object"});
        let served = [
            ("/v1/chat/completions", "A chat; `stream: true` answers as server-sent events"),
            ("/v1/responses", "OpenAI's responses"),
            ("/v1/messages", "Anthropic's messages"),
            ("/v1/completions", "A completion"),
            ("/v1/embeddings", "Embeddings"),
            ("/v1/rerank", "A ranking of documents"),
        ];
        let mut all: Vec<_> = served
            .into_iter()
            .map(|(path, summary)| operation("post", path, summary, any()).body(request()))
            .collect();
        let model =
            object(&[("id", "string"), ("object", "string"), ("created", "integer"), ("owned_by", "string")]);
        let list = json!({"type": "object", "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": model}}});
        all.push(operation("get", "/v1/models", "Names and aliases of all models", list));
        all.push(operation("get", "/v1/models/{id}", "One of them", model));
        all.extend(OLLAMA.iter().map(|&(method, path, summary)| {
            let operation = operation(method, path, summary, any());
            if method == "post" { operation.body(request()) } else { operation }
        }));
        all
    }

    fn models(schemas: &mut Schemas) -> Vec<Operation> {
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

    fn ledger(schemas: &mut Schemas) -> Vec<Operation> {
        const FILTERS: &str = "from,to,model,variant,mode,endpoint,api_key,by";
        let plans = schemas.of::<billing::PlansView<'static>>();
        let report = schemas.of::<usage::views::ReportView>();
        let plan = json!({"type": "object", "description": "A plan as `plan` of the answer; `method` null ends all pricing",
            "properties": {"valid_from": {"type": "string", "format": "date-time"}}});
        let mut renaming = object(&[("to", "string"), ("merge?", "boolean")]);
        renaming["additionalProperties"] = json!(false);
        renaming["properties"]["to"]["minLength"] = json!(1);
        let renamed = object(&[("model", "string"), ("former_name", "string"), ("merged", "boolean")]);
        let deleted = object(&[("model", "string"), ("orphan", "boolean"), ("deleted", "object")]);
        vec![
            operation("get", "/api/usage/summary", "Totals of a period", report.clone()).query(FILTERS),
            operation("get", "/api/usage/series", "The same as a series", schemas.of::<usage::views::SeriesView>())
                .query("from,to,model,variant,mode,endpoint,api_key,by,bucket,tz"),
            operation("get", "/api/usage/session", "Totals since the manager's start", report)
                .query("model,variant,mode,endpoint,api_key,by"),
            operation("get", "/api/requests", "The request log; CSV with `Accept: text/csv`", schemas.of::<requests::PageView<'static>>())
                .query("from,to,model,variant,mode,endpoint,api_key,outcome,status,request_id,run_id,limit,after,shares"),
            operation("get", "/api/statement", "What a month cost whom; CSV with `format=csv`", schemas.of::<statement::View>())
                .query("month,tz,format"),
            operation("get", "/api/queue", "Requests that wait, in order", schemas.list::<queue::QueuedView>()),
            operation("get", "/api/requests/running", "Requests that backends serve now", schemas.list::<running::RunningView>()),
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
            operation("get", "/api/runs/{id}/shares", "The price of a run, divided among its requests", schemas.of::<runs::Shares>()),
            operation("get", "/api/billing/{model}", "The price plan in force, and the history", plans.clone()),
            operation("put", "/api/billing/{model}", "A new plan", plans).body(plan),
            operation("get", "/api/storage", "Rows and bytes of each model", schemas.of::<storage::StorageView<'static>>()),
            operation("delete", "/api/storage/{model}", "Deletes a model's data", deleted),
            operation("post", "/api/storage/{model}/rename", "Renames the data of a removed model", renamed).body(renaming),
        ]
    }

    fn program(schemas: &mut Schemas) -> Vec<Operation> {
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
            operation("put", "/api/config", "Replaces it, if `version` is that of the file", saved)
                .body(draft),
            operation("post", "/api/config/check", "What `llm-manager check` would say", checked)
                .body(object(&[("text", "string")])),
            operation("post", "/api/config/reload", "Applies the file as it is now", plan),
            operation(
                "get",
                "/api/config/files",
                "A folder of this machine",
                schemas.of::<files::FolderView>(),
            )
            .query("folder"),
            operation("get", "/api/config/schema", "Its JSON Schema", json!({"type": "object"})),
            operation("get", "/api/keys", "Keys without their secrets", object(&[("keys", "objects")])),
            operation("post", "/api/keys", "Makes a key; its secret is told once", made.clone())
                .body(object(&[("name", "string"), ("scopes?", "strings"), ("models?", "strings")]))
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
            operation(
                "post",
                "/api/notify/{name}/test",
                "Sends a test there",
                schemas.of::<notify::TestView>(),
            ),
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

    fn words(operation: &Operation) -> Option<&'static str> {
        let found =
            WORDS.iter().find(|(method, path, _)| (*method, *path) == (operation.method, operation.path));
        found.map(|(_, _, words)| *words)
    }

    /// What a query may say under this name.
    fn parameter(path: &str, name: &str) -> Value {
        let whole = |min: u64, max: u64| json!({"type": "integer", "minimum": min, "maximum": max});
        match name {
            "wait" | "now" | "follow" | "shares" => json!({"type": "boolean"}),
            "tail" => whole(0, 100_000),
            "limit" => whole(1, if path == "/api/runs" { 10_000 } else { 1000 }),
            "before" | "run_id" => whole(1, i64::MAX.unsigned_abs()),
            "status" => whole(0, 599),
            "minutes" => whole(1, 7 * 24 * 60),
            "from" | "to" | "since" | "until" | "started_at" => {
                json!({"type": "string", "format": "date-time"})
            }
            "month" => json!({"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}),
            "format" => json!({"enum": ["csv", "json"]}),
            "bucket" => json!({"enum": ["minute", "quarter", "hour", "day", "week", "month"]}),
            "by" => json!({"enum": ["model", "variant", "mode", "endpoint", "api_key"]}),
            "tz" => {
                json!({"type": "string", "description": "A name of the IANA database, such as Europe/Berlin"})
            }
            "outcome" => json!({"type": "string", "pattern": OUTCOME}),
            "grep" => json!({"type": "string", "format": "regex"}),
            _ => json!({"type": "string"}),
        }
    }

    fn parameters(operation: &Operation) -> Vec<Value> {
        let in_path = operation.path.split('{').skip(1).filter_map(|part| part.split('}').next());
        let in_path = in_path
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
        let in_query = operation
            .query
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| json!({"name": name, "in": "query", "schema": parameter(operation.path, name)}));
        in_path.chain(in_query).collect()
    }

    fn described(operation: &Operation) -> Value {
        let (status, kind, schema) = &operation.answer;
        let form = match operation.path {
            "/v1/messages" => "AnthropicError",
            path if OLLAMA.iter().any(|(_, ollama, _)| *ollama == path) => "OllamaError",
            _ => "Error",
        };
        let form = format!("#/components/schemas/{form}");
        let error =
            json!({"description": "An error", "content": {"application/json": {"schema": {"$ref": form}}}});
        let mut content = json!({*kind: {"schema": schema}});
        if matches!(operation.path, "/api/chat" | "/api/generate") {
            content["application/x-ndjson"] = json!({"schema": {}});
        }
        if matches!(operation.path, "/api/requests" | "/api/statement") && operation.method == "get" {
            content["text/csv"] = json!({"schema": {"type": "string"}});
        }
        if operation.path.starts_with("/v1/") && operation.method == "post" {
            content["text/event-stream"] = json!({"schema": {"type": "string"}});
        }
        let mut text = json!({
            "summary": operation.summary,
            "responses": {
                *status: {"description": operation.summary, "content": content},
                "default": error,
            },
        });
        if operation.query.split(',').any(|name| name == "wait") {
            // With `wait=false`: what is so far.
            text["responses"]["202"] = text["responses"]["200"].clone();
        }
        if let Some(words) = words(operation) {
            text["description"] = json!(words);
        }
        let parameters = parameters(operation);
        if !parameters.is_empty() {
            text["parameters"] = json!(parameters);
        }
        if let Some(body) = &operation.body {
            text["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        if matches!(operation.path, "/health" | "/api/session") {
            text["security"] = json!([]);
        }
        text
    }

    fn operations(schemas: &mut Schemas) -> Vec<Operation> {
        [openai(), models(schemas), ledger(schemas), program(schemas)].into_iter().flatten().collect()
    }

    fn generator() -> Schemas {
        // What is left out of an answer when it is nothing isn't required of it.
        let mut settings = SchemaSettings::draft2020_12().for_serialize();
        settings.definitions_path = "/components/schemas".into();
        Schemas(settings.into_generator())
    }

    fn description() -> String {
        let mut schemas = generator();
        let all = operations(&mut schemas);
        let mut paths = Map::new();
        for operation in &all {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method] = described(operation);
        }
        let mut components = schemas.0.take_definitions(true);
        let error =
            object(&[("message", "string"), ("type", "string"), ("code", "string"), ("param", "string?")]);
        components.insert("OllamaError".to_owned(), object(&[("error", "string"), ("code?", "string")]));
        let anthropic = object(&[("message", "string"), ("type", "string"), ("code?", "string")]);
        components.insert(
            "AnthropicError".to_owned(),
            json!({"type": "object", "properties": {"type": {"const": "error"}, "error": anthropic}, "required": ["type", "error"]}),
        );
        components.insert(
            "Error".to_owned(),
            json!({"type": "object", "properties": {"error": error}, "required": ["error"]}),
        );
        let document = json!({
            "openapi": "3.1.0",
            "info": {"title": "LLM-Manager", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "MIT OR Apache-2.0"}},
            "security": [{"bearer": []}, {"x-api-key": []}, {}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                },
            },
        });
        format!("{document:#}\n")
    }

    #[test]
    fn the_description_is_that_of_the_views() {
        assert_fresh(FILE, &description());
    }

    #[test]
    fn the_reference_has_every_operation() {
        let mut table = "| endpoint | does |\n|---|---|\n".to_owned();
        for operation in operations(&mut generator()) {
            let does = words(&operation).unwrap_or(operation.summary);
            let (method, path) = (operation.method.to_uppercase(), operation.path);
            table.push_str(&format!("| `{method} {path}` | {} |\n", crate::reference::cell(does)));
        }
        crate::reference::assert_block("docs/reference/api.md", "routes", &table);
        let known = operations(&mut generator());
        let known =
            |method: &str, path: &str| known.iter().any(|one| (one.method, one.path) == (method, path));
        let gone: Vec<_> = WORDS.iter().filter(|(method, path, _)| !known(method, path)).collect();
        assert!(gone.is_empty(), "src/http/api/openapi/words.rs describes what isn't there: {gone:?}");
    }

    #[test]
    fn every_route_is_described() {
        let source = include_str!("../../http.rs");
        let described = description();
        let at = source.split("at(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let missing: Vec<String> = at
            .map(|path| path.replace(":.+}", "}"))
            .map(|path| {
                if path.starts_with("/v1")
                    || path.starts_with("/health")
                    || path.starts_with("/metrics")
                    || path.starts_with("/api/")
                {
                    path
                } else {
                    format!("/api{path}")
                }
            })
            .filter(|path| !described.contains(&format!("\"{path}\"")))
            .collect();
        assert!(missing.is_empty(), "describe these routes in src/http/api/openapi.rs: {missing:?}");
    }
}
