//! The script of a job: it finds a port, reports where it is, and becomes the user's server by `exec`.

use std::path::Path;

use llm_manager_policy::spec::Launch;

/// The first word of what a job reports.
const WORD: &str = "llm-manager";

/// What the script is made of.
pub(crate) struct JobScript<'a> {
    pub model: &'a str,
    pub launch: &'a Launch,
    pub working_dir: &'a Path,
    /// The folder of the job's files: the one here, if the nodes share it, otherwise one on the node.
    pub folder: &'a Path,
    /// What takes the place of the script where the nodes don't share it, if it is a text.
    pub sent: Option<&'a SentScript>,
    /// The nodes share nothing with this machine.
    pub apart: bool,
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

/// A script that goes along with the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentScript {
    /// Who reads it, and what that is told first.
    pub(crate) reader: Vec<String>,
    pub(crate) text: String,
}

impl SentScript {
    /// The longest script that goes along: Slurm takes 4 MiB with all that is around it.
    const LONGEST: usize = 1 << 20;

    /// `None`: it is no text. It is read by whom its first line names, for nothing may be executable where it is put; without such a line, or
    /// if it isn't meant to be executed, by a shell.
    pub(crate) fn new(bytes: Vec<u8>, executable: bool) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        if text.len() > Self::LONGEST || text.contains('\0') {
            return None;
        }
        let named = text.strip_prefix("#!").filter(|_| executable).and_then(|rest| rest.lines().next());
        // As the kernel reads it: all that follows the program is one word.
        let named = named.and_then(|line| {
            let line = line.trim();
            let (program, word) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let words = [program, word.trim()].into_iter().filter(|word| !word.is_empty());
            program.starts_with('/').then(|| words.map(str::to_owned).collect())
        });
        Some(Self { reader: named.unwrap_or_else(|| vec!["sh".to_owned()]), text })
    }
}

/// The text of the script.
pub(crate) fn script(of: &JobScript<'_>) -> String {
    let port = of.port.map_or_else(|| FIND_PORT.to_owned(), |port| format!("PORT={port}\n"));
    let folder = quoted(&of.folder.to_string_lossy());
    let working_dir = quoted(&of.working_dir.to_string_lossy());
    let (open, enter) = if of.apart { (OPEN_APART, ENTER_APART) } else { ("", ENTER) };
    format!(
        "{HEAD}folder={folder}\nworking_dir={working_dir}\n{PREPARE}{open}{enter}{ADDRESS}{port}{REPORT}{}",
        start(of)
    )
}

fn start(of: &JobScript<'_>) -> String {
    let list = |words: &[String]| words.iter().map(|text| word(text, of.model)).collect::<Vec<_>>().join(" ");
    match (of.launch, of.sent) {
        (Launch::Script(_), Some(sent)) => {
            let reader: Vec<String> = sent.reader.iter().map(|word| quoted(word)).collect();
            format!(
                "text={}\nset -- {} \"$folder/script\"\n{SENT}{STAY}",
                quoted(&sent.text),
                reader.join(" ")
            )
        }
        (Launch::Script(path), None) => {
            let path = quoted(&path.to_string_lossy());
            let after = if of.apart { "" } else { BECOME_SCRIPT };
            format!("script={path}\n{FIND_SCRIPT}{after}{STAY}")
        }
        (Launch::Command(words), _) if of.apart => format!("set -- {}\n{STAY}", list(words)),
        (Launch::Command(words), _) => format!("exec {}\n", list(words)),
        // Nobody asks for a job that starts nothing.
        (Launch::Nothing, _) => "exec true\n".to_owned(),
    }
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
"#;

const ENTER: &str = r#"cd "$working_dir" || fail "the folder of the model isn't on $SLURMD_NODENAME; it has to be on a disk that the nodes share, or else write \`node_folder\`"
"#;

/// Where the nodes share nothing: what the job prints is in a folder of its own on the node, and is read there (`log_reader.sh`). Nobody else can
/// guess the folder's name, nor look into it. At the end the reader has a moment to read the rest, and if the job failed at
/// once, to come: the job's end waits for it.
const OPEN_APART: &str = r#"for old in "${folder%/*}"/llm-manager-*; do
  [ -O "$old" ] && read -r pid < "$old/pid" && ! kill -0 "$pid" && rm -rf "$old"
done 2> /dev/null
(umask 077 && mkdir "$folder" && echo $$ > "$folder/pid" && : > "$folder/output.log" && mkfifo "$folder/alive") || exit 95
exec >> "$folder/output.log" 2>&1
exec 9<> "$folder/alive"
(umask 077 && printf %s "${LLM_MANAGER_KEY:-}" > "$folder/key")
[ -z "${LLM_MANAGER_KEY_FILE:-}" ] || export LLM_MANAGER_KEY_FILE="$folder/key"
asked=
trap 'asked=1' TERM
reads() { reader=$(cat "$folder/reader" 2> /dev/null) && kill -0 "${reader%% *}" 2> /dev/null; }
hand_over() {
  turns=0
  until reads || [ -n "$asked" ] || [ "$turns" -ge 200 ]; do sleep 0.1; turns=$((turns + 1)); done
  exec 9>&-
  turns=0
  while [ "$turns" -lt 50 ] && reads; do sleep 0.1; turns=$((turns + 1)); done
  cd / && rm -rf "$folder"
}
trap hand_over EXIT
: > "$folder/ready"
"#;

const ENTER_APART: &str = r#"cd "$working_dir" 2> /dev/null || cd "$folder"
"#;

const ADDRESS: &str = r#"# The node's address, as Slurm knows it.
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
  done ) & ) < /dev/null > /dev/null 2>&1 9>&-
