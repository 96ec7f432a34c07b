//! Faults on purpose, for tests of the supervision.

use actix::Message;

/// Makes an actor panic; sent only with fault injection switched on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Panic;
