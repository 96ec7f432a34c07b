use super::*;
use futures_util::FutureExt;

fn done(lines: &[&str]) -> Asked {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Asked::Done(Cleaned { lines, wrong: Vec::new() })
}

fn away() -> Asked {
    Asked::Away("nobody answers".to_owned())
}

fn absent(words: &str) -> Asked {
    Asked::Absent(words.to_owned())
}

#[test]
fn what_is_wrong_with_one_cluster_is_said_and_the_other_is_cleaned() {
    let nothing = "no job without a state folder was found";
    let cases = [
        // Slurm, Kubernetes: what is said, and what is wrong.
        (
            done(&["ended job 7"]),
            away(),
            "ended job 7",
            "Kubernetes was not asked, and what was left there goes on",
        ),
        (
            away(),
            done(&["ended Pod p"]),
            "ended Pod p",
            "Slurm was not asked, and what was left there goes on",
        ),
        (done(&[]), away(), nothing, "Kubernetes was not asked"),
        (done(&[]), done(&[]), "no job and no Pod without a state folder was found", ""),
        (done(&["ended job 7"]), done(&[]), "ended job 7\nno Pod without a state folder was found", ""),
        // One of them is enough, and one that is left out is not missed.
        (done(&[]), absent("no kubeconfig"), nothing, ""),
        (absent("no sbatch"), done(&["ended Pod p"]), "ended Pod p", ""),
        (done(&[]), Asked::LeftOut, nothing, ""),
        (
            absent("no sbatch"),
            absent("no kubeconfig"),
            "",
            "there is no cluster here to be asked: no sbatch; no kubeconfig",
        ),
        (absent("no sbatch"), Asked::LeftOut, "", "there is no cluster here to be asked: no sbatch"),
        (absent("no sbatch"), away(), "", "Kubernetes was not asked"),
    ];
    for (jobs, pods, said, wrong) in cases {
        let case = format!("{jobs:?} {pods:?}");
        let all = sum_up(jobs, pods, false);
        assert_eq!(all.lines.join("\n"), said, "{case}");
        assert!(all.wrong.join("\n").starts_with(wrong), "{case}: {:?}", all.wrong);
        assert_eq!(all.wrong.is_empty(), wrong.is_empty(), "{case}: {:?}", all.wrong);
    }
    let named = sum_up(done(&["ended job 7"]), absent("no kubeconfig"), true);
    assert_eq!((named.lines.len(), named.wrong), (1, vec!["no kubeconfig".to_owned()]));
}

#[test]
fn one_that_can_not_be_ended_keeps_nobody_from_the_others() {
    let gone = |name: &str| (name.to_owned(), Found::Gone { folder: "/f".to_owned(), dry_run: false });
    let end = |refused: &'static str| {
        let found = vec![
            gone("a"),
            gone("b"),
            ("c".to_owned(), Found::Elsewhere("look there".to_owned())),
            ("d".to_owned(), Found::Unsure("it isn't known".to_owned())),
            gone("e"),
        ];
        let tried = std::cell::Cell::new(0);
        let ends = async |at: usize| {
            tried.set(tried.get() + 1);
            if at == 1 { Err(refused) } else { Ok(()) }
        };
        let cleaned = Cleaned::of(found, ends, |error| *error == "away").now_or_never().unwrap();
        (cleaned, tried.get())
    };
    let (cleaned, tried) = end("forbidden");
    assert_eq!(cleaned.lines, ["ended a: /f is gone", "left c alone: look there", "ended e: /f is gone"]);
    assert_eq!(cleaned.wrong, ["b was not ended: forbidden", "d was left alone: it isn't known"]);
    assert_eq!(tried, 3);
    // Nobody waits for each of them where nobody answers.
    let (cleaned, tried) = end("away");
    assert_eq!(cleaned.lines, ["ended a: /f is gone", "left c alone: look there"]);
    assert_eq!(cleaned.wrong.last().map(String::as_str), Some("e was not ended: /f is gone"));
    assert_eq!(tried, 2);
}
