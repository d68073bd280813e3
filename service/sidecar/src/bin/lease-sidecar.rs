//! Leases for the programs beside it. See `lease-sidecar --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_sidecar::cli::main(std::env::args_os())
}
