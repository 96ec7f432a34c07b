//! Reads a list of models in the forms that engines give it.

use llm_manager_policy::readiness::{Listed, Listing};
use serde_json::Value;

/// The models in the answer to `GET /v1/models`; `None`: it is no such list.
pub(super) fn read(body: &[u8]) -> Option<Listing> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let models = list.get("data").or_else(|| list.get("models")).unwrap_or(&list).as_array()?;
    let name = |model: &Value| {
        let name = model.get("id").or_else(|| model.get("name")).unwrap_or(model);
        name.as_str().map(str::to_owned)
    };
    Some(Listing {
        models: models
            .iter()
            .filter_map(|model| Some(Listed { name: name(model)?, loaded: is_loaded(model) }))
            .collect(),
        owner: models.first().and_then(|model| model.get("owned_by")?.as_str()).map(str::to_owned),
    })
}

/// llama.cpp's router and transformers tell a `status`, mlx-vlm and others a flag.
fn is_loaded(model: &Value) -> bool {
    let status = model.get("status").map(|status| status.get("value").unwrap_or(status));
    let state = status.or_else(|| model.get("state")).and_then(Value::as_str);
    state.is_some_and(|state| state.eq_ignore_ascii_case("loaded"))
        || model.get("loaded").and_then(Value::as_bool) == Some(true)
}
