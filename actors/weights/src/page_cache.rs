//! Reading files into the page cache before a server wants them.
//!
//! `posix_fadvise(WILLNEED)` alone doesn't do it: one call reads a few megabytes, however much it is asked for. So the
//! kernel is told that a file is read from its beginning to its end (which doubles its own read-ahead), and then it is
//! read; what was read is thrown away.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What is read between two looks at whether to go on.
const PIECE: usize = 4 << 20;
/// RAM that is left alone, in hundredths of what is free.
const SPARED_PERCENT: u64 = 10;

/// RAM that is free or can be had at once, in bytes; `None`: the system doesn't say.
pub fn free_ram() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Reads `files` in order, while `goes_on`, and at the most nine tenths of `free` bytes. Answers the bytes read.
///
/// # Errors
/// A file can't be read: the sentence names it.
pub fn read_ahead(files: &[PathBuf], free: u64, mut goes_on: impl FnMut() -> bool) -> Result<u64, String> {
    let limit = free - free / 100 * SPARED_PERCENT;
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    for path in files {
        let told = |error| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(told)?;
        expect_all(&file);
        while goes_on() && done < limit {
            match file.read(&mut piece).map_err(told)? {
                0 => break,
                bytes => done += bytes as u64,
            }
        }
    }
    Ok(done)
}

#[cfg(target_os = "linux")]
fn expect_all(file: &File) {
    // It is advice: where it isn't taken, the file is read all the same.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

#[cfg(not(target_os = "linux"))]
fn expect_all(_: &File) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![folder.path().join("a"), folder.path().join("b")];
        files.iter().for_each(|path| std::fs::write(path, vec![1; 3 << 20]).unwrap());
        (folder, files)
    }

    #[test]
    fn all_files_are_read_unless_ram_is_short_or_it_is_called_off() {
        let (_folder, files) = two_files();
        assert_eq!(read_ahead(&files, 1 << 30, || true), Ok(6 << 20));
        // The first piece is over the limit, so it is the last.
        assert_eq!(read_ahead(&files, 1 << 20, || true), Ok(3 << 20));
        assert_eq!(read_ahead(&files, 1 << 30, || false), Ok(0));
        let missing = vec![files[0].with_file_name("c")];
        assert!(read_ahead(&missing, 1 << 30, || true).unwrap_err().contains("/c: "));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn free_ram_is_known() {
        assert!(free_ram().is_some_and(|bytes| bytes > 1 << 20));
    }
}
