//! The files of jobs in the state folder: their keys, and what the next manager has to know.
//!
//! `STATE/PLACE/id` names the state folder; `STATE/PLACE/NAME/` is the folder of the job with that name, readable by its user
//! only. All of this blocks, and is called on threads that may (`aside`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::private_files;

/// The folder of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The file with the job's key.
    pub fn key(&self) -> PathBuf {
        self.file("key")
    }

    fn record(&self) -> PathBuf {
        self.file("record.json")
    }

    /// What stands in the record, if it can be read.
    fn read_record<R: DeserializeOwned>(&self) -> Option<R> {
        serde_json::from_slice(&fs::read(self.record()).ok()?).ok()
    }

    /// Replaces the record as a whole.
    ///
    /// # Errors
    /// The system's.
    pub fn write_record(&self, record: &impl Serialize) -> io::Result<()> {
        private_files::write(&self.record(), serde_json::to_string(record)?.as_bytes())
    }

    /// The key by which the job's server is asked.
    ///
    /// # Errors
    /// The system's.
    pub fn read_key(&self) -> io::Result<String> {
        fs::read_to_string(self.key())
    }

    /// With all that is in it.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }
}

/// All jobs' files of one state folder at one kind of place.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    id: String,
}

/// So begin the names of all jobs.
pub const PREFIX: &str = "llm-";

impl Files {
    /// Makes the folder of the place and its name, if they aren't there.
    ///
    /// # Errors
    /// The system's.
    pub fn open(state_dir: &Path, place: &str) -> io::Result<Self> {
        let root = state_dir.join(place);
        private_files::folder(&root)?;
        let root = root.canonicalize()?;
        let id = name_of(&root)?;
        Ok(Self { root, id })
    }

    /// The name of the state folder, 8 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the files are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The beginning of the names of this state folder's jobs.
    pub fn prefix(&self) -> String {
        format!("{PREFIX}{}-", self.id)
    }

    /// The folder of the job with this name.
    pub fn folder(&self, name: &str) -> Folder {
        Folder(self.root.join(name))
    }

    /// A name for a new job of this model: no other job has it. `plain` has a letter as the place takes it in a name.
    ///
    /// # Errors
    /// The system's, for want of chance.
    pub fn new_name(&self, model: &str, plain: impl Fn(char) -> char) -> io::Result<String> {
        let model: String = model.chars().map(plain).take(32).collect();
        Ok(format!("{}{}-{model}", self.prefix(), random(4)?))
    }

    /// The jobs whose folders are here.
    ///
    /// # Errors
    /// The system's.
    pub fn records<R: DeserializeOwned>(&self) -> io::Result<Vec<R>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.extend(Folder(entry.path()).read_record());
            }
        }
        Ok(found)
    }

    /// Makes a job's folder and its key, before anything of it is in the cluster. The record comes last, by `write_record`.
    ///
    /// # Errors
    /// The system's.
    pub fn make_folder(&self, name: &str) -> io::Result<Folder> {
        let folder = self.folder(name);
        private_files::folder(&folder.0)?;
        private_files::write(&folder.key(), random(24)?.as_bytes())?;
        Ok(folder)
    }
}

/// The name in the folder's file `id`, which is made if it isn't there. Several may come at once, be they of several managers: all of them
/// go by the first one's.
fn name_of(root: &Path) -> io::Result<String> {
    let file = root.join("id");
    let read = || {
        let id = fs::read_to_string(&file).ok()?;
        (id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    };
    if let Some(id) = read() {
        return Ok(id);
    }
    let id = random(4)?;
    let own = root.join(format!("id-{}", random(4)?));
    private_files::write(&own, id.as_bytes())?;
    // Unlike a renaming, it replaces nothing.
    let linked = fs::hard_link(&own, &file);
    // One that is left is in nobody's way.
    let _ = fs::remove_file(&own);
    if linked.is_ok() {
        return Ok(id);
    }
    if let Some(first) = read() {
        return Ok(first);
    }
    // What is there is no name, or this disk has no links.
    private_files::write(&file, id.as_bytes())?;
    Ok(id)
}

/// So many random bytes, in hexadecimal.
///
/// # Errors
/// The system's, for want of chance.
pub fn random(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(io::Error::other)?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Runs what blocks on a thread that may.
///
/// # Errors
/// Those of the work.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_come_at_once_go_by_one_name() {
        for _ in 0..20 {
            let state = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(8);
            let open = || {
                start.wait();
                Files::open(state.path(), "place").unwrap().id
            };
            let ids: Vec<String> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(fs::read_dir(state.path().join("place")).unwrap().count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn a_state_folder_keeps_its_name_and_its_jobs() {
        let state = tempfile::tempdir().unwrap();
        let files = Files::open(state.path(), "place").unwrap();
        let name =
            files.new_name("Org/Ü 7", |letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
        let name = name.unwrap();
        assert!(name.starts_with(&files.prefix()) && name.ends_with("-Org---7"), "{name}");
        let folder = files.make_folder(&name).unwrap();
        assert_eq!(folder.read_key().unwrap().len(), 48);
        assert!(files.records::<String>().unwrap().is_empty(), "without a record there is no job");
        folder.write_record(&"what it was").unwrap();
        let again = Files::open(state.path(), "place").unwrap();
        assert_eq!((again.id(), again.records().unwrap()), (files.id(), vec!["what it was".to_owned()]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(folder.path()), 0o700);
            assert!(mode(&folder.key()) == 0o600 && mode(&folder.record()) == 0o600);
        }
        folder.remove().unwrap();
        assert!(again.records::<String>().unwrap().is_empty());
    }
}
