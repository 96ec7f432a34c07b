//! The dashboard's types, made from the views: `webui/src/shared/api/generated.ts`.

use super::billing;
use super::devices;
use super::files;
use super::memory;
use super::notify;
use super::placement;
use super::queue;
use super::requests;
use super::running;
use super::runs;
use super::server_event::ServerEvent;
use super::statement;
use super::storage;
use super::usage;
use super::views;
use super::{audit, captures};
use std::fmt::Write;
use std::path::Path;
use ts_rs::{Config, TS, TypeVisitor};

const FILE: &str = "webui/src/shared/api/generated.ts";

/// Declarations by name, each once.
struct Declarations {
    config: Config,
    done: std::collections::BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only what was derived has a file of its own.
        if T::output_path().is_none() || self.done.contains_key(&T::ident(&self.config)) {
            return;
        }
        let mut text = T::docs().unwrap_or_default();
        let _ = writeln!(text, "export {}", T::decl(&self.config));
        self.done.insert(T::ident(&self.config), text);
        T::visit_dependencies(self);
    }
}

fn generated() -> String {
    // JSON has one kind of number, and no count here reaches 2^53.
    let config = Config::new().with_large_int("number");
    let mut all = Declarations { config, done: std::collections::BTreeMap::new() };
    all.visit::<views::ModelDetails>();
    all.visit::<views::LineView<'static>>();
    all.visit::<views::NodeView>();
    all.visit::<placement::PlacementView>();
    all.visit::<memory::MemoryView>();
    all.visit::<devices::HistoryView>();
    all.visit::<ServerEvent>();
    all.visit::<usage::views::ReportView<'static>>();
    all.visit::<usage::views::SeriesView<'static>>();
    all.visit::<requests::PageView<'static>>();
    all.visit::<statement::StatementView>();
    all.visit::<audit::AuditPageView>();
    all.visit::<captures::CaptureView<'static>>();
    all.visit::<notify::OutletView>();
    all.visit::<notify::TestView>();
    all.visit::<queue::QueuedView>();
    all.visit::<files::FolderView>();
    all.visit::<running::RunningView>();
    all.visit::<runs::LedgerRunsView>();
    all.visit::<runs::OneRunView>();
    all.visit::<runs::RunSharesView>();
    all.visit::<billing::PlansView<'static>>();
    all.visit::<storage::StorageView<'static>>();
    let head = "// @generated from the Rust types by `UPDATE_TYPES=1 cargo test -p llm-manager --lib typescript`; don't edit.\n";
    let all: Vec<String> = all.done.into_values().collect();
    format!("{head}\n{}", all.join("\n"))
}

/// Compares a file that is made from the views with what they say now, or with `UPDATE_TYPES` writes it.
pub(crate) fn assert_fresh(file: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(&path, fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == fresh,
        "{file} is not what the Rust types say; run `UPDATE_TYPES=1 cargo test -p llm-manager --lib http`"
    );
}

#[test]
fn the_types_of_the_dashboard_are_those_of_the_views() {
    assert_fresh(FILE, &generated());
}
