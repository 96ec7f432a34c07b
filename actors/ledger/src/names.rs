//! Models, facets and senders by their names: looked up once, then remembered by the writer.

use super::db::Db;
use super::error::StoreError;
use super::histogram::HistogramCache;
use super::labels::Labels;
use super::rollup::floor_to;
use super::row::Micros;
use super::schema::{facets, models, senders};
use super::sender::Sender;
use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::HashMap;
use std::sync::Arc;

/// More facets or senders than this are forgotten and looked up again: labels that come from outside must not fill
/// the memory.
const MOST_REMEMBERED: usize = 10_000;
/// Senders are kept by the day.
const DAY_SECONDS: i64 = 86_400;

/// What the writer remembers.
#[derive(Debug, Default)]
pub(super) struct NameCache {
    models: HashMap<Arc<str>, i64>,
    facets: HashMap<Labels, i64>,
    /// By the model's id and the currency.
    leads: HashMap<(i64, Arc<str>), i64>,
    /// By the model's id; with the time until which its rows end.
    senders: HashMap<(i64, Arc<Sender>), (i64, Micros)>,
    pub(super) times: HistogramCache,
}

#[derive(Insertable)]
#[diesel(table_name = models)]
struct NewModel<'a> {
    name: &'a str,
    first_seen_us: i64,
}

#[derive(Insertable)]
#[diesel(table_name = facets)]
struct NewFacet<'a> {
    model_id: i64,
    variant: &'a str,
    mode: &'a str,
    endpoint: &'a str,
    api_key: &'a str,
    currency: &'a str,
    row_count: i64,
    byte_count: i64,
}

#[derive(Insertable)]
#[diesel(table_name = senders)]
struct NewSender<'a> {
    model_id: i64,
    address: &'a str,
    user_agent: &'a str,
    asked_model: &'a str,
    stream: bool,
    until_us: i64,
}

impl NameCache {
    /// Forgets all: names have changed, or a transaction that made some was rolled back.
    pub(super) fn forget(&mut self) {
        self.models.clear();
        self.facets.clear();
        self.leads.clear();
        self.senders.clear();
        self.times.clear();
    }

    /// The model's id; it is made when the name is new.
    pub(super) fn model(&mut self, db: &mut Db, name: &Arc<str>, now: Micros) -> Result<i64, StoreError> {
        if let Some(id) = self.models.get(name) {
            return Ok(*id);
        }
        let id = match find_model(db, name)? {
            Some(id) => id,
            None => {
                let new = NewModel { name, first_seen_us: now };
                diesel::insert_into(models::table).values(&new).execute(db)?;
                find_model(db, name)?
                    .ok_or_else(|| StoreError::Other("a model that was written is gone".into()))?
            }
        };
        self.models.insert(Arc::clone(name), id);
        Ok(id)
    }

    /// The facet's id; it is made when the labels are new.
    pub(super) fn facet(&mut self, db: &mut Db, labels: &Labels, now: Micros) -> Result<i64, StoreError> {
        if let Some(id) = self.facets.get(labels) {
            return Ok(*id);
        }
        let model = self.model(db, &labels.model, now)?;
        let id = match find_facet(db, model, labels)? {
            Some(id) => id,
            None => {
                let new = NewFacet {
                    model_id: model,
                    variant: &labels.variant,
                    mode: &labels.mode,
                    endpoint: &labels.endpoint,
                    api_key: &labels.api_key,
                    currency: &labels.currency,
                    row_count: 0,
                    byte_count: 0,
                };
                diesel::insert_into(facets::table).values(&new).execute(db)?;
                find_facet(db, model, labels)?
                    .ok_or_else(|| StoreError::Other("a facet that was written is gone".into()))?
            }
        };
        if self.facets.len() >= MOST_REMEMBERED {
            self.facets.clear();
        }
        self.facets.insert(labels.clone(), id);
        Ok(id)
    }

