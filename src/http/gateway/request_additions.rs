//! A request with an addition of ours, and once more without it if the engine refuses that. `stream_options` asks for
//! the usage of a stream; `stream` has an engine notice the end of a client that wants no stream.

use super::account::RequestAccount;
use super::assembly;
use super::error_text;
use super::exchange::Exchange;
use super::forward::{BackendResponse, Changes, OutgoingRequest, forward};
use super::headers::may_stream;
use super::requested_model::RequestedModel;
use super::upstream::Response;
use crate::http::error::ApiError;
use actix_web::http::StatusCode;
use actix_web::http::header;
use llm_manager_actors::model::ModelHandle;
use llm_manager_actors::model::engine_behavior::StreamOptions;
use llm_manager_policy::endpoints::Endpoint;
use memchr::memmem;
use std::sync::Arc;
use std::time::Duration;

/// What an engine names that stumbles over our question for the usage.
const OF_STREAM_OPTIONS: [&[u8]; 2] = [b"stream_options", b"include_usage"];
/// The words of an error come with its head.
const PATIENCE_FOR_WORDS: Duration = Duration::from_secs(1);

/// A plain request goes as a stream to an engine that would not notice the end of its client.
pub(super) fn as_stream(
    asked: &RequestedModel<'_>,
    body: &[u8],
    model: &ModelHandle,
    endpoint: &Endpoint,
) -> Changes {
    let form = assembly::StreamFormat::of_path(&endpoint.path).filter(|_| ends_with_client(model));
    let stream = form.and_then(|form| Some((form, asked.as_stream(body, endpoint)?)));
    stream.map_or(Changes::None, |(form, edits)| Changes::Stream(form, edits))
}

/// Brings the request to the backend, and once more without our changes if it may have been those that the engine
/// refuses.
pub(crate) async fn asking(
    exchange: &Exchange,
    mut outgoing: OutgoingRequest<'_>,
    model: &Arc<ModelHandle>,
    account: &mut RequestAccount,
) -> Result<BackendResponse, ApiError> {
    let mut reply = forward(exchange, &outgoing, model, account).await?;
    learn_engine(model, &reply.response);
    let status = reply.response.status;
    let (hide_usage, form) = match outgoing.changes {
        Changes::None => return Ok(reply),
        Changes::Usage(_) => (true, None),
        Changes::Stream(form, _) => (false, Some(form)),
    };
    if !outgoing.changes.asks_for_usage() || !may_be_our_fault(model, &mut reply.response).await {
        let streams = status.is_success() && may_stream(&reply.response.headers);
        return Ok(BackendResponse { hide_usage, gather: form.filter(|_| streams), ..reply });
    }
    // The lease goes first: there may be but one.
    drop(reply);
    outgoing.changes = Changes::None;
    let reply = Box::pin(forward(exchange, &outgoing, model, account)).await?;
    if reply.response.status.is_success() {
        log::info!(
            "models/{}: the engine refuses `stream_options`, which is no longer sent",
            model.spec.name
        );
        model.learnt.refused_stream_options();
    }
    Ok(reply)
}

/// Whether a plain request goes up as a stream: the engine wouldn't notice that its client has left.
pub(crate) fn ends_with_client(model: &ModelHandle) -> bool {
    model.spec.end_with_client.unwrap_or_else(|| model.face().engine.runs_on()) && may_ask_for_usage(model)
}

/// llama.cpp names itself in each answer.
fn learn_engine(model: &ModelHandle, response: &Response) {
    let engine = &model.face().engine;
    if !engine.is_known() {
        let server = response.headers.iter().find(|(name, _)| *name == header::SERVER);
        engine.learn(server.is_some_and(|(_, value)| value.as_bytes().starts_with(b"llama.cpp")));
    }
}

pub(crate) fn may_ask_for_usage(model: &ModelHandle) -> bool {
    model.spec.stream_usage && model.learnt.stream_options() != StreamOptions::Refused
}

/// Whether an engine that we have asked for its usage may have refused that, and not the client's body. Once it has taken
/// the option, it is the body.
async fn may_be_our_fault(model: &ModelHandle, response: &mut Response) -> bool {
    let status = response.status;
    if status.as_u16() < 400 && !status.is_success()
        || model.learnt.stream_options() != StreamOptions::Unknown
    {
        return false;
    }
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
        return true;
    }
    // Engines that hand each field to a function of theirs break at it, some when the stream has begun: then their words
    // name it.
    let wanted = if status.is_success() { 1 } else { error_text::LONGEST };
    let beginning = response.body.beginning(wanted);
    let words = tokio::time::timeout(PATIENCE_FOR_WORDS, beginning).await.unwrap_or_default();
    let has = |word: &&[u8]| memmem::find(&words, word).is_some();
    let refuses =
        OF_STREAM_OPTIONS.iter().any(has) && (!status.is_success() || has(&b"\"error\"".as_slice()));
    if status.is_success() && !refuses {
        model.learnt.took_stream_options();
    }
    refuses
}
