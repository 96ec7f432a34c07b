//! Ollama's API over the same models, for clients that speak nothing else. A request is translated into OpenAI's words,
//! goes the way of all others (key, lease, backend, ledger), and its answer is translated back.
//!
//! Its paths are below `/api`, but none of them is one of the management's; they follow `/v1` in everything.

mod answer;
mod calls;
mod request;

use super::account::{Account, Question};
use super::answer::Answer;
use super::asked::Asked;
use super::catalog::usable;
use super::exchange::Exchange;
use super::forms::Form;
use super::forward::{self, Changes, Outgoing, outgoing_headers, take_lease};
use super::lookup::{mismatch, serving};
use super::respond::unchunked;
use super::whole::Gathered;
use super::worker::Worker;
use super::{body, headers, scan, whole, words};
use crate::http::access::wrong::slow_down;
use crate::http::access::{Caller, Door};
#[cfg(test)]
use crate::http::api::openapi::operation::{Operation, get, post};
use crate::http::error::{Answered, ApiError, Kind};
use crate::http::gateway::forwarding::{Forwarding, Now};
use crate::http::route::{at, read};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use answer::{Shape, Times, Translator};
use bytes::{Bytes, BytesMut};
use llm_manager_actors::model::{By, ModelHandle, Verb};
use llm_manager_policy::lifecycle::Urgency;
use llm_manager_policy::model_state::ModelState;
use request::{KeepAlive, Translated};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Whose API this is like: clients look for features by it.
const VERSION: &str = "0.40.12";
/// Largest answer that is gathered to be translated as a whole.
const LARGEST_ANSWER: usize = 256 << 20;
/// When a model goes that is never stopped for being idle.
const FOR_EVER: &str = "2318-01-01T00:00:00Z";

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Text(Shape),
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
async fn version(shared: Now, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |_, _| json!({"version": VERSION})).await
}

/// `GET /api/tags`: all models that are listed, and that the caller may use.
async fn tags(shared: Now, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |shared, caller| {
        let models = usable(shared, caller).filter(|model| model.spec.listed.name);
        json!({"models": models.map(|model| card(shared, model)).collect::<Vec<_>>()})
    })
    .await
}

/// `GET /api/ps`: those that are loaded.
async fn ps(shared: Now, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |shared, caller| {
        let loaded = usable(shared, caller).filter(|model| model.status().state == ModelState::Ready);
        let card = |model: &Arc<ModelHandle>| {
            let mut card = card(shared, model);
            let left = model.idle_left().or_else(|| model.alive_time());
            let until = left.and_then(|left| jiff::Timestamp::now().checked_add(left).ok());
            card["expires_at"] = until.map_or_else(|| FOR_EVER.to_owned(), |until| until.to_string()).into();
            card["size_vram"] = 0.into();
            if let Some(length) = model.context_length() {
                card["context_length"] = length.into();
            }
            card
        };
        json!({"models": loaded.map(card).collect::<Vec<_>>()})
    })
    .await
}

async fn listed(
    shared: &Forwarding,
    request: &HttpRequest,
    list: impl FnOnce(&Forwarding, Caller) -> Value,
) -> HttpResponse {
    let response = match enter(shared, request).await {
        Ok(caller) => HttpResponse::Ok().json(list(shared, caller)),
        Err(error) => Form::Ollama.respond(&error),
    };
    shared.access.origins.allow(request, response)
}

/// Who asks, as on `/v1`.
async fn enter(shared: &Forwarding, request: &HttpRequest) -> Result<Caller, ApiError> {
    match shared.access.enter(request.headers(), Door::Programs) {
        Ok(caller) => Ok(caller),
        Err(error) => Err(slow_down(request, &shared.trusted_proxies, error).await),
    }
}

