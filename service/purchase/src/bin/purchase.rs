//! Sells limited stock. See `purchase --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: leasehold_kit::Allocator = leasehold_kit::Allocator;

fn main() -> ExitCode {
    leasehold_purchase::cli::main(std::env::args_os())
}
