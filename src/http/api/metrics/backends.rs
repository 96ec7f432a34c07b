//! `/metrics/backends`: what ready backends say of themselves, each sample with its model's name.
//!
//! A backend is asked past its gate: that starts none, holds none, and is no use of one.

use crate::http::access::AccessArea;
use crate::http::api::management::ManagementState;
use crate::http::error::ApiError;
use actix_web::{HttpRequest, HttpResponse};
use awc::Client;
use futures_util::future::join_all;
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::exposition::{escaped, merge};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A scrape is answered within two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Largest answer of one backend.
const LARGEST: usize = 8 << 20;
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
const UP: &str = "llm_manager_backend_metrics_up";

/// `GET /metrics/backends`
pub(crate) async fn backends(
    shared: ManagementState,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    shared.access.enter(request.headers(), AccessArea::Metrics)?;
    let client = Client::builder().timeout(PATIENCE).disable_redirects().finish();
    let ready: Vec<(Arc<ModelHandle>, SocketAddr)> = shared
        .directory
        .models()
        .iter()
        .flat_map(ModelHandle::replicas)
        .filter_map(|replica| Some((Arc::clone(&replica), replica.local_address()?)))
        .collect();
    // What is held for long keeps models that leave the configuration from ending.
    drop(shared);
    let answers = join_all(ready.iter().map(|(model, address)| ask(&client, model, *address))).await;
    let named = || ready.iter().zip(&answers).map(|((model, _), answer)| (model.spec.name.as_str(), answer));
    let mut text = merge(named().filter_map(|(name, answer)| Some((name, answer.as_deref()?))));
    // Writing to a text can't fail.
    let _ = writeln!(
        text,
        "# HELP {UP} 1 if the metrics of this ready model's backend are here\n# TYPE {UP} gauge"
    );
    for (name, answer) in named() {
        let _ = writeln!(text, "{UP}{{model=\"{}\"}} {}", escaped(name), u8::from(answer.is_some()));
    }
    Ok(HttpResponse::Ok().content_type(FORMAT).body(text))
}

/// Its metrics; `None`: it has none, or doesn't say them in time.
async fn ask(client: &Client, model: &ModelHandle, address: SocketAddr) -> Option<String> {
    let mut request = client.get(format!("http://{address}/metrics")).insert_header(("accept", FORMAT));
    let status = model.status();
    let variant =
        model.spec.variants.iter().find(|variant| Some(variant.name.as_str()) == status.variant.as_deref());
    // Some want their key for this, too.
    for (name, value) in
        variant.and_then(|variant| variant.probe.as_ref()).iter().flat_map(|probe| &probe.headers)
    {
        request = request.insert_header((name.as_str(), value.as_str()));
    }
    let asked = async {
        let mut response = request.send().await.ok()?;
        let body = response.status().is_success().then(|| response.body().limit(LARGEST))?.await.ok()?;
        String::from_utf8(body.to_vec()).ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}
