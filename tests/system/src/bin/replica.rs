//! The program `purchase`, built with its fault points.

use std::process::ExitCode;

fn main() -> ExitCode {
    leasehold_purchase::cli::main(std::env::args_os())
}
