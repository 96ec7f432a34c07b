//! The original's databases: tables per model (v2.1 to v2.5), shared ones (v2.6, v2.7), and those of v3, which have
//! the configuration too.

use crate::error::StoreError;
use crate::row::{Micros, now_us};
use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types};
use std::path::{Path, PathBuf};

/// A model that has data.
pub(super) struct ImportedModel {
    /// The original's name of it: its first alias in v2.
    pub(super) name: String,
    /// Its number, or the beginning of its tables' names.
    id: String,
}

/// One request.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(super) struct ImportedRequest {
    #[diesel(sql_type = sql_types::Double)]
    pub(super) started: f64,
    #[diesel(sql_type = sql_types::Double)]
    pub(super) ended: f64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub(super) input: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub(super) output: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub(super) cached: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub(super) prompt: i64,
}

/// A step of a price list; what has no limit is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, QueryableByName)]
pub(super) struct ImportedTier {
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub(super) min_input: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub(super) max_input: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub(super) min_output: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub(super) max_output: Option<i64>,
    #[diesel(sql_type = sql_types::Double)]
    pub(super) input: f64,
    #[diesel(sql_type = sql_types::Double)]
    pub(super) output: f64,
    #[diesel(sql_type = sql_types::Double)]
    pub(super) cache_write: f64,
    #[diesel(sql_type = sql_types::Double)]
    pub(super) cache_read: f64,
    #[diesel(sql_type = sql_types::Bool)]
    pub(super) caches: bool,
}

/// What a model's use costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PriceList {
    pub(super) by_tier: bool,
    pub(super) per_hour: f64,
    pub(super) tiers: Vec<ImportedTier>,
}

/// The configuration that v3 keeps: settings by their keys, and the models.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Key and value, as they are stored.
    pub settings: Vec<(String, String)>,
    /// In the order in which v3 shows them.
    pub models: Vec<DefinedModel>,
}

/// A model of v3's configuration.
#[derive(Clone, Debug, Default)]
pub struct DefinedModel {
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: String,
    /// Its port.
    pub port: i64,
    /// Whether it starts with the program.
    pub auto_start: bool,
    /// Other names.
    pub aliases: Vec<String>,
    /// Its launch configurations.
    pub variants: Vec<ImportedVariant>,
}

/// A launch configuration of v3; the last three are JSON.
#[derive(Clone, Debug, Default)]
pub struct ImportedVariant {
    /// Its name.
    pub name: String,
    /// A list of names.
    pub required_devices: String,
    /// Device to MiB.
    pub memory_mb: String,
    /// `exe`, `args`, `env`, `cwd`, `conda_env`.
    pub command: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    TablesPerModel,
    Shared,
    Three,
}

pub(super) struct ImportDatabase {
    conn: SqliteConnection,
    version: Version,
    /// Removed again with it.
    _copy: Option<Copy>,
}

/// A copy of a database whose journal isn't empty: reading it in its place would write to it.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        // What can't be removed lies in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Copy {
    fn of(path: &Path) -> Result<Option<(Self, PathBuf)>, StoreError> {
        let journal = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let journals = ["-wal", "-journal"].map(journal);
        let is_used = |path: &PathBuf| path.metadata().is_ok_and(|found| found.len() > 0);
        if !journals.iter().any(is_used) {
            return Ok(None);
        }
        let wrong = |error: std::io::Error| StoreError::Other(format!("it can't be copied: {error}"));
        let folder =
            std::env::temp_dir().join(format!("llm-manager-import-{}-{}", std::process::id(), now_us()));
        std::fs::create_dir(&folder).map_err(wrong)?;
        let copy = Self(folder.clone());
        let target = folder.join("original.db");
        std::fs::copy(path, &target).map_err(wrong)?;
        for (journal, ending) in
            journals.iter().zip(["-wal", "-journal"]).filter(|(journal, _)| is_used(journal))
        {
            std::fs::copy(journal, folder.join(format!("original.db{ending}"))).map_err(wrong)?;
        }
        Ok(Some((copy, target)))
    }
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = sql_types::Text)]
    id: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    number: Option<f64>,
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = sql_types::Double)]
    started: f64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    ended: Option<f64>,
}

#[derive(QueryableByName)]
struct Defined {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    mode: String,
    #[diesel(sql_type = sql_types::BigInt)]
    port: i64,
    #[diesel(sql_type = sql_types::Bool)]
    auto_start: bool,
}

#[derive(QueryableByName)]
struct Scheme {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    required_devices: String,
    #[diesel(sql_type = sql_types::Text)]
    memory_mb: String,
    #[diesel(sql_type = sql_types::Text)]
    command: String,
}

const REQUEST: &str = "SELECT CAST(start_time AS REAL) AS started, CAST(end_time AS REAL) AS ended, \
    CAST(input_tokens AS INTEGER) AS input, CAST(output_tokens AS INTEGER) AS output, \
    CAST(cache_n AS INTEGER) AS cached, CAST(prompt_n AS INTEGER) AS prompt";
