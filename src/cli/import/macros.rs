//! llama-swap's macros: `${name}` from the file, `${env.NAME}` from the environment.

use super::yaml11::{YamlNode, YamlValue};

/// Names with what they stand for; an earlier one may stand in a later one.
#[derive(Clone, Debug, Default)]
pub(super) struct Macros(Vec<(String, YamlNode)>);

/// Where variables come from: the environment, or a test.
pub(super) type EnvLookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Macros {
    /// Adds those of a mapping; they come before those that are there already.
    pub(super) fn with(&self, macros: Option<&YamlNode>) -> Self {
        let mut all = self.clone();
        for (name, value) in macros.into_iter().flat_map(YamlNode::entries) {
            let Some(name) = name.text() else { continue };
            let value = all.expand(value);
            all.0.retain(|(known, _)| *known != name);
            all.0.push((name, value));
        }
        all
    }

    pub(super) fn with_text(mut self, name: &str, text: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        let value = YamlValue::Text { text: text.to_owned(), plain: false };
        self.0.push((name.to_owned(), YamlNode { line: 0, value }));
        self
    }

    /// The value with all known macros replaced; one that stands alone keeps its type.
    pub(super) fn expand(&self, node: &YamlNode) -> YamlNode {
        let value = match &node.value {
            YamlValue::Text { text, plain } => {
                let alone = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                match alone.and_then(|name| self.find(name)) {
                    Some(found) => found.value.clone(),
                    None => YamlValue::Text { text: self.expand_text(text), plain: *plain },
                }
            }
            YamlValue::List(items) => YamlValue::List(items.iter().map(|item| self.expand(item)).collect()),
            YamlValue::Map(entries) => {
                YamlValue::Map(entries.iter().map(|(key, value)| (key.clone(), self.expand(value))).collect())
            }
            other => other.clone(),
        };
        YamlNode { line: node.line, value }
    }

    fn find(&self, name: &str) -> Option<&YamlNode> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn expand_text(&self, text: &str) -> String {
        replace(text, |name| self.find(name).and_then(YamlNode::text))
    }
}

/// Puts the environment's variables in place; an error names the first that isn't set. Lines that are comments of
/// a command are left alone.
pub(super) fn environment(text: &str, environment: EnvLookup<'_>) -> Result<String, String> {
    let mut missing = None;
    let lines = text.split('\n').map(|line| {
        if line.trim_start().starts_with('#') {
            return line.to_owned();
        }
        replace(line, |name| {
            let name = name.strip_prefix("env.")?;
            let value = environment(name);
            if value.is_none() {
                missing.get_or_insert_with(|| name.to_owned());
            }
            value
        })
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    match missing {
        Some(name) => Err(format!("the variable {name} isn't set in this environment")),
        None => Ok(text),
    }
}

/// The names of macros that are left in a text.
pub(super) fn left(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    for line in lines {
        replace(line, |name| {
            names.push(name.to_owned());
            None
        });
    }
    names
}

/// Replaces each `${name}` for which there is something.
fn replace(text: &str, mut find: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let name = after.get(2..).and_then(|name| name.split_once('}')).map(|(name, _)| name);
        let is_name = |name: &&str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match name.filter(is_name) {
            Some(name) => {
                match find(name) {
                    Some(value) => out.push_str(&value),
                    None => out.push_str(after.get(..name.len() + 3).unwrap_or_default()),
                }
                rest = after.get(name.len() + 3..).unwrap_or_default();
            }
            None => {
                out.push_str("${");
                rest = after.get(2..).unwrap_or_default();
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::super::yaml11::parse;
    use super::*;

    #[test]
    fn macros_nest_keep_their_type_and_yield_to_the_models_own() {
        let file = parse(
            "g: {n: 4, a: x, b: \"${a}-${n}\"}\nm: {a: y}\nt: [\"${n}\", \"${b} ${a} ${none} $${ ${}\"]",
        )
        .unwrap();
        let global = Macros::default().with(file.get("g"));
        let own = global.with(file.get("m"));
        let expanded = own.expand(file.get("t").unwrap());
        assert_eq!(expanded.items()[0].value, YamlValue::Int(4));
        assert_eq!(expanded.items()[1].text().unwrap(), "x-4 y ${none} $${ ${}");
        assert_eq!(left("${a}\n# ${b}\n"), ["a"]);
        let variable = |name: &str| (name == "HOME").then(|| "/h".to_owned());
        assert_eq!(environment("a ${env.HOME}\n# ${env.NO}", &variable).unwrap(), "a /h\n# ${env.NO}");
        assert!(environment("${env.NO}", &variable).unwrap_err().contains("NO"));
    }
}
