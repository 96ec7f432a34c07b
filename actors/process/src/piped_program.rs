//! A user's program that is given something to read, such as `sendmail`.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::group::ProcessGroup;
use super::platform;
use super::tool::last_line;

/// So much of what it prints is kept for the message; the rest is read and thrown away.
const SHOWN: usize = 2000;
/// How long its last words are waited for when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a program is fed.
#[derive(Clone, Copy, Debug)]
pub struct PipedProgram<'a> {
    /// Program and arguments.
    pub words: &'a [String],
    /// What messages call it: arguments may be secrets.
    pub called: &'a str,
    /// Where it runs; a relative path of the program starts here.
    pub folder: &'a Path,
    /// Added to its environment.
    pub env: &'a [(String, String)],
    /// Variables that it doesn't see.
    pub hidden: &'a [String],
    /// What it reads from standard input.
    pub input: &'a [u8],
    /// How long it may take.
    pub limit: Duration,
}

/// Runs it to its end, without blocking. It is killed, with what it started, when the future is dropped, the limit is over or it
/// fails; what it leaves running when it succeeds is left alone.
///
/// # Errors
/// It can't be started, fails, or takes longer than the limit: in words, with the last line that it printed.
pub async fn feed(order: PipedProgram<'_>) -> Result<(), String> {
    let (program, arguments) = order.words.split_first().ok_or_else(|| "the command is empty".to_owned())?;
    let called = order.called;
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir(order.folder);
    for name in order.hidden {
        command.env_remove(name);
    }
    command.envs(order.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::die_with_this_thread(&mut command);
    let spawned = ProcessGroup::spawn(command);
    let (mut child, group) = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("`{called}` can't be run: there is no such program"),
        _ => format!("`{called}` can't be run: {error}"),
    })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that doesn't read to the end says by its exit code whether that matters.
            let _ = stdin.write_all(order.input).await;
        }
    };
    let reading = async { tokio::join!(last_words(stdout), last_words(stderr)) };
    let waiting = async { tokio::join!(write, child.wait()).1 };
    tokio::pin!(reading, waiting);
    let both = async {
        tokio::select! {
            said = &mut reading => (said, waiting.await),
            status = &mut waiting => {
                // What it has left running may hold its output open.
                let said = tokio::time::timeout(LAST_WORDS, &mut reading).await;
                (said.unwrap_or_default(), status)
            }
        }
    };
    let seconds = order.limit.as_secs_f64();
    let ended = tokio::time::timeout(order.limit, both).await;
    let ((out, err), status) = ended.map_err(|_| format!("`{called}` did not end within {seconds} s"))?;
    let status = status.map_err(|error| format!("the end of `{called}` can't be seen: {error}"))?;
    if status.success() {
        // A mail program may go on in the background.
        group.leave();
        return Ok(());
    }
    let last = last_line([out, err].concat().as_bytes());
    let last = if last.is_empty() { "it printed nothing" } else { &last };
    Err(format!("`{called}` failed ({}): {last}", platform::exit_text(status)))
}

/// The end of what it prints.
async fn last_words(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    // A pipe that breaks has ended.
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let excess = kept.len().saturating_sub(SHOWN);
        kept.drain(..excess);
    }
    format!("{}\n", super::line_splitter::decode(&kept))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn sh(script: &str, input: &[u8], limit: Duration) -> Result<(), String> {
        let words = ["sh", "-c", script].map(str::to_owned);
        let hidden = ["HOME".to_owned()];
        let env = [("WORD".to_owned(), "yes".to_owned())];
        let folder = Path::new("/");
        feed(PipedProgram { words: &words, called: "sh", folder, env: &env, hidden: &hidden, input, limit })
            .await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[actix_rt::test]
    async fn it_reads_what_it_is_given_and_says_why_it_fails() {
        let script = "test \"$(cat)\" = hello && test -z \"$HOME\" && test \"$WORD\" = yes";
        assert_eq!(sh(script, b"hello", LONG).await, Ok(()));
        let failed = sh("echo out; echo no such user >&2; exit 67", b"", LONG).await.unwrap_err();
        assert_eq!(failed, "`sh` failed (exit code 67): no such user");
        assert_eq!(sh("exit 0", &vec![b'x'; 1 << 20], LONG).await, Ok(()), "it need not read");
        let words = ["/no/such/program".to_owned()];
        let called = words[0].as_str();
        let folder = Path::new("/");
        let order =
            PipedProgram { words: &words, called, folder, env: &[], hidden: &[], input: b"", limit: LONG };
        let missing = feed(order).await.unwrap_err();
        assert_eq!(missing, "`/no/such/program` can't be run: there is no such program");
    }

    #[actix_rt::test]
    async fn one_that_hangs_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let hung = sh(&script, b"", Duration::from_millis(500)).await.unwrap_err();
        assert_eq!(hung, "`sh` did not end within 0.5 s");
        let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let deadline = std::time::Instant::now() + LONG;
        let stat = format!("/proc/{pid}/stat");
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while lives() && cfg!(target_os = "linux") {
            assert!(std::time::Instant::now() < deadline, "it lives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
