//! The key by which labels of API keys are made: in the state folder, so that a key has the same label after a restart,
//! wherever it stands in the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "label.key";

/// Reads it, or makes it. Blocks.
pub(super) fn load(state_dir: &Path) -> Result<[u8; 32], String> {
    let path = state_dir.join(NAME);
    let wrong = |error: &io::Error| format!("{}: {error}; is the folder writable?", path.display());
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| damaged(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key)
                .map_err(|error| format!("the system gives no random numbers: {error}"))?;
            fs::create_dir_all(state_dir).map_err(|error| wrong(&error))?;
            if write(&path, &key).map_err(|error| wrong(&error))? {
                return Ok(key);
            }
            // Another manager of this folder was faster.
            let bytes = fs::read(&path).map_err(|error| wrong(&error))?;
            parse(&bytes).ok_or_else(|| damaged(&path))
        }
        Err(error) => Err(wrong(&error)),
    }
}

/// Puts it in place whole and only if there is none; whether this one is in place now.
fn write(path: &Path, key: &[u8; 32]) -> io::Result<bool> {
    let part = path.with_extension(format!("key.{}", std::process::id()));
    let _ = fs::remove_file(&part);
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = create(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    let placed = written.and_then(|()| match fs::hard_link(&part, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without hard links: the rename replaces what came there meanwhile, if anything did.
        Err(_) => fs::rename(&part, path).map(|()| true),
    });
    let _ = fs::remove_file(&part);
    placed
}

/// For this user only: with the key, a short API key could be guessed from its label.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn parse(bytes: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let mut key = [0; 32];
    if text.len() != 2 * key.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (nth, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * nth..2 * nth + 2)?, 16).ok()?;
    }
    Some(key)
}

fn damaged(path: &Path) -> String {
    format!(
        "{} is damaged: it holds 64 hex digits, by which API keys get their labels in the ledger. Restore it from a \
         backup; or delete it, then every key gets a new label",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data");
        let first = load(&folder).unwrap();
        assert_eq!(load(&folder).unwrap(), first);
        assert_ne!(load(&dir.path().join("other")).unwrap(), first);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [NAME]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(folder.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // Whoever comes second takes what is there.
        assert!(!write(&folder.join(NAME), &[7; 32]).unwrap());
        assert_eq!(load(&folder).unwrap(), first);
    }

    #[test]
    fn a_damaged_one_is_told_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"ä".repeat(32)] {
            fs::write(dir.path().join(NAME), text).unwrap();
            let error = load(dir.path()).unwrap_err();
            assert!(error.contains("label.key") && error.contains("delete it"), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), text);
        }
    }
}
