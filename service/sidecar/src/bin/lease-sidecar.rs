//! Leases for the programs beside it. See `lease-sidecar --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: leasehold_kit::Allocator = leasehold_kit::Allocator;

fn main() -> ExitCode {
    leasehold_sidecar::cli::main(std::env::args_os())
}
