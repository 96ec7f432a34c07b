//! Who uses the cards: the `fdinfo` of open files of `/dev/dri`. Those of other users are seen by root only.

use super::SysRoot;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often processes are looked at that had no card open the last time.
const LOOK_AT_ALL: Duration = Duration::from_secs(5);

/// A card's file that a process has open; several descriptors of it are one.
#[derive(Clone, Debug)]
pub struct Client {
    /// The process.
    pub pid: u32,
    /// The card's place on the bus.
    pub pci: String,
    /// The driver's number of it.
    pub id: String,
    fields: BTreeMap<String, String>,
}

/// Remembers which processes have a card open.
#[derive(Debug, Default)]
pub struct Clients {
    known: BTreeSet<u32>,
    all_at: Option<Instant>,
}

impl Clients {
    /// Everybody who uses one of the system's cards now.
    pub fn look(&mut self, system: &SysRoot) -> Vec<Client> {
        let now = Instant::now();
        let proc = system.path("proc");
        if self.all_at.is_none_or(|at| now.duration_since(at) >= LOOK_AT_ALL) {
            self.all_at = Some(now);
            let entries = fs::read_dir(&proc).into_iter().flatten().flatten();
            self.known = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        }
        let mut found: Vec<Client> = Vec::new();
        let mut seen = BTreeSet::new();
        self.known.retain(|pid| {
            let clients = of_process(&proc.join(pid.to_string()), *pid);
            let uses = !clients.is_empty();
            // A file that was handed on to another process is counted once.
            found.extend(clients.into_iter().filter(|one| seen.insert((one.pci.clone(), one.id.clone()))));
            uses
        });
        found
    }
}

fn of_process(dir: &Path, pid: u32) -> Vec<Client> {
    let descriptors = fs::read_dir(dir.join("fd")).into_iter().flatten().flatten();
    let cards = descriptors
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.starts_with("/dev/dri")));
    let mut found: Vec<Client> = Vec::new();
    for entry in cards {
        let Ok(text) = fs::read_to_string(dir.join("fdinfo").join(entry.file_name())) else { continue };
        let fields: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("drm-")?.split_once(':'))
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect();
        let (Some(pci), Some(id)) = (fields.get("pdev"), fields.get("client-id")) else { continue };
        let client = Client { pid, pci: pci.clone(), id: id.clone(), fields };
        if !found.iter().any(|other| other.pci == client.pci && other.id == client.id) {
            found.push(client);
        }
    }
    found
}

impl Client {
    /// Bytes that it has in the regions of these names. What is there counts, not what was only asked for; older drivers
    /// have one number for both.
    pub fn bytes(&self, is_wanted: impl Fn(&str) -> bool) -> u64 {
        let mut regions: BTreeMap<&str, u64> = BTreeMap::new();
        for kind in ["total-", "memory-", "resident-"] {
            for (key, value) in &self.fields {
                if let Some(region) = key.strip_prefix(kind).filter(|region| is_wanted(region))
                    && let Some(bytes) = bytes(value)
                {
                    // The later kind is the better one.
                    regions.insert(region, bytes);
                }
            }
        }
        regions.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Numbers whose keys begin like this, by the rest of the key.
    pub fn numbers<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = (&'a str, u64)> + 'a {
        self.fields.iter().filter_map(move |(key, value)| {
            let rest = key.strip_prefix(beginning)?;
            Some((rest, value.split_whitespace().next()?.parse().ok()?))
        })
    }
}

/// `1024 KiB`; without a unit it is bytes.
fn bytes(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}
