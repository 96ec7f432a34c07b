//! `keys:` and the secrets in it, which may stand in the environment or in a file of their own.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use llm_manager_policy::pricing::{Currency, Price};
use llm_manager_policy::rights::{self, Scope};
use llm_manager_policy::spec::{BudgetSpec, Cap, Class, KeySpec, ModelSpec, Period};
use serde_yaml::Value;
use sha2::{Digest, Sha256};

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;
use super::suggest;
use super::validate::absolute;

/// A secret of fewer letters could be found by trying.
const SHORTEST: usize = 8;

/// The keys in the order of the file. `plain` are those of `program.api_keys`, which may do everything.
pub(super) fn read(walk: &mut Walk<'_>, root: &Fields<'_>, plain: &[String]) -> Vec<KeySpec> {
    let path = root.at("keys");
    let plain: Vec<_> = plain.iter().map(|secret| digest(secret)).collect();
    let mut keys: Vec<KeySpec> = Vec::new();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (index, value) in root.value("keys").and_then(Value::as_sequence).into_iter().flatten().enumerate() {
        let fields = walk.fields(Section::Key, &path.item(index), value);
        walk.refuse_unknown(&fields);
        let Some(key) = key(walk, &fields) else { continue };
        if let Some(other) = first.insert(key.name.clone(), index) {
            let hint = "the ledger knows a key by its name: give each its own".to_owned();
            walk.error(&fields.at("name"), format!("is also the name of the key {}", other + 1), Some(hint));
        }
        if keys.iter().any(|other| other.secret == key.secret) {
            let hint = "nobody could tell who has come: give each key its own secret".to_owned();
            walk.error(&fields.path, "has the secret of another key".to_owned(), Some(hint));
        }
        if plain.contains(&key.secret) {
            let hint = "a key of `api_keys` may do everything: remove it there, or here".to_owned();
            walk.error(
                &fields.path,
                "has a secret that is also in `program.api_keys`".to_owned(),
                Some(hint),
            );
        }
        keys.push(key);
    }
    keys
}

/// Tells of patterns that mean no model: mostly a slip, after which the key is refused everywhere.
pub(super) fn models_are_known(walk: &mut Walk<'_>, root: &Fields<'_>, models: &[ModelSpec]) {
    let names: Vec<&str> = models
        .iter()
        .flat_map(|model| std::iter::once(&model.name).chain(&model.aliases))
        .map(String::as_str)
        .collect();
    let keys = root.value("keys").and_then(Value::as_sequence);
    for (index, key) in keys.into_iter().flatten().enumerate() {
        let patterns = key.get("models").and_then(Value::as_sequence).into_iter().flatten();
        for (at, pattern) in patterns.enumerate() {
            let Some(pattern) = pattern.as_str() else { continue };
            if names.iter().any(|name| rights::matches(pattern, name)) {
                continue;
            }
            let hint = suggest::hint(pattern, names.iter().copied(), || {
                "write a name or an alias of `Local-Models`; * stands for any letters".to_owned()
            });
            let path = root.at("keys").item(index).key("models").item(at);
            walk.warn(&path, format!("{pattern:?} means no model or alias of this file"), Some(hint));
        }
    }
}

