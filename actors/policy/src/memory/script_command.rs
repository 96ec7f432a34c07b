//! The words of the command line that a script ends in, without running it.

use std::collections::BTreeMap;

/// A script of a backend is short; what is longer isn't read to its end.
const MOST_LINES: usize = 2000;

/// The words of that line of a script which starts a server: the longest command that `is_server` takes for one.
///
/// Assignments (`NAME=value`, `export NAME=value`, `set NAME=value`) are followed, `given` has those from outside.
/// They are added to `given`, for a server reads its environment, too.
pub fn script(
    text: &str,
    given: &mut BTreeMap<String, String>,
    is_server: impl Fn(&[String]) -> bool,
) -> Option<Vec<String>> {
    let mut found: Option<Vec<String>> = None;
    for line in joined(text).iter().take(MOST_LINES) {
        let mut words = split(line);
        // `export A=b`, `set A=b`, `set "A=b"`, and `A=b` before a command.
        if words.first().is_some_and(|word| matches!(word.text.as_str(), "export" | "set" | "SET" | "env")) {
            words.remove(0);
        }
        while let Some((name, value)) = words.first().and_then(|word| assignment(&word.text)) {
            let value = expand(value, given);
            given.insert(name.to_owned(), value);
            words.remove(0);
        }
        let words: Vec<String> = words.iter().flat_map(|word| expanded(word, given)).collect();
        if is_server(&words) && found.as_ref().is_none_or(|found| found.len() < words.len()) {
            found = Some(words);
        }
    }
    found
}

/// A word with its variables filled in: `$X`, `${X}`, `${X:-else}`, `%X%`. One that isn't known becomes nothing.
pub fn expand(word: &str, given: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['$', '%']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let (name, default, after) = match variable(from) {
            Some(found) => found,
            None => {
                let sign = from.chars().next().map_or(0, char::len_utf8);
                let (sign, after) = from.split_at(sign);
                text.push_str(sign);
                rest = after;
                continue;
            }
        };
        match given.get(name) {
            Some(value) if !value.is_empty() => text.push_str(value),
            // There is no closing brace in it, so nothing nests deeper than this.
            _ => text.push_str(&expand(default, given)),
        }
        rest = after;
        // A value that doubles itself at each turn must not fill memory.
        if text.len() > 1 << 16 {
            return text;
        }
    }
    text.push_str(rest);
    text
}

/// The name of the variable that `text` begins with, what stands for it if it isn't set, and what follows.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    if let Some(inner) = text.strip_prefix("${") {
        let (inner, after) = inner.split_once('}')?;
        let (name, default) = inner.split_once(":-").or_else(|| inner.split_once('-')).unwrap_or((inner, ""));
        return is_name(name).then_some((name, default, after));
    }
    if let Some(inner) = text.strip_prefix('$') {
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
        let (name, after) = inner.split_at(end);
        return is_name(name).then_some((name, "", after));
    }
    let (name, after) = text.strip_prefix('%')?.split_once('%')?;
    is_name(name).then_some((name, "", after))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    word.split_once('=').filter(|(name, _)| is_name(name))
}

/// A variable that stands alone, without quotes, may hold several words: `$ARGS`.
fn expanded(word: &Word, given: &BTreeMap<String, String>) -> Vec<String> {
    let text = expand(&word.text, given);
    match variable(&word.text) {
        Some((_, _, "")) if !word.is_quoted => split(&text).into_iter().map(|word| word.text).collect(),
        _ => vec![text],
    }
}

/// A word of a line.
#[derive(Default)]
struct Word {
    text: String,
    is_quoted: bool,
}

/// Lines that go on in the next (`\`, `^` or a backtick at their end) made one; comments left out.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        let is_comment = line.starts_with('#')
            || line.starts_with("::")
            || line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("rem "));
        if is_comment && whole.is_empty() {
            continue;
        }
        match line.strip_suffix(['\\', '^', '`']) {
            Some(part) => {
                whole.push_str(part);
                whole.push(' ');
            }
            None => {
                whole.push_str(line);
                lines.push(std::mem::take(&mut whole));
            }
        }
    }
    lines.push(whole);
    lines
}

