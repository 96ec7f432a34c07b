//! Takes over the ledger of the original LLM-Manager (v2 and v3): requests, runs and prices. A row's key comes from
//! what is in it, so that a second import, of a copy too, adds nothing.

mod price;
mod source;
#[cfg(test)]
mod tests;

use super::db::{ConnectionRole, Location, connect};
use super::error::StoreError;
use super::labels::Labels;
use super::migrate;
use super::plans::{PlanSource, insert_plan};
use super::row::{
    LedgerEvent, Micros, Outcome, Pricing, RequestRow, RowKey, RunRow, TokenCounts, UsageSource, now_us,
};
use super::write::Writer;
use price::{CURRENCY, ImportedPrices};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use source::{Configuration, DefinedModel, ImportedVariant};
use source::{ImportDatabase, ImportedRequest, micros};

/// Rows in one transaction: long enough to be quick, short enough for the lock.
const BATCH: usize = 5_000;
/// What stands where ours has the launch configuration and the path.
const IMPORTED: &str = "imported";
/// A manager whose last sign of life is younger runs; it gives one every five seconds.
const ALIVE: Micros = 30_000_000;

/// A ledger of the original program.
pub struct Original {
    source: ImportDatabase,
}

/// What the original calls a model, and what it is called here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in our ledger.
    pub name: Arc<str>,
    /// Its mode.
    pub mode: Arc<str>,
}

/// What there is of one model, or what has been taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The original's name.
    pub original: String,
    /// The name here.
    pub name: String,
    /// Requests and runs in the original.
    pub requests: u64,
    /// The same for runs.
    pub runs: u64,
    /// Those of them that are new here.
    pub new_requests: u64,
    /// What became of its prices, in words.
    pub prices: String,
    /// What could not be taken as it is.
    pub notes: Vec<String>,
}

impl Original {
    /// Opens the database at `path`, which is not changed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { source: ImportDatabase::open(path)? })
    }

    /// Which version of the original writes such a database.
    pub fn version(&self) -> &'static str {
        self.source.version()
    }

    /// The configuration that version 3 keeps in its database: settings and models.
    pub fn configuration(&mut self) -> Result<Option<Configuration>, StoreError> {
        self.source.configuration()
    }

    /// What there is to import, model by model; writes nothing.
    pub fn look(&mut self, target: &dyn Fn(&str) -> Target) -> Result<Vec<Imported>, StoreError> {
        let mut found = Vec::new();
        for model in self.source.models()? {
            let prices = ImportedPrices::of(&self.source.prices(&model)?);
            let (requests, runs) = self.source.counts(&model)?;
            found.push(Imported {
                name: target(&model.name).name.to_string(),
                original: model.name,
                requests,
                runs,
                new_requests: 0,
                prices: prices.words(),
                notes: prices.notes,
            });
        }
        Ok(found)
    }

    /// Writes everything that isn't there yet into the ledger at `location`, which must not be in use.
    pub fn import(
        &mut self,
        location: &Location,
        target: &dyn Fn(&str) -> Target,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Imported>, StoreError> {
        migrate::prepare(location, super::folder_lock::Company::Alone)
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        refuse_while_it_runs(location)?;
        let mut writer = Writer::open(location)?;
        let mut done = Vec::new();
        let mut rows = 0;
        for model in self.source.models()? {
            let target = target(&model.name);
            let mut prices = ImportedPrices::of(&self.source.prices(&model)?);
            let mut one = Imported {
                name: target.name.to_string(),
                original: model.name.clone(),
                ..Imported::default()
            };
            let plan_id = plan(&mut writer, &target.name, &mut prices, self.source.first(&model)?)?;
            one.prices = prices.words();
            one.notes = std::mem::take(&mut prices.notes);

            let runs = self.source.runs(&model)?;
            one.runs = runs.len() as u64;
            let open = runs.iter().filter(|(_, ended)| ended.is_none()).count();
            if open > 0 {
                one.notes.push(format!("{open} runs have no end: counted as ended when they began"));
            }
            let runs: Vec<LedgerEvent> = runs
                .iter()
                .map(|run| LedgerEvent::Run(Box::new(run_row(&model.name, &target, *run))))
                .collect();
            for batch in runs.chunks(BATCH) {
                writer.write(batch, true)?;
            }

            let mut maker = Maker::new(&model.name, &target, &prices, plan_id);
            let mut batch = Vec::with_capacity(BATCH);
            self.source.requests(&model, &mut |request| {
                batch.push(LedgerEvent::Request(Box::new(maker.row(&request))));
                one.requests += 1;
                if batch.len() == BATCH {
                    one.new_requests += writer.write(&batch, true)?.requests as u64;
                    rows += batch.len() as u64;
                    batch.clear();
                    progress(rows);
                }
                Ok(())
            })?;
            one.new_requests += writer.write(&batch, true)?.requests as u64;
            rows += batch.len() as u64;
            if maker.repeated > 0 {
                one.notes.push(format!(
                    "{} requests are alike in everything, and are kept apart by their order",
                    maker.repeated
                ));
            }
            done.push(one);
        }
        Ok(done)
    }
}

fn refuse_while_it_runs(location: &Location) -> Result<(), StoreError> {
    let since = now_us() - ALIVE;
    let mut db = connect(location, ConnectionRole::Setup)?;
    let alive = db.number(&format!(
        "SELECT COUNT(*) AS number FROM program_runs WHERE ended_us IS NULL AND heartbeat_us > {since}"
    ))?;
    if alive > 0 {
        return Err(StoreError::Refused(
            "a manager uses it now: stop it first (after a crash, wait 30 seconds)".to_owned(),
        ));
    }
    Ok(())
}

