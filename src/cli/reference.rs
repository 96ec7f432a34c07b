//! `docs/reference/command-line.md` has what `--help` says.

use super::Arguments;
use crate::reference::assert_block;
use clap::{Command, CommandFactory};
use std::fmt::Write;

/// A command and those below it, each with its heading and its help.
fn described(command: &mut Command, called: &str, text: &mut String) {
    let shown = command.render_help().to_string();
    let help: String = shown.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n");
    let _ = writeln!(text, "### {called}\n\n```text\n{}\n```\n", help.trim_end());
    let below = command.get_subcommands_mut().filter(|command| !command.is_hide_set());
    // The tray is only there if it was built in; the page describes it apart.
    for command in below.filter(|command| !matches!(command.get_name(), "help" | "tray")) {
        let called = format!("{called} {}", command.get_name());
        described(command, &called, text);
    }
}

#[test]
fn the_reference_has_the_help_of_every_command() {
    let mut command = Arguments::command();
    command.build();
    let mut text = String::new();
    described(&mut command, "llm-manager", &mut text);
    assert_block("docs/reference/command-line.md", "help", &text);
}
