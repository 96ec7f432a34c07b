//! Which requests a report is about, and what it is split by: both are told by facets.

use super::db::Db;
use super::error::StoreError;
use super::schema::{facets, models};
use diesel::{ExpressionMethods, JoinOnDsl, QueryDsl, RunQueryDsl};
use std::fmt::Write;

/// What a report can be split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The model's name.
    Model,
    /// Its launch configuration.
    Variant,
    /// Its mode.
    Mode,
    /// The path.
    Endpoint,
    /// The key's label.
    ApiKey,
}

/// Which requests a report is about; an empty list leaves that open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of models.
    pub models: Vec<String>,
    /// Launch configurations.
    pub variants: Vec<String>,
    /// Modes.
    pub modes: Vec<String>,
    /// Paths.
    pub endpoints: Vec<String>,
    /// Labels of keys.
    pub api_keys: Vec<String>,
}

/// A row of `facets` with its model's name.
#[derive(Clone, Debug)]
pub(super) struct Facet {
    pub(super) id: i64,
    pub(super) labels: [String; 5],
    pub(super) currency: String,
}

/// All facets of models that have a name.
pub(super) fn facets(db: &mut Db) -> Result<Vec<Facet>, StoreError> {
    type Row = (i64, Option<String>, String, String, String, String, String);
    let rows: Vec<Row> = facets::table
        .inner_join(models::table.on(models::id.eq(facets::model_id)))
        .filter(models::name.is_not_null())
        .select((
            facets::id,
            models::name,
            facets::variant,
            facets::mode,
            facets::endpoint,
            facets::api_key,
            facets::currency,
        ))
        .load(db)?;
    let facet = |(id, model, variant, mode, endpoint, api_key, currency): Row| Facet {
        id,
        labels: [model.unwrap_or_default(), variant, mode, endpoint, api_key],
        currency,
    };
    Ok(rows.into_iter().map(facet).collect())
}

impl Dimension {
    pub(super) fn of(self, facet: &Facet) -> &str {
        let [model, variant, mode, endpoint, api_key] = &facet.labels;
        match self {
            Self::Model => model,
            Self::Variant => variant,
            Self::Mode => mode,
            Self::Endpoint => endpoint,
            Self::ApiKey => api_key,
        }
    }
}

impl Filter {
    /// True where every facet fits.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// True where all facets of a model fit, or none.
    pub(super) fn is_of_models(&self) -> bool {
        *self == Self { models: self.models.clone(), ..Self::default() }
    }

    pub(super) fn fits(&self, facet: &Facet) -> bool {
        let wanted = [&self.models, &self.variants, &self.modes, &self.endpoints, &self.api_keys];
        wanted.iter().zip(&facet.labels).all(|(list, label)| list.is_empty() || list.contains(label))
    }

    /// True where runs can be told by it, too.
    pub(super) fn speaks_of_runs(&self, by: &[Dimension]) -> bool {
        self.modes.is_empty()
            && self.endpoints.is_empty()
            && self.api_keys.is_empty()
            && by.iter().all(|dimension| matches!(dimension, Dimension::Model | Dimension::Variant))
    }
}

/// Ids for an SQL list.
pub(super) fn list<'a>(ids: impl Iterator<Item = &'a i64>) -> String {
    let mut text = String::new();
    for id in ids {
        let _ = write!(text, "{}{id}", if text.is_empty() { "" } else { "," });
    }
    // No facet fits: none has this number.
    if text.is_empty() { "-1".to_owned() } else { text }
}