/// Writes the prices as a plan, unless the model has a past here: that must not change.
fn plan(
    writer: &mut Writer,
    model: &Arc<str>,
    prices: &mut ImportedPrices,
    first: Option<Micros>,
) -> Result<Option<i64>, StoreError> {
    let Some(plan) = prices.plan.clone() else { return Ok(None) };
    let has_past = writer.transact(|db, names| {
        let id = names.model(db, model, now_us())?;
        let mut sum = 0;
        for table in ["price_plans", "runs", "facets"] {
            sum += db.number(&format!("SELECT COUNT(*) AS number FROM {table} WHERE model_id = {id}"))?;
        }
        Ok(sum > 0)
    })?;
    if has_past {
        prices.notes.push("the model has data here already, so its price plan is left as it is; the imported requests keep the price that they had".to_owned());
        prices.plan = None;
        return Ok(None);
    }
    let from = first.unwrap_or_else(now_us);
    writer
        .transact(|db, names| insert_plan(db, names, model, Some(&plan), (from, now_us()), PlanSource::Api))
        .map(Some)
}

/// Makes rows of one model.
struct Maker<'a> {
    original: &'a str,
    prices: &'a ImportedPrices,
    plan_id: Option<i64>,
    priced: Arc<Labels>,
    free: Arc<Labels>,
    /// How often a content has come at this instant.
    alike: HashMap<[u8; 10], u8>,
    at: Micros,
    repeated: u64,
}

impl<'a> Maker<'a> {
    fn new(original: &'a str, target: &Target, prices: &'a ImportedPrices, plan_id: Option<i64>) -> Self {
        let labels = |currency: &str| {
            Arc::new(Labels {
                model: Arc::clone(&target.name),
                variant: IMPORTED.into(),
                mode: Arc::clone(&target.mode),
                endpoint: IMPORTED.into(),
                api_key: "".into(),
                currency: currency.into(),
            })
        };
        let (priced, free) = (labels(CURRENCY), labels(""));
        Self { original, prices, plan_id, priced, free, alike: HashMap::new(), at: 0, repeated: 0 }
    }

    fn row(&mut self, request: &ImportedRequest) -> RequestRow {
        let ended = micros(request.ended);
        let started = if request.started > 0.0 { micros(request.started).min(ended) } else { ended };
        let (pricing, cost) = self.prices.price(request);
        let labels = Arc::clone(if cost.is_some() { &self.priced } else { &self.free });
        let mut row = RequestRow {
            key: self.key(request, ended),
            request_id: String::new(),
            labels,
            started_us: started,
            duration_us: ended - started,
            status: 200,
            outcome: Outcome::Ok,
            tokens: TokenCounts {
                input: Some(request.input),
                cached: Some(request.cached),
                output: Some(request.output),
                ..TokenCounts::default()
            },
            usage_source: UsageSource::Backend,
            cost,
            pricing,
            plan_id: self.plan_id.filter(|_| pricing != Pricing::NoPlan),
            ..RequestRow::default()
        };
        row.bound();
        row
    }

    /// Time first, so that the index grows at its end; then what is in the row.
    fn key(&mut self, request: &ImportedRequest, ended: Micros) -> RowKey {
        let mut hash = Sha256::new();
        hash.update(self.original.as_bytes());
        for number in [request.started.to_bits(), request.ended.to_bits()] {
            hash.update(number.to_be_bytes());
        }
        for number in [request.input, request.output, request.cached, request.prompt] {
            hash.update(number.to_be_bytes());
        }
        let digest = hash.finalize();
        let mut content = [0; 10];
        content.copy_from_slice(digest.get(..10).unwrap_or(&[0; 10]));
        if ended != self.at {
            self.at = ended;
            self.alike.clear();
        }
        let count = self.alike.entry(content).or_default();
        if *count > 0 {
            self.repeated += 1;
        }
        // Of alike rows, the second has another key than the first, in every import.
        if let Some(last) = content.last_mut() {
            *last = last.wrapping_add(*count);
        }
        *count = count.saturating_add(1);
        let low = content.iter().fold(0_u128, |low, byte| low << 8 | u128::from(*byte));
        let millis = u128::from((ended / 1000).max(0).cast_unsigned()) & ((1 << 48) - 1);
        RowKey(millis << 80 | low)
    }
}

fn run_row(original: &str, target: &Target, (started, ended): (f64, Option<f64>)) -> RunRow {
    let started_us = micros(started);
    let ended_us = ended.map_or(started_us, |ended| micros(ended).max(started_us));
    let mut hash = Sha256::new();
    hash.update(original.as_bytes());
    hash.update(started.to_bits().to_be_bytes());
    let digest = hash.finalize();
    let id = digest.iter().take(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    RunRow {
        // Positive, and never 0.
        id: (id >> 1 | 1).cast_signed(),
        model: Arc::clone(&target.name),
        variant: IMPORTED.into(),
        started_us,
        // The original pays from the start.
        ready_us: Some(started_us),
        heartbeat_us: ended_us,
        ended_us: Some(ended_us),
        end_reason: Some("imported from the original program".to_owned()),
        ..RunRow::default()
    }
}
