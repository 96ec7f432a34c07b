//! A command line as llama-swap splits it on POSIX: quotes and backslashes as in a shell, and nothing else of a shell.
//! (The usual crates end at a `#`, which is an argument there.)

/// The words of `cmd`. Whole lines that begin with `#` are comments; a `\` at the end of a line joins it to the next.
pub(super) fn split(cmd: &str) -> Result<Vec<String>, String> {
    let lines = cmd.lines().filter(|line| !line.trim_start().starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\ \n", " ").replace("\\\n", " ");
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
    use super::split;

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
        assert!(split("a 'b").is_err() && split("a \"b").is_err());
    }
}
