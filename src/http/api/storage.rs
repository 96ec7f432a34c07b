//! What the ledger's data take, their deletion, and their renaming.

use super::captures;
#[cfg(test)]
use super::openapi::operation;
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, object, post};
use super::query::{from_store, invalid, rfc3339};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{Answered, ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::billing::{DeleteModel, RenameModel};
use llm_manager_actors::captures::CaptureSelection;
use llm_manager_ledger::ModelStorage;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/storage", read().to(storage)))
        .service(at("/storage/{model:.+}/rename", web::post().to(rename)))
        .service(at("/storage/{model:.+}", web::delete().to(delete)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let mut renaming = object(&[("to", "string"), ("merge?", "boolean")]);
    renaming["additionalProperties"] = json!(false);
    renaming["properties"]["to"]["minLength"] = json!(1);
    let renamed = object(&[("model", "string"), ("former_name", "string"), ("merged", "boolean")]);
    vec![
        get("/api/storage", "Rows and bytes of each model", schemas.of::<StorageView<'static>>())
            .refused("ledger_unavailable")
            .words(
                "rows and bytes of each model, `retention_days`; `orphan`: the model is no longer in the \
                 configuration",
            ),
        operation::delete(
            "/api/storage/{model}",
            "Deletes a model's data",
            object(&[("model", "string"), ("orphan", "boolean"), ("deleted", "object")]),
        )
        .refused("model_not_found,conflict,ledger_unavailable")
        .words("deletes a model's requests and runs, and the bodies that were kept"),
        post("/api/storage/{model}/rename", "Renames the data of a removed model", renamed)
            .refused("model_not_found,conflict,ledger_unavailable")
            .body(renaming)
            .words(
                "`{\"to\":\"NEW\"}`: renames the data of a removed model; with `\"merge\":true` also to a \
                 name that already has data",
            ),
    ]
}

fn is_configured(shared: &Management, model: &str) -> bool {
    shared.directory.models().iter().any(|known| known.spec.name == model)
}

/// `GET /api/storage`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Storage"), schemars(rename = "Storage"))]
pub(crate) struct StorageView<'a> {
    total_bytes: i64,
    free_bytes: i64,
    /// Days that rows of requests are kept; reports by the quarter of an hour and wider go on.
    retention_days: u32,
    /// Models whose data are being deleted.
    deleting: i64,
    #[cfg_attr(test, ts(type = "string | null"))]
    rows_since: Option<Timestamp>,
    models: Vec<ModelStorageView<'a>>,
}

/// The data of one model.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "StorageModel"), schemars(rename = "StorageModel"))]
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
    fn of(shared: &Management, one: &'a ModelStorage) -> Self {
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
async fn storage(shared: ManagementState) -> Answered {
    let storage = shared.ledger.reader().storage().await.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(StorageView {
        total_bytes: storage.total_bytes,
        free_bytes: storage.free_bytes,
        retention_days: shared.retention_days,
        deleting: storage.deleting,
        rows_since: storage.rows_since_us.and_then(rfc3339),
        models: storage.models.iter().map(|one| ModelStorageView::of(&shared, one)).collect(),
    }))
}

/// Refuses a name that has no data; its former names.
async fn known(shared: &Management, name: &str) -> Result<Vec<String>, ApiError> {
    let storage = shared.ledger.reader().storage().await.map_err(from_store)?;
    if let Some(one) = storage.models.iter().find(|one| one.model == name) {
        return Ok(ModelStorageView::of(shared, one).former_names.into_iter().map(str::to_owned).collect());
    }
    let name = quoted(name);
    let message = format!(
        "the ledger has no data of a model `{name}`; `GET /api/storage` lists the models that it has"
    );
    Err(ApiError::new(ApiErrorKind::ModelNotFound, message))
}

fn down() -> ApiError {
    ApiError::new(ApiErrorKind::Internal, "billing does not answer; see the manager's log")
}

/// `DELETE /api/storage/{model}`: the model's name in the ledger, not an alias.
async fn delete(shared: ManagementState, name: web::Path<String>) -> Answered {
    let name = name.into_inner();
    let former = known(&shared, &name).await?;
    let billing = shared.billing.addr().ok_or_else(down)?;
    let configured = is_configured(&shared, &name);
    let order = DeleteModel { model: name.clone(), configured };
    let deleted = billing.send(order).await.map_err(|_| down())?.map_err(from_store)?;
    // What was kept under a name that another model has now is that one's.
    let former = former.into_iter().filter(|name| !is_configured(&shared, name));
    let which = CaptureSelection::Models(std::iter::once(name.clone()).chain(former).collect());
    let captures = shared.captures.forget(which).await.map_err(captures::silent)?;
    Ok(HttpResponse::Ok().json(json!({
        "model": name,
        "orphan": !configured,
        "deleted": {"rows": deleted.rows, "bytes": deleted.bytes, "captures": captures},
    })))
}

/// Body of a renaming.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renaming {
    /// The name from now on.
    to: String,
    /// True: if that name has data already, both become one.
    #[serde(default)]
    merge: bool,
}

/// `POST /api/storage/{model}/rename`: the history goes on under another name.
///
/// A model that is configured would go on writing under its old name: the configuration is changed first.
async fn rename(
    shared: ManagementState,
    name: web::Path<String>,
    body: Result<web::Json<Renaming>, actix_web::Error>,
) -> Answered {
    let Renaming { to, merge } = body.map_err(|error| invalid(format!("the body: {error}")))?.into_inner();
    let (old, new) = (name.into_inner(), to.trim().to_owned());
    known(&shared, &old).await?;
    if is_configured(&shared, &old) {
        let message = format!(
            "`{0}` is in the configuration and would be recorded under this name again; rename it there, with \
             `formerly: [\"{0}\"]` beside the new name, and a reload renames its data, too",
            quoted(&old)
        );
        return Err(ApiError::new(ApiErrorKind::Conflict, message));
    }
    let billing = shared.billing.addr().ok_or_else(down)?;
    let order = RenameModel { old: old.clone(), new: new.clone(), merge };
    let renamed = billing.send(order).await.map_err(|_| down())?.map_err(from_store)?;
    log::info!("billing: the data of {old} is now under {new}");
    Ok(HttpResponse::Ok().json(json!({"model": new, "former_name": old, "merged": renamed.merged})))
}
