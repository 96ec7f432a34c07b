//! What a variant asks of a cluster of Slurm, and what it may not say.

use std::fmt;

/// What a variant asks of the cluster, in Slurm's own spellings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlurmRequest {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--gres`, such as `gpu:v100:2`.
    pub gres: Option<String>,
    /// `--time`.
    pub time: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--constraint`.
    pub constraint: Option<String>,
    /// `--mem`.
    pub mem: Option<String>,
    /// `--cpus-per-task`.
    pub cpus: Option<u32>,
    /// `--nodes`; one if it isn't said.
    pub nodes: Option<u32>,
    /// Nodes that share no disk with the manager: where a job's files are on its node.
    pub node_folder: Option<String>,
    /// Options of `sbatch` as they are.
    pub extra: Vec<String>,
}

/// For people.
impl fmt::Display for SlurmRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slurm")?;
        match (&self.partition, &self.gres) {
            (None, None) => Ok(()),
            (Some(one), None) | (None, Some(one)) => write!(f, " {one}"),
            (Some(partition), Some(gres)) => write!(f, " {partition} {gres}"),
        }
    }
}

/// Options that would break what the manager relies on, and what to do instead.
const REFUSED: &[(&[&str], &str)] = &[
    (&["--export", "--export-file"], "name variables in `env` of the variant"),
    (&["--job-name", "-J"], "the manager finds its jobs by their names"),
    (
        &["--output", "-o", "--error", "-e", "--input", "-i", "--open-mode"],
        "the manager reads the job's output",
    ),
    (&["--chdir", "-D"], "the variant's script decides its folder"),
    (&["--array", "-a"], "a run is one job"),
    (
        &[
            "--wrap",
            "--wait",
            "-W",
            "--test-only",
            "--parsable",
            "--help",
            "-h",
            "--usage",
            "--version",
            "-V",
        ],
        "it changes what `sbatch` does",
    ),
    (&["--requeue", "--no-requeue"], "the manager submits anew by itself"),
    (&["--comment", "--hold", "-H"], "the manager needs it itself"),
    (&["--clusters", "-M", "--uid", "--gid"], "the job would be where the manager doesn't look"),
];

/// What each key is called on the command line of `sbatch`. Of cards that are counted twice Slurm takes one or the other,
/// or waits for ever (22.05.8).
const KEYS: &[(&str, &[&str])] = &[
    ("partition", &["--partition", "-p"]),
    ("gres", &["--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket"]),
    ("time", &["--time", "-t"]),
    ("account", &["--account", "-A"]),
    ("qos", &["--qos", "-q"]),
    ("constraint", &["--constraint", "-C"]),
    ("mem", &["--mem", "--mem-per-cpu", "--mem-per-gpu"]),
    ("cpus", &["--cpus-per-task", "-c", "--cpus-per-gpu"]),
    ("nodes", &["--nodes", "-N"]),
];

/// The first word of `extra` that says again what a key says, and that key.
pub fn said_twice(extra: &[String], is_given: impl Fn(&str) -> bool) -> Option<(&str, &'static str)> {
    let of_key = |word: &str, names: &[&str]| {
        let name = word.split('=').next().unwrap_or(word);
        names.iter().any(|known| {
            name == *known || (known.len() == 2 && !word.starts_with("--") && word.starts_with(known))
        })
    };
    extra.iter().find_map(|word| {
        let (key, _) = KEYS.iter().find(|(key, names)| is_given(key) && of_key(word, names))?;
        Some((word.as_str(), *key))
    })
}

/// The first word of `extra` that isn't possible, and why. What doesn't begin with `-` would be taken for the script.
pub fn refused_extra(extra: &[String]) -> Option<(String, &'static str)> {
    extra.iter().find_map(|word| {
        if !word.starts_with('-') || word == "-" || word == "--" {
            return Some((
                word.clone(),
                "write each option and its value as one word, such as `--licenses=x`",
            ));
        }
        let name = word.split('=').next().unwrap_or(word);
        let short = |known: &str| known.len() == 2 && !word.starts_with("--") && word.starts_with(known);
        // Slurm takes the beginning of a long option for the whole.
        let cut = |known: &str| name.len() > 3 && known.starts_with("--") && known.starts_with(name);
        let refused = |known: &str| name == known || short(known) || cut(known);
        REFUSED
            .iter()
            .find(|(names, _)| names.iter().any(|known| refused(known)))
            .map(|(_, why)| (word.clone(), *why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_break_the_manager_are_refused() {
        let refused = |word: &str| refused_extra(&[word.to_owned()]).is_some();
        for word in [
            "--export=ALL",
            "-J",
            "-Jx",
            "--job-name=x",
            "--job=x",
            "-o/tmp/x",
            "--array=1-3",
            "--wrap=x",
            "x",
            "--",
            "-",
            "-M",
            "--hold",
        ] {
            assert!(refused(word), "{word}");
        }
        for word in [
            "--licenses=x",
            "--exclusive",
            "-Cfast",
            "--nice=10",
            "--mail-type=END",
            "--gpus-per-task=1",
            "--exclude=n1",
            // Slurm refuses it itself, for it may mean anything.
            "--e",
        ] {
            assert!(!refused(word), "{word}");
        }
    }

    #[test]
    fn what_a_key_says_isnt_said_again() {
        let twice = |word: &str, given: &str| said_twice(&[word.to_owned()], |key| key == given).is_some();
        for (word, key) in [
            ("--gres=gpu:2", "gres"),
            ("--gpus=2", "gres"),
            ("-G2", "gres"),
            ("--mem-per-gpu=1G", "mem"),
            ("-pgpu", "partition"),
            ("-N", "nodes"),
            ("--time=1:00", "time"),
        ] {
            assert!(twice(word, key) && !twice(word, "constraint"), "{word}");
        }
        for word in ["--gpu-bind=closest", "--gres-flags=enforce-binding", "--time-min=5", "--nodelist=n1"] {
            assert!(!KEYS.iter().any(|(key, _)| twice(word, key)), "{word}");
        }
        let extra = ["--nice=1", "--gpus=2"].map(str::to_owned);
        assert_eq!(said_twice(&extra, |_| true), Some(("--gpus=2", "gres")));
    }

    #[test]
    fn it_is_shown_by_its_partition_and_its_cards() {
        let ask = SlurmRequest {
            partition: Some("gpu".to_owned()),
            gres: Some("gpu:v100:2".to_owned()),
            ..SlurmRequest::default()
        };
        assert_eq!(
            (ask.to_string(), SlurmRequest::default().to_string()),
            ("Slurm gpu gpu:v100:2".to_owned(), "Slurm".to_owned())
        );
    }
}
