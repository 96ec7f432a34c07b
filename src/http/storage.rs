//! What the ledger's data take, and their deletion.

use super::error::{ApiError, Kind, quoted};
use super::state::Shared;
use super::usage::{from_store, rfc3339};
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::billing::DeleteModel;
use llm_manager_actors::ledger::ModelStorage;
use serde::Serialize;
use serde_json::json;

type Answered = Result<HttpResponse, ApiError>;

fn is_configured(shared: &Shared, model: &str) -> bool {
    shared.directory.models().iter().any(|known| known.spec.name == model)
}

/// `GET /api/storage`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "Storage"))]
pub(super) struct StorageView<'a> {
    total_bytes: i64,
    free_bytes: i64,
    /// Models whose data are being deleted.
    deleting: i64,
    #[cfg_attr(test, ts(type = "string | null"))]
    rows_since: Option<Timestamp>,
    models: Vec<ModelStorageView<'a>>,
}

/// The data of one model.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "StorageModel"))]
struct ModelStorageView<'a> {
    model: &'a str,
    /// The configuration does not have it any more.
    orphan: bool,
    #[cfg_attr(test, ts(type = "string | null"))]
    first_seen: Option<Timestamp>,
    rows: i64,
    bytes: i64,
    runs: i64,
    /// Names that it had before.
    former_names: Vec<&'a str>,
}

impl<'a> ModelStorageView<'a> {
    fn of(shared: &Shared, one: &'a ModelStorage) -> Self {
        Self {
            model: &one.model,
            orphan: !is_configured(shared, &one.model),
            first_seen: rfc3339(one.first_seen_us),
            rows: one.rows,
            bytes: one.bytes,
            runs: one.runs,
            former_names: one.former_names.split(',').filter(|name| !name.is_empty()).collect(),
        }
    }
}

/// `GET /api/storage`
pub(super) async fn storage(shared: web::Data<Shared>) -> Answered {
    let storage = shared.ledger.reader().storage().await.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(StorageView {
        total_bytes: storage.total_bytes,
        free_bytes: storage.free_bytes,
        deleting: storage.deleting,
        rows_since: storage.rows_since_us.and_then(rfc3339),
        models: storage.models.iter().map(|one| ModelStorageView::of(&shared, one)).collect(),
    }))
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
