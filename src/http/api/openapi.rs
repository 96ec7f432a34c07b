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
mod bodies;
#[cfg(test)]
mod for_clients;
#[cfg(test)]
mod for_ledger;
#[cfg(test)]
mod for_manager;
#[cfg(test)]
mod for_models;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod words;

#[cfg(test)]
mod made {
    use super::bodies;
    use super::for_clients::OLLAMA;
    use super::operation::{Operation, Schemas, object};
    use super::words::WORDS;
    use super::{for_clients, for_ledger, for_manager, for_models};
    use crate::http::api::typescript::assert_fresh;
    use schemars::generate::SchemaSettings;
    use serde_json::{Map, Value, json};

    const OUTCOME: &str =
        "^(ok|not_ok|rejected|backend_error|client_left|refused|cancelled|failed|refused:[a-z_]+)$";
    const FILE: &str = "src/http/api/openapi.json";

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
            "tail" => whole(0, u64::MAX),
            "limit" => match path {
                "/api/runs" => whole(1, 10_000),
                // A page has 1000 at most, CSV as many as are asked for.
                "/api/requests" => whole(0, u64::MAX),
                _ => whole(1, 1000),
            },
            "before" | "run_id" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            "status" => whole(0, u64::from(u16::MAX)),
            "minutes" => json!({"type": "number", "exclusiveMinimum": 0, "maximum": 7 * 24 * 60}),
            "from" | "to" | "since" | "until" => bodies::optional_time(),
            "started_at" => json!({"type": "string", "format": "date-time"}),
            "month" => json!({"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}),
            "format" => json!({"enum": ["csv", "json"]}),
            "bucket" => json!({"enum": ["minute", "quarter", "hour", "day", "week", "month"]}),
            "by" => {
                let group = r"\s*(model|variant|mode|endpoint|api_key)?\s*";
                json!({"type": "string", "pattern": format!("^{group}(,{group})*$")})
            }
            "tz" => {
                json!({"type": "string", "minLength": 1, "description": "A name of the IANA database, such as Europe/Berlin"})
            }
            "outcome" => json!({"type": "string", "pattern": OUTCOME}),
            "folder" => json!({"type": "string", "pattern": "^[^\\u0000]*$"}),
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
            content["text/event-stream"] = json!({"schema": bodies::event()});
        }
        if operation.query.split(',').any(|name| name == "follow") {
            content["text/event-stream"] = json!({"schema": bodies::event()});
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
        let all = [
            for_clients::operations(),
            for_models::operations(schemas),
            for_ledger::operations(schemas),
            for_manager::operations(schemas),
        ];
        all.into_iter().flatten().collect()
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