fn key(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<KeySpec> {
    let name = fields.text("name")?.to_owned();
    if let Err(why) = check_name(&name) {
        walk.error(&fields.at("name"), why, None);
    }
    let secret = secret(walk, fields);
    let mut scopes: Vec<Scope> = Vec::new();
    for (index, word) in fields.texts("scopes").into_iter().enumerate() {
        match Scope::of(word) {
            Some(scope) => scopes.push(scope),
            None => {
                let hint = Some("the scopes are infer, read, operate, admin".to_owned());
                walk.error(&fields.at("scopes").item(index), format!("unknown scope {word:?}"), hint);
            }
        }
    }
    if scopes.is_empty() {
        if fields.value("scopes").is_some() && fields.texts("scopes").is_empty() {
            let hint = Some("leave it out for [infer], or remove the key".to_owned());
            walk.error(&fields.at("scopes"), "lets the key do nothing".to_owned(), hint);
        }
        scopes.push(Scope::Infer);
    }
    if fields.value("models").and_then(Value::as_sequence).is_some_and(Vec::is_empty) {
        let hint = Some("leave it out for all models, or remove the key".to_owned());
        walk.error(&fields.at("models"), "lets the key use no model".to_owned(), hint);
    }
    let expires = fields.text("expires").and_then(|text| match text.parse::<Timestamp>() {
        Ok(time) => {
            if time <= Timestamp::now() {
                let hint = Some("set a later time, or remove the key".to_owned());
                walk.warn(&fields.at("expires"), "has passed: the key opens nothing".to_owned(), hint);
            }
            Some(time.as_second())
        }
        Err(_) => {
            let hint = Some("write it like 2027-01-01T00:00:00Z".to_owned());
            walk.error(&fields.at("expires"), format!("expected a time with its zone, got {text:?}"), hint);
            None
        }
    });
    let priority = fields.text("priority").and_then(Class::of);
    let max_priority = fields.text("max_priority").and_then(Class::of);
    if let (Some(own), Some(most)) = (priority, max_priority)
        && most < own
    {
        let hint = Some("a request may always ask for less: remove it, or name a higher class".to_owned());
        walk.error(
            &fields.at("max_priority"),
            format!("is below the key's own priority, {}", own.text()),
            hint,
        );
    }
    Some(KeySpec {
        name,
        made: false,
        secret: secret?,
        scopes,
        models: fields.texts("models").into_iter().map(str::to_owned).collect(),
        expires,
        requests_per_minute: fields.whole("requests_per_minute"),
        tokens_per_minute: fields.whole("tokens_per_minute"),
        budget: budget(walk, fields),
        priority,
        max_priority,
        loading_comments: fields.is_given("loading_comments").then(|| fields.flag("loading_comments")),
    })
}

/// The secret of the key of a file that may do the most of the management, for the command line; `None`: no key of it may do
/// any, or the secret can't be read here.
pub(super) fn operator(base_dir: &Path, root: &Value) -> Option<String> {
    let keys = root.get("keys").and_then(Value::as_sequence).into_iter().flatten();
    let usable = keys.filter_map(|key| {
        let text = |name| key.get(name).and_then(Value::as_str);
        let scopes = key.get("scopes").and_then(Value::as_sequence).into_iter().flatten();
        let scopes = scopes.filter_map(Value::as_str).filter_map(Scope::of);
        let most = scopes
            .map(|scope| [Scope::Read, Scope::Operate, Scope::Admin].iter().position(|one| *one == scope));
        let most = most.flatten().max()?;
        let over = text("expires")
            .and_then(|at| at.parse::<Timestamp>().ok())
            .is_some_and(|at| at <= Timestamp::now());
        let secret = resolve(base_dir, text("secret")?).ok().filter(|_| !over)?;
        Some((most, secret))
    });
    // The first of equals.
    usable.reduce(|best, one| if one.0 > best.0 { one } else { best }).map(|(_, secret)| secret)
}

/// What a key may be called: it stands in reports, URLs and on the command line.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    check_word(name)?;
    // What `api_keys` are called in the ledger.
    if name.starts_with("key-") {
        return Err("begins with `key-`, as the labels of `api_keys` do: choose another name".to_owned());
    }
    Ok(())
}

/// What can stand in a URL and on the command line as it is.
pub(super) fn check_word(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.chars().count() > 64 || !name.chars().all(fits) {
        return Err(format!("expected letters, digits, `-`, `_`, `.` and `@`, at most 64, got {name:?}"));
    }
    Ok(())
}

