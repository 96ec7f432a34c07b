//! What a job of Slurm has in its folder beside its key: its script, its environment, its output, and what the next manager has
//! to know. All of this blocks, and is called on threads that may.

use std::collections::BTreeMap;
use std::io;

use llm_manager_process::far::{Files, Folder, KEY_VARIABLES};
use llm_manager_process::private_files;
use serde::{Deserialize, Serialize};

/// The folder of jobs in the state folder.
pub(crate) const PLACE: &str = "slurm";

/// Files in a job's folder.
pub(crate) const OUTPUT: &str = "output.log";
pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const SCRIPT: &str = "job.sh";
/// Where its server listens, as the job itself writes it.
pub(crate) const LISTENS: &str = "place";

/// What is kept of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The job's name, unlike that of every other job.
    pub name: String,
    /// Its number; `None`: nobody knows whether it was submitted.
    pub id: Option<u64>,
    /// The model.
    pub model: String,
    /// The variant.
    pub variant: String,
    /// Tells this run from all others; the ledger's number.
    pub run: i64,
    /// What it was launched by: a job of another one isn't taken over.
    pub launch: String,
    /// The folder of its files on its node, where the nodes share none with the manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nook: Option<String>,
}

/// A letter as it may stand in a job's name.
pub(crate) fn plain(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_') { letter } else { '-' }
}

/// Makes a job's folder with all that `sbatch` needs.
pub(crate) fn prepare(
    files: &Files,
    record: &JobRecord,
    script: &str,
    environment: &[(String, String)],
) -> io::Result<Folder> {
    let folder = files.make_folder(&record.name)?;
    private_files::write(&folder.file(SCRIPT), script.as_bytes())?;
    let key = folder.read_key()?;
    let own = KEY_VARIABLES.iter().map(|name| (*name, key.as_str()));
    let given = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let file = folder.key().to_string_lossy().into_owned();
    let mut last = BTreeMap::from([("LLM_MANAGER_KEY_FILE", file.as_str())]);
    // What the user says is said last.
    last.extend(own.chain(given));
    let bytes: Vec<u8> =
        last.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect();
    private_files::write(&folder.file(ENVIRONMENT), &bytes)?;
    folder.write_record(record)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_are_safe() {
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path(), PLACE).unwrap();
        let name = files.new_name("org/ü \"x\" $(id),%j|", plain).unwrap();
        assert!(name.starts_with(&files.prefix()) && name.ends_with("-org----x----id---j-"), "{name}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_jobs_files() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path(), PLACE).unwrap();
        let record = JobRecord {
            name: files.new_name("m", plain).unwrap(),
            id: None,
            model: "m".to_owned(),
            variant: "v".to_owned(),
            run: 1,
            launch: "x".to_owned(),
            nook: None,
        };
        let folder = prepare(&files, &record, "#!/bin/sh\n", &[("A".to_owned(), "b c".to_owned())]).unwrap();
        for file in [SCRIPT, ENVIRONMENT] {
            let mode = fs::metadata(folder.file(file)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
        let environment = fs::read_to_string(folder.file(ENVIRONMENT)).unwrap();
        assert!(environment.contains("A=b c\0") && environment.contains(&folder.read_key().unwrap()));
        assert_eq!(files.records::<JobRecord>().unwrap(), [record]);
    }
}
