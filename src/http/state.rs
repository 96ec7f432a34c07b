//! How a request gets what it needs of the program: from the app data of its wing, as it is when the request comes.

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::{FromRequest, HttpRequest};
use arc_swap::ArcSwap;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

/// Where what a wing is given is found; cheap to clone. Nothing in it changes: a reload puts another in its place.
pub struct Current<W>(Arc<ArcSwap<W>>);

/// What a wing was given when a request came. Whoever holds it for long keeps models that have left the configuration from
/// ending.
pub struct RequestState<W>(Arc<W>);

impl<W: 'static> Current<W> {
    pub(super) fn new(given: W) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(given)))
    }

    pub fn now(&self) -> RequestState<W> {
        RequestState(self.0.load_full())
    }

    /// For requests that come from now on.
    pub(super) fn replace(&self, given: W) {
        self.0.store(Arc::new(given));
    }

    /// That of the application to which a request belongs.
    pub(super) fn of(request: &HttpRequest) -> Result<&Self, actix_web::Error> {
        request.app_data::<Self>().ok_or_else(|| ErrorInternalServerError("the settings are missing"))
    }
}

impl<W> Clone for Current<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Clone for RequestState<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Deref for RequestState<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.0
    }
}

impl<W: 'static> FromRequest for RequestState<W> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Current::of(request).map(Current::now))
    }
}
