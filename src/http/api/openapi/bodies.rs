//! What the bodies of requests may be, as far as JSON Schema can say it, and events of streams.

use serde_json::{Value, json};

/// A decimal of at most six digits behind the point.
const PRICE: &str = r"^0*[0-9]{1,13}(\.[0-9]{1,6}0*)?$";
const CURRENCY: &str = "^[A-Z]{3}$";
/// The letters of any script, as Unicode has them.
const KEY_NAME: &str = r"^(?!key-)[\w.@-]{1,64}$";
const BUDGET: &str = r"^([0-9]{1,13}(\.[0-9]{1,6})? [A-Z]{3}|[1-9][0-9]{0,18})/(day|month)$";

/// The text of a time, or none: an empty one says as much as a missing one.
pub(super) fn optional_time() -> Value {
    json!({"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]})
}

/// One event of a stream.
pub(super) fn event() -> Value {
    json!({"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}, "required": ["data"]})
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A plan as `plan` of `GET /api/billing/{model}` has it, with `valid_from`.
pub(super) fn plan() -> Value {
    let price = json!({"type": "string", "pattern": PRICE});
    let currency = json!({"type": "string", "pattern": CURRENCY});
    let valid_from = or_null(&optional_time());
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let tier = |required: &[&str]| {
        let limit = json!({"type": ["integer", "null"], "minimum": 0, "maximum": u64::MAX});
        let cache_read = if required.contains(&"cache_read") { price.clone() } else { or_null(&price) };
        let properties = json!({
            "max_input": limit, "max_output": limit, "input": price, "output": price,
            "cache_read": cache_read, "cache_write": or_null(&price),
        });
        json!({"type": "array", "items": object(properties, required), "minItems": 1, "maxItems": 64})
    };
    let tiered = |cache_pricing: Value, required: &[&str], tiers: Value| {
        let properties = json!({
            "method": {"const": "tiered"}, "currency": currency, "cache_pricing": cache_pricing, "tiers": tiers,
            "per_hour": {"type": "null"}, "parked_per_hour": {"type": "null"}, "valid_from": valid_from,
        });
        object(properties, required)
    };
    let hourly = json!({
        "method": {"const": "hourly"}, "currency": currency, "per_hour": price, "parked_per_hour": or_null(&price),
        "cache_pricing": {"enum": [false, null]}, "tiers": {"type": ["array", "null"], "maxItems": 0}, "valid_from": valid_from,
    });
    json!({
        "description": "A plan as `plan` of the answer. A tier that nothing can reach, and a `valid_from` that is past, are refused",
        "oneOf": [
            tiered(json!({"enum": [false, null]}), &["method", "currency", "tiers"], tier(&["input", "output"])),
            tiered(
                json!({"const": true}),
                &["method", "currency", "tiers", "cache_pricing"],
                tier(&["input", "output", "cache_read"]),
            ),
            object(hourly, &["method", "currency", "per_hour"]),
            object(json!({"method": {"type": "null", "description": "Ends all pricing"}, "valid_from": valid_from}), &["method"]),
        ],
    })
}

/// A key that is to be made.
pub(super) fn key() -> Value {
    let limit = json!({"type": ["integer", "null"], "minimum": 1, "maximum": u64::MAX});
    let classes = |most: Value, own: Value| json!({"properties": {"max_priority": {"enum": most}, "priority": {"enum": own}}});
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": KEY_NAME},
            "scopes": {"type": "array", "minItems": 1, "items": {"enum": ["infer", "read", "operate", "admin"]}},
            "models": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"\S"}},
            "expires": or_null(&json!({"type": "string", "format": "date-time"})),
            "requests_per_minute": limit,
            "tokens_per_minute": limit,
            "budget": {"type": ["string", "null"], "pattern": BUDGET},
            "priority": {"enum": ["interactive", "normal", "batch", null]},
            "max_priority": {"enum": ["interactive", "normal", "batch", null]},
            "loading_comments": {"type": ["boolean", "null"]},
        },
        "required": ["name"],
        "additionalProperties": false,
        "anyOf": [
            classes(json!(["interactive", null]), json!(["interactive", "normal", "batch", null])),
            classes(json!(["normal"]), json!(["normal", "batch", null])),
            classes(json!(["batch"]), json!(["batch", null])),
        ],
    })
}
