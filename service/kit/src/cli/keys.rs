//! The command `keys`: API keys, as `serve` takes them.

use std::{
    io::{Read as _, Write as _, stderr, stdin, stdout},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{
    auth::{KEY_BYTES_MAX, Key, KeyDigest, Keys, Scope, new_key},
    files::Files,
};

/// Which keys are known.
#[derive(Args, Debug)]
pub struct KeysArgs {
    /// The API keys, separated by commas: name:scope:digest, then :prefix=orders/ for a holder of
    /// leases on some names only, and :until=2027-01-31T00:00:00Z for one that ends. Scopes: buyer (of
    /// `purchase`), holder (of `lease-sidecar`), metrics (only /metrics), admin (everything). Several of a
    /// scope may be valid at once
    #[arg(long, env = "LEASEHOLD_KEYS", hide_env_values = true)]
    keys: Option<String>,

    /// A file that holds them instead, one a line; "#" begins a comment. It is read again when it
    /// changes; a broken one changes nothing
    #[arg(long, env = "LEASEHOLD_KEYS_FILE")]
    keys_file: Option<PathBuf>,
}

impl KeysArgs {
    /// Whether there are any.
    #[must_use]
    pub const fn are_given(&self) -> bool {
        self.keys.is_some() || self.keys_file.is_some()
    }

    /// The keys, and the file that they are in, if they may change. `program` is what the program is
    /// called whose command `keys` makes them.
    ///
    /// # Errors
    ///
    /// When none are given, both ways are used at once, or they cannot be read.
    pub fn load(&self, program: &str) -> anyhow::Result<(Keys, Option<Files>)> {
        match (&self.keys, &self.keys_file) {
            (Some(_), Some(_)) => {
                anyhow::bail!("set LEASEHOLD_KEYS or LEASEHOLD_KEYS_FILE, not both")
            }
            (Some(text), None) => {
                let list = text.parse().context("LEASEHOLD_KEYS cannot be used")?;
                Ok((Keys::new(list), None))
            }
            (None, Some(path)) => {
                let loaded = Keys::load(path.clone());
                let (keys, file) = loaded
                    .with_context(|| format!("LEASEHOLD_KEYS_FILE {path:?} cannot be used"))?;
                Ok((keys, Some(file)))
            }
            (None, None) => anyhow::bail!(
                "LEASEHOLD_KEYS_FILE is not set (or LEASEHOLD_KEYS); `{program} keys new` makes a key"
            ),
        }
    }
}

/// What can be done with keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make a key: the key itself goes to standard output, this once, and its line for the list of
    /// keys to standard error
    New(NewArgs),
    /// Read an API key from standard input and print its digest, as a line of a list of keys has it
    Digest,
    /// Read the list of keys as `serve` does, and print their names, scopes and ends
    Check(KeysArgs),
}

/// What a new key is to be.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// What it is called in logs: 1 to 64 characters of a-z, 0-9, '.', '_' and '-'
    #[arg(long)]
    name: String,

    /// What it allows: buyer, holder, admin or metrics
    #[arg(long)]
    scope: Scope,

    /// For a holder: what names of resources begin with; may be given several times [default: every name]
    #[arg(long)]
    prefix: Vec<String>,

    /// In how many days it ends [default: it does not]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
}

/// Does what the command says. `program` is what the program is called.
///
/// # Errors
///
/// When it cannot be done, or what came of it cannot be written.
pub fn run(command: &KeysCommand, program: &str) -> anyhow::Result<()> {
    match command {
        KeysCommand::New(args) => new(args),
        KeysCommand::Digest => digest(),
        KeysCommand::Check(args) => check(args, program),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let secret = new_key(args.scope).context("the system gives no random numbers")?;
    let until = args.days.map(|days| {
        let end = OffsetDateTime::now_utc() + Duration::days(days.into());
        // A part of a second would only make the line longer.
        end.replace_nanosecond(0).unwrap_or(end)
    });
    let key = Key::new(&args.name, args.scope, KeyDigest::of(&secret), until)?;
    let key = match &args.prefix[..] {
        [] => key,
        prefixes => key.only_for(prefixes.iter().map(String::as_str))?,
    };
    // The line first: whoever has the key should have it too.
    writeln!(stderr(), "{key}").context("cannot print the line")?;
    writeln!(stdout(), "{secret}").context("cannot print the key")
}

fn digest() -> anyhow::Result<()> {
    let mut key = String::new();
    let limit = KEY_BYTES_MAX as u64 + 2;
    let _bytes = stdin().take(limit).read_to_string(&mut key).context("cannot read the key")?;
    let key = key.trim_end_matches(['\r', '\n']);
    let usable =
        (16..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    anyhow::ensure!(usable, "an API key has 16 to {KEY_BYTES_MAX} visible ASCII characters");
    writeln!(stdout(), "{}", KeyDigest::of(key)).context("cannot print the digest")
}

fn check(args: &KeysArgs, program: &str) -> anyhow::Result<()> {
    let (keys, _file) = args.load(program)?;
    let (list, now) = (keys.list(), OffsetDateTime::now_utc());
    let width = list.keys().iter().map(|key| key.name().len()).max().unwrap_or(0);
    for key in list.keys() {
        let until = key.until().and_then(|end| end.to_offset(UtcOffset::UTC).format(&Rfc3339).ok());
        let until = match until {
            None => "no end".to_owned(),
            Some(end) if key.has_expired(now) => format!("ended {end}"),
            Some(end) => format!("until {end}"),
        };
        let prefixes = key.prefixes().map(|prefix| format!("  {prefix:?}")).collect::<String>();
        // A scope has at most seven characters.
        let scope = key.scope().to_string();
        writeln!(stdout(), "{:width$}  {scope:7}  {until}{prefixes}", key.name())
            .context("cannot print the keys")?;
    }
    Ok(())
}
