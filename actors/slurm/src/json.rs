//! What `sinfo --json` and `squeue --json` print. The shapes differ from release to release: 22.05 has plain numbers and words, 24.11
//! numbers as `{"set", "infinite", "number"}` and lists of words, and groups nodes. Both were recorded from real clusters
//! (`tests/recorded`). A field that is missing is as good as empty.

use std::collections::BTreeMap;

use llm_manager_policy::cluster::{ClusterNode, NodeJob, gres, node_names};
use serde_json::Value;

/// What 22.05 says in minutes, once it runs, of a job that was given no limit (`findings/slurm_unlimited_is_a_year.sh`).
const A_YEAR: i64 = 365 * 24 * 60;

/// A number in either shape; `None`: there is none, or it is infinite.
fn number(value: &Value) -> Option<i64> {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    match value {
        Value::Object(_) if flag("infinite") == Some(true) || flag("set") == Some(false) => None,
        Value::Object(fields) => fields.get("number")?.as_i64(),
        value => value.as_i64(),
    }
}

fn count(value: &Value) -> u64 {
    number(value).and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

/// A word, or several of them, in lower case.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            text.split('+').filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
        }
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn list<'a>(root: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    root.get(name).and_then(Value::as_array)
}

fn root(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("Slurm's JSON can't be read: {error}"))
}

/// The nodes in what `sinfo --ClusterNode --json` prints, by name.
pub(crate) fn nodes(json: &str) -> Result<Vec<ClusterNode>, String> {
    let root = root(json)?;
    let mut found: BTreeMap<String, ClusterNode> = BTreeMap::new();
    if let Some(nodes) = list(&root, "nodes") {
        for one in nodes {
            let state = [words(&one["state"]), words(&one["state_flags"])].concat();
            let node = ClusterNode {
                name: text(&one["name"]).to_owned(),
                partitions: texts(&one["partitions"]).map(str::to_owned).collect(),
                state,
                reason: said(&one["reason"]),
                cpus: count(&one["cpus"]),
                cpus_used: count(&one["alloc_cpus"]),
                gres: gres(text(&one["gres"]), text(&one["gres_used"])),
                jobs: Vec::new(),
            };
            found.insert(node.name.clone(), node);
        }
    } else if let Some(groups) = list(&root, "sinfo") {
        for group in groups {
            let partition = text(&group["partition"]["name"]).to_owned();
            let names: Vec<String> = texts(&group["nodes"]["nodes"]).flat_map(node_names).collect();
            let many = u64::try_from(names.len()).unwrap_or(1).max(1);
            for name in names {
                // Once for each partition that it is in.
                if let Some(node) = found.get_mut(&name) {
                    node.partitions.push(partition.clone());
                    continue;
                }
                let node = ClusterNode {
                    name: name.clone(),
                    partitions: vec![partition.clone()],
                    state: words(&group["node"]["state"]),
                    reason: said(&group["reason"]["description"]),
                    cpus: count(&group["cpus"]["total"]) / many,
                    cpus_used: count(&group["cpus"]["allocated"]) / many,
                    gres: gres(text(&group["gres"]["total"]), text(&group["gres"]["used"])),
                    jobs: Vec::new(),
                };
                found.insert(name, node);
            }
        }
    } else {
        return Err("Slurm's JSON has neither `nodes` nor `sinfo`: it is of a release that isn't known here"
            .to_owned());
    }
    Ok(found.into_values().filter(|node| !node.name.is_empty()).collect())
}

fn said(value: &Value) -> Option<String> {
    let said = text(value).trim();
    (!said.is_empty() && said != "none" && said != "(null)").then(|| said.to_owned())
}

/// The jobs that run, in what `squeue --json` prints, each by the nodes that it has something of. 22.05 prints all jobs, whatever it is
/// asked for.
pub(crate) fn running(json: &str) -> Result<Vec<(String, NodeJob)>, String> {
    let root = root(json)?;
    let jobs =
        list(&root, "jobs").ok_or("Slurm's JSON has no `jobs`: it is of a release that isn't known here")?;
    let mut found = Vec::new();
    for job in jobs {
        let state = words(&job["job_state"]);
        let runs = ["running", "suspended", "completing", "configuring"];
        if !state.iter().any(|word| runs.contains(&word.as_str())) {
            continue;
        }
        let limit = number(&job["time_limit"]).filter(|minutes| *minutes > 0 && *minutes != A_YEAR);
        let has: Vec<&str> = texts(&job["gres_detail"]).collect();
        for (at, node) in nodes_of(job).into_iter().enumerate() {
            let entry = NodeJob {
                id: count(&job["job_id"]),
                user: user(job),
                name: text(&job["name"]).to_owned(),
                model: None,
                gres: has.get(at).copied().unwrap_or_default().to_owned(),
                ends: limit.and_then(|_| number(&job["end_time"])).filter(|end| *end > 0),
            };
            found.push((node, entry));
        }
    }
    Ok(found)
}

fn user(job: &Value) -> String {
    match text(&job["user_name"]) {
        "" => number(&job["user_id"]).map_or_else(String::new, |id| id.to_string()),
        name => name.to_owned(),
    }
}

