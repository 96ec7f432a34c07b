//! What a configuration may say: one row per key. Validation, "did you mean", the JSON Schema and the test of
//! `config.example.yaml` all read the same table.

mod access;
mod backend;
mod billing;
mod captures;
mod edge;
mod electricity;
mod hours;
mod logs;
mod notify;
pub(super) mod original;
mod park;
mod place;
mod replicas;
mod table;
mod through;
mod weights;

/// Every key of the file.
pub(super) fn all() -> impl Iterator<Item = &'static ConfigKey> + Clone {
    [
        table::TABLE,
        access::ROWS,
        backend::ROWS,
        billing::ROWS,
        through::ROWS,
        edge::ROWS,
        logs::ROWS,
        captures::ROWS,
        notify::ROWS,
        weights::ROWS,
        electricity::ROWS,
        place::ROWS,
        hours::ROWS,
        park::ROWS,
        replicas::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// A kind of mapping in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Root,
    Program,
    Electricity,
    LogFile,
    Captures,
    Tls,
    Traces,
    Logs,
    Notify,
    Device,
    Mode,
    /// Of a mode.
    Probe,
    /// Of a model or a variant.
    OwnProbe,
    /// Of a model or a variant.
    Park,
    /// Of `park`.
    ParkStep,
    /// Of `park`.
    ParkSign,
    Usage,
    /// Of `keys`.
    Key,
    Budget,
    Model,
    Replicas,
    Billing,
    Tier,
    Variant,
    On,
    /// Of `on`.
    Slurm,
    /// Of `on`.
    Kubernetes,
}

/// One key of one section.
#[derive(Debug)]
pub(super) struct ConfigKey {
    pub(super) section: Section,
    pub(super) name: &'static str,
    pub(super) kind: ValueKind,
    /// What a number counts; empty: nothing.
    pub(super) unit: &'static str,
    pub(super) preset: DefaultValue,
    /// What it means, and what goes wrong with too high or too low a value.
    pub(super) help: &'static str,
}

/// What a key's value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ValueKind {
    Text,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    Flag,
    Whole {
        min: u64,
        max: u64,
    },
    /// A number that may have a fraction.
    Number {
        min: f64,
        max: f64,
    },
    /// A number that may have a fraction, or the word `auto`.
    NumberOrAuto {
        min: f64,
        max: f64,
    },
    Texts,
    /// One text, or a list of texts.
    TextOrTexts,
    /// An amount of money, as a decimal in quotes: a number with a point is not exact.
    Price,
    /// Secrets: never quoted in a message.
    ApiKeys,
    /// The same, one of them.
    Secret,
    /// Program and arguments.
    Command,
    /// Device name to MiB.
    Memory,
    /// Numbers by the names of devices.
    Watts,
    /// A file, or one for each system.
    Script,
    /// Variable name to value.
    Env,
    /// JSON as text or as a mapping.
    Body,
    /// Header name to value; a value may be a secret.
    Headers,
    /// The beginning of a path; empty for none.
    Prefix,
    /// A path to another path.
    Paths,
    /// A flag, or `{aliases: flag}`.
    Listed,
    One(Section),
    Many(Section),
    Named(Section),
}

/// What holds when a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DefaultValue {
    /// It may not be left out.
    Required,
    /// The help says what then holds.
    Nothing,
    Text(&'static str),
    Whole(u64),
    Flag(bool),
    /// The key of the same name under `program`.
    Program,
}

impl Section {
    /// The section's keys in the order of the table.
    pub(super) fn keys(self) -> impl Iterator<Item = &'static ConfigKey> {
        all().filter(move |key| key.section == self)
    }

    pub(super) fn key(self, name: &str) -> Option<&'static ConfigKey> {
        self.keys().find(|key| key.name == name)
    }

    /// What a mapping of this kind may have in it.
    pub(super) fn has_keys(self) -> String {
        let keys: Vec<_> = self.keys().map(|key| key.name).collect();
        format!("{} has the keys {}", self.called(), keys.join(", "))
    }

    /// How messages call a mapping of this kind.
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::Root => "the file",
            Self::Program => "`program`",
            Self::Electricity => "`electricity`",
            Self::LogFile => "`log_file`",
            Self::Captures => "`captures`",
            Self::Tls => "`tls`",
            Self::Traces => "`traces`",
            Self::Logs => "`logs`",
            Self::Notify => "an entry of `notify`",
            Self::Device => "an entry of `devices`",
            Self::Mode => "an entry of `modes`",
            Self::Probe | Self::OwnProbe => "a probe",
            Self::Park => "`park`",
            Self::ParkStep => "a step of `park`",
            Self::Replicas => "`replicas` of a model",
            Self::ParkSign => "`parked` or `busy` of `park`",
            Self::Usage => "`usage` of a mode",
            Self::Key => "a key",
            Self::Budget => "a budget",
            Self::Model => "a model",
            Self::Billing => "`billing`",
            Self::Tier => "a tier",
            Self::Variant => "a variant",
            Self::On => "`on`",
            Self::Slurm => "`slurm`",
            Self::Kubernetes => "`kubernetes`",
        }
    }
}

impl ConfigKey {
    /// Meaning, range and default, as `config.example.yaml` and the schema tell them.
    pub(super) fn describe(&self) -> String {
        let mut text = self.help.to_owned();
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match self.kind {
            ValueKind::Whole { min, max } => text.push_str(&format!(" Range: {min} to {max}{unit}.")),
            ValueKind::Number { min, max } => {
                text.push_str(&format!(" Range: {min} to {max}{unit}, fractions allowed."));
            }
            ValueKind::NumberOrAuto { min, max } => {
                text.push_str(&format!(" Range: {min} to {max}{unit}, fractions allowed, or auto."));
            }
            ValueKind::Choice(words) => text.push_str(&format!(" One of {}.", words.join(", "))),
            _ => {}
        }
        match self.preset {
            DefaultValue::Required => text.push_str(" Required."),
            DefaultValue::Nothing => {}
            DefaultValue::Text(word) => text.push_str(&format!(" Default: {word}.")),
            DefaultValue::Whole(number) => text.push_str(&format!(" Default: {number}{unit}.")),
            DefaultValue::Flag(flag) => text.push_str(&format!(" Default: {flag}.")),
            DefaultValue::Program => text.push_str(&format!(" Default: program.{}.", self.name)),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_in_a_section_twice() {
        for (index, key) in all().enumerate() {
            let again = all().take(index).any(|other| other.section == key.section && other.name == key.name);
            assert!(!again, "{:?}.{}", key.section, key.name);
        }
    }

    #[test]
    fn defaults_are_of_their_kind_and_in_range() {
        for key in all() {
            let fits = match (key.preset, key.kind) {
                (DefaultValue::Required | DefaultValue::Nothing, _) => true,
                (DefaultValue::Text(_), ValueKind::Text) | (DefaultValue::Flag(_), ValueKind::Flag) => true,
                (DefaultValue::Text(word), ValueKind::NumberOrAuto { .. }) => word == "auto",
                (DefaultValue::Text(word), ValueKind::Choice(words)) => words.contains(&word),
                (DefaultValue::Whole(n), ValueKind::Whole { min, max }) => (min..=max).contains(&n),
                (DefaultValue::Whole(n), ValueKind::Number { min, max }) => (min..=max).contains(&(n as f64)),
                (DefaultValue::Program, kind) => {
                    Section::Program.key(key.name).is_some_and(|own| own.kind == kind)
                }
                _ => false,
            };
            assert!(fits, "{:?}.{}", key.section, key.name);
            assert!(key.help.ends_with('.'), "{}", key.name);
        }
    }
}