/// `POST /api/show`
async fn show(request: HttpRequest, payload: web::Payload, shared: Now) -> HttpResponse {
    let shown = async {
        let caller = enter(&shared, &request).await?;
        let received = body::read(&request, payload, shared.max_body_bytes, &shared.stopping).await?;
        let asked = parse(&received.bytes)?;
        let model = named(&shared, &asked)?;
        shared.access.allow_model(caller, &model.spec)?;
        let mut shown = card(&shared, model);
        let mut info = json!({"general.architecture": "unknown", "general.basename": model.spec.name});
        if let Some(length) = model.context_length() {
            info["unknown.context_length"] = length.into();
        }
        for (name, value) in [("license", ""), ("modelfile", ""), ("parameters", ""), ("template", "")] {
            shown[name] = value.into();
        }
        shown["model_info"] = info;
        shown["capabilities"] = capabilities(model).into();
        Ok(HttpResponse::Ok().json(shown))
    };
    let response = shown.await.unwrap_or_else(|error: ApiError| Form::Ollama.respond(&error));
    shared.access.origins.allow(&request, response)
}

/// What Ollama calls what a model can do.
fn capabilities(model: &ModelHandle) -> Vec<&'static str> {
    let serves = |path: &str| model.spec.mode.endpoints.iter().any(|endpoint| endpoint == path);
    let mut all = Vec::new();
    if serves("/v1/completions") {
        all.push("completion");
    }
    if serves("/v1/chat/completions") {
        all.push("tools");
    }
    if serves("/v1/embeddings") {
        all.push("embedding");
    }
    all
}

fn card(shared: &Forwarding, model: &ModelHandle) -> Value {
    let name = &model.spec.name;
    let digest: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "name": name, "model": name, "modified_at": shared.started_at.to_string(), "size": 0, "digest": digest,
        "details": {
            "parent_model": "", "format": "gguf", "family": "unknown", "families": ["unknown"],
            "parameter_size": "", "quantization_level": "",
        },
    })
}

/// `POST /api/chat`
async fn chat(
    request: HttpRequest,
    payload: web::Payload,
    shared: Now,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Text(Shape::Chat)).await
}

/// `POST /api/generate`
async fn generate(
    request: HttpRequest,
    payload: web::Payload,
    shared: Now,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Text(Shape::Generate)).await
}

/// `POST /api/embed`
async fn embed(
    request: HttpRequest,
    payload: web::Payload,
    shared: Now,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Vectors(false)).await
}

/// `POST /api/embeddings`
async fn embeddings(
    request: HttpRequest,
    payload: web::Payload,
    shared: Now,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(request, payload, shared, worker, What::Vectors(true)).await
}

async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: Now,
    worker: web::Data<Worker>,
    what: What,
) -> HttpResponse {
    let mut exchange = Exchange::begin(request, shared, worker);
    let result = handle(&mut exchange, payload, what).await;
    let response = exchange.end(result, |_| Form::Ollama);
    exchange.shared.access.origins.allow(&exchange.request, response)
}

