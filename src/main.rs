//! Entry point: parse the command line, run the command, return its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    llm_manager::cli::main()
}
