//! What Slurm's programs print: read into values. The formats are asked for field by field, so 22.05 and 24.11 print the same.

use std::time::Duration;

use llm_manager_policy::cluster::{JobState, time_limit};

/// A job as `squeue` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub id: u64,
    pub state: JobState,
    /// Empty while it has none.
    pub node: String,
    /// When it began, or when Slurm means to begin it.
    pub start: Option<String>,
    /// Until its time limit; `None`: it has none, or hasn't begun.
    pub left: Option<Duration>,
    pub reason: String,
    pub comment: String,
}

/// `(null)`, `N/A` and nothing are the same to Slurm.
fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    (!matches!(text, "" | "(null)" | "N/A" | "Unknown" | "NONE")).then_some(text)
}

/// The rows of `commands::ROW`. What isn't a row is left out: a line of a plugin's, say.
pub(crate) fn rows(text: &str) -> Vec<JobRow> {
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<JobRow> {
    let mut fields = line.splitn(7, '|');
    let mut next = || fields.next().map(|field| said(field).unwrap_or_default().to_owned());
    Some(JobRow {
        id: next()?.parse().ok()?,
        state: JobState::parse(&next()?),
        node: next()?,
        start: next().map(|start| (!start.is_empty()).then_some(start))?,
        left: next().map(|left| time_left(&left))?,
        reason: next()?,
        comment: next()?,
    })
}

/// A time that is over is shown as negative, or as a word.
fn time_left(text: &str) -> Option<Duration> {
    match text {
        "INVALID" => Some(Duration::ZERO),
        over if over.starts_with('-') => Some(Duration::ZERO),
        left => time_limit(left),
    }
}

/// A job of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserJob {
    pub id: u64,
    pub state: JobState,
    pub name: String,
    pub folder: String,
}

/// The rows of `commands::OWN_ROW`.
pub(crate) fn own_rows(text: &str) -> Vec<UserJob> {
    let row = |line: &str| {
        let mut fields = line.splitn(4, '|');
        Some(UserJob {
            id: fields.next()?.trim().parse().ok()?,
            state: JobState::parse(fields.next()?),
            name: fields.next()?.to_owned(),
            folder: fields.next()?.to_owned(),
        })
    };
    text.lines().filter_map(row).collect()
}

/// The number in what `sbatch --parsable` prints: `17`, or `17;cluster`. It may print warnings as well.
pub(crate) fn submitted(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.split(';').next()?.trim().parse().ok())
}

/// A field of `scontrol --oneliner show`. Its first place counts, for the job's owner writes what stands behind.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let wanted = format!(" {name}=");
    let start = text.find(&wanted)? + wanted.len();
    let value = text[start..].split(char::is_whitespace).next().unwrap_or_default();
    said(value)
}

/// `ExitCode=0:53`: the code, and the signal.
pub(crate) fn exit_code(text: &str) -> Option<(u32, u32)> {
    let (code, signal) = field(text, "ExitCode")?.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

/// Whether a line of a job's output or of its reader is Slurm's word that the job is being ended: `slurmstepd-n1: error: *** JOB 7 ON n1
/// CANCELLED AT ...`, which comes before `squeue` is asked again.
pub(crate) fn tells_end(line: &str, job: u64) -> bool {
    let Some((_, rest)) = line.split_once("*** ").filter(|_| line.starts_with("slurmstepd")) else {
        return false;
    };
    let of = |word: &str, end: char| {
        let number = rest.strip_prefix(word).and_then(|rest| rest.split(end).next());
        number.is_some_and(|number| number.parse() == Ok(job))
    };
    of("JOB ", ' ') || of("STEP ", '.')
}

/// Whether these words say that no such job is known.
pub(crate) fn is_unknown_job(words: &str) -> bool {
    words.contains("Invalid job id specified")
}

/// Whether these words say that the controller wasn't reached, so that nothing is known of what was asked of it.
pub(crate) fn is_unreachable(words: &str) -> bool {
    [
        "contact slurm controller",
        "Socket timed out",
        "Connection ",
        "Zero Bytes",
        "in standby mode",
        "Communication ",
        "communication ",
    ]
    .iter()
    .any(|sign| words.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_of_jobs_that_wait_run_and_ended() {
        let text = "3|PENDING||N/A|10:00:00|PartitionTimeLimit|(null)\n\
                    1|RUNNING|n2|2026-11-29T09:11:13|1-00:00:07|None|llm-manager x|y\n\
                    5|PREEMPTED|n1|2026-11-29T09:11:13|UNLIMITED|None|(null)\n\
                    slurm says hello\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 3);
        assert_eq!(
            (rows[0].id, rows[0].state, rows[0].reason.as_str()),
            (3, JobState::Pending, "PartitionTimeLimit")
        );
        assert_eq!(
            (rows[0].node.as_str(), rows[0].start.as_deref(), rows[0].comment.as_str()),
            ("", None, "")
        );
        assert_eq!((rows[1].node.as_str(), rows[1].comment.as_str()), ("n2", "llm-manager x|y"));
        assert_eq!(rows[2].state, JobState::Preempted);
        assert_eq!((rows[1].left, rows[2].left), (Some(Duration::from_secs(86_407)), None));
        assert_eq!((time_left("-5:00"), time_left("INVALID")), (Some(Duration::ZERO), Some(Duration::ZERO)));
        assert_eq!((time_left("NOT_SET"), time_left("")), (None, None));
    }

    #[test]
    fn numbers_of_new_jobs() {
        assert_eq!(submitted("17\n"), Some(17));
        assert_eq!(submitted("17;cluster\n"), Some(17));
        assert_eq!(submitted("sbatch: welcome\n18\n"), Some(18));
        assert_eq!(submitted("Submitted batch job 17\n"), None);
    }

    #[test]
    fn fields_of_an_ended_job() {
        let text = "JobId=6 JobName=x UserId=root(0) JobState=FAILED Reason=JobLaunchFailure Dependency=(null) \
                    ExitCode=0:53 NodeList=n1 BatchHost=n1 Comment=a JobState=COMPLETED ";
        assert_eq!(field(text, "JobState"), Some("FAILED"));
        assert_eq!(field(text, "Dependency"), None);
        assert_eq!(exit_code(text), Some((0, 53)));
    }

    #[test]
    fn only_slurms_word_on_this_job_tells_its_end() {
        for line in [
            "slurmstepd-n1: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-30T11:14:58 ***",
            "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-30T11:14:58 DUE TO TIME LIMIT ***",
            "slurmstepd-n1: error: *** STEP 7.3 ON n1 CANCELLED AT 2026-11-30T11:14:58 ***",
        ] {
            assert!(tells_end(line, 7), "{line}");
            assert!(!tells_end(line, 77) && !tells_end(&format!("it said {line}"), 7));
        }
        assert!(!tells_end("slurmstepd: error: Detected 1 oom-kill event(s)", 7));
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_panics(text in "\\PC{0,80}(\n\\PC{0,80}){0,3}") {
            rows(&text);
            own_rows(&text);
            submitted(&text);
            field(&text, "Reason");
            exit_code(&text);
            tells_end(&text, 7);
        }
    }
}
