//! Mistakes that keep a text from being YAML at all. The parser says where it stopped, which often is further down.

use super::common_mistakes;

/// The line and the way out: the parser stopped on `line` and says `message`.
pub(super) fn way_out(text: &str, message: &str, line: usize) -> Option<(usize, String)> {
    if message.contains("escape character") || message.contains("hexadecimal") {
        return Some((line, common_mistakes::ESCAPES.to_owned()));
    }
    if ["unknown anchor", "invalid type", "more than one document"]
        .iter()
        .any(|words| message.contains(words))
    {
        return None;
    }
    let never_closed = || "the quote that opens here is never closed".to_owned();
    // A scanner that looks for the end of something stops far below it.
    if message.contains("quoted scalar")
        && let Some(began) = numbers(message, "at line ").last()
    {
        return Some((*began, never_closed()));
    }
    let lines: Vec<&str> = text.lines().collect();
    let code = |number: usize| {
        let line = lines.get(number.checked_sub(1)?)?.trim_start_matches([' ', '\t']);
        (!line.starts_with('#')).then_some(line)
    };
    let near = (line.saturating_sub(2)..=line).rev();
    let near = near.filter_map(|number| Some((number, code(number)?)));
    if let Some((number, name)) =
        near.clone().find_map(|(number, line)| Some((number, invisible(outside_quotes(line).as_str())?)))
    {
        return Some((number, format!("there is {name} on this line: write ordinary spaces")));
    }
    if message.contains("cannot start any token") {
        let column = *numbers(message, "column ").first()?;
        return Some((line, no_token(lines.get(line.checked_sub(1)?)?.chars().nth(column.checked_sub(1)?)?)));
    }
    if let Some(found) = near.clone().find_map(|(number, line)| Some((number, colon_in_line(line)?))) {
        return Some(found);
    }
    // All that is quoted closes on its line, as nearly everybody writes it: an odd quote is the one to blame.
    if let Some(opens) =
        (1..=line).find(|number| code(*number).is_some_and(|line| quotes(line, '"') % 2 == 1))
    {
        return Some((opens, never_closed()));
    }
    // Behind the last line, there is nothing.
    let here = code(line).unwrap_or_default();
    if quotes(here, '\'') > 0 && here.matches('\'').count() % 2 == 1 {
        let hint = "within single quotes, an apostrophe is written twice: 'it''s'";
        return Some((line, hint.to_owned()));
    }
    if let Some(hint) = after_a_quote(here).or_else(|| second_colon(here)) {
        return Some((line, hint));
    }
    if let Some(found) = in_brackets(&lines, message, line) {
        return Some(found);
    }
    if let Some((number, here)) = near.clone().find(|(_, line)| is_unquoted(line)) {
        let hint = if here.contains("${PORT}") {
            "write \"{port}\": variables of a shell aren't replaced here"
        } else {
            "text with { or } in it needs quotes, such as \"--port={port}\""
        };
        return Some((number, hint.to_owned()));
    }
    wrong_indent(&lines, line).map(|hint| (line, hint.to_owned()))
}

/// The numbers behind each `word` of a message.
fn numbers(message: &str, word: &str) -> Vec<usize> {
    let after = message.split(word).skip(1);
    after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

/// What is wrong with where a line begins.
fn wrong_indent(lines: &[&str], line: usize) -> Option<&'static str> {
    let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let here = indent(lines.get(line.checked_sub(1)?)?);
    let mut above = lines.get(..line - 1)?.iter().rev().filter(is_code);
    let nearest = above.next()?;
    if indent(nearest) < here {
        return has_value(nearest)
            .then_some("it is indented deeper than the line above, which has a value of its own already");
    }
    let outer = std::iter::once(nearest).chain(above).map(|line| indent(line)).find(|indent| *indent <= here);
    (outer != Some(here))
        .then_some("no line above is indented like this one: indent it like those it belongs to")
}

/// Whether a line is a key with its whole value behind it.
fn has_value(line: &str) -> bool {
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
    let opens =
        value.starts_with('[') && !value.ends_with(']') || value.starts_with('{') && !value.ends_with('}');
    !value.is_empty() && !opens && !value.starts_with(['#', '|', '>', '&'])
}

/// A line without what is in double quotes, and without its comment.
fn outside_quotes(line: &str) -> String {
    let mut is_inside = false;
    let mut before = ' ';
    let mut outside = String::new();
    for c in line.chars() {
        if c == '#' && before == ' ' && !is_inside {
            break;
        }
        is_inside ^= c == '"';
        if !is_inside {
            outside.push(c);
        }
        before = c;
    }
    outside
}

