//! Ollama's API over the same models, for clients that speak nothing else. A request is translated into OpenAI's words,
//! goes the way of all others (key, lease, backend, ledger), and its answer is translated back.
//!
//! Its paths are below `/api`, but none of them is one of the management's; they follow `/v1` in everything.

mod model_name;
mod models;
mod ndjson;
mod request;
mod tool_calls;
mod translate;

use super::account::{Question, RequestAccount};
use super::client_api::ClientApi;
use super::exchange::Exchange;
use super::forward::{Changes, OutgoingRequest, outgoing_headers};
use super::gathered::Gathered;
use super::lease::take_lease;
use super::lookup::{mismatch, serving};
use super::request_additions;
use super::requested_model::RequestedModel;
use super::response_body::ResponseBody;
use super::worker::Worker;
use super::{body, error_text, gathered, headers, scan};
use crate::http::access::AccessArea;
#[cfg(test)]
use crate::http::api::openapi::operation::{Operation, get, post};
use crate::http::error::{Answered, ApiError, ApiErrorKind};
use crate::http::gateway::forwarding::ForwardingState;
use crate::http::route::{at, read};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::model_state::ModelState;
use model_name::{name_of, named, parse};
use models::{listed, ps, show, tags};
use ndjson::{KeepAliveGuard, NdjsonStream, ndjson, streamed};
use request::{KeepAlive, Translated};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use translate::{OllamaEndpoint, OllamaTimes, Translator};

/// Whose API this is like: clients look for features by it.
const VERSION: &str = "0.40.12";
/// Largest answer that is gathered to be translated as a whole.
const LARGEST_ANSWER: usize = 256 << 20;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Text(OllamaEndpoint),
    /// `/api/embed`; true: `/api/embeddings`, which answers one vector.
    Vectors(bool),
}

pub(super) fn routes(config: &mut ServiceConfig) {
    let post = web::post;
    config
        .service(at("/api/version", read().to(version)))
        .service(at("/api/tags", read().to(tags)))
        .service(at("/api/ps", read().to(ps)))
        .service(at("/api/show", post().to(show)))
        .service(at("/api/chat", post().to(chat)))
        .service(at("/api/generate", post().to(generate)))
        .service(at("/api/embed", post().to(embed)))
        .service(at("/api/embeddings", post().to(embeddings)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let any = || json!({"type": "object"});
    let looked = [
        ("/api/version", "Ollama: the version that its API is like"),
        ("/api/tags", "Ollama: all models"),
        ("/api/ps", "Ollama: those that are loaded"),
    ];
    let asked = [
        ("/api/show", "Ollama: one of them"),
        ("/api/chat", "Ollama: a chat; streams lines of JSON unless `stream` is false"),
        ("/api/generate", "Ollama: a completion; streams lines of JSON unless `stream` is false"),
        ("/api/embed", "Ollama: embeddings"),
        ("/api/embeddings", "Ollama: one embedding"),
    ];
    let looked = looked.into_iter().map(|(path, summary)| get(path, summary, any()));
    let asked = asked.into_iter().map(|(path, summary)| {
        let operation = post(path, summary, any()).forwarded();
        let streams = summary.contains("streams");
        if streams { operation.or("application/x-ndjson", json!({})) } else { operation }
    });
    looked.chain(asked).map(|operation| operation.errors("OllamaError")).collect()
}

/// `GET /api/version`
async fn version(shared: ForwardingState, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |_, _| json!({"version": VERSION})).await
}

/// `POST /api/chat`
async fn chat(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Text(OllamaEndpoint::Chat)).await
}

/// `POST /api/generate`
async fn generate(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Text(OllamaEndpoint::Generate)).await
}

/// `POST /api/embed`
async fn embed(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Vectors(false)).await
}

/// `POST /api/embeddings`
async fn embeddings(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Vectors(true)).await
}

async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
    what: What,
) -> HttpResponse {
    let mut exchange = Exchange::begin(request, shared, worker);
    let result = handle(&mut exchange, payload, what).await;
    let response = exchange.end(result, |_| ClientApi::Ollama);
    exchange.shared.access.origins.allow(&exchange.request, response)
}

