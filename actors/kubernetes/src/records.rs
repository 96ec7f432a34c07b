//! The files of a Pod in the state folder: its key, and what the next manager has to know.
//!
//! `STATE/kubernetes/id` names the state folder; `STATE/kubernetes/NAME/` is the folder of the Pod with that name, readable by
//! its user only. All of this blocks, and is called on threads that may.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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

/// The folder of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn key(&self) -> PathBuf {
        self.0.join("key")
    }
    fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }

    fn read_record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record()).ok()?).ok()
    }

    /// The key by which the Pod's server is asked.
    pub(crate) fn read_key(&self) -> io::Result<String> {
        fs::read_to_string(self.key())
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }
}

/// All Pods' files of one state folder.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
    id: String,
}

/// So begin the names of all Pods.
const PREFIX: &str = "llm-";

impl Files {
    /// Makes the folder and its name, if they aren't there.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let root = state_dir.join("kubernetes");
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

    /// What all Pods of this state folder carry as a label.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where the files are.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn folder(&self, name: &str) -> Folder {
        Folder(self.root.join(name))
    }

    /// A name for a new Pod of this model: no other Pod has it, and it can be the name of a host.
    pub(crate) fn new_name(&self, model: &str) -> io::Result<String> {
        let plain = |letter: char| match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '-',
        };
        let model: String = model.chars().map(plain).take(32).collect();
        let name = format!("{PREFIX}{}-{}-{model}", self.id, random(4)?);
        Ok(name.trim_end_matches('-').to_owned())
    }

    /// The Pods whose folders are here.
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

    /// Makes a Pod's folder, before anything of it is in the cluster.
    pub(crate) fn prepare(&self, record: &Record) -> io::Result<Folder> {
        let folder = self.folder(&record.name);
        make_private_folder(&folder.0)?;
        write_private(&folder.key(), random(24)?.as_bytes())?;
        write_private(&folder.record(), serde_json::to_string(record)?.as_bytes())?;
        Ok(folder)
    }
}

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

/// Writes a file that only its owner can read: it is whole, or not there.
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

    fn record(name: String) -> Record {
        Record {
            name,
            context: None,
            namespace: Some("ns".to_owned()),
            model: "m".to_owned(),
            variant: "v".to_owned(),
            run: 1,
            launch: "x".to_owned(),
            container: "server".to_owned(),
            port: 8000,
        }
    }

    #[test]
    fn names_can_be_names_of_hosts_and_the_folder_keeps_its_own() {
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path()).unwrap();
        for model in
            ["Org/Ü \"x\" $(id)", "m", "---", "a-very-long-name-that-does-not-end-before-the-32nd-letter"]
        {
            let name = files.new_name(model).unwrap();
            let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(name.len() <= 63 && name.chars().all(fits) && !name.ends_with('-'), "{name}");
        }
        assert_eq!(Files::open(state.path()).unwrap().id(), files.id());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_pods_files() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path()).unwrap();
        let record = record(files.new_name("m").unwrap());
        let folder = files.prepare(&record).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert!(mode(&folder.key()) == 0o600 && mode(&folder.record()) == 0o600);
        assert_eq!(folder.read_key().unwrap().len(), 48);
        assert_eq!(files.records().unwrap(), [record]);
    }
}