/// How many quotes a line has; escaped ones, and those within quotes of the other kind, aren't counted.
fn quotes(line: &str, wanted: char) -> usize {
    let mut inside = None;
    let mut before = ' ';
    let mut count = 0;
    for c in line.chars() {
        if c == '#' && before == ' ' && inside.is_none() {
            break;
        }
        // A quote in the middle of a word is a part of it.
        let opens = inside.is_none() && !before.is_alphanumeric();
        if matches!(c, '"' | '\'') && before != '\\' && (opens || inside == Some(c)) {
            inside = if inside.is_some() { None } else { Some(c) };
            count += usize::from(c == wanted);
        }
        before = c;
    }
    count
}

/// What looks like a space, and is none.
fn invisible(line: &str) -> Option<&'static str> {
    line.chars().find_map(|c| match c {
        '\u{a0}' => Some("a no-break space (U+00A0)"),
        '\u{3000}' => Some("a full-width space (U+3000)"),
        '\u{200b}' | '\u{2060}' | '\u{feff}' => Some("an invisible character"),
        _ => None,
    })
}

fn no_token(c: char) -> String {
    match c {
        '\t' => "YAML is indented with spaces, not tabs".to_owned(),
        '@' | '`' | '%' => format!("text that starts with {c} needs quotes"),
        _ => "YAML is indented with spaces, not tabs; text that starts with one of @ ` % needs quotes"
            .to_owned(),
    }
}

/// A colon that is none, or that has no space after it, in a line that should have a key.
fn colon_in_line(line: &str) -> Option<String> {
    let line = line.strip_prefix("- ").unwrap_or(line);
    let key_end = line.find(['：', ':', '=', '"', '\'', '#'])?;
    let key = line.get(..key_end)?;
    if !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '{' | '[')) {
        return None;
    }
    common_mistakes::colon(line.get(..line.find(" #").unwrap_or(line.len()))?)
}

/// `"Cha"t`: text goes on behind its closing quote.
fn after_a_quote(line: &str) -> Option<String> {
    let (_, value) = line.split_once(": ").unwrap_or(("", line));
    let value = value.trim_start().strip_prefix("- ").unwrap_or(value).trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let rest = value.get(1..)?.split_once(quote)?.1;
    let is_text = rest.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '_');
    is_text.then(|| "text goes on behind the closing quote: put all of it in quotes".to_owned())
}

/// `note: see: there`, or `host: ::`.
fn second_colon(line: &str) -> Option<String> {
    let (key, value) = line.split_once(": ")?;
    let value = value.split(" #").next()?.trim();
    let is_plain = !value.starts_with(['"', '\'', '{', '[', '|', '>', '&', '*']);
    (is_plain && (value.contains(": ") || value.ends_with(':')))
        .then(|| format!("text with a colon in it needs quotes: `{key}: \"{value}\"`"))
}

/// What is wrong within `[ ]` or `{ }`, which the parser says where it opened.
fn in_brackets(lines: &[&str], message: &str, line: usize) -> Option<(usize, String)> {
    let (_, flow) = message.split_once("while parsing a flow ")?;
    let opened = numbers(flow, "at line ").first().copied().unwrap_or(1);
    let (open, close) = if flow.starts_with("sequence") { ('[', ']') } else { ('{', '}') };
    let at = |number: usize| lines.get(number.checked_sub(1)?).copied();
    for number in opened..=line {
        let Some(text) = at(number) else { continue };
        if text.split("//").next().is_some_and(|head| head.len() < text.len() && !head.ends_with(':')) {
            return Some((number, "a comment begins with a space and `#`".to_owned()));
        }
    }
    let first = at(opened)?;
    if let Some((head, _)) = first.split_once(" #")
        && head.matches(open).count() > head.matches(close).count()
        && first.matches(open).count() <= first.matches(close).count()
    {
        return Some((
            opened,
            "what follows ` #` is a comment: text that starts with # needs quotes".to_owned(),
        ));
    }
    if opened == line {
        let (_, inner) = first.split_once(open)?;
        let is_entry = |part: &str| {
            part.split_once(": ")
                .is_some_and(|(_, value)| value.contains(": ") && !value.contains(['{', '[']))
        };
        return inner
            .split(',')
            .any(is_entry)
            .then(|| (line, "text with a colon in it needs quotes: `{a: \"b: c\"}`".to_owned()));
    }
    let is_open = first.matches(open).count() > first.matches(close).count();
    is_open.then(|| (opened, format!("the {open} that opens here is never closed")))
}

/// Whether a bracket is stuck to text that has no quotes: `--port={port}`.
fn is_unquoted(line: &str) -> bool {
    let outside = line.split(['"', '\'']).step_by(2);
    outside.into_iter().any(|part| {
        let mut before = part.split('{').peekable();
        let mut found = false;
        while let Some(head) = before.next() {
            let is_stuck =
                head.chars().next_back().is_some_and(|c| !c.is_whitespace() && !"[,{(".contains(c));
            found |= before.peek().is_some() && is_stuck;
        }
        found
    })
}
