//! The OpenAI side: finds the model that a request names, waits for its backend, and hands the answer on.
//!
//! In the order of a request's life: key, body, model, mode, lease, backend, answer.

use super::account::RequestAccount;
use super::client_api::ClientApi;
use super::exchange::Exchange;
use super::forward::{BackendResponse, Changes, OutgoingRequest, outgoing_headers};
use super::loading::{self, Exchanged, Exchanging, Loading};
use super::lookup::{mismatch, serving};
use super::rename::{RenamedBody, Renamer};
use super::request_additions;
use super::requested_model::RequestedModel;
use super::respond::respond;
use super::response_body::ResponseBody;
use super::unknown_paths::{self, Elsewhere};
use super::worker::Worker;
use super::{body, catalog, gathered, websocket};
use crate::http::access::AccessArea;
use crate::http::error::ApiError;
use crate::http::gateway::forwarding::ForwardingState;
use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::endpoints::{Endpoint, tidy};
use std::sync::Arc;

/// Every other path: a request for a model, or nothing that we know.
pub(crate) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    if let Some(answer) = shared.access.origins.preflight(&request) {
        return answer;
    }
    let mut exchange = Exchange::begin(request, shared, worker);
    let result = handle(&mut exchange, payload).await;
    let response = exchange.end(result, |request| ClientApi::of(request.path(), request.headers()));
    exchange.shared.access.origins.allow(&exchange.request, response)
}

async fn handle(exchange: &mut Exchange, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    exchange.enter(AccessArea::Programs).await?;
    let exchange = &*exchange;
    let Exchange { request, shared, .. } = exchange;
    let Some(found) = shared.endpoints.find(request.path()) else { return elsewhere(exchange) };
    if websocket::is_asked_for(request.headers()) {
        // On the heap, as all that few requests need: what waits for its model is as large as the largest of it.
        return Box::pin(websocket::serve(exchange, payload, &found)).await;
    }
    if !found.endpoint.takes(request.method().as_str()) {
        return Err(unknown_paths::not_taken(found.endpoint, request.method()));
    }
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let asked = RequestedModel::read(request, &received.bytes)?;
    let model = shared.find(asked.model())?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    let endpoint = serving(model, &found);
    let question = asked.question(&received.bytes);
    let mut account = RequestAccount::open(exchange, model, question, endpoint.unwrap_or(found.endpoint));
    account.capture(exchange, &received.bytes);
    let Some(endpoint) = endpoint else {
        let error = mismatch(model, request.path());
        account.failed(&error);
        return Err(error);
    };
    let called = model.spec.rewrite_model.then(|| asked.model().to_owned());
    let rename = called.as_deref().map(Renamer::new);
    let (mut account, exchanged) = if asked.wants_stream() && exchange.tells_of_loading() {
        let whole = Whole {
            exchange: exchange.clone(),
            model: Arc::clone(model),
            endpoint: Arc::clone(endpoint),
            path: found.path.clone(),
            received,
        };
        let mut exchanging: Exchanging = Box::pin(whole.run(account));
        match tokio::time::timeout(loading::PATIENCE, &mut exchanging).await {
            Ok(exchanged) => exchanged,
            Err(_) => {
                let id = exchange.id.clone();
                let body = |reply, account| {
                    let (_, answer) = ResponseBody::new(reply, id, account);
                    match rename {
                        Some(renamer) => BoxBody::new(RenamedBody::new(answer, renamer)),
                        None => BoxBody::new(answer),
                    }
                };
                return Ok(Loading::respond(request, ClientApi::of_path(&endpoint.path), exchanging, body));
            }
        }
    } else {
        let path = found.path.as_deref();
        let exchanged = forward_asked(exchange, path, &received, &asked, model, endpoint, &mut account).await;
        (account, exchanged)
    };
    match exchanged {
        Ok(reply) => match reply.gather {
            Some(form) => {
                Box::pin(gathered::respond(exchange, form, reply, account, called.as_deref())).await
            }
            None => Ok(respond(exchange, reply, account, rename)),
        },
        Err(error) => {
            account.failed(&error);
            Err(error)
        }
    }
}

/// A request with all that it needs, so that its answer can begin before it has come.
struct Whole {
    exchange: Exchange,
    model: Arc<ModelHandle>,
    endpoint: Arc<Endpoint>,
    path: Option<String>,
    received: body::ReceivedBody,
}

impl Whole {
    async fn run(self, mut account: RequestAccount) -> Exchanged {
        let Self { exchange, model, endpoint, path, received } = &self;
        let asked = match RequestedModel::read(&exchange.request, &received.bytes) {
            Ok(asked) => asked,
            Err(error) => return (account, Err(error)),
        };
        let path = path.as_deref();
        let exchanged = forward_asked(exchange, path, received, &asked, model, endpoint, &mut account).await;
        (account, exchanged)
    }
}

/// What the engine shall do that the client hasn't asked for.
fn changes(asked: &RequestedModel<'_>, body: &[u8], model: &ModelHandle, endpoint: &Endpoint) -> Changes {
    if asked.may_stream() {
        let usage = asked.ask_for_usage(endpoint).filter(|_| request_additions::may_ask_for_usage(model));
        return usage.map_or(Changes::None, Changes::Usage);
    }
    request_additions::as_stream(asked, body, model, endpoint)
}

/// Brings a request to its backend, and asks for the usage where the engine has to be asked for it.
async fn forward_asked(
    exchange: &Exchange,
    path: Option<&str>,
    received: &body::ReceivedBody,
    asked: &RequestedModel<'_>,
    model: &Arc<ModelHandle>,
    endpoint: &Endpoint,
    account: &mut RequestAccount,
) -> Result<BackendResponse, ApiError> {
    let changes = changes(asked, &received.bytes, model, endpoint);
    let outgoing = OutgoingRequest {
        path,
        below: "",
        headers: outgoing_headers(exchange, received.unpacked),
        body: &received.bytes,
        asked: Some(asked),
        changes,
    };
    request_additions::asking(exchange, outgoing, model, account).await
}

/// A path that is no endpoint: the list of models in another spelling, or nothing that we know.
fn elsewhere(exchange: &Exchange) -> Result<HttpResponse, ApiError> {
    let Exchange { request, shared, caller, .. } = exchange;
    let path = tidy(request.path());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match unknown_paths::elsewhere(&path).filter(|_| is_read) {
        Some(Elsewhere::Models) => Ok(catalog::all(shared, *caller)),
        Some(Elsewhere::Model(id)) => catalog::of(shared, *caller, id),
        None => Err(unknown_paths::unknown(shared, request)),
    }
}
