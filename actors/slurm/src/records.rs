//! The files of a job in the state folder: its key, its script, its output, and what the next manager has to know.
//!
//! `STATE/slurm/id` names the state folder; `STATE/slurm/NAME/` is the folder of the job with that name, readable by its user
//! only. All of this blocks, and is called on threads that may.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is kept of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
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
}

/// The folder of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("output.log")
    }
    pub(crate) fn environment(&self) -> PathBuf {
        self.0.join("environment")
    }
    pub(crate) fn script(&self) -> PathBuf {
        self.0.join("job.sh")
    }
    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("key")
    }
    pub(crate) fn place(&self) -> PathBuf {
        self.0.join("place")
    }
    fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }

    /// What stands in the record, if it can be read.
    pub(crate) fn read_record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record()).ok()?).ok()
    }

    /// Replaces the record as a whole.
    pub(crate) fn write_record(&self, record: &Record) -> io::Result<()> {
        write_private(&self.record(), serde_json::to_string(record)?.as_bytes())
    }

    /// The key by which the job's server is asked.
    pub(crate) fn read_key(&self) -> io::Result<String> {
        fs::read_to_string(self.key())
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }
}

/// All jobs' files of one state folder.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
    id: String,
}

/// So begin the names of all jobs.
pub(crate) const PREFIX: &str = "llm-";

impl Files {
    /// Makes the folder and its name, if they aren't there.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let root = state_dir.join("slurm");
        make_private_folder(&root)?;
        let root = root.canonicalize()?;
        let file = root.join("id");
        let id = match fs::read_to_string(&file) {
            Ok(id) if id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => id,
            Ok(_) | Err(_) => {
                let id = random(4)?;
                write_private(&file, id.as_bytes())?;
                id
            }
        };
        Ok(Self { root, id })
    }

    /// The beginning of the names of this state folder's jobs.
    pub(crate) fn prefix(&self) -> String {
        format!("{PREFIX}{}-", self.id)
    }

    pub(crate) fn folder(&self, name: &str) -> Folder {
        Folder(self.root.join(name))
    }

    /// A name for a new job of this model: no other job has it.
    pub(crate) fn new_name(&self, model: &str) -> io::Result<String> {
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_') { letter } else { '-' }
        };
        let model: String = model.chars().map(plain).take(32).collect();
        Ok(format!("{}{}-{model}", self.prefix(), random(4)?))
    }

    /// The jobs whose folders are here.
    pub(crate) fn records(&self) -> io::Result<Vec<Record>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.extend(Folder(entry.path()).read_record());
            }
        }
        Ok(found)
    }

    /// Makes a job's folder with all that `sbatch` needs.
    pub(crate) fn prepare(
        &self,
        record: &Record,
        script: &str,
        environment: &[(String, String)],
    ) -> io::Result<Folder> {
        let folder = self.folder(&record.name);
        make_private_folder(folder.path())?;
        write_private(&folder.script(), script.as_bytes())?;
        write_private(&folder.key(), random(24)?.as_bytes())?;
        let mut bytes = Vec::new();
        let key = folder.read_key()?;
        let own = KEY_VARIABLES.iter().map(|name| (*name, key.as_str()));
        let given = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut last = std::collections::BTreeMap::new();
        let file = folder.key().to_string_lossy().into_owned();
        last.insert("LLM_MANAGER_KEY_FILE", file.as_str());
        // What the user says is said last.
        last.extend(own.chain(given));
        for (name, value) in last {
            bytes.extend_from_slice(format!("{name}={value}\0").as_bytes());
        }
        write_private(&folder.environment(), &bytes)?;
        folder.write_record(record)?;
        Ok(folder)
    }
}

/// The key's names: ours, llama.cpp's and vLLM's.
const KEY_VARIABLES: [&str; 3] = ["LLM_MANAGER_KEY", "LLAMA_API_KEY", "VLLM_API_KEY"];

/// So many random bytes, in hexadecimal.
fn random(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(io::Error::other)?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that only its owner can read, beside the arbiter's eyes: it is whole, or not there.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// Runs what blocks on a thread that may.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_the_folder_keeps_its_own() {
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path()).unwrap();
        let name = files.new_name("org/ü \"x\" $(id),%j|").unwrap();
        assert!(name.starts_with(&files.prefix()) && name.ends_with("-org----x----id---j-"), "{name}");
        assert_eq!(Files::open(state.path()).unwrap().prefix(), files.prefix());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_jobs_files() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path()).unwrap();
        let record = Record {
            name: files.new_name("m").unwrap(),
            id: None,
            model: "m".to_owned(),
            variant: "v".to_owned(),
            run: 1,
            launch: "x".to_owned(),
        };
        let folder = files.prepare(&record, "#!/bin/sh\n", &[("A".to_owned(), "b c".to_owned())]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        for file in [folder.script(), folder.key(), folder.environment(), folder.record()] {
            assert_eq!(mode(&file), 0o600, "{file:?}");
        }
        let environment = fs::read_to_string(folder.environment()).unwrap();
        assert!(environment.contains("A=b c\0") && environment.contains(&folder.read_key().unwrap()));
        assert_eq!(files.records().unwrap(), [record]);
    }
}
