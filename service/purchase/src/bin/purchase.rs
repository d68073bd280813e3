//! Sells limited stock. See `purchase --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_purchase::cli::main(std::env::args_os())
}