"#;

const FIND_SCRIPT: &str = r#"[ -e "$script" ] || fail "$script isn't on $SLURMD_NODENAME; it has to be on a disk that the nodes share"
[ -x "$script" ] && set -- "$script" || set -- sh "$script"
"#;

const BECOME_SCRIPT: &str = r#"if grep -Eq '(^|[;&|{(]|then|else|do)[[:space:]]*exec[[:space:]]+[^0-9<>]' "$script"; then exec "$@"; fi
"#;

const SENT: &str = r#"(umask 077 && printf %s "$text" > "$folder/script") || fail "there is no room in $folder on $SLURMD_NODENAME"
"#;

/// A script that doesn't `exec` is a shell that dies at SIGTERM, after which Slurm gives its cards to the next job while the
/// server is still there. For such a script this one stays: it waits until nothing of the job is left.
const STAY: &str = r#"# Whoever carries the job's number, but for the shell that looks and whoever reads what it prints.
rest() {
  for pid in $(grep -lsz "^SLURM_JOB_ID=$SLURM_JOB_ID\$" /proc/[0-9]*/environ | cut -d/ -f3); do
    grep -qsz '^LLM_MANAGER_LOG=' "/proc/$pid/environ" && continue
    parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2> /dev/null)
    [ "$pid" = $$ ] || [ "${parent:-$$}" = $$ ] || echo "$pid"
  done
}
# Told to end before it began.
[ -z "${asked:-}" ] || exit 143
asked=
trap 'asked=1' TERM
"$@" 9>&- &
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
pub(crate) struct JobReport {
    pub node: String,
    pub host: String,
    pub port: u16,
}

/// Reads a report; only that of this job is believed.
pub(crate) fn report(text: &str, job: u64) -> Option<JobReport> {
    let mut words = text.split_whitespace();
    if words.next()? != WORD || words.next()?.parse() != Ok(job) {
        return None;
    }
    let report = JobReport {
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
        let place = JobReport { node: "n1".to_owned(), host: "127.0.0.2".to_owned(), port: 20007 };
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
        let text = script(&JobScript {
            model: "m",
            launch: &command,
            working_dir: folder,
            folder,
            port: Some(9),
            sent: None,
            apart: false,
        });
        assert!(text.ends_with("exec 'serve' '--port='\"$PORT\"'' '$(rm x)'\n"), "{text}");
        assert!(text.contains("folder='/s/it'\\''s'\n") && text.contains("PORT=9\n"), "{text}");
    }

    #[test]
    fn a_script_that_goes_along_is_read_by_whom_it_names() {
        let reader = |text: &str, executable| {
            SentScript::new(text.into(), executable).map(|sent| sent.reader.join("|"))
        };
        for (text, executable, wanted) in [
            ("#!/bin/bash\nx", true, "/bin/bash"),
            ("#! /usr/bin/env  python3 -u \nx", true, "/usr/bin/env|python3 -u"),
            ("#!/bin/bash\r\nx", true, "/bin/bash"),
            ("#!/bin/bash\nx", false, "sh"),
            ("#!bash\nx", true, "sh"),
            ("x", true, "sh"),
            ("", true, "sh"),
        ] {
            assert_eq!(reader(text, executable).as_deref(), Some(wanted), "{text:?}");
        }
        assert_eq!(SentScript::new(b"\x7fELF\0".to_vec(), true), None);
        assert_eq!(SentScript::new(vec![0xff], true), None);
        assert_eq!(SentScript::new(vec![b'x'; SentScript::LONGEST + 1], true), None);
    }

    #[test]
    fn where_nothing_is_shared_nothing_of_this_machine_is_needed() {
        let launch = Launch::Script("/home/me/serve.sh".into());
        let sent = SentScript::new(b"#!/bin/sh\necho it's\n".to_vec(), true).unwrap();
        let (folder, working_dir) = (Path::new("/tmp/llm-manager-1"), Path::new("/home/me"));
        let text = script(&JobScript {
            model: "m",
            launch: &launch,
            working_dir,
            folder,
            port: None,
            sent: Some(&sent),
            apart: true,
        });
        assert!(
            text.contains("text='#!/bin/sh\necho it'\\''s\n'\nset -- '/bin/sh' \"$folder/script\"\n"),
            "{text}"
        );
        assert!(
            !text.contains("/home/me/serve.sh") && text.contains("folder='/tmp/llm-manager-1'\n"),
            "{text}"
        );
    }
}
