//! A plan in words, one line per change.

use super::{Change, ReloadPlan};
use std::fmt;

impl ReloadPlan {
    /// One line per change.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.models.iter().map(|one| format!("{}: {}", one.model, one.change)).collect();
        lines.extend(self.in_place.iter().map(|key| format!("{key}: changes at once")));
        lines.extend(
            self.needs_restart
                .iter()
                .map(|key| format!("{key}: stays as it is until the manager is restarted (`needs_restart`)")),
        );
        lines
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPlace(keys) => write!(f, "changes in place ({})", keys.join(", ")),
            Self::Relaunched { variants, keys } => {
                let also =
                    if keys.is_empty() { String::new() } else { format!("; also {}", keys.join(", ")) };
                write!(
                    f,
                    "its launch changes ({}); if it runs so, it is restarted when its answers have ended{also}",
                    variants.join(", ")
                )
            }
            Self::Added => f.write_str("is new"),
            Self::Renamed { from } => write!(f, "is new and takes over the data of {}", from.join(", ")),
            Self::Removed { data_to: None } => {
                f.write_str("is removed; its running responses finish first, its data stay")
            }
            Self::Removed { data_to: Some(model) } => {
                write!(f, "is removed; its running responses finish first, its data become those of {model}")
            }
        }
    }
}
