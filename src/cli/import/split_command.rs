//! A command line as llama-swap splits it: on POSIX with quotes and backslashes as in a shell, and nothing else of a shell;
//! on Windows as programs there split theirs. (The usual crates end at a `#`, which is an argument there.)

/// The words of `cmd`. Whole lines that begin with `#` are comments; a `\` at the end of a line joins it to the next.
pub(super) fn split(cmd: &str) -> Result<Vec<String>, String> {
    let lines = cmd.lines().filter(|line| !line.trim_start().starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\ \n", " ").replace("\\\n", " ");
    if cfg!(windows) || is_of_windows(&text) { of_windows(&text) } else { of_posix(&text) }
}

/// Whether a path of Windows is in it: the file was written for llama-swap there, wherever it is imported.
pub(super) fn is_of_windows(cmd: &str) -> bool {
    let words = cmd.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '='));
    words.into_iter().any(|word| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.as_str().starts_with(":\\")
    })
}

/// A backslash is one, but before a quote: there two stand for one, and an odd one makes the quote a character.
fn of_windows(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let mut count = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let open = word.get_or_insert_default();
                if chars.peek() == Some(&'"') {
                    open.extend(std::iter::repeat_n('\\', count / 2));
                    if count % 2 == 1 {
                        open.extend(chars.next());
                    }
                } else {
                    open.extend(std::iter::repeat_n('\\', count));
                }
            }
            '"' => {
                word.get_or_insert_default();
                is_quoted = !is_quoted;
            }
            c if c.is_whitespace() && !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if is_quoted {
        return Err("a \" is never closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

fn of_posix(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let open = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => open.push(c),
                        None => return Err("a ' is never closed".to_owned()),
                    }
                }
            }
            '"' => {
                let open = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => open.push(c),
                            Some('\n') => {}
                            Some(c) => open.extend(['\\', c]),
                            None => return Err("a \" is never closed".to_owned()),
                        },
                        Some(c) => open.push(c),
                        None => return Err("a \" is never closed".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => {}
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{is_of_windows, split};

    #[test]
    fn words_are_those_of_a_shell_without_the_shell() {
        for (cmd, words) in [
            ("a 'b c' \"d $HOME\" e\\ f", &["a", "b c", "d $HOME", "e f"][..]),
            ("# first\na \\\n# between\n  -b", &["a", "-b"]),
            ("a # passed on", &["a", "#", "passed", "on"]),
            ("a {\"x\": 1}", &["a", "{x:", "1}"]),
            ("a '{\"x\": 1}'", &["a", "{\"x\": 1}"]),
            ("a && b ~", &["a", "&&", "b", "~"]),
            ("a '' \"\"", &["a", "", ""]),
            ("\n", &[]),
        ] {
            assert_eq!(split(cmd).unwrap(), words, "{cmd}");
        }
        for (cmd, words) in [
            (
                r#"C:\bin\llama-server.exe -m "D:\my models\a.gguf""#,
                &[r"C:\bin\llama-server.exe", "-m", r"D:\my models\a.gguf"][..],
            ),
            (r#""C:\a b\\" it's \"x\" y\\z"#, &[r"C:\a b\", "it's", "\"x\"", r"y\\z"]),
            ("C:\\x.exe \\\n  --flag=D:\\y", &["C:\\x.exe", "--flag=D:\\y"]),
        ] {
            assert_eq!(split(cmd).unwrap(), words, "{cmd}");
        }
        assert!(!is_of_windows(r"run http:\\x -e A:b a\ c") && split(r#"C:\x "y"#).is_err());
        assert!(split("a 'b").is_err() && split("a \"b").is_err());
    }
}
