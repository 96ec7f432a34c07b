//! Notify: what is worth a word to whoever looks after the manager, to whom it goes, how often, and what becomes of a
//! word that can't be sent.
//!
//! Each cause (a kind of event and what it is about) is told at most once in an [`HOUR`]. A device that comes and goes
//! meanwhile is told at the end of the hour if it isn't as was told last. Each outlet has its own bounded line and its own
//! back-off, so that one that is broken holds up nobody else.

mod notice;
mod outbox;
mod watch;

pub use notice::{Notice, NoticeKind};
pub use outbox::{
    At, CAUSES, Delivery, DropReason, Effect, Event, HOUR, OLDEST, Outlet, OutletConfig, Retry, State,
    WAITING, step,
};
pub use watch::{Budget, Certificate, Memory, ModelObservation, Observations, look};
