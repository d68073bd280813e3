//! A new migration is part of the program: cargo is not told of it by the macro that reads the folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
