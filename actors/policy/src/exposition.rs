//! Metrics of several backends as one text in the format of Prometheus (version 0.0.4), each sample with the name of its model.
//!
//! The format wants all samples of one name together, and says its type once. Times, exemplars and comments are left out; so
//! are lines that are no samples.

use std::collections::HashMap;
use std::fmt::Write;

/// Metrics of one name.
struct Family<'a> {
    name: &'a str,
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: String,
}

/// What `# TYPE` and `# HELP` have said of the name before the samples.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
}

/// Merges what backends answered: the model's name and the text of each.
pub fn merge<'a>(answers: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut families: Vec<Family<'a>> = Vec::new();
    let mut places: HashMap<&'a str, usize> = HashMap::new();
    for (model, text) in answers {
        let label = format!("model=\"{}\"", escaped(model));
        let mut said: HashMap<&'a str, Said<'a>> = HashMap::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                note(comment, &mut said);
                continue;
            }
            let Some(sample) = Sample::read(line) else { continue };
            let (name, about) = family_of(sample.name, &said);
            let place = *places.entry(name).or_insert_with(|| {
                families.push(Family { name, help: None, kind: None, samples: String::new() });
                families.len() - 1
            });
            let Some(family) = families.get_mut(place) else { continue };
            family.help = family.help.or(about.help);
            family.kind = family.kind.or(about.kind);
            sample.write(&label, &mut family.samples);
        }
    }
    let mut text = String::new();
    for Family { name, help, kind, samples } in families {
        // Writing to a text can't fail.
        let _ = help.map(|help| writeln!(text, "# HELP {name} {help}"));
        let _ = kind.map(|kind| writeln!(text, "# TYPE {name} {kind}"));
        text.push_str(&samples);
    }
    text
}

/// For a label's value.
pub fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn note<'a>(comment: &'a str, said: &mut HashMap<&'a str, Said<'a>>) {
    let mut words = comment.trim_start().splitn(3, ' ');
    let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else { return };
    let about = said.entry(name).or_default();
    match what {
        "HELP" => about.help = Some(rest.trim()),
        "TYPE" => {
            about.kind = match rest.trim() {
                kind @ ("counter" | "gauge" | "histogram" | "summary") => Some(kind),
                // OpenMetrics has more.
                "info" | "stateset" => Some("gauge"),
                _ => Some("untyped"),
            };
        }
        _ => {}
    }
}

/// To which name a sample belongs: that of a histogram has several endings.
fn family_of<'a>(sample: &'a str, said: &HashMap<&'a str, Said<'a>>) -> (&'a str, Said<'a>) {
    if let Some(about) = said.get(sample) {
        return (sample, *about);
    }
    for end in ["_bucket", "_count", "_sum"] {
        if let Some(whole) = sample.strip_suffix(end)
            && let Some((name, about)) = said.get_key_value(whole)
            && matches!(about.kind, Some("histogram" | "summary"))
        {
            return (name, *about);
        }
    }
    // OpenMetrics says the type of a counter without the end of its name.
    let counter = sample.strip_suffix("_total").and_then(|whole| said.get(whole));
    (sample, counter.copied().unwrap_or_default())
}

/// A sample as it was read.
struct Sample<'a> {
    name: &'a str,
    /// Names, and values in quotes as they were written.
    labels: Vec<(&'a str, &'a str)>,
    value: &'a str,
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim();
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let value = rest.split_whitespace().next()?;
        // `NaN` and `+Inf` are values, too.
        let is_value = value.parse::<f64>().is_ok();
        (is_name(name) && is_value).then_some(Self { name, labels, value })
    }

    fn write(&self, model: &str, text: &mut String) {
        let _ = write!(text, "{}{{{model}", self.name);
        for (name, value) in &self.labels {
            // As Prometheus itself does it with a label that it sets.
            let name = if *name == "model" { "exported_model" } else { name };
            let _ = write!(text, ",{name}={value}");
        }
        let _ = writeln!(text, "}} {}", self.value);
    }
}