    /// The facet under which the sums of all that share model and currency with these labels are; there is one.
    pub(super) fn lead(&mut self, db: &mut Db, labels: &Labels, now: Micros) -> Result<i64, StoreError> {
        let model = self.model(db, &labels.model, now)?;
        let key = (model, Arc::clone(&labels.currency));
        if let Some(id) = self.leads.get(&key) {
            return Ok(*id);
        }
        let query = facets::table
            .filter(facets::model_id.eq(model))
            .filter(facets::currency.eq(&*labels.currency))
            .select(diesel::dsl::min(facets::id));
        let id = query
            .first::<Option<i64>>(db)?
            .ok_or_else(|| StoreError::Other("a facet that was written is gone".into()))?;
        if self.leads.len() >= MOST_REMEMBERED {
            self.leads.clear();
        }
        self.leads.insert(key, id);
        Ok(id)
    }
}

impl NameCache {
    /// The id of a sender of requests to the model of these labels, and a time after `ended` until which rows may refer
    /// to it; it is made when it is new.
    pub(super) fn sender(
        &mut self,
        db: &mut Db,
        labels: &Labels,
        sender: &Arc<Sender>,
        ended: Micros,
    ) -> Result<(i64, Micros), StoreError> {
        let model = self.model(db, &labels.model, ended)?;
        let key = (model, Arc::clone(sender));
        if let Some(known) = self.senders.get(&key).filter(|(_, until)| *until > ended) {
            return Ok(*known);
        }
        // By the day, so that it is written once a day.
        let until = floor_to(ended, DAY_SECONDS).saturating_add(DAY_SECONDS * 1_000_000);
        let address = sender.address_text();
        let found = find_sender(db, model, &address, sender)?;
        let known = match found {
            Some((id, known)) if known < until => {
                diesel::update(senders::table.filter(senders::id.eq(id)))
                    .set(senders::until_us.eq(until))
                    .execute(db)?;
                (id, until)
            }
            Some(known) => known,
            None => {
                let new = NewSender {
                    model_id: model,
                    address: &address,
                    user_agent: &sender.user_agent,
                    asked_model: &sender.asked_model,
                    stream: sender.stream,
                    until_us: until,
                };
                diesel::insert_into(senders::table).values(&new).execute(db)?;
                find_sender(db, model, &address, sender)?
                    .ok_or_else(|| StoreError::Other("a sender that was written is gone".into()))?
            }
        };
        if self.senders.len() >= MOST_REMEMBERED {
            self.senders.clear();
        }
        self.senders.insert(key, known);
        Ok(known)
    }
}

fn find_sender(
    db: &mut Db,
    model: i64,
    address: &str,
    sender: &Sender,
) -> Result<Option<(i64, Micros)>, StoreError> {
    let query = senders::table
        .filter(senders::model_id.eq(model))
        .filter(senders::address.eq(address))
        .filter(senders::user_agent.eq(&*sender.user_agent))
        .filter(senders::asked_model.eq(&*sender.asked_model))
        .filter(senders::stream.eq(sender.stream));
    let query = query.order(senders::id.asc()).select((senders::id, senders::until_us));
    Ok(query.first(db).optional()?)
}

/// The id of a model that has this name now.
pub(super) fn find_model(db: &mut Db, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(models::table.filter(models::name.eq(name)).select(models::id).first(db).optional()?)
}

fn find_facet(db: &mut Db, model: i64, labels: &Labels) -> Result<Option<i64>, StoreError> {
    let query = facets::table
        .filter(facets::model_id.eq(model))
        .filter(facets::variant.eq(&*labels.variant))
        .filter(facets::mode.eq(&*labels.mode))
        .filter(facets::endpoint.eq(&*labels.endpoint))
        .filter(facets::api_key.eq(&*labels.api_key))
        .filter(facets::currency.eq(&*labels.currency));
    Ok(query.order(facets::id.asc()).select(facets::id).first(db).optional()?)
}
