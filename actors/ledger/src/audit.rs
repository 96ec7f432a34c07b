//! Audit: who did what, as it is written and read.

use super::db::Db;
use super::error::StoreError;
use super::reader::LedgerReader;
use super::row::{AuditRow, Micros};
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};

/// Longest text of one column, in bytes.
const LONGEST: usize = 500;

/// Which deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not before this time.
    pub from: Option<Micros>,
    /// Before this time.
    pub to: Option<Micros>,
    /// To this alone.
    pub subject: Option<String>,
    /// By these alone.
    pub who: Option<String>,
    /// Older than this row, for the next page.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// One deed in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct AuditView {
    /// Its number; later ones are larger.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// When.
    #[diesel(sql_type = sql_types::BigInt)]
    pub at_us: i64,
    /// As in `AuditRow`: what kind of somebody.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// The key, the user or the rule.
    #[diesel(sql_type = sql_types::Text)]
    pub who: String,
    /// Where they were.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub address: Option<String>,
    /// What they did.
    #[diesel(sql_type = sql_types::Text)]
    pub action: String,
    /// To what.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub subject: Option<String>,
    /// More about it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub detail: Option<String>,
}

fn bounded(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // PostgreSQL's text has no room for a zero.
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

/// Writes it, unless it is there already.
pub(super) fn write(db: &mut Db, row: &AuditRow) -> Result<(), StoreError> {
    let optional = |text: &Option<String>| text.as_deref().map(bounded);
    sql_query(
        "INSERT INTO audit (key, at_us, kind, who, address, action, subject, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING",
    )
    .bind::<sql_types::Binary, _>(row.key.bytes().to_vec())
    .bind::<sql_types::BigInt, _>(row.at_us)
    .bind::<sql_types::Text, _>(bounded(&row.kind))
    .bind::<sql_types::Text, _>(bounded(&row.who))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(optional(&row.address))
    .bind::<sql_types::Text, _>(bounded(&row.action))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(optional(&row.subject))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(optional(&row.detail))
    .execute(db)?;
    Ok(())
}

impl LedgerReader {
    /// Deeds, newest first.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditView>, StoreError> {
        self.with(move |db| {
            let found = sql_query(
                "SELECT id, at_us, kind, who, address, action, subject, detail FROM audit \
                 WHERE at_us >= $1 AND at_us < $2 AND id < $3 AND (subject = $4 OR $4 = '') AND (who = $5 OR $5 = '') \
                 ORDER BY id DESC LIMIT $6",
            )
            .bind::<sql_types::BigInt, _>(query.from.unwrap_or(i64::MIN))
            .bind::<sql_types::BigInt, _>(query.to.unwrap_or(i64::MAX))
            .bind::<sql_types::BigInt, _>(query.before.unwrap_or(i64::MAX))
            .bind::<sql_types::Text, _>(query.subject.clone().unwrap_or_default())
            .bind::<sql_types::Text, _>(query.who.clone().unwrap_or_default())
            .bind::<sql_types::BigInt, _>(query.limit)
            .load(db)?;
            Ok(found)
        })
        .await
    }
}
