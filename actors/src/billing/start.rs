//! Makes the handle: opens the ledger, and everything that outlives the actor.

use super::handle::{Core, Counters, Ledger, LedgerState};
use super::overflow::{Overflow, with_suffix};
use super::prices::Prices;
use arc_swap::{ArcSwap, ArcSwapOption};
use llm_manager_ledger::{
    Company, FolderLock, KeySource, LedgerFileHandle, Location, OpenError, Opened, StoreError, Writer,
    now_us, open_in,
};
use llm_manager_policy::spec::Electricity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// In the environment of a measurement: `off`.
const RECORDING: &str = "LLM_MANAGER_RECORDING";

/// What can be set.
#[derive(Clone, Debug)]
pub struct BillingSettings {
    /// `program.database`.
    pub location: Location,
    /// Where the overflow file goes when the ledger is not a file itself.
    pub state_dir: PathBuf,
    /// Days that rows of requests are kept; `None`: for ever.
    pub retention_days: Option<u32>,
    /// What electricity costs.
    pub electricity: Option<Electricity>,
    /// Pause between two signs of life in the ledger.
    pub heartbeat: Duration,
    /// Events that the queue holds.
    pub queue: usize,
    /// Whether other managers may have the same ledger.
    pub company: Company,
}

impl BillingSettings {
    /// The usual ones.
    pub fn new(location: Location, state_dir: PathBuf) -> Self {
        Self {
            location,
            state_dir,
            retention_days: None,
            electricity: None,
            heartbeat: Duration::from_secs(5),
            queue: 65_536,
            company: Company::Alone,
        }
    }
}

/// Where rows wait for the ledger.
pub(super) fn overflow_path(location: &Location, state_dir: &Path) -> PathBuf {
    match location {
        Location::File(path) => with_suffix(path, ".overflow"),
        Location::Postgres(_) => state_dir.join("ledger.overflow"),
    }
}

/// Opens the ledger and makes the handle to it. Blocks: before anything is served. The actor is started
/// with `Billing::new`, as often as it crashes.
pub fn start(settings: &BillingSettings, version: &str) -> Result<(Ledger, Opened), OpenError> {
    let location = &settings.location;
    let eye = match location {
        Location::File(path) => Some(Arc::new(LedgerFileHandle::new(path.clone()))),
        Location::Postgres(_) => None,
    };
    let hold = FolderLock::take_with(&settings.state_dir, location, eye.as_ref())?;
    let opened = open_in(location, version, now_us(), settings.company)?;
    if let Some(aside) = &opened.stray_journal {
        log::warn!(
            "billing: the journal beside {location} was not written upon the file that is there now, as after a crash and a \
             `cp`, and is {} now: it has the newest rows of the former file, and is read with that one alone",
            aside.display()
        );
    }
    let overflow_path = overflow_path(location, &settings.state_dir);
    let overflow = Overflow::start(overflow_path.clone()).map_err(|error| OpenError::Failed {
        place: overflow_path.display().to_string(),
        detail: error.to_string(),
    })?;
    let (put, take) = crossbeam_channel::bounded(settings.queue);
    let (spares, spare) = crossbeam_channel::bounded(1);
    let core = Core {
        location: location.clone(),
        company: settings.company,
        lent: ArcSwap::default(),
        version: version.to_owned(),
        program_run: AtomicI64::new(opened.program_run),
        started_us: opened.started_us,
        started: Instant::now(),
        beaten_us: AtomicU64::new(0),
        open_runs: ArcSwap::default(),
        eye,
        spare,
        spares,
        hold: ArcSwapOption::from_pointee(hold),
        reader: opened.reader.clone(),
        put,
        take,
        wake: Notify::new(),
        woken: AtomicBool::new(false),
        in_flight: ArcSwapOption::empty(),
        overflow,
        overflow_path,
        prices: ArcSwap::from_pointee(Prices::default()),
        keys: KeySource::new(),
        last_run: AtomicI64::new(0),
        closed: AtomicBool::new(false),
        alarm: AtomicBool::new(false),
        counters: Counters::default(),
        last_error: ArcSwapOption::empty(),
        state: AtomicU8::new(LedgerState::Idle as u8),
        records: std::env::var_os(RECORDING).is_none_or(|value| value != "off"),
        electricity: ArcSwapOption::new(settings.electricity.map(Arc::new)),
        retention_days: AtomicU32::new(settings.retention_days.unwrap_or(u32::MAX)),
    };
    if !core.records {
        log::warn!("{RECORDING}=off: requests are not recorded");
    }
    let writer = Writer::open_held(location, core.eye.as_ref(), core.company).and_then(|mut writer| {
        core.load_prices(&mut writer)?;
        Ok(writer)
    });
    let writer = writer.map_err(|error| match error {
        StoreError::Taken(holder) => OpenError::Taken { place: location.to_string(), holder },
        error => OpenError::Failed { place: location.to_string(), detail: error.to_string() },
    })?;
    let _ = core.spares.try_send(writer);
    Ok((Ledger(Arc::new(core)), opened))
}
