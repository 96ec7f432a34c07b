//! What the next manager has to know of a Pod, and the Pod's name.

use std::io;

use llm_manager_process::far::Files;
use serde::{Deserialize, Serialize};

/// The folder of Pods in the state folder.
pub(crate) const PLACE: &str = "kubernetes";

/// What is kept of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its name, unlike that of every other Pod.
    pub name: String,
    /// Of the kubeconfig.
    pub context: Option<String>,
    /// `None`: the context's.
    pub namespace: Option<String>,
    /// The model, or one of its replicas.
    pub model: String,
    /// The variant.
    pub variant: String,
    /// Tells this run from all others; the ledger's number.
    pub run: i64,
    /// What it was launched by: a Pod of another one isn't taken over.
    pub launch: String,
    /// The container of the server.
    pub container: String,
    /// Where its server listens.
    pub port: u16,
}

/// A name for a new Pod of this model: no other Pod has it, and it can be the name of a host.
pub(crate) fn new_name(files: &Files, model: &str) -> io::Result<String> {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    Ok(files.new_name(model, plain)?.trim_end_matches('-').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_names_of_hosts() {
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path(), PLACE).unwrap();
        for model in
            ["Org/Ü \"x\" $(id)", "m", "---", "a-very-long-name-that-does-not-end-before-the-32nd-letter"]
        {
            let name = new_name(&files, model).unwrap();
            let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(name.len() <= 63 && name.chars().all(fits) && !name.ends_with('-'), "{name}");
        }
    }
}