/// The labels behind a brace, and what follows the one that closes it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (name, after) = (name.trim(), after.trim_start());
        let mut escape = false;
        let end = after.char_indices().skip(1).find(|(_, letter)| {
            let ends = *letter == '"' && !escape;
            escape = *letter == '\\' && !escape;
            ends
        });
        let end = end.filter(|_| after.starts_with('"') && is_name(name))?.0 + 1;
        found.push((name, after.get(..end)?));
        rest = after.get(end..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_begins_with_a_letter_a_line_or_a_colon() {
        for line in ["_x 1", ":x 1", "x:y_z{_a=\"b\"} 1"] {
            assert!(Sample::read(line).is_some(), "{line}");
        }
        for line in ["1x 1", "x-y 1", "x{1a=\"b\"} 1", "x{a=b\"c\"} 1", "x one"] {
            assert!(Sample::read(line).is_none(), "{line}");
        }
    }

    #[test]
    fn samples_of_one_name_stand_together() {
        let one = "# HELP reqs Requests.\n# TYPE reqs counter\nreqs{code=\"200\"} 5\nreqs{code=\"500\"} 1 1700000000\n\
                   # TYPE wait histogram\nwait_bucket{le=\"1\"} 2\nwait_bucket{le=\"+Inf\"} 3\nwait_sum 4.5\nwait_count 3\n\
                   bare 7\n";
        let two = "# TYPE reqs counter\nreqs{code=\"200\"} 8\n# EOF\n";
        let expected = "# HELP reqs Requests.\n# TYPE reqs counter\nreqs{model=\"a\",code=\"200\"} 5\n\
                        reqs{model=\"a\",code=\"500\"} 1\nreqs{model=\"b \\\"c\\\"\",code=\"200\"} 8\n# TYPE wait histogram\n\
                        wait_bucket{model=\"a\",le=\"1\"} 2\nwait_bucket{model=\"a\",le=\"+Inf\"} 3\nwait_sum{model=\"a\"} 4.5\n\
                        wait_count{model=\"a\"} 3\nbare{model=\"a\"} 7\n";
        assert_eq!(merge([("a", one), ("b \"c\"", two)]), expected);
    }

    #[test]
    fn what_backends_write_is_understood() {
        for (line, expected) in [
            ("llamacpp:prompt_tokens_total 12", "llamacpp:prompt_tokens_total{model=\"m\"} 12\n"),
            (
                "vllm:x{model_name=\"org/M\",model=\"x\",} 1.0",
                "vllm:x{model=\"m\",model_name=\"org/M\",exported_model=\"x\"} 1.0\n",
            ),
            ("a{b=\"}\\\"{, \\\\\"} NaN", "a{model=\"m\",b=\"}\\\"{, \\\\\"} NaN\n"),
            ("a {b = \"c\"} +Inf 3 # {trace_id=\"x\"} 1", ""),
            ("a{b=\"c\"} +Inf 3 # {trace_id=\"x\"} 1", "a{model=\"m\",b=\"c\"} +Inf\n"),
            ("a{} 1e-3", "a{model=\"m\"} 1e-3\n"),
            ("<html>", ""),
            ("a", ""),
            ("a b", ""),
            ("9a 1", ""),
            ("a{b=\"c} 1", ""),
            ("a{b=c} 1", ""),
            ("", ""),
        ] {
            assert_eq!(merge([("m", line)]), expected, "{line}");
        }
        let open = "# TYPE foo counter\nfoo_total 1\nfoo_created 2\n# TYPE up info\nup_info 1\n# EOF\n";
        let expected = "# TYPE foo_total counter\nfoo_total{model=\"m\"} 1\nfoo_created{model=\"m\"} 2\nup_info{model=\"m\"} 1\n";
        assert_eq!(merge([("m", open)]), expected);
        let set = "# TYPE state stateset\nstate{state=\"on\"} 1\n";
        let expected = "# TYPE state gauge\nstate{model=\"m\",state=\"on\"} 1\n";
        assert_eq!(merge([("m", set)]), expected);
    }

    proptest! {
        /// Whatever a backend says, each line that comes out is one sample with the model's name.
        #[test]
        fn nothing_slips_through(text in "([a-z_]{0,4}|[{}\"\\\\=, #\n1é]){0,60}") {
            let merged = merge([("m", text.as_str())]);
            for line in merged.lines().filter(|line| !line.starts_with("# ")) {
                prop_assert!(line.contains("{model=\"m\""), "{line}");
                prop_assert!(Sample::read(line).is_some(), "{line}");
            }
        }
    }
}