async fn handle(exchange: &mut Exchange, payload: web::Payload, what: What) -> Answered {
    exchange.enter(AccessArea::Programs).await?;
    let exchange = &*exchange;
    let Exchange { request, shared, id, began, .. } = exchange;
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let asked = parse(&received.bytes)?;
    let model = named(shared, &asked)?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    request::check(&asked).map_err(|what| ApiError::new(ApiErrorKind::InvalidRequest, what))?;
    let called = name_of(&asked).unwrap_or(&model.spec.name).to_owned();
    if let What::Text(shape) = what
        && request::is_empty(&asked)
    {
        return load(exchange, model, shape, &asked, &called).await;
    }
    let chats = model.spec.mode.endpoints.iter().any(|endpoint| endpoint == "/v1/chat/completions");
    let Translated { path, body } = match what {
        What::Text(OllamaEndpoint::Chat) => request::chat(&asked, &model.spec.name),
        What::Text(OllamaEndpoint::Generate) => request::generate(&asked, &model.spec.name, chats),
        What::Vectors(_) => request::embed(&asked, &model.spec.name),
    };
    let Some(found) = shared.endpoints.find(path) else { return Err(mismatch(model, path)) };
    let body: Bytes = body.to_string().into();
    let question = Question::of(&body, &called, request::wants_stream(&asked));
    let mut account = RequestAccount::open(exchange, model, question, found.endpoint);
    account.capture(exchange, &received.bytes);
    if serving(model, &found).is_none() {
        let error = mismatch(model, path);
        account.failed(&error);
        return Err(error);
    }
    let scan = scan::scan(&body, None)
        .map_err(|error| ApiError::new(ApiErrorKind::InvalidRequest, error.to_string()))?;
    let asked_for = RequestedModel::Json(scan);
    let mut headers = outgoing_headers(exchange, received.unpacked);
    headers.to_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.to_mut().remove(CONTENT_ENCODING);
    let changes = match request::wants_stream(&asked) {
        true => Changes::None,
        false => request_additions::as_stream(&asked_for, &body, model, found.endpoint),
    };
    let outgoing = OutgoingRequest {
        path: Some(path),
        below: "",
        headers,
        body: &body,
        asked: Some(&asked_for),
        changes,
    };
    let was_ready = model.status().state == ModelState::Ready;
    let reply = match request_additions::asking(exchange, outgoing, model, &mut account).await {
        Ok(reply) => reply,
        Err(error) => {
            account.failed(&error);
            return Err(error);
        }
    };
    let times = OllamaTimes { began: *began, leased: (!was_ready).then(Instant::now) };
    let (status, gathered) = (reply.response.status, reply.gather);
    let (headers, answer) = ResponseBody::new(reply, id.clone(), account);
    let _parting = request::keep_alive(&asked).map(|keep| KeepAliveGuard(Arc::clone(model), keep));
    let mut answer = Box::pin(answer);
    if !status.is_success() {
        let said = gather(&mut answer).await?;
        let said = error_text::of_error(&said).unwrap_or_else(|| format!("status {}", status.as_u16()));
        return Ok(HttpResponse::build(status).json(json!({"error": said})));
    }
    match what {
        What::Vectors(only_one) => {
            let body = gather(&mut answer).await?;
            if let Some(failure) = failure(&mut answer, &body) {
                return Ok(failure);
            }
            let vectors = translate::vectors(&body, &called, *began, only_one)
                .ok_or_else(|| gathered::incomplete(answer.as_mut().get_mut(), "is no list of vectors"))?;
            Ok(HttpResponse::Ok().json(vectors))
        }
        What::Text(shape) => {
            let mut translator = Translator::new(shape, &called, times);
            let mut first = Bytes::new();
            if request::wants_stream(&asked) && headers::may_stream(&headers) {
                // What is no stream for sure is looked at first.
                if !headers::is_event_stream(&headers) {
                    first = gathered::next(answer.as_mut()).await.transpose()?.unwrap_or_default();
                }
                if first.is_empty() || headers::begins_stream(&first) {
                    let ready = translator.push(&first);
                    let stream = NdjsonStream { answer, translator: Some(translator), ready, _parting };
                    return Ok(streamed(request, stream));
                }
            }
            let body = match gathered {
                None => gather_after(first, &mut answer).await?,
                Some(form) => match gathered::gather(answer.as_mut(), form).await? {
                    Gathered::Other(bytes) => bytes,
                    Gathered::Answer(status, document) if status.is_success() => {
                        document.to_string().as_bytes().into()
                    }
                    Gathered::Answer(status, error) => {
                        let said = error_text::of_error(error.to_string().as_bytes());
                        let said = said.unwrap_or_else(|| format!("status {}", status.as_u16()));
                        return Ok(HttpResponse::build(status).json(json!({"error": said})));
                    }
                },
            };
            if let Some(failure) = failure(&mut answer, &body) {
                return Ok(failure);
            }
            let record = translator
                .whole(&body)
                .ok_or_else(|| gathered::incomplete(answer.as_mut().get_mut(), "is no JSON with choices"))?;
            match request::wants_stream(&asked) {
                true => Ok(ndjson(HttpResponse::Ok().body(format!("{record}\n")))),
                false => Ok(HttpResponse::Ok().json(record)),
            }
        }
    }
}

/// What the client gets of an answer that has turned out to be an error.
fn failure(answer: &mut Pin<Box<ResponseBody>>, body: &[u8]) -> Option<HttpResponse> {
    let said = answer.told()?;
    let status = gathered::status_of(&serde_json::from_slice(body).unwrap_or_default());
    answer.as_mut().get_mut().answers_with(status);
    Some(HttpResponse::build(status).json(json!({"error": said})))
}

/// A request without a question loads its model, or lets it go.
async fn load(
    exchange: &Exchange,
    model: &Arc<ModelHandle>,
    shape: OllamaEndpoint,
    asked: &Value,
    called: &str,
) -> Answered {
    let keep = request::keep_alive(asked);
    let reason = if keep == Some(KeepAlive::NoLonger) {
        drop(KeepAliveGuard(Arc::clone(model), KeepAlive::NoLonger));
        "unload"
    } else {
        drop(take_lease(exchange, model, || 1).await?);
        drop(keep.map(|keep| KeepAliveGuard(Arc::clone(model), keep)));
        "load"
    };
    let record = translate::nothing(shape, called, reason);
    match request::wants_stream(asked) {
        true => Ok(ndjson(HttpResponse::Ok().body(format!("{record}\n")))),
        false => Ok(HttpResponse::Ok().json(record)),
    }
}

async fn gather(answer: &mut Pin<Box<ResponseBody>>) -> Result<BytesMut, ApiError> {
    gather_after(Bytes::new(), answer).await
}

async fn gather_after(first: Bytes, answer: &mut Pin<Box<ResponseBody>>) -> Result<BytesMut, ApiError> {
    let mut body = BytesMut::from(first);
    while let Some(chunk) = gathered::next(answer.as_mut()).await {
        let chunk = chunk?;
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ApiError::new(
                ApiErrorKind::BackendError,
                "the backend's answer is too large to be translated",
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
