//! `llm-manager tray`: an icon that shows how the manager is, with a menu of what one does most. A program of its own,
//! which asks the manager as the command line does: it may be started before it, and outlives it.

#[cfg(feature = "tray")]
mod icon;
#[cfg(feature = "tray")]
mod link;
#[cfg(feature = "tray")]
mod login;
#[cfg(any(feature = "tray", test))]
mod menu;
#[cfg(feature = "tray")]
mod ui;

#[cfg(feature = "tray")]
pub(crate) use login::{set as set_login, tell as tell_login};
#[cfg(feature = "tray")]
pub(crate) use ui::run;