/// In the order of `gres_detail`.
fn nodes_of(job: &Value) -> Vec<String> {
    let resources = &job["job_resources"];
    let old = list(resources, "allocated_nodes").map(|nodes| (nodes, "nodename"));
    let new = list(&resources["nodes"], "allocation").map(|nodes| (nodes, "name"));
    match old.or(new) {
        Some((nodes, name)) => nodes.iter().map(|node| text(&node[name]).to_owned()).collect(),
        None => node_names(text(&job["nodes"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::cluster::NodeHealth;
    use proptest::prelude::*;

    /// The same jobs on the same two nodes, asked of two releases.
    const RECORDED: [(&str, &str); 2] = [
        (
            include_str!("../tests/recorded/sinfo_22.05.8.json"),
            include_str!("../tests/recorded/squeue_22.05.8.json"),
        ),
        (
            include_str!("../tests/recorded/sinfo_24.11.5.json"),
            include_str!("../tests/recorded/squeue_24.11.5.json"),
        ),
    ];

    #[test]
    fn two_releases_tell_the_same() {
        for (sinfo, squeue) in RECORDED {
            let nodes = nodes(sinfo).unwrap();
            let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
            assert_eq!(names, ["n1", "n2"]);
            let [n1, n2] = &nodes[..] else { panic!("{nodes:?}") };
            assert_eq!((n1.health(), n1.reason.as_deref()), (NodeHealth::Drained, Some("fan | broken")));
            assert_eq!((n2.health(), n2.reason.as_deref()), (NodeHealth::Up, None));
            assert!(n1.state.starts_with(&["mixed".to_owned(), "drain".to_owned()]), "{:?}", n1.state);
            assert!(n1.partitions.contains(&"llm".to_owned()));
            let card = |node: &ClusterNode| {
                let [card] = &node.gres[..] else { panic!("{node:?}") };
                (card.to_string(), card.count, card.used)
            };
            assert_eq!(card(n1), ("gpu:rtx4060".to_owned(), 2, 1));
            assert_eq!(card(n2), ("gpu:v100".to_owned(), 4, 2));
            assert_eq!((n2.cpus, n2.cpus_used), (8, 1));

            let jobs = running(squeue).unwrap();
            let on_n2: Vec<_> = jobs.iter().filter(|(node, _)| node == "n2").collect();
            let [(_, job)] = on_n2[..] else { panic!("{jobs:?}") };
            assert_eq!((job.user.as_str(), job.name.as_str()), ("root", "llm-x"));
            assert_eq!(job.gres, "gpu:v100:2(IDX:0-1)");
            let hour = job.ends.unwrap();
            assert!((1_795_984_700..1_795_984_800).contains(&hour), "{hour}");
            // Those that wait or are over aren't there; nor has one a limit that asked for none.
            assert!(jobs.iter().all(|(node, job)| node == "n2" || job.gres != "gpu:v100:4(IDX:0-3)"));
            assert!(jobs.iter().any(|(node, job)| node == "n1" && job.gres == "gpu:rtx4060:1(IDX:0)"));
        }
    }

    #[test]
    fn one_that_was_given_no_limit_has_no_end() {
        let ends = |limit: &str| {
            let job = format!(
                r#"{{"jobs":[{{"job_id":7,"job_state":"RUNNING","nodes":"n1","time_limit":{limit},"end_time":1827547728}}]}}"#
            );
            running(&job).unwrap()[0].1.ends
        };
        assert_eq!([ends("60"), ends("525600"), ends("0")], [Some(1_827_547_728), None, None]);
    }

    #[test]
    fn a_number_is_what_it_is_in_either_shape() {
        let read = |json: &str| number(&serde_json::from_str(json).unwrap());
        assert_eq!(read("7"), Some(7));
        assert_eq!(read(r#"{"set":true,"infinite":false,"number":7}"#), Some(7));
        assert_eq!(read(r#"{"set":false,"infinite":true,"number":0}"#), None);
        assert_eq!(read(r#"{"set":false,"infinite":false,"number":0}"#), None);
        assert_eq!((read("null"), read(r#""7""#)), (None, None));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        assert!(nodes("").unwrap_err().contains("can't be read"));
        assert!(nodes("{}").unwrap_err().contains("neither"));
        assert!(running(r#"{"jobs": 5}"#).unwrap_err().contains("no `jobs`"));
        assert_eq!(running(r#"{"jobs": [null, 5, {"job_state": ["RUNNING"]}]}"#), Ok(Vec::new()));
    }

    proptest! {
        /// Any part of a recorded answer, and any of its values as something else.
        #[test]
        fn nothing_that_is_printed_panics(which in 0_usize..2, at in 0_usize..20_000, with in "null|7|\"x\"|\\[\\]|\\{\\}") {
            for text in [RECORDED[which].0, RECORDED[which].1] {
                let at = (at % text.len()..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                let _ = (nodes(&text[..at]), running(&text[..at]));
                let end = text[at..].find([',', '}', ']']).map_or(text.len(), |end| at + end);
                let start = text[..at].rfind(':').map_or(at, |colon| colon + 1);
                let changed = format!("{}{with}{}", &text[..start], &text[end..]);
                let _ = (nodes(&changed), running(&changed));
            }
        }
    }
}
