//! Reads a list of models in the forms that engines give it.

use llm_manager_policy::readiness::{ListedModel, Listing};
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
            .filter_map(|model| {
                Some(ListedModel { name: name(model)?, loaded: is_loaded(model), context: context(model) })
            })
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

/// How many tokens of context it is served with: as vLLM, SGLang and LM Studio, and llama.cpp say it. What a model was
/// trained with (`n_ctx_train`) is another number.
fn context(model: &Value) -> Option<u64> {
    let said = ["max_model_len", "context_length", "context_window", "max_context_length"];
    let said = said.iter().find_map(|name| model.get(name)).or_else(|| model.get("meta")?.get("n_ctx"));
    said.and_then(Value::as_u64).filter(|tokens| *tokens > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_read_where_engines_say_it() {
        let context = |model: &str| {
            let list = format!(r#"{{"object":"list","data":[{{"id":"m",{model}}}]}}"#);
            read(list.as_bytes()).unwrap().models[0].context
        };
        assert_eq!(context(r#""max_model_len":4096"#), Some(4096), "vLLM");
        assert_eq!(context(r#""owned_by":"llamacpp","meta":{"n_ctx":512,"n_ctx_train":32768}"#), Some(512));
        assert_eq!(context(r#""meta":{"n_ctx_train":32768}"#), None, "an older llama.cpp");
        assert_eq!(context(r#""context_length":8192"#), Some(8192));
        assert_eq!(context(r#""context_length":"8192""#), None);
        assert_eq!(context(r#""max_model_len":0"#), None);
        assert_eq!(context(r#""meta":null"#), None);
    }
}
