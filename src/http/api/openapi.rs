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
pub(in crate::http) mod operation;

#[cfg(test)]
mod made {
    use super::operation::{Operation, Schemas, get, object, optional_time};
    use crate::http::api::typescript::assert_fresh;
    use crate::http::error::reference::status_of;
    use crate::http::{api, gateway};
    use schemars::generate::SchemaSettings;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    const OUTCOME: &str =
        "^(ok|not_ok|rejected|backend_error|client_left|refused|cancelled|failed|refused:[a-z_]+)$";
    const FILE: &str = "src/http/api/openapi.json";

    /// What a query may say under this name.
    fn parameter(path: &str, name: &str) -> Value {
        let whole = |min: u64, max: u64| json!({"type": "integer", "minimum": min, "maximum": max});
        match name {
            "wait" | "now" | "follow" | "shares" => json!({"type": "boolean"}),
            "tail" => whole(0, u64::MAX),
            "limit" => match path {
                "/api/runs" => whole(1, 10_000),
                // A page has 1000 at most, CSV as many as are asked for.
                "/api/requests" => whole(1, u64::MAX),
                _ => whole(1, 1000),
            },
            "before" | "run_id" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            "status" => whole(0, u64::from(u16::MAX)),
            "minutes" => json!({"type": "number", "exclusiveMinimum": 0, "maximum": 7 * 24 * 60}),
            "from" | "to" | "since" | "until" => optional_time(),
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
        let form = format!("#/components/schemas/{}", operation.errors);
        let error =
            json!({"description": "An error", "content": {"application/json": {"schema": {"$ref": form}}}});
        let content = operation.answers.iter();
        let content: Map<_, _> =
            content.map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema}))).collect();
        let mut text = json!({
            "summary": operation.summary,
            "responses": {
                operation.status: {"description": operation.summary, "content": content},
                "default": error.clone(),
            },
        });
        let mut refusals = BTreeMap::<u16, Vec<&str>>::new();
        let known = ["invalid_api_key", "forbidden", "foreign_origin", "host_not_allowed"];
        let known = known.into_iter().filter(|_| !operation.open);
        for code in known.chain(operation.refused.iter().copied()) {
            refusals.entry(status_of(code)).or_default().push(code);
        }
        for (status, codes) in refusals {
            text["responses"][status.to_string()] = error.clone();
            text["responses"][status.to_string()]["description"] = json!(codes.join(", "));
        }
        if operation.query.split(',').any(|name| name == "wait") {
            // With `wait=false`: what is so far.
            text["responses"]["202"] = text["responses"]["200"].clone();
        }
        if let Some(words) = operation.words {
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
        if operation.open {
            text["security"] = json!([]);
        }
        text
    }

    fn operations(schemas: &mut Schemas) -> Vec<Operation> {
        let own = get("/api/openapi.json", "This description", json!({"type": "object"}))
            .words("this API as OpenAPI 3.1");
        [gateway::operations(), api::operations(schemas), vec![own]].into_iter().flatten().collect()
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
            let does = operation.words.unwrap_or(operation.summary);
            let (method, path) = (operation.method.to_uppercase(), operation.path);
            table.push_str(&format!("| `{method} {path}` | {} |\n", crate::reference::cell(does)));
        }
        crate::reference::assert_block("docs/reference/api.md", "routes", &table);
    }

    /// The sources of the routes.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text.push_str(&sources(&path));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
        text
    }

    #[test]
    fn every_route_is_described() {
        let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"));
        let described = description();
        let found: Vec<_> =
            source.split("at(\"/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(found.len() > 50, "only {found:?} were found: have the routes changed their form?");
        let missing: Vec<String> = found
            .into_iter()
            .map(|path| format!("/{}", path.replace(":.+}", "}")))
            .map(|path| {
                let outside = ["/v1/", "/health", "/metrics", "/api/"];
                let is_below = !outside.iter().any(|outside| path.starts_with(outside));
                if is_below { format!("/api{path}") } else { path }
            })
            .filter(|path| !described.contains(&format!("\"{path}\"")))
            .collect();
        assert!(missing.is_empty(), "describe these routes in `operations` of their files: {missing:?}");
    }
}
