//! What the ledger's data take, and their deletion.

use super::error::{ApiError, Kind, quoted};
use super::state::Shared;
use super::usage::{from_store, rfc3339};
use actix_web::{HttpResponse, web};
use llm_manager_actors::billing::DeleteModel;
use llm_manager_actors::ledger::ModelStorage;
use serde_json::{Value, json};

type Answered = Result<HttpResponse, ApiError>;

fn is_configured(shared: &Shared, model: &str) -> bool {
    shared.directory.models().iter().any(|known| known.spec.name == model)
}

/// `GET /api/storage`
pub(super) async fn storage(shared: web::Data<Shared>) -> Answered {
    let storage = shared.ledger.reader().storage().await.map_err(from_store)?;
    let view = |one: &ModelStorage| {
        json!({
            "model": one.model,
            "orphan": !is_configured(&shared, &one.model),
            "first_seen": rfc3339(one.first_seen_us),
            "rows": one.rows,
            "bytes": one.bytes,
            "runs": one.runs,
            "former_names": one.former_names.split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>(),
        })
    };
    let models: Vec<Value> = storage.models.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({
        "models": models,
        "total_bytes": storage.total_bytes,
        "free_bytes": storage.free_bytes,
        "deleting": storage.deleting,
        "rows_since": storage.rows_since_us.and_then(rfc3339),
    })))
}

/// `DELETE /api/storage/{model}`: the model's name in the ledger, not an alias.
pub(super) async fn delete(shared: web::Data<Shared>, name: web::Path<String>) -> Answered {
    let name = name.into_inner();
    let known = shared.ledger.reader().storage().await.map_err(from_store)?;
    if !known.models.iter().any(|one| one.model == name) {
        let message = format!(
            "the ledger has no data of a model `{}`; `GET /api/storage` lists those it has",
            quoted(&name)
        );
        return Err(ApiError::new(Kind::ModelNotFound, message));
    }
    let down = || ApiError::new(Kind::Internal, "billing does not answer; see the manager's log");
    let billing = shared.billing.addr().ok_or_else(down)?;
    let configured = is_configured(&shared, &name);
    let order = DeleteModel { model: name.clone(), configured };
    let deleted = billing.send(order).await.map_err(|_| down())?.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(json!({
        "model": name,
        "orphan": !configured,
        "deleted": {"rows": deleted.rows, "bytes": deleted.bytes},
    })))
}
