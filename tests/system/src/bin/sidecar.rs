//! The program `lease-sidecar`.

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_sidecar::cli::main(std::env::args_os())
}
