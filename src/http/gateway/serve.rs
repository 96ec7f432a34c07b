//! The OpenAI side: finds the model that a request names, waits for its backend, and hands the answer on.
//!
//! In the order of a request's life: key, body, model, mode, lease, backend, answer.

use super::account::Account;
use super::answer::Answer;
use super::asked::Asked;
use super::asking;
use super::exchange::Exchange;
use super::forms::Form;
use super::forward::{Changes, Outgoing, Reply, outgoing_headers};
use super::loading::{self, Exchanged, Exchanging, Loading};
use super::lookup::{mismatch, serving};
use super::paths::{self, Elsewhere};
use super::rename::{Renamed, Renamer};
use super::respond::respond;
use super::worker::Worker;
use super::{body, catalog, websocket, whole};
use crate::http::access::Door;
use crate::http::error::ApiError;
use crate::http::gateway::forwarding::Now;
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
    shared: Now,
    worker: web::Data<Worker>,
) -> HttpResponse {
    if let Some(answer) = shared.access.origins.preflight(&request) {
        return answer;
    }
    let mut exchange = Exchange::begin(request, shared, worker);
    let result = handle(&mut exchange, payload).await;
    let response = exchange.end(result, |request| Form::of(request.path(), request.headers()));
    exchange.shared.access.origins.allow(&exchange.request, response)
}

async fn handle(exchange: &mut Exchange, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    exchange.enter(Door::Programs).await?;
    let exchange = &*exchange;
    let Exchange { request, shared, .. } = exchange;
    let Some(found) = shared.endpoints.find(request.path()) else { return elsewhere(exchange) };
    if websocket::is_asked_for(request.headers()) {
        return websocket::serve(exchange, payload, &found).await;
    }
    if !found.endpoint.takes(request.method().as_str()) {
        return Err(paths::not_taken(found.endpoint, request.method()));
    }
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let asked = Asked::read(request, &received.bytes)?;
    let model = shared.find(asked.model())?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    let endpoint = serving(model, &found);
    let question = asked.question(&received.bytes);
    let mut account = Account::open(exchange, model, question, endpoint.unwrap_or(found.endpoint));
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
                    let (_, answer) = Answer::new(reply, id, account);
                    match rename {
                        Some(renamer) => BoxBody::new(Renamed::new(answer, renamer)),
                        None => BoxBody::new(answer),
                    }
                };
                return Ok(Loading::respond(request, Form::of_path(&endpoint.path), exchanging, body));
            }
        }
    } else {
        let path = found.path.as_deref();
        let exchanged = forward_asked(exchange, path, &received, &asked, model, endpoint, &mut account).await;
        (account, exchanged)
    };
    match exchanged {
        Ok(reply) => match reply.gather {
            Some(form) => whole::respond(exchange, form, reply, account, called.as_deref()).await,
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
    received: body::Received,
}

impl Whole {
    async fn run(self, mut account: Account) -> Exchanged {
        let Self { exchange, model, endpoint, path, received } = &self;
        let asked = match Asked::read(&exchange.request, &received.bytes) {
            Ok(asked) => asked,
            Err(error) => return (account, Err(error)),
        };
        let path = path.as_deref();
        let exchanged = forward_asked(exchange, path, received, &asked, model, endpoint, &mut account).await;
        (account, exchanged)
    }
}

/// What the engine shall do that the client hasn't asked for.
fn changes(asked: &Asked<'_>, body: &[u8], model: &ModelHandle, endpoint: &Endpoint) -> Changes {
    if asked.may_stream() {
        let usage = asked.ask_for_usage(endpoint).filter(|_| asking::may_ask_for_usage(model));
        return usage.map_or(Changes::None, Changes::Usage);
    }
    asking::as_stream(asked, body, model, endpoint)
}

/// Brings a request to its backend, and asks for the usage where the engine has to be asked for it.
async fn forward_asked(
    exchange: &Exchange,
    path: Option<&str>,
    received: &body::Received,
    asked: &Asked<'_>,
    model: &Arc<ModelHandle>,
    endpoint: &Endpoint,
    account: &mut Account,
) -> Result<Reply, ApiError> {
    let changes = changes(asked, &received.bytes, model, endpoint);
    let outgoing = Outgoing {
        path,
        below: "",
        headers: outgoing_headers(exchange, received.unpacked),
        body: &received.bytes,
        asked: Some(asked),
        changes,
    };
    asking::asking(exchange, outgoing, model, account).await
}

/// A path that is no endpoint: the list of models in another spelling, or nothing that we know.
fn elsewhere(exchange: &Exchange) -> Result<HttpResponse, ApiError> {
    let Exchange { request, shared, caller, .. } = exchange;
    let path = tidy(request.path());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match paths::elsewhere(&path).filter(|_| is_read) {
        Some(Elsewhere::Models) => Ok(catalog::all(shared, *caller)),
        Some(Elsewhere::Model(id)) => catalog::of(shared, *caller, id),
        None => Err(paths::unknown(shared, request)),
    }
}
