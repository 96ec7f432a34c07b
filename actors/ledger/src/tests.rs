//! The ledger on SQLite, and on a real PostgreSQL where there is one.

mod copying;
mod documented;
mod journal;
mod maintain;
mod migrations;
mod opening;
mod paging;
mod parkings;
mod reports;
mod statement;
mod writing;
