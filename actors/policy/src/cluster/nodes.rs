//! Nodes: what a cluster has and who uses it, for those who look and ask. Which job runs where is the cluster's business.

use super::SlurmRequest;
use std::fmt;

/// A node, as the cluster tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterNode {
    pub name: String,
    /// The partitions that it is in.
    pub partitions: Vec<String>,
    /// Slurm's words for its state, in lower case.
    pub state: Vec<String>,
    /// Why it is as it is, if somebody said so.
    pub reason: Option<String>,
    /// How many CPUs it has.
    pub cpus: u64,
    /// How many of them are given to jobs.
    pub cpus_used: u64,
    /// Its cards and the like.
    pub gres: Vec<Gres>,
    /// The jobs that run there.
    pub jobs: Vec<NodeJob>,
}

/// Things of one kind on a node, such as cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gres {
    /// Such as `gpu`.
    pub name: String,
    /// Such as `v100`; `None`: the cluster doesn't tell kinds apart.
    pub kind: Option<String>,
    /// How many there are.
    pub count: u64,
    /// How many of them are given to jobs.
    pub used: u64,
}

/// As Slurm writes it, without the number.
impl fmt::Display for Gres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Some(kind) => write!(f, "{}:{kind}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A job on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeJob {
    /// Its number.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    pub name: String,
    /// The model, or the replica, whose backend it runs; `None`: it is none of this manager's.
    pub model: Option<String>,
    /// What it has of this node, as Slurm writes it; empty: CPUs and memory alone.
    pub gres: String,
    /// When its time limit is over, in seconds since 1970; `None`: it has none.
    pub ends: Option<i64>,
}

/// Whether jobs can begin on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeHealth {
    /// They can, as far as there is room.
    Up,
    /// They can't: an administrator wants it so, or its own check. Those that run go on.
    Drained,
    /// It isn't there.
    Down,
}

impl ClusterNode {
    /// Whether jobs can begin there.
    pub fn health(&self) -> NodeHealth {
        let has = |words: &[&str]| self.state.iter().any(|word| words.contains(&word.trim_end_matches('*')));
        let silent = self.state.iter().any(|word| word.ends_with('*'));
        if silent
            || has(&[
                "down",
                "not_responding",
                "fail",
                "failing",
                "error",
                "powered_down",
                "future",
                "unknown",
            ])
        {
            NodeHealth::Down
        } else if has(&["drain", "drained", "draining", "maint", "reboot", "reboot_issued"]) {
            NodeHealth::Drained
        } else {
            NodeHealth::Up
        }
    }

    /// Slurm's words for its state, in one.
    pub fn state_text(&self) -> String {
        self.state.join("+")
    }
}

/// What stands in `gres` of a node or a job: `gpu:v100:2(IDX:0-1),shard:8`.
pub fn parse_gres(text: &str) -> Vec<(String, Option<String>, u64)> {
    let mut plain = String::new();
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let one = |entry: &str| {
        // `--gres` may say what kind of thing it means.
        let entry = entry.trim().trim_start_matches("gres:").trim_start_matches("gres/");
        let parts: Vec<&str> = entry.split(':').filter(|part| *part != "no_consume").collect();
        let (name, kind, count) = match parts[..] {
            [name] => (name, None, Some(1)),
            [name, last] => match amount(last) {
                Some(count) => (name, None, Some(count)),
                None => (name, Some(last), Some(1)),
            },
            [name, kind, count] => (name, Some(kind), amount(count)),
            _ => return None,
        };
        (!name.is_empty()).then_some((name.to_owned(), kind.map(str::to_owned), count?))
    };
    plain.split(',').filter_map(one).collect()
}

