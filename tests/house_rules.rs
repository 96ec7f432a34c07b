//! The rules of ARCHITECTURE.md that the compiler can't keep: read from the sources as text.
//!
//! Each failure says which line breaks which rule, and what to do instead.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "house_rules/arrows.rs"]
mod arrows;
#[path = "house_rules/book.rs"]
mod book;
#[path = "house_rules/faults.rs"]
mod faults;
#[path = "house_rules/names.rs"]
mod names;

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest hand-written file, in lines.
const LONGEST_FILE: usize = 600;

/// Files that were longer when the rule came, and how long they may be. Only ever take from this list.
const LONGER: &[(&str, usize)] = &[("actors/policy/tests/lifecycle_table.rs", 720)];

/// A source file: its path from the root of the repository, and its lines.
struct Source {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every file below these folders whose name ends in one of `endings`. A folder that isn't there is empty.
fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "dist") {
                    open.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The line without its comment. A `//` in a text ends it too: no rule needs what follows.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Lines of code that contain one of `words`, as `path:line: text`.
fn mentions(source: &Source, words: &[&str]) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| words.iter().any(|word| code(line).contains(word)))
        .map(|(index, line)| format!("{}:{}: {}", source.path, index + 1, line.trim()))
        .collect()
}

#[track_caller]
fn assert_none(found: &[String], advice: &str) {
    assert!(found.is_empty(), "{advice}\n{}", found.join("\n"));
}

/// Lines of code in `folders` that contain one of `words`, but for those below the folders of `except`.
fn found_outside(folders: &[&str], except: &[&str], words: &[&str]) -> Vec<String> {
    let all = sources(folders, &[".rs"]);
    let checked = all.iter().filter(|source| !except.iter().any(|folder| source.path.starts_with(folder)));
    checked.flat_map(|source| mentions(source, words)).collect()
}

#[test]
fn only_the_ledger_knows_the_database() {
    // The log's names of libraries are words.
    let found = found_outside(&["src", "actors"], &["actors/ledger/", "src/logging.rs"], &["diesel"]);
    assert_none(&found, "SQL and diesel stay in actors/ledger: add a function there and call it");
}

#[test]
fn only_three_folders_start_processes() {
    let except = [
        "actors/process/",
        "actors/slurm/",
        "actors/devices/",
        "actors/examples/",
        "actors/src/billing/tests/",
        "actors/ledger/src/testing/",
    ];
    let found = found_outside(&["src", "actors"], &except, &["Command::new", "tokio::process"]);
    let advice = "Processes are started in actors/process (backends, the guard), actors/slurm (Slurm's programs) and \
                  actors/devices (plugins) only, where they are also ended: use `Launcher`, or add a function there";
    assert_none(&found, advice);
}

/// The lines of a file but for its unit tests, numbered from 1.
fn lines_without_tests(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    while let Some((number, line)) = lines.next() {
        let of_tests = line.starts_with("#[cfg(") && line.contains("test");
        if !of_tests {
            kept.push((number, line));
            continue;
        }
        while lines.peek().is_some_and(|(_, line)| line.starts_with("#[")) {
            lines.next();
        }
        // Either `mod tests;`, or a block that ends with a brace at the start of a line.
        if lines.next().is_some_and(|(_, line)| line.ends_with('{')) {
            for (_, line) in lines.by_ref() {
                if line == "}" {
                    break;
                }
            }
        }
    }
    kept
}

/// The sources of the decisions, without their tests.
fn decisions() -> Vec<Source> {
    let mut all = sources(&["actors/policy/src"], &[".rs"]);
    all.retain(|source| !source.path.ends_with("/tests.rs") && !source.path.contains("/tests/"));
    assert!(all.len() > 4, "only {} sources of decisions were found: is the walk broken?", all.len());
    all
}

