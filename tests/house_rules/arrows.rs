//! Which Rust file uses which: read with `syn`, item by item.
//!
//! An arrow goes from a file to the file that defines what it names. A re-export is followed to the definition, so a
//! parent that only shows what its children define has no arrows. Unit tests are left out: they may look everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree};

/// The path of a module in its crate: `["http", "api"]`; the crate's root is empty.
type Module = Vec<String>;

/// Why an arrow is there: the first path that made it, such as `crate::feeds::Feed`.
pub(crate) type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// One file, as far as arrows matter.
struct Source {
    path: String,
    /// Paths that it names, each with the module in which it is written.
    names: Vec<(Module, Vec<String>)>,
    /// What a `use` brings: the module, the path, the name, and whether it is shown on to others.
    brought: Vec<(Module, Vec<String>, String, bool)>,
    /// All words outside of `use`.
    words: BTreeSet<String>,
}

/// One crate.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, Source>,
    /// Modules that have no file of their own: the module whose file they are in.
    inline: BTreeMap<Module, Module>,
    /// What a name in a module stands for, if a `use` brought it there.
    imported: BTreeMap<(Module, String), Vec<String>>,
}

/// The arrows among the files of the crate whose root is `root`, by paths below `base`.
pub(crate) fn arrows(base: &Path, root: &Path) -> Arrows {
    let mut all = Crate::default();
    all.read(base, root, Module::new());
    let mut found = Arrows::new();
    for source in all.files.values() {
        let targets = found.entry(source.path.clone()).or_default();
        for (module, name) in &source.names {
            if let Some(target) = all.target(module, name, 0)
                && target != source.path
            {
                targets.entry(target).or_insert_with(|| name.join("::"));
            }
        }
    }
    found
}

/// Groups of files each of which can be reached from the others: every group of two and more is a circle.
pub(crate) fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|start| (start, reachable(arrows, start))).collect();
    let mut found = BTreeSet::new();
    for (file, targets) in &reached {
        let circle: Vec<String> = targets
            .iter()
            .filter(|other| reached.get(**other).is_some_and(|back| back.contains(*file)))
            .map(|other| (*other).clone())
            .collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reachable<'a>(arrows: &'a Arrows, start: &'a String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for target in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(target) {
                open.push(target);
            }
        }
    }
    seen
}

/// `#[cfg(test)]`, `#[cfg(any(test, feature = "testing"))]`, `#[test]`.
fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = attribute.meta.to_token_stream().to_string();
        words == "test" || (words.starts_with("cfg (") && words.contains("test"))
    })
}

