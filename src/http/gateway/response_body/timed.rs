//! An answer of a model with an `idle_timeout`: it can be looked at while its client takes nothing.

use super::ResponseBody;
use crate::http::gateway::socket::{ConnectionState, TimedAnswer};
use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Bytes that are read ahead of a client that takes nothing, to see whether the backend still sends.
const AHEAD: usize = 1 << 20;

/// The body as the server gets it.
pub(in crate::http::gateway) fn served(answer: ResponseBody, request: &HttpRequest) -> BoxBody {
    if answer.silence.is_none() {
        return BoxBody::new(answer);
    }
    let told = Arc::clone(&answer.told);
    let (shared, held) = Shared::new(answer);
    ConnectionState::watch(request, &told, Some(held));
    BoxBody::new(shared)
}

/// The answer as the server holds it.
struct Shared(Rc<RefCell<ResponseBody>>);

impl Shared {
    /// The body, and what the connection looks at.
    fn new(answer: ResponseBody) -> (Self, Weak<dyn TimedAnswer>) {
        let answer = Rc::new(RefCell::new(answer));
        let held: Rc<dyn TimedAnswer> = Rc::clone(&answer) as Rc<dyn TimedAnswer>;
        (Self(answer), Rc::downgrade(&held))
    }
}

impl MessageBody for Shared {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.0.borrow().size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl TimedAnswer for RefCell<ResponseBody> {
    fn has_ended(&self) -> bool {
        // The connection looks only while it doesn't ask for the next part.
        let Ok(mut answer) = self.try_borrow_mut() else { return false };
        let mut parts = std::mem::take(&mut answer.ready);
        let mut held: usize = parts.iter().map(Bytes::len).sum();
        while held < AHEAD && answer.body.is_some() {
            let Poll::Ready(Some(part)) = answer.poll_backend(&mut Context::from_waker(Waker::noop())) else {
                break;
            };
            let more = std::mem::take(&mut answer.ready);
            for part in std::iter::once(part).chain(more) {
                held += part.len();
                parts.push_back(part);
            }
        }
        answer.ready = parts;
        if held >= AHEAD {
            // It may have more to say: a backend that is not listened to isn't silent.
            answer.heard();
        }
        answer.silent
    }
}
