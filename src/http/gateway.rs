//! Gateway: a request for a model, from its first byte to its row in the ledger.
//!
//! `serve` reads a request (`body`, `asked`), brings it to a backend (`forward`, `upstream`), and hands the answer on
//! (`answer`), which keeps its `account`.

pub(super) mod account;
pub(super) mod actor;
mod admission;
pub(super) mod answer;
pub(super) mod asked;
pub(super) mod assembly;
pub(super) mod body;
mod capture;
pub(super) mod catalog;
pub(super) mod exchange;
mod finished;
pub(super) mod form;
pub(super) mod forms;
pub(super) mod forward;
pub(super) mod grow;
pub(super) mod headers;
pub(super) mod in_flight;
pub(super) mod loading;
pub(super) mod lookup;
pub(super) mod ollama;
pub(super) mod passthrough;
pub(super) mod paths;
pub(super) mod rename;
pub(super) mod request_id;
pub(super) mod respond;
pub(super) mod scan;
mod sender;
pub(super) mod serve;
pub(super) mod socket;
pub(super) mod stray;
pub(super) mod unpack;
pub(super) mod upstream;
pub(super) mod websocket;
pub(super) mod whole;
pub(super) mod words;
pub(super) mod worker;
