//! The script of a job: it finds a port, reports where it is, and becomes the user's server by `exec`.

use std::path::Path;

use llm_manager_policy::spec::Launch;

/// The first word of what a job reports.
const WORD: &str = "llm-manager";

/// What the script is made of.
pub(crate) struct Wrapped<'a> {
    pub model: &'a str,
    pub launch: &'a Launch,
    pub working_dir: &'a Path,
    /// The folder of the job's files, where the nodes share it.
    pub folder: &'a Path,
    /// `None`: the script looks for a free one.
    pub port: Option<u16>,
}

/// A word of a shell that means exactly this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A word in which `{port}` and `{host}` are what the script found.
fn word(text: &str, model: &str) -> String {
    let quoted = quoted(&text.replace("{model}", model));
    quoted.replace("{port}", "'\"$PORT\"'").replace("{host}", "'\"$HOST\"'")
}

/// The text of the script.
pub(crate) fn script(of: &Wrapped<'_>) -> String {
    let port = of.port.map_or_else(|| FIND_PORT.to_owned(), |port| format!("PORT={port}\n"));
    let folder = quoted(&of.folder.to_string_lossy());
    let working_dir = quoted(&of.working_dir.to_string_lossy());
    let start = match of.launch {
        Launch::Script(path) => format!("script={}\n{START_SCRIPT}", quoted(&path.to_string_lossy())),
        Launch::Command(words) => {
            let words: Vec<String> = words.iter().map(|text| word(text, of.model)).collect();
            format!("exec {}\n", words.join(" "))
        }
        // Nobody asks for a job that starts nothing.
        Launch::Nothing => "exec true\n".to_owned(),
    };
    format!("{HEAD}folder={folder}\nworking_dir={working_dir}\n{PREPARE}{port}{REPORT}{start}")
}

const HEAD: &str = "#!/bin/sh\n# Written by LLM-Manager: the script of a job.\n";

/// The shell does by itself what it can: each program that it starts is time for which somebody waits.
const PREPARE: &str = r#"if [ -z "${HOME:-}" ]; then
  case ${SLURM_JOB_USER:-} in
    '' | *[!A-Za-z0-9._-]*) ;;
    *) eval "HOME=~$SLURM_JOB_USER" ;;
  esac
  case ${HOME:-} in /*) ;; *) HOME=$(getent passwd "$(id -u)" | cut -d: -f6) ;; esac
fi
export HOME
# With it, every `srun` of the job would start with an empty environment.
unset SLURM_EXPORT_ENV
fail() { echo "llm-manager: $*" >&2; exit 96; }
cd "$working_dir" || fail "the folder of the model isn't on $SLURMD_NODENAME; it has to be on a disk that the nodes share"
# The node's address, as Slurm knows it.
HOST=" $(scontrol --oneliner show node "$SLURMD_NODENAME" 2> /dev/null) "
case $HOST in *' NodeAddr='*) HOST=${HOST#*' NodeAddr='} && HOST=${HOST%%' '*} ;; *) HOST= ;; esac
[ -n "$HOST" ] || HOST=$SLURMD_NODENAME
"#;

/// Two jobs on one node begin to look at different places.
const FIND_PORT: &str = r#"taken=
for list in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$list" ] && while read -r _ local _; do
    case $local in *:????) taken="$taken:$((0x${local##*:})) " ;; esac
  done < "$list"
done
PORT=$((20000 + SLURM_JOB_ID % 10000))
while case $taken in *":$PORT "*) true ;; *) false ;; esac; do PORT=$((20000 + (PORT + 7 - 20000) % 10000)); done
"#;

/// By the job's comment, which needs no shared disk, and by a file, which needs no controller. The number of the job is in it,
/// so that nothing of an earlier job is ever believed. In the background, twice away: nobody waits for it, nor has to reap it.
const REPORT: &str = r#"export HOST PORT
place="llm-manager $SLURM_JOB_ID $SLURMD_NODENAME $HOST $PORT"
[ -d "$folder" ] && echo "$place" > "$folder/place.new" && mv "$folder/place.new" "$folder/place"
( ( for pause in 1 2 4 8 16 0; do
    scontrol update "JobId=$SLURM_JOB_ID" "Comment=$place" > /dev/null 2>&1 && break
    sleep $pause
  done ) & ) < /dev/null > /dev/null 2>&1
"#;

/// A script that doesn't `exec` is a shell that dies at SIGTERM, after which Slurm gives its cards to the next job while the
/// server is still there. For such a script this one stays: it waits until nothing of the job is left.
const START_SCRIPT: &str = r#"[ -e "$script" ] || fail "$script isn't on $SLURMD_NODENAME; it has to be on a disk that the nodes share"
[ -x "$script" ] && set -- "$script" || set -- sh "$script"
if grep -Eq '(^|[;&|{(]|then|else|do)[[:space:]]*exec[[:space:]]+[^0-9<>]' "$script"; then exec "$@"; fi
# Whoever carries the job's number, but for the shell that looks.
rest() {
  for pid in $(grep -lsz "^SLURM_JOB_ID=$SLURM_JOB_ID\$" /proc/[0-9]*/environ | cut -d/ -f3); do
    parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2> /dev/null)
    [ "$pid" = $$ ] || [ "${parent:-$$}" = $$ ] || echo "$pid"
  done
}
asked=
trap 'asked=1' TERM
"$@" &
child=$!
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2> /dev/null || break
done
# It ended by itself: what it left is asked once. Slurm has asked everybody otherwise.
[ -n "$asked" ] || kill -TERM $(rest) 2> /dev/null
while [ -n "$(rest)" ]; do sleep 0.2; done
exit "$code"
"#;

/// What a job has reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub node: String,
    pub host: String,
    pub port: u16,
}

/// Reads a report; only that of this job is believed.
pub(crate) fn report(text: &str, job: u64) -> Option<Report> {
    let mut words = text.split_whitespace();
    if words.next()? != WORD || words.next()?.parse() != Ok(job) {
        return None;
    }
    let report = Report {
        node: words.next()?.to_owned(),
        host: words.next()?.to_owned(),
        port: words.next()?.parse().ok().filter(|port| *port != 0)?,
    };
    words.next().is_none().then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_another_job_is_not_believed() {
        let place = Report { node: "n1".to_owned(), host: "127.0.0.2".to_owned(), port: 20007 };
        assert_eq!(report("llm-manager 7 n1 127.0.0.2 20007\n", 7), Some(place));
        for text in [
            "llm-manager 6 n1 127.0.0.2 20007",
            "",
            "llm-manager 7 n1 127.0.0.2",
            "llm-manager 7 n1 h 0",
            "llm-manager 7 n1 h 1 x",
            "x 7 n1 h 1",
        ] {
            assert_eq!(report(text, 7), None, "{text}");
        }
    }

    #[test]
    fn words_mean_what_the_user_wrote() {
        assert_eq!(word("it's {model}:{port}", "a{b}"), r#"'it'\''s a{b}:'"$PORT"''"#);
        let command =
            Launch::Command(vec!["serve".to_owned(), "--port={port}".to_owned(), "$(rm x)".to_owned()]);
        let folder = Path::new("/s/it's");
        let text =
            script(&Wrapped { model: "m", launch: &command, working_dir: folder, folder, port: Some(9) });
        assert!(text.ends_with("exec 'serve' '--port='\"$PORT\"'' '$(rm x)'\n"), "{text}");
        assert!(text.contains("folder='/s/it'\\''s'\n") && text.contains("PORT=9\n"), "{text}");
    }
}