#[test]
fn decisions_read_no_clock() {
    let mut found = Vec::new();
    for source in decisions() {
        for (number, line) in lines_without_tests(&source.text) {
            let words = ["Instant::now", "SystemTime", "Timestamp::now"];
            if words.iter().any(|word| code(line).contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&found, "actors/policy decides for a time that it is given: take `now` as a parameter");
}

#[test]
fn decisions_use_nothing_but_std() {
    let mut found = Vec::new();
    for source in decisions() {
        let mut before = "";
        for (number, line) in lines_without_tests(&source.text) {
            let words = code(line).trim_start();
            let words = words.strip_prefix("pub ").unwrap_or(words);
            if let Some(path) = words.strip_prefix("use ") {
                let first = path.split([':', ';', ' ', '{']).next().unwrap_or("");
                let ours = matches!(first, "std" | "core" | "crate" | "self" | "super")
                    || source.text.contains(&format!("mod {first};"));
                // The gate is built on loom's atomics for its exhaustive test.
                let loom = first == "loom" && before.trim() == "#[cfg(feature = \"loom\")]";
                if !ours && !loom {
                    found.push(format!("{}:{number}: {}", source.path, line.trim()));
                }
            }
            before = line;
        }
    }
    let advice = "actors/policy uses std alone (its tests may use more): move what needs another crate up into \
                  actors/src or src, and hand the decision plain values";
    assert_none(&found, advice);
}

#[test]
fn no_state_is_locked() {
    let found = found_outside(&["src", "actors"], &[], &["Mutex", "RwLock"]);
    let advice = "State has one owner, an actor: send it a message. For values that many read, publish a snapshot \
                  (`ArcSwap`, `tokio::sync::watch`) or use an atomic";
    assert_none(&found, advice);
}

#[test]
fn files_are_short_enough_to_read() {
    let all = sources(&["src", "actors", "tests", "benches", "webui/src"], &[".rs", ".ts", ".tsx"]);
    assert!(all.len() > 50, "only {} sources were found: is the walk broken?", all.len());
    let mut found = Vec::new();
    for source in &all {
        let head = source.text.lines().take(5).collect::<String>();
        if head.contains("@generated") {
            continue;
        }
        let known = LONGER.iter().find(|(path, _)| *path == source.path);
        let limit = known.map_or(LONGEST_FILE, |(_, limit)| *limit);
        let lines = source.text.lines().count();
        if lines > limit {
            found.push(format!("{}: {lines} lines, the limit is {limit}", source.path));
        }
        if known.is_some() && lines <= LONGEST_FILE {
            found.push(format!("{}: short by now, take it off the list LONGER in this test", source.path));
        }
    }
    let advice = "Split the file by what would make it change, or mark it `@generated` in its first lines if no hand \
                  wrote it";
    assert_none(&found, advice);
}

/// Every path in a `fn routes` of `src/http`, as the texts write it: `{name:.+}` is `{name}` there.
fn routes() -> Vec<String> {
    let mut found = Vec::new();
    for source in sources(&["src/http"], &[".rs"]) {
        let routes = source.text.split("fn routes(").nth(1).and_then(|rest| rest.split("\n}\n").next());
        // Those of the management are below `/api`, but for what is open.
        let is_below = |path: &str| {
            let open = ["/api/", "/health", "/metrics"];
            source.path.starts_with("src/http/api/") && !open.iter().any(|open| path.starts_with(open))
        };
        for line in routes.unwrap_or("").lines().map(code) {
            // What stands between the first and the second quote, the third and the fourth, ...
            for path in line.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/')) {
                let scope = if is_below(path) { "/api" } else { "" };
                found.push(format!("{scope}{}", path.replace(":.+}", "}")));
            }
        }
    }
    found
}

/// Every subcommand that `--help` shows.
fn subcommands() -> Vec<String> {
    let text = read("src/cli.rs");
    let list = text.split("enum Command {").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap_or("");
    let mut found = Vec::new();
    let mut hidden = false;
    for line in list.lines().map(code) {
        let Some(item) = line.strip_prefix("    ").filter(|item| !item.starts_with(' ')) else { continue };
        if item.starts_with("#[") {
            hidden |= item.contains("hide = true");
        } else if item.starts_with(|first: char| first.is_ascii_uppercase()) {
            let name: String = item.chars().take_while(char::is_ascii_alphanumeric).collect();
            if !hidden {
                found.push(kebab(&name));
            }
            hidden = false;
        }
    }
    found
}

/// `StopAll` as clap calls it: `stop-all`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[test]
fn the_reference_names_every_route() {
    let routes = routes();
    assert!(routes.len() >= 50, "only {routes:?} were read from src/http: has `fn routes` changed its form?");
    for page in ["docs/reference/api.md", "docs/reference/api.zh-CN.md"] {
        let text = read(page);
        let missing: Vec<String> = routes.iter().filter(|route| !text.contains(*route)).cloned().collect();
        assert_none(&missing, &format!("Describe these routes of src/http in {page}"));
    }
}

#[test]
fn the_reference_names_every_subcommand() {
    let commands = subcommands();
    assert!(
        commands.len() >= 5,
        "only {commands:?} were read from src/cli.rs: has `enum Command` changed its form?"
    );
    for page in ["docs/reference/command-line.md", "docs/reference/command-line.zh-CN.md"] {
        let text = read(page);
        let is_missing = |command: &&String| !text.contains(&format!("llm-manager {command}"));
        let missing: Vec<String> = commands.iter().filter(is_missing).cloned().collect();
        assert_none(
            &missing,
            &format!("Describe these commands of src/cli.rs in {page}, as `llm-manager NAME`"),
        );
    }
}

/// The crates whose files may not go in circles. Between crates, Cargo sees to that.
const CRATES: &[&str] = &[
    "src/lib.rs",
    "actors/src/lib.rs",
    "actors/devices/src/lib.rs",
    "actors/kubernetes/src/lib.rs",
    "actors/ledger/src/lib.rs",
    "actors/policy/src/lib.rs",
    "actors/process/src/lib.rs",
    "actors/slurm/src/lib.rs",
];

/// Folders whose files still went in a circle when the rule came. Only ever take from this list.
const CIRCLES: &[&str] = &["src/cli", "src/config"];

/// Arrows up that are still there. Only ever take from this list.
const UPWARD: &[&str] = &["src/cli.rs -> src/lib.rs (`crate::tray"];

/// The floors as ARCHITECTURE.md draws them: the number of the line on which a room stands, counted from above.
fn floors(text: &str) -> BTreeMap<String, usize> {
    let block = text.split("```floors\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("");
    let mut found = BTreeMap::new();
    for (number, line) in block.lines().enumerate() {
        let rooms = line.split("  ").next().unwrap_or("").split([',', ' ']).filter(|room| !room.is_empty());
        found.extend(rooms.map(|room| (room.to_owned(), number)));
    }
    found
}

/// The room of a file: the longest path in the picture that it lies in. `src/http/api/runs.rs` is in `src/http/api`.
fn room<'a>(floors: &'a BTreeMap<String, usize>, file: &str) -> Option<(&'a str, usize)> {
    let file = file.trim_end_matches(".rs");
    let of = |room: &str| file == room || file.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    let found = floors.iter().filter(|(room, _)| of(room)).max_by_key(|(room, _)| room.len());
    found.map(|(room, floor)| (room.as_str(), *floor))
}

/// What is wrong with these arrows: circles, arrows up, and files without a room.
fn bad_arrows(arrows: &arrows::Arrows, floors: &BTreeMap<String, usize>) -> Vec<String> {
    let mut found = Vec::new();
    for circle in arrows::circles(arrows) {
        let within = |file: &String| circle.contains(file);
        let lines = circle.iter().flat_map(|file| {
            let targets = arrows.get(file).into_iter().flatten().filter(|(target, _)| within(target));
            targets.map(move |(target, name)| format!("  {file} -> {target} (`{name}`)"))
        });
        found.push(format!("a circle of {}:\n{}", circle.len(), lines.collect::<Vec<_>>().join("\n")));
    }
    for (file, targets) in arrows {
        let Some((from, floor)) = room(floors, file) else {
            found.push(format!("{file} is in no room of the picture"));
            continue;
        };
        for (target, name) in targets {
            let Some((to, below)) = room(floors, target) else { continue };
            if from != to && below <= floor {
                found.push(format!("{file} -> {target} (`{name}`): {to} does not stand below {from}"));
            }
        }
    }
    found
}

#[test]
fn no_circles_and_no_upward_arrows() {
    let floors = floors(&read("ARCHITECTURE.md"));
    assert!(floors.len() > 10, "ARCHITECTURE.md has no picture of the floors any more");
    let mut found = Vec::new();
    for lib in CRATES {
        let arrows = arrows::arrows(root(), &root().join(lib));
        assert!(arrows.len() > 5, "only {} files of {lib} were found: is the walk broken?", arrows.len());
        found.extend(bad_arrows(&arrows, &floors));
    }
    found.retain(|text| !CIRCLES.iter().any(|folder| text.contains(&format!("  {folder}"))));
    found.retain(|text| !UPWARD.iter().any(|arrow| text.starts_with(arrow)));
    let advice = "Arrows may only point down the picture of the floors in ARCHITECTURE.md, and no files may use each \
                  other in a circle. Move what both need into a file of its own below them";
    assert_none(&found, advice);
}

/// A small crate on disk, read by the same walk.
fn planted(files: &[(&str, &str)], picture: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let arrows = arrows::arrows(folder.path(), &folder.path().join("src/lib.rs"));
    bad_arrows(&arrows, &floors(&format!("```floors\n{picture}\n```")))
}

#[test]
fn a_planted_circle_is_found() {
    let picture = "src/lib\nsrc/one, src/two";
    let clean = [
        ("src/lib.rs", "mod one;\nmod two;\npub use one::One;\n"),
        ("src/one.rs", "pub struct One(u8);\n#[cfg(test)]\nmod tests {\n    use crate::two::two;\n}\n"),
        ("src/two.rs", "pub fn two() {}\n"),
    ];
    assert_eq!(planted(&clean, picture), [] as [String; 0]);

    // By `use`, by a path in a body, in a macro, through a re-export, through a child.
    let back = [
        "use crate::one::One;\n",
        "fn f() -> crate::one::One { loop {} }\n",
        "fn f() { println!(\"{:?}\", super::one::One(1)); }\n",
        "use crate::One;\n",
        "use super::{self as up};\nfn f() { let _ = super::One; }\n",
    ];
    for text in back {
        let files = [
            ("src/lib.rs", "mod one;\nmod two;\npub use one::One;\n"),
            ("src/one.rs", "pub struct One(u8);\nfn f() { crate::two::two(); }\n"),
            ("src/two.rs", text),
        ];
        let found = planted(&files, "src/lib, src/one, src/two");
        assert!(found.iter().any(|text| text.contains("a circle of 2")), "{text}: {found:?}");
    }

    let parent = [
        ("src/lib.rs", "mod one;\n"),
        ("src/one.rs", "mod child;\npub use child::Child;\npub struct One(Child);\n"),
        ("src/one/child.rs", "pub struct Child;\nfn f(_: super::One) {}\n"),
    ];
    assert!(planted(&parent, "src/lib\nsrc/one").iter().any(|text| text.contains("a circle of 2")));
}

#[test]
fn a_planted_arrow_up_is_found() {
    let files = [
        ("src/lib.rs", "mod cellar;\nmod roof;\n"),
        ("src/cellar.rs", "use crate::roof;\n"),
        ("src/roof.rs", "pub fn roof() {}\n"),
    ];
    let found = planted(&files, "src/lib\nsrc/roof\nsrc/cellar  (the lowest)");
    assert!(
        matches!(&*found, [one] if one.contains("src/roof does not stand below src/cellar")),
        "{found:?}"
    );
    assert!(planted(&files, "src/lib\nsrc/cellar\nsrc/roof").is_empty());
    let undrawn = planted(&files, "src/lib\nsrc/cellar");
    assert!(undrawn.iter().any(|text| text.contains("src/roof.rs is in no room")), "{undrawn:?}");
}

/// Diesel knows a migration by what stands before the first `_` of its folder's name.
#[test]
fn each_migration_has_a_number_of_its_own_on_both_databases() {
    let folders = |database: &str| {
        let found = fs::read_dir(root().join("migrations").join(database)).unwrap();
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let (sqlite, postgres) = (folders("sqlite"), folders("postgres"));
    assert_eq!(sqlite, postgres);
    let numbers: BTreeSet<_> = sqlite.iter().map(|name| name.split('_').next()).collect();
    assert_eq!(numbers.len(), sqlite.len(), "two of these have one number: {sqlite:?}");
}

#[test]
fn every_finding_is_listed() {
    let list = read("findings/README.md");
    let scripts = sources(&["findings"], &[".sh"]);
    let is_missing = |source: &&Source| {
        let name = source.path.trim_start_matches("findings/");
        !list.contains(&format!("[{name}]({name})"))
    };
    let missing: Vec<String> = scripts.iter().filter(is_missing).map(|source| source.path.clone()).collect();
    assert_none(&missing, "Add a line for these scripts to findings/README.md");
}

/// What the dashboard is built from, as `webui/sources.ts` has it.
const DASHBOARD: &[&str] =
    &["index.html", "package-lock.json", "precompress.ts", "public", "sources.ts", "src", "vite.config.ts"];

#[test]
fn the_built_dashboard_is_that_of_the_sources() {
    let Ok(built) = fs::read_to_string(root().join("webui/dist/sources.sha256")) else {
        // Without a build there is nothing that could be old.
        let kept = !read("webui/.gitignore").contains("dist");
        assert!(!kept, "webui/dist is a part of the repository: run `make dist`, and commit it");
        return;
    };
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = DASHBOARD.iter().map(|name| root().join("webui").join(name)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(root().join("webui")).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, path));
        }
    }
    files.retain(|(name, _)| !name.contains(".test."));
    files.sort();
    let mut hash = Sha256::new();
    for (name, path) in &files {
        hash.update(format!("{name}\n"));
        hash.update(fs::read(path).unwrap());
    }
    let now: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(built.trim(), now, "webui/dist is older than its sources: run `make dist`");
    let status = std::process::Command::new(root().join("webui/fresh.sh")).status().unwrap();
    assert!(status.success(), "webui/fresh.sh hashes other sources than this test does");
}