impl Crate {
    /// Reads a file and those of the modules that it declares.
    #[expect(clippy::panic, reason = "a test may")]
    fn read(&mut self, base: &Path, file: &Path, module: Module) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let path = file.strip_prefix(base).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let folder = folder_of(file, module.is_empty());
        let mut source = Source { path, names: Vec::new(), brought: Vec::new(), words: BTreeSet::new() };
        let mut children = Vec::new();
        self.items(&parsed.items, &module, &module, &mut source, &mut children);
        let brought = std::mem::take(&mut source.brought);
        // `use linux as here; pub use here::spawn;`: a name that serves only to show others.
        let serves =
            |name: &String| brought.iter().any(|(_, path, _, shown)| *shown && path.first() == Some(name));
        for (at, path, name, shown) in &brought {
            // What is only shown on to others is no arrow of this file.
            if source.words.contains(name) || !(*shown || serves(name)) {
                source.names.push((at.clone(), path.clone()));
            }
        }
        self.files.insert(module, source);
        for child in children {
            let Some(name) = child.last() else { continue };
            let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
            if let Some(file) = candidates.iter().find(|candidate| candidate.exists()) {
                self.read(base, file, child);
            }
        }
    }

    fn items(
        &mut self,
        items: &[Item],
        module: &Module,
        file: &Module,
        source: &mut Source,
        children: &mut Vec<Module>,
    ) {
        for item in items {
            match item {
                Item::Mod(inner) if !is_of_tests(&inner.attrs) => {
                    let child: Module = module.iter().cloned().chain([inner.ident.to_string()]).collect();
                    match &inner.content {
                        Some((_, items)) => {
                            self.inline.insert(child.clone(), file.clone());
                            self.items(items, &child, file, source, children);
                        }
                        None => children.push(child),
                    }
                }
                Item::Mod(_) => (),
                Item::Use(item) if !is_of_tests(&item.attrs) => {
                    let is_shown = !matches!(item.vis, syn::Visibility::Inherited);
                    self.imports(&item.tree, Vec::new(), module, is_shown, source);
                }
                Item::Use(_) => (),
                other if !is_of_tests(attributes(other)) => {
                    collect(other.to_token_stream(), &mut |name| {
                        source.words.extend(name.first().cloned());
                        if name.len() > 1 {
                            source.names.push((module.clone(), name));
                        }
                    });
                }
                _ => (),
            }
        }
    }

    /// A `use`. What is shown on to others is no arrow of this file: it is followed to its definition.
    fn imports(
        &mut self,
        tree: &UseTree,
        before: Vec<String>,
        module: &Module,
        is_shown: bool,
        source: &mut Source,
    ) {
        let with = |last: &syn::Ident| before.iter().cloned().chain([last.to_string()]).collect::<Vec<_>>();
        let mut named = |name: String, path: Vec<String>| {
            self.imported.insert((module.clone(), name.clone()), path.clone());
            source.brought.push((module.clone(), path, name, is_shown));
        };
        match tree {
            UseTree::Path(path) => self.imports(&path.tree, with(&path.ident), module, is_shown, source),
            UseTree::Name(name) if name.ident == "self" => {
                named(before.last().cloned().unwrap_or_default(), before.clone());
            }
            UseTree::Name(name) => named(name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(rename) if rename.ident == "self" => named(rename.rename.to_string(), before),
            UseTree::Rename(rename) => named(rename.rename.to_string(), with(&rename.ident)),
            UseTree::Glob(_) => named("*".to_owned(), before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, before.clone(), module, is_shown, source);
                }
            }
        }
    }

    /// The file that defines what `name` means in `module`; `None`: another crate, or nothing that is seen here.
    fn target(&self, module: &Module, name: &[String], depth: usize) -> Option<String> {
        let mut rest = name.iter();
        let mut at = module.clone();
        let first = name.first()?;
        match first.as_str() {
            "crate" => {
                at.clear();
                rest.next();
            }
            "self" => {
                rest.next();
            }
            "super" => (),
            // A path of an item may begin with a child; all others come from a `use`, which is counted by itself.
            child => {
                let module: Module = at.iter().cloned().chain([child.to_owned()]).collect();
                if !self.is_module(&module) {
                    return None;
                }
            }
        }
        while rest.as_slice().first().is_some_and(|word| word == "super") {
            at.pop()?;
            rest.next();
        }
        for word in rest.by_ref() {
            let child: Module = at.iter().cloned().chain([word.clone()]).collect();
            if self.is_module(&child) {
                at = child;
                continue;
            }
            if let Some(path) = self.imported.get(&(at.clone(), word.clone()))
                && depth < 8
            {
                return self.target(&at, path, depth + 1);
            }
            break;
        }
        let file = self.inline.get(&at).unwrap_or(&at);
        self.files.get(file).map(|source| source.path.clone())
    }

    fn is_module(&self, module: &Module) -> bool {
        self.files.contains_key(module) || self.inline.contains_key(module)
    }
}

/// Where the children of a file's module are.
fn folder_of(file: &Path, is_root: bool) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    let stem = file.file_stem().unwrap_or_default();
    if is_root || stem == "mod" { folder.to_owned() } else { folder.join(stem) }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        _ => &[],
    }
}

/// Stands for the dot before a field or a method.
const DOT: usize = usize::MAX;

/// All paths among the tokens, those in macros too.
fn collect(tokens: TokenStream, take: &mut impl FnMut(Vec<String>)) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    finish(&mut path, take);
                }
                if colons != DOT {
                    path.push(ident.to_string());
                }
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons = colons.saturating_add(1) % DOT,
            other => {
                let is_after_pub = path.last().is_some_and(|word| word == "pub");
                finish(&mut path, take);
                // What follows a dot is a field or a method.
                colons =
                    if matches!(&other, TokenTree::Punct(dot) if dot.as_char() == '.') { DOT } else { 0 };
                match other {
                    // `pub(in crate::config)` uses nothing of what it names.
                    TokenTree::Group(_) if is_after_pub => (),
                    TokenTree::Group(group) => collect(group.stream(), take),
                    _ => (),
                }
            }
        }
    }
    finish(&mut path, take);
}

fn finish(path: &mut Vec<String>, take: &mut impl FnMut(Vec<String>)) {
    let path = std::mem::take(path);
    if !path.is_empty() {
        take(path);
    }
}
