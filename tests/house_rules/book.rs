//! The documentation as a book: every page is in the table of contents and has its partner in the other language, and
//! every link leads somewhere.

use super::{assert_none, read, root, sources};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The longest README: what the program is, a picture, two commands, an example, links.
const LONGEST_README: usize = 200;

/// Ends the names of pages in Chinese.
const CHINESE: &str = ".zh-CN.md";

/// Texts outside the book whose links are followed, too.
const BESIDE: &[&str] =
    &["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md"];

/// Paths of the pages, from the root of the repository.
fn pages() -> Vec<String> {
    let mut found: Vec<String> = sources(&["docs"], &[".md"]).into_iter().map(|page| page.path).collect();
    found.retain(|path| path != "docs/SUMMARY.md");
    assert!(found.len() > 20, "only {found:?} were found: is the walk broken?");
    found
}

/// The lines of a page outside blocks of code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Targets of the links in a line, pictures included. What stands in backticks is no link.
fn links(line: &str) -> Vec<&str> {
    let outside_code = |at: usize| line[..at].matches('`').count().is_multiple_of(2);
    let starts = line.match_indices("](").filter(|(at, _)| outside_code(*at));
    starts.filter_map(|(at, _)| line[at + 2..].split_once(')')).map(|(target, _)| target).collect()
}

/// The anchors of a page's headings, as mdBook and GitHub make them: `## Names, and more` is `names-and-more`.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).filter(|(_, line)| line.trim_start_matches('#').starts_with(' '));
    let headings =
        headings.filter(|(_, line)| line.starts_with('#')).map(|(_, line)| line.trim_start_matches('#'));
    let mut found = Vec::new();
    for heading in headings {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let count = seen.entry(anchor.clone()).or_default();
        found.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    found
}

/// `docs/guide` and `../reference/api.md` are `docs/reference/api.md`; nothing if it leads out of the repository.
fn joined(folder: &Path, target: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

/// What is wrong with a link of `page`, if anything is. `read` has the text of a page, or nothing if it isn't there.
fn broken(page: &str, target: &str, read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { Some(PathBuf::from(page)) } else { joined(folder, path) };
    let Some(path) = path.map(|path| path.to_string_lossy().into_owned()) else {
        return Some("leads out of the repository");
    };
    // The book has only what is in its folder.
    if page.starts_with("docs/") && !path.starts_with("docs/") {
        return Some("leads out of the book: name the file in backticks instead");
    }
    let Some(text) = read(&path) else { return Some("there is no such file") };
    if anchor.is_empty() || anchors(&text).iter().any(|known| known == anchor) {
        None
    } else {
        Some("the page has no such heading")
    }
}

/// The text of a file, or something for a folder or a picture; nothing if it isn't there.
fn on_disk(path: &str) -> Option<String> {
    let path = root().join(path);
    path.exists().then(|| {
        std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    })
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = Vec::new();
    let mut followed = 0;
    let beside = BESIDE.iter().map(|page| (*page).to_owned());
    for page in pages().into_iter().chain(["docs/SUMMARY.md".to_owned()]).chain(beside) {
        let text = read(&page);
        for (number, line) in prose(&text) {
            for target in links(line) {
                followed += 1;
                if let Some(why) = broken(&page, target, on_disk) {
                    found.push(format!("{page}:{number}: {target}: {why}"));
                }
            }
        }
    }
    assert!(followed > 100, "only {followed} links were found: is the reading broken?");
    assert_none(&found, "Mend these links");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = read("docs/SUMMARY.md");
    let listed: Vec<String> =
        summary.lines().flat_map(links).map(|target| format!("docs/{target}")).collect();
    let mut found: Vec<String> = pages().into_iter().filter(|page| !listed.contains(page)).collect();
    assert_none(&found, "Add these pages to docs/SUMMARY.md");
    found = listed
        .iter()
        .filter(|page| listed.iter().filter(|other| other == page).count() > 1)
        .cloned()
        .collect();
    assert_none(&found, "These pages are in docs/SUMMARY.md more than once");
}

#[test]
fn every_page_has_its_partner_in_the_other_language() {
    let pages = pages();
    let mut found = Vec::new();
    for page in &pages {
        let partner = match page.strip_suffix(CHINESE) {
            Some(stem) => format!("{stem}.md"),
            None => page.replace(".md", CHINESE),
        };
        let name = partner.rsplit('/').next().unwrap_or("");
        if !pages.contains(&partner) {
            found.push(format!("{page}: there is no {partner}"));
        } else if !read(page).lines().take(4).flat_map(links).any(|target| target == name) {
            found.push(format!("{page}: its first lines have no link to {name}"));
        }
    }
    assert_none(
        &found,
        "Each page is there in English (NAME.md) and in Chinese (NAME.zh-CN.md), and links to the other",
    );
}

#[test]
fn the_readmes_are_short() {
    for page in ["README.md", "README.zh-CN.md"] {
        let lines = read(page).lines().count();
        assert!(
            lines <= LONGEST_README,
            "{page} has {lines} lines, the limit is {LONGEST_README}: details go to docs/"
        );
    }
}

#[test]
fn planted_links_are_judged() {
    let there = |path: &str| match path {
        "docs/guide/a.md" => {
            Some("# A\n\n## The `x` key, and y\n\n```\n# not a heading\n```\n## 名字\n".to_owned())
        }
        "docs/flow.svg" => Some(String::new()),
        _ => None,
    };
    let judged = |target| broken("docs/guide/b.md", target, there);
    for good in ["a.md", "a.md#the-x-key-and-y", "a.md#名字", "../flow.svg", "https://example.com/x#y"] {
        assert_eq!(judged(good), None, "{good}");
    }
    for bad in ["c.md", "a.md#not-a-heading", "../a.md", "../../README.md", "../../../x.md"] {
        assert!(judged(bad).is_some(), "{bad}");
    }
    assert_eq!(links("see [a](a.md#x) and ![b](b.png), `[c](d)`"), ["a.md#x", "b.png"]);
}