/// The hash of the secret. Nothing that is told about it repeats it.
fn secret(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<[u8; 32]> {
    match (fields.text("secret"), fields.text("secret_sha256")) {
        (Some(_), Some(_)) => {
            let hint = Some("keep one of them".to_owned());
            walk.error(&fields.at("secret_sha256"), "there is a `secret`, too".to_owned(), hint);
            None
        }
        (Some(text), None) => match resolve(walk.base_dir, text) {
            Ok(secret) => match check_secret(&secret) {
                Ok(()) => Some(digest(&secret)),
                Err(why) => {
                    walk.error(
                        &fields.at("secret"),
                        why,
                        Some("`llm-manager key add NAME` makes a good one".to_owned()),
                    );
                    None
                }
            },
            Err(why) => {
                walk.error(&fields.at("secret"), why, None);
                None
            }
        },
        (None, Some(hex)) => {
            let hash = of_hex(hex);
            if hash.is_none() {
                let hint = Some("printf %s SECRET | sha256sum".to_owned());
                walk.error(&fields.at("secret_sha256"), "expected 64 hex digits".to_owned(), hint);
            }
            hash
        }
        (None, None) => {
            if !fields.is_given("secret") && !fields.is_given("secret_sha256") && fields.is_mapping {
                let hint = Some("add `secret: ${NAME}`, `secret: file:PATH` or `secret_sha256`".to_owned());
                walk.error(&fields.path, "has no secret".to_owned(), hint);
            }
            None
        }
    }
}

fn check_secret(secret: &str) -> Result<(), String> {
    if !secret.chars().all(|c| c.is_ascii_graphic()) {
        return Err("expected printable ASCII characters without spaces".to_owned());
    }
    if secret.len() < SHORTEST {
        return Err(format!("expected at least {SHORTEST} characters: a shorter one is found by trying"));
    }
    Ok(())
}

/// A secret where it stands: `${NAME}` in the environment, `file:PATH` in a file; otherwise it is the text itself.
pub(super) fn resolve(base_dir: &Path, text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("file:") {
        let path = absolute(base_dir, &expand(path)?);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let secret = text.trim();
        if secret.is_empty() {
            return Err(format!("{} is empty", path.display()));
        }
        return Ok(secret.to_owned());
    }
    expand(text)
}

/// With each `${NAME}` replaced.
fn expand(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = std::env::var(name).map_err(|_| format!("the environment has no variable {name}"))?;
        out.push_str(before);
        out.push_str(value.trim());
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Names of the variables of the environment in which a secret stands.
pub(super) fn variables(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split("${").skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned())
}

/// A long random secret can't be found by trying, however fast its hash is. So it is hashed once with SHA-256 and not by
/// argon2, which protects short passwords and would cost every request a tenth of a second.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

pub(crate) fn of_hex(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn budget(walk: &mut Walk<'_>, key: &Fields<'_>) -> Option<BudgetSpec> {
    let path: KeyPath = key.at("budget");
    let fields = walk.fields(Section::Budget, &path, key.value("budget")?);
    walk.refuse_unknown(&fields);
    let period = match fields.text("period")? {
        "day" => Period::Day,
        _ => Period::Month,
    };
    if fields.is_given("currency") && !fields.is_given("amount") {
        let hint = Some("remove it, or set an `amount` instead of `tokens`".to_owned());
        walk.error(&fields.at("currency"), "belongs to an `amount`".to_owned(), hint);
    }
    let cap = match (fields.whole("tokens"), fields.text("amount")) {
        (Some(tokens), None) => Cap::Tokens(tokens),
        (None, Some(amount)) => {
            let price: Price = amount.parse().ok()?;
            let hint = || Some("write CNY or EUR, for example".to_owned());
            let Some(code) = fields.text("currency") else {
                walk.error(&path, "the `currency` of its `amount` is missing".to_owned(), hint());
                return None;
            };
            let Some(currency) = Currency::new(code) else {
                let message = format!("expected three capital letters, got {code:?}");
                walk.error(&fields.at("currency"), message, hint());
                return None;
            };
            Cap::Money { units: price.units(), currency }
        }
        (Some(_), Some(_)) => {
            let hint = Some("keep one of them".to_owned());
            walk.error(&path, "has `tokens` and `amount`".to_owned(), hint);
            return None;
        }
        (None, None) if fields.is_given("tokens") || fields.is_given("amount") => return None,
        (None, None) => {
            let hint = Some("add `tokens: 1000000`, or `amount: \"20\"` with its `currency`".to_owned());
            walk.error(&path, "says neither `tokens` nor `amount`".to_owned(), hint);
            return None;
        }
    };
    Some(BudgetSpec { period, cap })
}
