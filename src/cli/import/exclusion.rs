//! Which models llama-swap never loads together, as far as its file says so: swap groups, and sets of its matrix.

use std::collections::BTreeSet;

use super::report::ImportReport;
use super::yaml11::YamlNode;

/// Combinations of one set that are looked at; more is no set that a person has written.
const MOST_COMBINATIONS: usize = 1000;

/// A set of models that run together.
type Together = BTreeSet<String>;

/// Groups of models of which one at a time runs, from a matrix. `resolve`: a model by its name or short name.
pub(super) fn of_matrix(matrix: &YamlNode, models: &[String], report: &mut ImportReport) -> Vec<Vec<String>> {
    let variables: Vec<_> = matrix
        .get("vars")
        .into_iter()
        .flat_map(YamlNode::entries)
        .filter_map(|(name, model)| Some((name.text()?, model.text()?)))
        .collect();
    let resolve = |name: &str| -> Option<String> {
        let model = variables.iter().find(|(known, _)| known == name).map_or(name, |(_, model)| model);
        models.iter().find(|known| *known == model).cloned()
    };
    let mut sets: Vec<(String, Vec<Together>)> = Vec::new();
    for (name, set) in matrix.get("sets").into_iter().flat_map(YamlNode::entries) {
        let (Some(name), Some(text)) = (name.text(), set.text()) else { continue };
        match Formula::parse(&text, &resolve, &sets) {
            Some(combinations) => sets.push((name, combinations)),
            None => {
                report.lost(set.line, &format!("matrix.sets.{name}"), format!("{text:?} isn't understood"))
            }
        }
    }
    let combinations: Vec<_> = sets.into_iter().flat_map(|(_, combinations)| combinations).collect();
    let runs_with = |one: &String, other: &String| {
        combinations.iter().any(|together| together.contains(one) && together.contains(other))
    };
    // Models whose relations are the same share one slot; otherwise each pair has its own.
    let mut groups: Vec<Vec<String>> = Vec::new();
    for (index, one) in models.iter().enumerate() {
        for other in models.iter().skip(index + 1).filter(|other| !runs_with(one, other)) {
            let has_both = |group: &Vec<String>| group.contains(one) && group.contains(other);
            if groups.iter().any(has_both) {
                continue;
            }
            let fits = |group: &Vec<String>, model: &String| {
                group.iter().all(|member| member == model || !runs_with(member, model))
            };
            match groups.iter_mut().find(|group| fits(group, one) && fits(group, other)) {
                Some(group) => {
                    for model in [one, other] {
                        if !group.contains(model) {
                            group.push(model.clone());
                        }
                    }
                }
                None => groups.push(vec![one.clone(), other.clone()]),
            }
        }
    }
    groups
}

/// `a & (b | c) & +other`.
struct Formula<'a> {
    tokens: Vec<String>,
    at: usize,
    resolve: &'a dyn Fn(&str) -> Option<String>,
    sets: &'a [(String, Vec<Together>)],
}

impl<'a> Formula<'a> {
    fn parse(
        text: &str,
        resolve: &'a dyn Fn(&str) -> Option<String>,
        sets: &'a [(String, Vec<Together>)],
    ) -> Option<Vec<Together>> {
        let mut tokens: Vec<String> = Vec::new();
        let mut is_in_word = false;
        for c in text.chars() {
            let is_sign = "&|()+".contains(c);
            match tokens.last_mut().filter(|_| is_in_word && !is_sign && !c.is_whitespace()) {
                Some(word) => word.push(c),
                None if !c.is_whitespace() => tokens.push(c.to_string()),
                None => {}
            }
            is_in_word = !is_sign && !c.is_whitespace();
        }
        if tokens.len() > MOST_COMBINATIONS {
            return None;
        }
        let mut formula = Self { tokens, at: 0, resolve, sets };
        let found = formula.any()?;
        (formula.at == formula.tokens.len()).then_some(found)
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|next| next == token);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Option<Vec<Together>> {
        let mut all = self.all()?;
        while self.take("|") {
            all.extend(self.all()?);
        }
        (all.len() <= MOST_COMBINATIONS).then_some(all)
    }

    fn all(&mut self) -> Option<Vec<Together>> {
        let mut all = self.one()?;
        while self.take("&") {
            let more = self.one()?;
            if all.len() * more.len() > MOST_COMBINATIONS {
                return None;
            }
            let both = |one: &Together| more.iter().map(|other| one | other).collect::<Vec<_>>();
            all = all.iter().flat_map(both).collect();
        }
        Some(all)
    }

    fn one(&mut self) -> Option<Vec<Together>> {
        if self.take("(") {
            let inner = self.any()?;
            return self.take(")").then_some(inner);
        }
        let is_set = self.take("+");
        let name = self.tokens.get(self.at)?.clone();
        self.at += 1;
        if is_set {
            return self.sets.iter().find(|(known, _)| *known == name).map(|(_, set)| set.clone());
        }
        Some(vec![Together::from([(self.resolve)(&name)?])])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::yaml11::parse;
    use super::*;

    fn groups(matrix: &str, models: &[&str]) -> Vec<String> {
        let models: Vec<_> = models.iter().map(|model| (*model).to_owned()).collect();
        let mut report = ImportReport::of(Path::new("x"));
        let groups = of_matrix(&parse(matrix).unwrap(), &models, &mut report);
        groups.iter().map(|group| group.join(" ")).collect()
    }

    #[test]
    fn models_in_no_common_set_exclude_each_other() {
        let matrix = "vars: {a: big, b: mid}\nsets: {work: a & emb, play: b & emb}";
        assert_eq!(groups(matrix, &["big", "mid", "emb"]), ["big mid"]);
        let matrix = "sets: {x: (a | b | c) & e}";
        assert_eq!(groups(matrix, &["a", "b", "c", "e"]), ["a b c"]);
        let matrix = "sets: {p: a & b, q: b & c, r: +p & d}";
        assert_eq!(groups(matrix, &["a", "b", "c", "d"]), ["a c", "c d"]);
        assert_eq!(groups("sets: {p: 'a &', q: (a, r: zzz}", &["a"]), Vec::<String>::new());
    }
}
