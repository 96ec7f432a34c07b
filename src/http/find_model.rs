//! Finds the model that a request names, or says where the names are.

use super::error::{ApiError, ApiErrorKind, quoted};
use llm_manager_actors::model::{Directory, ModelHandle};
use std::sync::Arc;

/// The model of this name or alias; `listed`: the path that lists the names.
pub(super) fn model<'d>(
    directory: &'d Directory,
    name: &str,
    listed: &str,
) -> Result<&'d Arc<ModelHandle>, ApiError> {
    directory.find(name).ok_or_else(|| {
        let name = quoted(name);
        let message = format!("no model has the name or alias `{name}`; `GET {listed}` lists the names");
        ApiError::new(ApiErrorKind::ModelNotFound, message)
    })
}
