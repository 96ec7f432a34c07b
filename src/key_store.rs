//! Keys that `llm-manager key` and the API make: in `keys.json` of the state folder, beside those of the configuration.
//! Only hashes are kept; a secret is told once, when it is made.

use crate::config::key_specs::{check_name, digest, of_hex};
use jiff::Timestamp;
use llm_manager_policy::pricing::{Currency, Price};
use llm_manager_policy::rights::Scope;
use llm_manager_policy::spec::{BudgetSpec, Cap, Class, KeySpec, Period, Spec};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "keys.json";
/// What is said of a budget that is none.
const BUDGET: &str = "write it like \"20 CNY/month\" or \"1000000/day\"";

/// Why the keys are what they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unchanged {
    /// What is asked for can't be.
    #[error("{0}")]
    Wrong(String),
    /// Another key has this name.
    #[error("there is a key `{0}` already: revoke or rotate it, or choose another name")]
    Taken(String),
    /// No key of this name was made.
    #[error("no key `{0}` was made here; one of the configuration is changed there (`keys`)")]
    Unknown(String),
    /// They can't be read or written.
    #[error("{0}")]
    Failed(String),
}

/// What is asked for of a new key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// By which reports and limits know it.
    pub(crate) name: String,
    /// infer, read, operate or admin; may be given several times. Default: infer.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    /// Name, alias or pattern of a model that it may use; may be given several times. Default: all.
    #[arg(long = "model", value_name = "MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<String>,
    /// From when on it opens nothing, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// Requests per minute.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_minute: Option<u64>,
    /// Tokens per minute.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_minute: Option<u64>,
    /// A budget, such as "20 CNY/month" or "1000000/day" (tokens).
    #[arg(long, value_name = "BUDGET", value_parser = checked_budget)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<String>,
    /// interactive, normal or batch.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<String>,
    /// The highest class that the header x-llm-manager-priority may ask for.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_priority: Option<String>,
    /// Whether its streams say that they wait for their model. Default: as program.loading_comments.
    #[arg(long, value_name = "TRUE/FALSE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loading_comments: Option<bool>,
}

/// A list that may be left out, and isn't empty: one that names nothing would be taken for one that names everything.
fn some<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(list)?;
    if words.is_empty() {
        return Err(D::Error::custom("a list is empty; leave it out for its default"));
    }
    Ok(words)
}

/// For the command line: a word that it refuses before anything else is looked at.
fn scope(word: &str) -> Result<String, String> {
    Scope::of(word).map(|_| word.to_owned()).ok_or_else(|| "it is infer, read, operate or admin".to_owned())
}

fn class(word: &str) -> Result<String, String> {
    Class::of(word).map(|_| word.to_owned()).ok_or_else(|| "it is interactive, normal or batch".to_owned())
}