/// Words as a shell divides them, as far as quotes go; what follows `;`, `&` or `|` is another command.
fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('\''), _) => word.get_or_insert_default().text.push(c),
            // Elsewhere a backslash is a part of a path on Windows.
            (_, '\\') if characters.peek().is_some_and(|next| "\"'\\$ ".contains(*next)) => {
                word.get_or_insert_default().text.extend(characters.next());
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default().is_quoted = true;
            }
            (None, '#') if word.is_none() => break,
            (None, ';' | '&' | '|') => {
                words.extend(word.take());
                if words.len() > 2 {
                    break;
                }
                words.clear();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().text.push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<String> {
        let mut given = BTreeMap::from([("PORT".to_owned(), "10001".to_owned())]);
        let is_server = |words: &[String]| words.iter().any(|word| word.ends_with("llama-server"));
        script(text, &mut given, is_server).map(|words| words.join("|"))
    }

    #[test]
    fn the_servers_line_is_found_with_its_variables() {
        for (text, expected) in [
            ("exec llama-server -m x.gguf -c 4096", "exec|llama-server|-m|x.gguf|-c|4096"),
            (
                "#!/bin/sh\nM='a b.gguf'\nllama-server -m \"$M\" --port $PORT",
                "llama-server|-m|a b.gguf|--port|10001",
            ),
            (
                "D=/m\nF=${D}/x.gguf\nllama-server \\\n  -m $F \\\n  -c ${CTX:-8192} # a comment",
                "llama-server|-m|/m/x.gguf|-c|8192",
            ),
            ("cd /opt && ./llama-server -m x; echo done", "./llama-server|-m|x"),
            ("CUDA_VISIBLE_DEVICES=0 llama-server -m x", "llama-server|-m|x"),
            ("A='-c 1 -np 2'\nllama-server $A", "llama-server|-c|1|-np|2"),
            (
                "@echo off\r\nset M=C:\\m\\x.gguf\r\nllama-server -m %M% ^\r\n --port %PORT%\r\n",
                "llama-server|-m|C:\\m\\x.gguf|--port|10001",
            ),
            ("llama-server -m a\nllama-server -m b -c 2", "llama-server|-m|b|-c|2"),
            ("llama-server -m a\nllama-server -m b", "llama-server|-m|a"),
            ("CTX=\nllama-server -c ${CTX:-8192}", "llama-server|-c|8192"),
            ("llama-server -m a#1.gguf # the first", "llama-server|-m|a#1.gguf"),
            // A backslash before a quote, or a blank takes their meaning from them; elsewhere it is a letter.
            (r"llama-server -m a\ b\'c.gguf", "llama-server|-m|a b'c.gguf"),
            (r"llama-server -m 'C:\ m\x'", r"llama-server|-m|C:\ m\x"),
            (r"llama-server -m C:\m\x.gguf", r"llama-server|-m|C:\m\x.gguf"),
        ] {
            assert_eq!(words(text).as_deref(), Some(expected), "{text}");
        }
        for comment in
            ["# llama-server -m x", ":: llama-server -m x", "rem llama-server", "REM llama-server -m x"]
        {
            assert_eq!(words(comment), None, "{comment}");
        }
        assert_eq!(words("docker run image"), None);
    }

    #[test]
    fn variables_that_make_each_other_end() {
        let given = BTreeMap::from([("A".to_owned(), "$A$A".to_owned())]);
        assert_eq!(expand("$A", &given), "$A$A");
        assert_eq!(expand("100% $ ${", &given), "100% $ ${");
        assert_eq!(expand("${B:-$A}${C:-%D%}", &given), "$A$A", "what stands for one may name another");
        let names = BTreeMap::from([("A_B".to_owned(), "m".to_owned()), ("_X".to_owned(), "y".to_owned())]);
        assert_eq!(expand("$A_B/$_X $1 %1%", &names), "m/y $1 %1%");
        let wide = BTreeMap::from([("A".to_owned(), "x".repeat(1 << 16))]);
        assert_eq!(expand("${A}!", &wide).len(), (1 << 16) + 1, "as much as this isn't cut");
        let long: String = (0..100).map(|at| format!("A{}=$A{at}$A{at}\n", at + 1)).collect();
        assert_eq!(
            words(&format!("A0=xxxxxxxx\n{long}llama-server $A99")).map(|words| words.len() < 1 << 20),
            Some(true)
        );
    }
}