async fn handle(exchange: &mut Exchange, payload: web::Payload, what: What) -> Answered {
    exchange.enter(Door::Programs).await?;
    let exchange = &*exchange;
    let Exchange { request, shared, id, began, .. } = exchange;
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let asked = parse(&received.bytes)?;
    let model = named(shared, &asked)?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    request::check(&asked).map_err(|what| ApiError::new(Kind::InvalidRequest, what))?;
    let called = name_of(&asked).unwrap_or(&model.spec.name).to_owned();
    if let What::Text(shape) = what
        && request::is_empty(&asked)
    {
        return load(exchange, model, shape, &asked, &called).await;
    }
    let chats = model.spec.mode.endpoints.iter().any(|endpoint| endpoint == "/v1/chat/completions");
    let Translated { path, body } = match what {
        What::Text(Shape::Chat) => request::chat(&asked, &model.spec.name),
        What::Text(Shape::Generate) => request::generate(&asked, &model.spec.name, chats),
        What::Vectors(_) => request::embed(&asked, &model.spec.name),
    };
    let Some(found) = shared.endpoints.find(path) else { return Err(mismatch(model, path)) };
    let body: Bytes = body.to_string().into();
    let question = Question::of(&body, &called, request::wants_stream(&asked));
    let mut account = Account::open(exchange, model, question, found.endpoint);
    account.capture(exchange, &received.bytes);
    if serving(model, &found).is_none() {
        let error = mismatch(model, path);
        account.failed(&error);
        return Err(error);
    }
    let scan =
        scan::scan(&body, None).map_err(|error| ApiError::new(Kind::InvalidRequest, error.to_string()))?;
    let asked_for = Asked::Json(scan);
    let mut headers = outgoing_headers(exchange, received.unpacked);
    headers.to_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.to_mut().remove(CONTENT_ENCODING);
    let changes = match request::wants_stream(&asked) {
        true => Changes::None,
        false => forward::as_stream(&asked_for, &body, model, found.endpoint),
    };
    let outgoing = Outgoing { path: Some(path), headers, body: &body, asked: Some(&asked_for), changes };
    let was_ready = model.status().state == ModelState::Ready;
    let reply = match forward::asking(exchange, outgoing, model, &mut account).await {
        Ok(reply) => reply,
        Err(error) => {
            account.failed(&error);
            return Err(error);
        }
    };
    let times = Times { began: *began, leased: (!was_ready).then(Instant::now) };
    let (status, gathered) = (reply.response.status, reply.gather);
    let (headers, answer) = Answer::new(reply, id.clone(), account);
    let _parting = request::keep_alive(&asked).map(|keep| Parting(Arc::clone(model), keep));
    let mut answer = Box::pin(answer);
    if !status.is_success() {
        let said = gather(&mut answer).await?;
        let said = words::of_error(&said).unwrap_or_else(|| format!("status {}", status.as_u16()));
        return Ok(HttpResponse::build(status).json(json!({"error": said})));
    }
    match what {
        What::Vectors(only_one) => {
            let body = gather(&mut answer).await?;
            if let Some(failure) = failure(&mut answer, &body) {
                return Ok(failure);
            }
            let vectors = answer::vectors(&body, &called, *began, only_one)
                .ok_or_else(|| whole::incomplete(answer.as_mut().get_mut(), "is no list of vectors"))?;
            Ok(HttpResponse::Ok().json(vectors))
        }
        What::Text(shape) => {
            let mut translator = Translator::new(shape, &called, times);
            let mut first = Bytes::new();
            if request::wants_stream(&asked) && headers::may_stream(&headers) {
                // What is no stream for sure is looked at first.
                if !headers::is_event_stream(&headers) {
                    first = whole::next(answer.as_mut()).await.transpose()?.unwrap_or_default();
                }
                if first.is_empty() || headers::begins_stream(&first) {
                    let ready = translator.push(&first);
                    let stream = Stream { answer, translator: Some(translator), ready, _parting };
                    return Ok(streamed(request, stream));
                }
            }
            let body = match gathered {
                None => gather_after(first, &mut answer).await?,
                Some(form) => match whole::gather(answer.as_mut(), form).await? {
                    Gathered::Other(bytes) => bytes,
                    Gathered::Answer(status, document) if status.is_success() => {
                        document.to_string().as_bytes().into()
                    }
                    Gathered::Answer(status, error) => {
                        let said = words::of_error(error.to_string().as_bytes());
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
                .ok_or_else(|| whole::incomplete(answer.as_mut().get_mut(), "is no JSON with choices"))?;
            match request::wants_stream(&asked) {
                true => Ok(ndjson(HttpResponse::Ok().body(format!("{record}\n")))),
                false => Ok(HttpResponse::Ok().json(record)),
            }
        }
    }
}

/// What the client gets of an answer that has turned out to be an error.
fn failure(answer: &mut Pin<Box<Answer>>, body: &[u8]) -> Option<HttpResponse> {
    let said = answer.told()?;
    let status = whole::status_of(&serde_json::from_slice(body).unwrap_or_default());
    answer.as_mut().get_mut().answers_with(status);
    Some(HttpResponse::build(status).json(json!({"error": said})))
}

/// A request without a question loads its model, or lets it go.
async fn load(
    exchange: &Exchange,
    model: &Arc<ModelHandle>,
    shape: Shape,
    asked: &Value,
    called: &str,
) -> Answered {
    let keep = request::keep_alive(asked);
    let reason = if keep == Some(KeepAlive::NoLonger) {
        drop(Parting(Arc::clone(model), KeepAlive::NoLonger));
        "unload"
    } else {
        drop(take_lease(exchange, model, || 1).await?);
        drop(keep.map(|keep| Parting(Arc::clone(model), keep)));
        "load"
    };
    let record = answer::nothing(shape, called, reason);
    match request::wants_stream(asked) {
        true => Ok(ndjson(HttpResponse::Ok().body(format!("{record}\n")))),
        false => Ok(HttpResponse::Ok().json(record)),
    }
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let invalid = |message: String| ApiError::new(Kind::InvalidRequest, message);
    let asked = parsed.map_err(|error| invalid(format!("the body is not valid JSON: {error}")))?;
    if asked.is_object() { Ok(asked) } else { Err(invalid("the body must be a JSON object".to_owned())) }
}

fn name_of(asked: &Value) -> Option<&str> {
    let name = asked.get("model").or_else(|| asked.get("name")).and_then(Value::as_str);
    name.filter(|name| !name.is_empty())
}

/// The model that is asked for; Ollama's clients add `:latest` to a name without a tag.
fn named<'a>(shared: &'a Forwarding, asked: &Value) -> Result<&'a Arc<ModelHandle>, ApiError> {
    let name =
        name_of(asked).ok_or_else(|| ApiError::new(Kind::InvalidRequest, "the body has no `model`"))?;
    let bare = name.strip_suffix(":latest").filter(|_| shared.directory.find(name).is_none());
    shared.find(bare.unwrap_or(name))
}

async fn gather(answer: &mut Pin<Box<Answer>>) -> Result<BytesMut, ApiError> {
    gather_after(Bytes::new(), answer).await
}

async fn gather_after(first: Bytes, answer: &mut Pin<Box<Answer>>) -> Result<BytesMut, ApiError> {
    let mut body = BytesMut::from(first);
    while let Some(chunk) = whole::next(answer.as_mut()).await {
        let chunk = chunk?;
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ApiError::new(
                Kind::BackendError,
                "the backend's answer is too large to be translated",
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn ndjson(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

fn streamed(request: &HttpRequest, stream: Stream) -> HttpResponse {
    let response = HttpResponse::build(StatusCode::OK).message_body(stream);
    let mut response = response.map_or_else(
        |error| actix_web::ResponseError::error_response(&ApiError::new(Kind::Internal, error.to_string())),
        HttpResponse::map_into_boxed_body,
    );
    unchunked(request, &mut response);
    ndjson(response)
}

/// What becomes of the model when this is dropped, as `keep_alive` has it.
struct Parting(Arc<ModelHandle>, KeepAlive);

impl Drop for Parting {
    fn drop(&mut self) {
        let Self(model, keep) = self;
        match keep {
            KeepAlive::For(time) => model.keep_alive(Some(*time)),
            KeepAlive::Always => model.keep_alive(None),
            // Unless others use it. The request's own lease may still be held: it is given back at this very moment.
            KeepAlive::NoLonger if model.leases() <= 1 && model.waiting() == 0 => {
                if let Err(refused) =
                    model.order(Verb::Stop(Urgency::Drain), Some(By::rule("`keep_alive: 0` of a request")))
                {
                    let name = &model.spec.name;
                    log::warn!("models/{name}: keep_alive: 0 could not stop it: {}", refused.message);
                }
            }
            KeepAlive::NoLonger => {}
        }
    }
}

/// The lines of a stream.
struct Stream {
    answer: Pin<Box<Answer>>,
    /// Until the final record.
    translator: Option<Translator>,
    /// Lines that were there before the head.
    ready: Bytes,
    _parting: Option<Parting>,
}

impl MessageBody for Stream {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let stream = self.get_mut();
        if !stream.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut stream.ready))));
        }
        loop {
            let Some(translator) = &mut stream.translator else { return Poll::Ready(None) };
            let lines = match stream.answer.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => translator.push(&chunk),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let last = translator.finish(stream.answer.told());
                    stream.translator = None;
                    last
                }
                Poll::Pending => return Poll::Pending,
            };
            if !lines.is_empty() {
                return Poll::Ready(Some(Ok(lines)));
            }
        }
    }
}