fn checked_budget(text: &str) -> Result<String, String> {
    budget(text).map(|_| text.to_owned()).ok_or_else(|| BUDGET.to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write a time with its zone, like 2027-01-01T00:00:00Z".to_owned())
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    key: NewKey,
    sha256: String,
    made_at: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    keys: Vec<Stored>,
}

impl NewKey {
    /// The same for the rest of the program, or everything that is wrong with it.
    fn spec(&self, secret: [u8; 32]) -> Result<KeySpec, String> {
        let mut wrong = Vec::new();
        if let Err(why) = check_name(&self.name) {
            wrong.push(format!("name: {why}"));
        }
        let mut scopes = Vec::new();
        for word in &self.scopes {
            match Scope::of(word) {
                Some(scope) => scopes.push(scope),
                None => {
                    wrong.push(format!("scope {word:?} is unknown: they are infer, read, operate, admin"))
                }
            }
        }
        if scopes.is_empty() {
            scopes.push(Scope::Infer);
        }
        let budget = self.budget.as_deref().and_then(|text| {
            let budget = budget(text);
            if budget.is_none() {
                wrong.push(format!("budget {text:?}: {BUDGET}"));
            }
            budget
        });
        let mut class = |name: &str, word: &Option<String>| {
            let word = word.as_deref()?;
            let class = Class::of(word);
            if class.is_none() {
                wrong.push(format!("{name} {word:?}: it is interactive, normal or batch"));
            }
            class
        };
        let priority = class("priority", &self.priority);
        let max_priority = class("max_priority", &self.max_priority);
        if priority > max_priority && max_priority.is_some() {
            wrong.push("max_priority is below the key's own priority".to_owned());
        }
        if [self.requests_per_minute, self.tokens_per_minute].contains(&Some(0)) {
            wrong.push("a limit of 0 per minute lets nothing through: revoke the key instead".to_owned());
        }
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        Ok(KeySpec {
            name: self.name.clone(),
            made: true,
            secret,
            scopes,
            models: self.models.clone(),
            expires: self.expires.map(Timestamp::as_second),
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            budget,
            priority,
            max_priority,
            loading_comments: self.loading_comments,
        })
    }
}

/// `20 CNY/month` or `1000000/day`.
fn budget(text: &str) -> Option<BudgetSpec> {
    let (amount, period) = text.split_once('/')?;
    let period = match period.trim() {
        "day" => Period::Day,
        "month" => Period::Month,
        _ => return None,
    };
    let cap = match amount.trim().split_once(' ') {
        Some((amount, currency)) => {
            let price: Price = amount.trim().parse().ok()?;
            Cap::Money { units: price.units(), currency: Currency::new(currency.trim())? }
        }
        None => Cap::Tokens(amount.trim().parse().ok().filter(|tokens| *tokens > 0)?),
    };
    Some(BudgetSpec { period, cap })
}

/// Where the keys of this state folder are.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// The keys that were made. Blocks.
pub(crate) fn load(state_dir: &Path) -> Result<Vec<KeySpec>, String> {
    read(&path(state_dir))?
        .keys
        .iter()
        .map(|stored| {
            let secret =
                of_hex(&stored.sha256).ok_or_else(|| damaged(&path(state_dir), &"a hash is none"))?;
            stored.key.spec(secret).map_err(|why| damaged(&path(state_dir), &why))
        })
        .collect()
}

/// Adds the keys that were made to those of a configuration. Blocks.
pub(crate) fn merge(spec: &mut Spec, state_dir: &Path) -> Result<(), String> {
    for key in load(state_dir)? {
        if spec.keys.iter().any(|other| other.name == key.name || other.secret == key.secret) {
            let path = path(state_dir);
            return Err(format!(
                "the key `{}` of the configuration is also in {}: rename it here, or `llm-manager key revoke` it there",
                key.name,
                path.display()
            ));
        }
        spec.keys.push(key);
    }
    Ok(())
}

/// Makes a key; answers its secret. Blocks.
pub(crate) fn add(state_dir: &Path, wanted: &NewKey, taken: &[String]) -> Result<String, Unchanged> {
    let (secret, hash) = fresh()?;
    wanted.spec(hash).map_err(Unchanged::Wrong)?;
    // Those that are kept expire in time; a new one that opens nothing is a slip.
    if wanted.models.iter().any(|pattern| pattern.trim().is_empty()) {
        return Err(Unchanged::Wrong("models: an empty word means no model".to_owned()));
    }
    if let Some(past) = wanted.expires.filter(|at| *at <= Timestamp::now()) {
        return Err(Unchanged::Wrong(format!("expires: {past} has passed: the key would open nothing")));
    }
    change(state_dir, |keys| {
        let name = &wanted.name;
        if keys.iter().any(|key| key.key.name == *name) || taken.contains(name) {
            return Err(Unchanged::Taken(name.clone()));
        }
        let stored = Stored { key: wanted.clone(), sha256: hex(&hash), made_at: Timestamp::now() };
        keys.push(stored);
        Ok(())
    })?;
    Ok(secret)
}

/// Gives a key another secret; what it has used stays its own. Blocks.
pub(crate) fn rotate(state_dir: &Path, name: &str) -> Result<String, Unchanged> {
    let (secret, hash) = fresh()?;
    change(state_dir, |keys| {
        let key = keys
            .iter_mut()
            .find(|key| key.key.name == name)
            .ok_or_else(|| Unchanged::Unknown(name.to_owned()))?;
        key.sha256 = hex(&hash);
        Ok(())
    })?;
    Ok(secret)
}

/// Takes a key away. Blocks.
pub(crate) fn revoke(state_dir: &Path, name: &str) -> Result<(), Unchanged> {
    change(state_dir, |keys| {
        let before = keys.len();
        keys.retain(|key| key.key.name != name);
        if keys.len() < before { Ok(()) } else { Err(Unchanged::Unknown(name.to_owned())) }
    })
}

/// A secret of 256 random bits, and its hash.
fn fresh() -> Result<(String, [u8; 32]), Unchanged> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Unchanged::Failed(format!("the system gives no random numbers: {error}")))?;
    let secret = format!("sk-{}", hex(&random));
    let hash = digest(&secret);
    Ok((secret, hash))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!(
        "{} is damaged ({why}); restore it from a backup, or delete it and make the keys anew",
        path.display()
    )
}

fn read(path: &Path) -> Result<Contents, String> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| damaged(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contents::default()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let folder = path.parent().unwrap_or(path).display();
            Err(format!(
                "the folder {folder}, which keeps the manager's data, is no folder: remove what is there"
            ))
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// One change at a time, whoever makes it: the manager and the command line may at once.
fn change(
    state_dir: &Path,
    change: impl FnOnce(&mut Vec<Stored>) -> Result<(), Unchanged>,
) -> Result<(), Unchanged> {
    let path = path(state_dir);
    let wrong =
        |error: io::Error| Unchanged::Failed(format!("{}: {error}; is the folder writable?", path.display()));
    fs::create_dir_all(state_dir).map_err(wrong)?;
    let lock = create(&path.with_extension("lock"), true).map_err(wrong)?;
    lock.lock().map_err(wrong)?;
    let mut contents = read(&path).map_err(Unchanged::Failed)?;
    change(&mut contents.keys)?;
    let text =
        serde_json::to_vec_pretty(&contents).map_err(|error| Unchanged::Failed(damaged(&path, &error)))?;
    let fresh = path.with_extension(format!("json.{}", std::process::id()));
    let placed = create(&fresh, true).and_then(|mut file| {
        file.set_len(0)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    });
    placed.map_err(wrong)
}

/// For this user only.
fn create(path: &Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(write).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests;
