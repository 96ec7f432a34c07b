//! What the system lets this process have: open files and threads. Too little of either is told before anything
//! starts; clients get what processes, backends and /proc don't need.

use llm_manager_policy::system::no_thread;
use llm_manager_process::limit_arenas;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Below this many open files not even one model can be served.
const FEWEST_FILES: u64 = 40;
/// Files that the manager needs for itself and for its first models.
const OWN_FILES: u64 = 36;
/// The share of the limit that clients never get, beside those: a process takes six files while it starts, each look
/// at /proc three.
const SPARE_PART: u64 = 4;
const MOST_SPARE: u64 = 1024;
/// Threads of each worker of the HTTP server: its own, and the one that `keep_a_thread` keeps.
const PER_WORKER: usize = 2;
/// Threads beside those: the one that accepts, the log, files of logs, captures, the ledger's two, four kinds of devices,
/// looks at /proc, the guard (a process, which is counted as one), and reports, of which four are made at once.
const OTHER_THREADS: usize = 16;
/// An idle thread for blocking work ends after ten seconds; with a tick this often one stays.
const TICK: Duration = Duration::from_secs(4);
/// Addresses that the C library sets aside for each of its arenas, and the share of all that arenas may have.
const ARENA: u64 = 64 << 20;
const ARENAS_PART: u64 = 4;
/// Of one HTTP worker, however many files there are.
const MOST_PER_WORKER: u64 = 100_000;

/// Raises the limit of open files and checks what there is. An error is ready to be printed.
pub(crate) fn check() -> Result<(), String> {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        log::warn!("can't raise the limit of open files: {error}");
    }
    let files = files();
    if files < FEWEST_FILES {
        return Err(format!(
            "the limit of open files is {files}, and at least {FEWEST_FILES} are needed: raise it (`ulimit -n`, or \
             `LimitNOFILE=` of the service)"
        ));
    }
    if let Some(most) = arenas(address_space()) {
        limit_arenas(most);
    }
    let wanted = PER_WORKER * workers() + OTHER_THREADS;
    threads(wanted).map_err(|error| format!("{wanted} threads are needed, and {}", no_thread(&error)))
}

/// Keeps a thread for blocking work in the runtime of this thread, for ever. Work that comes when no thread can be started
/// waits for one that is there; if there is none, the library can only panic.
pub(crate) async fn keep_a_thread() {
    loop {
        // It does nothing that could fail.
        let _ = tokio::task::spawn_blocking(|| ()).await;
        tokio::time::sleep(TICK).await;
    }
}

/// Of the HTTP server.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

#[cfg(unix)]
fn files() -> u64 {
    rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft)
}

/// What `ulimit -v` leaves, in bytes; `None`: as much as there is.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::AS).ok()?;
    (soft != rlimit::INFINITY).then_some(soft)
}

#[cfg(not(unix))]
const fn address_space() -> Option<u64> {
    None
}

/// How many arenas the C library may make where addresses are scarce: it makes one for each thread otherwise, and what
/// they set aside is missing for bodies of requests.
fn arenas(address_space: Option<u64>) -> Option<u8> {
    let most = address_space? / ARENA / ARENAS_PART;
    u8::try_from(most.clamp(1, 64)).ok()
}

/// Windows counts sockets nowhere.
#[cfg(not(unix))]
const fn files() -> u64 {
    1 << 20
}

/// How many connections of clients each HTTP worker may hold.
pub(crate) fn clients_per_worker() -> usize {
    per_worker(files(), workers() as u64)
}

/// A client's request takes a second file, towards its backend.
fn per_worker(files: u64, workers: u64) -> usize {
    let reserve = OWN_FILES + (files / SPARE_PART).min(MOST_SPARE);
    let clients = files.saturating_sub(reserve) / 2;
    usize::try_from((clients / workers.max(1)).clamp(1, MOST_PER_WORKER)).unwrap_or(1)
}

/// Starts so many threads at once, and lets them end.
fn threads(count: usize) -> std::io::Result<()> {
    let mut held = Vec::new();
    let mut wrong = Ok(());
    for _ in 0..count {
        let (keep, kept) = sync_channel::<()>(0);
        match std::thread::Builder::new().stack_size(64 << 10).spawn(move || kept.recv().is_ok()) {
            Ok(thread) => held.push((keep, thread)),
            Err(error) => {
                wrong = Err(error);
                break;
            }
        }
    }
    for (keep, thread) in held {
        drop(keep);
        // It does nothing that could fail.
        let _ = thread.join();
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_files_for_everything_else() {
        // limit, workers, wanted per worker
        let table =
            [(40, 2, 1), (64, 2, 3), (128, 2, 15), (1024, 4, 91), (1 << 20, 8, 65469), (1 << 30, 2, 100_000)];
        for (files, workers, wanted) in table {
            assert_eq!(per_worker(files, workers), wanted, "{files} files, {workers} workers");
        }
    }

    #[test]
    fn arenas_leave_addresses_for_everything_else() {
        for (space, wanted) in
            [(None, None), (Some(700 << 20), Some(2)), (Some(1 << 20), Some(1)), (Some(1 << 50), Some(64))]
        {
            assert_eq!(arenas(space), wanted, "{space:?}");
        }
    }

    #[test]
    fn some_threads_can_be_started() {
        threads(8).unwrap();
    }
}