const V2_TIER: &str = "SELECT min_input_tokens AS min_input, max_input_tokens AS max_input, \
    min_output_tokens AS min_output, max_output_tokens AS max_output, CAST(input_price AS REAL) AS input, \
    CAST(output_price AS REAL) AS output, CAST(cache_write_price AS REAL) AS cache_write, \
    CAST(cache_read_price AS REAL) AS cache_read, support_cache AS caches";

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl ImportDatabase {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let copy = Copy::of(path)?;
        let (copy, place) = match copy {
            Some((copy, place)) => (Some(copy), place),
            None => (None, path.to_owned()),
        };
        let text = place.to_str().ok_or_else(|| StoreError::Other("its path is not UTF-8".into()))?;
        let url =
            format!("file:{}?immutable=1", text.replace('%', "%25").replace('?', "%3f").replace('#', "%23"));
        let mut conn = SqliteConnection::establish(if copy.is_some() { text } else { &url })
            .map_err(|error| StoreError::of_sqlite(error.to_string()))?;
        conn.batch_execute("PRAGMA query_only = ON; PRAGMA cache_size = -65536;")?;
        let tables: Vec<Named> =
            sql_query("SELECT name AS id, name FROM sqlite_master WHERE type = 'table'").load(&mut conn)?;
        let has = |name: &str| tables.iter().any(|table| table.name == name);
        let version = if has("model_name_mapping") && !has("model_requests") {
            Version::TablesPerModel
        } else if has("model_defs") {
            Version::Three
        } else if has("models") && has("model_requests") && has("model_runtime") {
            Version::Shared
        } else {
            return Err(StoreError::Refused(
                "it is no database of the original LLM-Manager: v2's is webui/monitoring.db, v3's data/llm_manager.db".into(),
            ));
        };
        Ok(Self { conn, version, _copy: copy })
    }

    pub(super) fn version(&self) -> &'static str {
        match self.version {
            Version::TablesPerModel => "v2.1 to v2.5",
            Version::Shared => "v2.6 or v2.7",
            Version::Three => "v3",
        }
    }

    pub(super) fn models(&mut self) -> Result<Vec<ImportedModel>, StoreError> {
        let sql = match self.version {
            Version::TablesPerModel => {
                "SELECT safe_name AS id, original_name AS name FROM model_name_mapping m WHERE EXISTS \
                 (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = m.safe_name || '_requests') ORDER BY m.id"
            }
            _ => "SELECT CAST(id AS TEXT) AS id, original_name AS name FROM models ORDER BY models.id",
        };
        let models: Vec<Named> = sql_query(sql).load(&mut self.conn)?;
        Ok(models.into_iter().map(|model| ImportedModel { name: model.name, id: model.id }).collect())
    }

    /// A table of a model's, and the condition for its rows.
    fn rows(&self, model: &ImportedModel, table: &str) -> String {
        match self.version {
            Version::TablesPerModel => format!("{} WHERE 1", quoted(&format!("{}_{table}", model.id))),
            // A number from the database itself.
            _ => format!("model_{table} WHERE model_id = {}", model.id),
        }
    }

    fn number(&mut self, sql: &str) -> Result<Option<f64>, StoreError> {
        Ok(sql_query(sql).get_result::<Number>(&mut self.conn)?.number)
    }

    /// Requests and runs.
    pub(super) fn counts(&mut self, model: &ImportedModel) -> Result<(u64, u64), StoreError> {
        let mut count = |table: &str| {
            let sql = format!("SELECT CAST(COUNT(*) AS REAL) AS number FROM {}", self.rows(model, table));
            self.number(&sql).map(|count| count.unwrap_or(0.0) as u64)
        };
        Ok((count("requests")?, count("runtime")?))
    }

    /// When its first request or run began.
    pub(super) fn first(&mut self, model: &ImportedModel) -> Result<Option<Micros>, StoreError> {
        let mut first: Option<f64> = None;
        for table in ["requests", "runtime"] {
            // Rows of early versions have no start.
            let rows = self.rows(model, table);
            let sql = format!(
                "SELECT CAST(MIN(CASE WHEN start_time > 0 THEN start_time ELSE end_time END) AS REAL) AS number FROM {rows}"
            );
            let found = self.number(&sql)?;
            first = [first, found].into_iter().flatten().reduce(f64::min);
        }
        Ok(first.map(micros))
    }

    /// Each request, in the order of their ends.
    pub(super) fn requests(
        &mut self,
        model: &ImportedModel,
        each: &mut dyn FnMut(ImportedRequest) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sql =
            format!("{REQUEST} FROM {} ORDER BY end_time, start_time, id", self.rows(model, "requests"));
        let rows = sql_query(sql).load_iter::<ImportedRequest, DefaultLoadingMode>(&mut self.conn)?;
        for row in rows {
            each(row?)?;
        }
        Ok(())
    }

    /// Start and, if it has one, end of each run.
    pub(super) fn runs(&mut self, model: &ImportedModel) -> Result<Vec<(f64, Option<f64>)>, StoreError> {
        let sql = format!(
            "SELECT CAST(start_time AS REAL) AS started, CAST(end_time AS REAL) AS ended FROM {} ORDER BY start_time",
            self.rows(model, "runtime")
        );
        let runs: Vec<Span> = sql_query(sql).load(&mut self.conn)?;
        Ok(runs.into_iter().map(|run| (run.started, run.ended)).collect())
    }

    pub(super) fn prices(&mut self, model: &ImportedModel) -> Result<PriceList, StoreError> {
        let (id, safe) = (&model.id, |table: &str| quoted(&format!("{}_{table}", model.id)));
        let (method, per_hour, tiers) = match self.version {
            Version::TablesPerModel => (
                format!(
                    "SELECT CAST(MAX(use_tier_pricing) AS REAL) AS number FROM {}",
                    safe("billing_method")
                ),
                format!("SELECT CAST(MAX(hourly_price) AS REAL) AS number FROM {}", safe("hourly_price")),
                format!("{V2_TIER} FROM {} ORDER BY tier_index", safe("tier_pricing")),
            ),
            Version::Shared => (
                format!(
                    "SELECT CAST(MAX(use_tier_pricing) AS REAL) AS number FROM billing_methods WHERE model_id = {id}"
                ),
                format!(
                    "SELECT CAST(MAX(hourly_price) AS REAL) AS number FROM hourly_pricing WHERE model_id = {id}"
                ),
                format!("{V2_TIER} FROM tier_pricing WHERE model_id = {id} ORDER BY tier_index"),
            ),
            Version::Three => {
                // The configuration has numbers of its own; the name is what both know.
                let of = format!("SELECT original_name FROM models WHERE id = {id}");
                (
                    format!(
                        "SELECT CAST(MAX(pricing_type <> 'hourly') AS REAL) AS number FROM model_defs WHERE name = ({of})"
                    ),
                    format!(
                        "SELECT CAST(MAX(hourly_price) AS REAL) AS number FROM model_defs WHERE name = ({of})"
                    ),
                    format!(
                        "SELECT min_input, max_input, min_output, max_output, CAST(COALESCE(input_price, 0) AS REAL) AS input, \
                         CAST(COALESCE(output_price, 0) AS REAL) AS output, \
                         CAST(COALESCE(cache_write_price, 0) AS REAL) AS cache_write, \
                         CAST(COALESCE(cache_read_price, 0) AS REAL) AS cache_read, support_cache AS caches \
                         FROM pricing_tiers JOIN model_defs ON model_defs.id = pricing_id \
                         WHERE model_defs.name = ({of}) ORDER BY tier_index"
                    ),
                )
            }
        };
        let by_tier = self.number(&method)?.is_none_or(|flag| flag != 0.0);
        let per_hour = self.number(&per_hour)?.unwrap_or(0.0);
        let tiers: Vec<ImportedTier> = sql_query(tiers).load(&mut self.conn)?;
        Ok(PriceList { by_tier, per_hour, tiers })
    }

    pub(super) fn configuration(&mut self) -> Result<Option<Configuration>, StoreError> {
        if self.version != Version::Three {
            return Ok(None);
        }
        let settings: Vec<Named> =
            sql_query("SELECT key AS id, value AS name FROM system_settings ORDER BY key")
                .load(&mut self.conn)?;
        let defined: Vec<Defined> =
            sql_query("SELECT id, name, mode, port, auto_start FROM model_defs ORDER BY ord, id")
                .load(&mut self.conn)?;
        let mut models = Vec::new();
        for model in defined {
            let id = model.id;
            let aliases: Vec<Named> = sql_query(format!(
                "SELECT alias AS id, alias AS name FROM model_aliases WHERE model_id = {id} ORDER BY ord"
            ))
            .load(&mut self.conn)?;
            let schemes: Vec<Scheme> = sql_query(format!(
                "SELECT config_source AS name, required_devices, memory_mb, command FROM model_schemes \
                 WHERE model_id = {id} ORDER BY ord, id"
            ))
            .load(&mut self.conn)?;
            let variant = |scheme: Scheme| ImportedVariant {
                name: scheme.name,
                required_devices: scheme.required_devices,
                memory_mb: scheme.memory_mb,
                command: scheme.command,
            };
            models.push(DefinedModel {
                name: model.name,
                mode: model.mode,
                port: model.port,
                auto_start: model.auto_start,
                aliases: aliases.into_iter().map(|alias| alias.name).collect(),
                variants: schemes.into_iter().map(variant).collect(),
            });
        }
        let settings = settings.into_iter().map(|setting| (setting.id, setting.name)).collect();
        Ok(Some(Configuration { settings, models }))
    }
}

/// From seconds with a fraction.
pub(super) fn micros(seconds: f64) -> Micros {
    (seconds * 1e6).round() as Micros
}
