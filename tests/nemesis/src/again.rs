//! The command that does a run again.

use std::path::Path;

use clap::ValueEnum as _;

use super::Cli;

/// The same seed and everything that a run depends on; with the faults of a file, or else the ones that are drawn.
pub(super) fn command(cli: &Cli, seed: u64, schedule: Option<&Path>) -> String {
    let Cli { replicas, nodes, holders, clients, rate, minutes, gap, .. } = cli;
    let faults = match schedule {
        Some(path) => format!("--schedule {}", quoted(&path.display().to_string())),
        None => format!("--minutes {minutes} --gap {gap}"),
    };
    let clocks = if cli.no_clocks { " --no-clocks" } else { "" };
    let control = cli.control.and_then(|control| control.to_possible_value());
    let control = control.map(|name| format!(" --control {}", name.get_name())).unwrap_or_default();
    format!(
        "cargo run --release -p leasehold-nemesis -- --seed {seed} {faults} --replicas {replicas} --nodes {nodes} \
         --holders {holders} --clients {clients} --rate {rate}{clocks}{control}"
    )
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// Reads a command as a shell and this program would.
    fn read(command: &str) -> Cli {
        let (_, args) = command.split_once(" -- ").unwrap();
        Cli::parse_from(["nemesis"].into_iter().chain(args.split(' ')))
    }

    #[test]
    fn the_command_has_all_that_the_run_depends_on() {
        let given = "nemesis --minutes 0.25 --gap 0.7 --replicas 5 --nodes 4 --holders 2 --clients 7 --rate 11 \
                     --no-clocks --control naive-token --shrink";
        let cli = Cli::parse_from(given.split_whitespace());
        let drawn = read(&command(&cli, 8, None));
        let from_file = read(&command(&cli, 8, Some(Path::new("target/x.shrunk.json"))));
        for again in [&drawn, &from_file] {
            let of = |cli: &Cli| {
                let Cli { replicas, nodes, holders, clients, rate, no_clocks, control, .. } =
                    cli.clone();
                (replicas, nodes, holders, u32::from(clients), rate, no_clocks, control)
            };
            assert_eq!(of(again), of(&cli));
            assert_eq!(again.seed, Some(8));
        }
        let times = |cli: &Cli| (cli.minutes.to_bits(), cli.gap.to_bits());
        assert_eq!((times(&drawn), drawn.schedule), (times(&cli), None));
        assert_eq!(from_file.schedule.as_deref(), Some(Path::new("target/x.shrunk.json")));
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("target/nemesis/a.json"), "target/nemesis/a.json");
        assert_eq!(quoted("my runs/it's.json"), r"'my runs/it'\''s.json'");
        assert_eq!(quoted(""), "''");
    }
}
