//! What packages need of the command line: completions for shells, and man pages.

use clap::{Args, Command};
use clap_complete::Shell;
use std::path::PathBuf;

/// `completions`
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// For which shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut command: Command) -> String {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "llm-manager", &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// `man`
#[derive(Args, Debug)]
pub(super) struct ManPages {
    /// Write a page for the program and one for each command into this folder; otherwise the program's page is printed.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl ManPages {
    pub(super) fn run(&self, command: Command) -> Result<String, String> {
        let Some(folder) = &self.out else {
            let mut text = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut text)
                .map_err(|error| format!("the man page: {error}"))?;
            return Ok(String::from_utf8_lossy(&text).trim_end().to_owned());
        };
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(format!("{}: the man pages are there", folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn command() -> Command {
        super::super::Arguments::command()
    }

    #[test]
    fn every_shell_completes_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let text = Completions { shell }.run(command());
            assert!(text.contains("explain") && text.contains("llm-manager"), "{shell}");
        }
    }

    #[test]
    fn each_command_that_is_shown_has_a_man_page() {
        let folder = tempfile::tempdir().unwrap();
        ManPages { out: Some(folder.path().to_owned()) }.run(command()).unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        for shown in command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(there(&format!("llm-manager-{}.1", shown.get_name())), "{}", shown.get_name());
        }
        assert!(there("llm-manager.1") && !there("llm-manager-guard.1"));
        let text = ManPages { out: None }.run(command()).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{text}");
    }
}