/// `4`, or `2K`.
fn amount(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// What a node has and what of it is used, from Slurm's two texts.
pub fn gres(total: &str, used: &str) -> Vec<Gres> {
    let used = parse_gres(used);
    let of = |name: &str, kind: &Option<String>| {
        used.iter().filter(|one| one.0 == name && one.1 == *kind).map(|one| one.2).sum()
    };
    let has = parse_gres(total).into_iter();
    has.map(|(name, kind, count)| Gres { used: of(&name, &kind), name, kind, count }).collect()
}

/// The names that a list such as `n[01-03,7],login` means; at most `MOST_NODES` of them.
pub fn node_names(list: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut inside = false;
    for letter in list.trim().chars() {
        match letter {
            ',' if !inside => entries.push(String::new()),
            letter => {
                inside = (inside || letter == '[') && letter != ']';
                if let Some(last) = entries.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    let mut names = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.is_empty() && *entry != "(null)") {
        unfold(entry, String::new(), &mut names);
    }
    names
}

/// As many nodes as a list may mean; one of more is no list of a job's nodes.
const MOST_NODES: usize = 10_000;

/// One entry: what stands before its first bracket is behind `before`.
fn unfold(entry: &str, before: String, names: &mut Vec<String>) {
    let brackets = entry.split_once('[').and_then(|(head, rest)| Some((head, rest.split_once(']')?)));
    let Some((head, (ranges, rest))) = brackets else {
        if names.len() < MOST_NODES {
            names.push(before + entry);
        }
        return;
    };
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) else { continue };
        for number in from..=to {
            if names.len() >= MOST_NODES {
                return;
            }
            unfold(rest, format!("{before}{head}{number:0width$}", width = first.len()), names);
        }
    }
}

/// What the cluster has of what a variant asks for, in a sentence.
pub fn outlook(ask: &SlurmRequest, nodes: &[ClusterNode]) -> String {
    let wanted = ask.gres.as_deref().and_then(|text| parse_gres(text).into_iter().next());
    let within =
        |node: &&ClusterNode| ask.partition.as_ref().is_none_or(|wanted| node.partitions.contains(wanted));
    let matches = |gres: &&Gres| {
        wanted.as_ref().is_some_and(|(name, kind, _)| {
            gres.name == *name && kind.as_ref().is_none_or(|kind| gres.kind.as_ref() == Some(kind))
        })
    };
    // Of cards, or where none are wanted, of CPUs.
    let amounts = |node: &ClusterNode| match wanted {
        None => (node.cpus, node.cpus_used),
        Some(_) => {
            node.gres.iter().filter(matches).fold((0, 0), |sum, gres| (sum.0 + gres.count, sum.1 + gres.used))
        }
    };
    let thing = match &wanted {
        None => "CPUs".to_owned(),
        Some((name, kind, _)) => kind.as_ref().map_or_else(|| name.clone(), |kind| format!("{name}:{kind}")),
    };
    let place = ask.partition.as_ref().map_or_else(String::new, |name| format!(" in partition {name}"));
    let (mut free, mut total, mut on, mut away) = (0, 0, Vec::new(), Vec::new());
    for node in nodes.iter().filter(within) {
        let (has, used) = amounts(node);
        if has == 0 {
            continue;
        }
        if node.health() != NodeHealth::Up {
            let reason = node.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            away.push(format!("{} is {}{reason}", node.name, node.state_text()));
            continue;
        }
        (free, total) = (free + has.saturating_sub(used), total + has);
        if has > used {
            on.push(format!("{}: {}", node.name, has - used));
        }
    }
    if total == 0 && away.is_empty() {
        return format!("no node{place} has {thing}");
    }
    let on = if on.is_empty() { String::new() } else { format!(" ({})", few(&on, ", ")) };
    let away = if away.is_empty() { String::new() } else { format!("; {}", few(&away, "; ")) };
    format!("{free} of {total} {thing}{place} are free{on}{away}")
}

/// The first of them.
fn few(all: &[String], between: &str) -> String {
    const SHOWN: usize = 4;
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}{between}and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(name: &str, state: &[&str], total: &str, used: &str) -> ClusterNode {
        ClusterNode {
            name: name.to_owned(),
            partitions: vec!["gpu".to_owned()],
            state: state.iter().map(|word| (*word).to_owned()).collect(),
            reason: (state.len() > 1).then(|| "fan broken".to_owned()),
            cpus: 8,
            cpus_used: 2,
            gres: gres(total, used),
            jobs: Vec::new(),
        }
    }

    #[test]
    fn what_a_node_has_is_read_with_what_is_used() {
        let read = gres("gpu:v100:4(S:0-1),shard:2K,fpga", "gpu:v100:2(IDX:0-1),shard:0");
        let shown: Vec<_> = read.iter().map(|one| (one.to_string(), one.count, one.used)).collect();
        let wanted =
            [("gpu:v100".to_owned(), 4, 2), ("shard".to_owned(), 2048, 0), ("fpga".to_owned(), 1, 0)];
        assert_eq!(shown, wanted);
        let two: Vec<_> =
            gres("gpu:a100:4,gpu:v100:2", "gpu:a100:3,gpu:v100:1").iter().map(|one| one.used).collect();
        assert_eq!(two, [3, 1]);
        assert_eq!(parse_gres("gres:gpu:2"), [("gpu".to_owned(), None, 2)]);
        assert_eq!(parse_gres("gpu:v100"), [("gpu".to_owned(), Some("v100".to_owned()), 1)]);
        assert_eq!((parse_gres(""), parse_gres("(null)")), (Vec::new(), Vec::new()));
        let amounts =
            [("3", Some(3)), ("3k", Some(3072)), ("3M", Some(3 << 20)), ("3g", Some(3 << 30)), ("3T", None)];
        for (text, number) in amounts {
            assert_eq!(amount(text), number, "{text}");
        }
        assert_eq!(parse_gres("gpu:no_consume:2"), [("gpu".to_owned(), None, 2)]);
        assert!(parse_gres("gpu:v100:2:3").is_empty());
    }

    #[test]
    fn a_list_means_its_names() {
        assert_eq!(node_names("n[01-03,7],login"), ["n01", "n02", "n03", "n7", "login"]);
        assert_eq!(node_names("r[1-2]c[8-9]"), ["r1c8", "r1c9", "r2c8", "r2c9"]);
        assert_eq!((node_names(""), node_names("(null)")), (Vec::<String>::new(), Vec::new()));
        assert_eq!(node_names("n[0-99999999999]").len(), MOST_NODES);
        assert_eq!(node_names("n[0-9999],login").len(), MOST_NODES);
        assert_eq!(node_names("a,b"), ["a", "b"]);
    }

    #[test]
    fn the_outlook_names_what_is_free_and_what_is_away() {
        let ask = |partition: Option<&str>, gres: Option<&str>| SlurmRequest {
            partition: partition.map(str::to_owned),
            gres: gres.map(str::to_owned),
            ..SlurmRequest::default()
        };
        let nodes = [
            node("n1", &["mixed", "drain"], "gpu:v100:2", "gpu:v100:1"),
            node("n2", &["mixed"], "gpu:v100:4", "gpu:v100:2"),
            node("n3", &["down*"], "gpu:a100:4", "gpu:a100:0"),
        ];
        let full = [
            node("n1", &["mixed"], "gpu:v100:2", "gpu:v100:2"),
            node("n2", &["mixed"], "gpu:v100:2", "gpu:v100:1"),
        ];
        assert_eq!(outlook(&ask(None, Some("gpu:v100")), &full), "1 of 4 gpu:v100 are free (n2: 1)");
        let cases = [
            (
                ask(Some("gpu"), Some("gpu:v100:2")),
                "2 of 4 gpu:v100 in partition gpu are free (n2: 2); n1 is mixed+drain: fan broken",
            ),
            (
                ask(None, Some("gpu:1")),
                "2 of 4 gpu are free (n2: 2); n1 is mixed+drain: fan broken; n3 is down*",
            ),
            (ask(None, Some("gpu:a100:1")), "0 of 0 gpu:a100 are free; n3 is down*"),
            (ask(None, Some("gpu:h100")), "no node has gpu:h100"),
            (ask(Some("cpu"), None), "no node in partition cpu has CPUs"),
            (ask(None, None), "6 of 8 CPUs are free (n2: 6); n1 is mixed+drain: fan broken; n3 is down*"),
        ];
        for (ask, sentence) in cases {
            assert_eq!(outlook(&ask, &nodes), sentence);
        }
    }

    #[test]
    fn a_long_outlook_is_cut() {
        let all: Vec<String> = (1..=6).map(|number| number.to_string()).collect();
        assert_eq!(few(&all, ", "), "1, 2, 3, 4, and 2 more");
        assert_eq!(few(all.get(..4).unwrap_or_default(), ", "), "1, 2, 3, 4");
    }

    #[test]
    fn a_silent_node_is_down_and_one_that_is_kept_from_jobs_is_drained() {
        let health = |state: &[&str]| node("n", state, "", "").health();
        assert_eq!((health(&["idle"]), health(&["mixed", "planned"])), (NodeHealth::Up, NodeHealth::Up));
        assert_eq!((health(&["idle*"]), health(&["powered_down"])), (NodeHealth::Down, NodeHealth::Down));
        assert_eq!(
            (health(&["idle", "drain"]), health(&["reboot"])),
            (NodeHealth::Drained, NodeHealth::Drained)
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-z0-9:,()\\[\\]-]{0,30}|\\PC{0,30}") {
            parse_gres(&text);
            prop_assert!(node_names(&text).len() <= MOST_NODES);
        }
    }
}
