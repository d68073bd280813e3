//! Postgres and its tables.

use super::{CLOCK_FAR_MS, Findings};
use crate::{
    cli::database::DatabaseArgs,
    store::{DatabaseReport, MigrationReport, Store},
};

/// The oldest server that is tested, in its own counting.
const OLDEST: i32 = 140_000;

pub(super) async fn look(args: &DatabaseArgs, findings: &mut Findings) {
    let config = match args.store() {
        Ok(config) => config,
        Err(error) => return findings.failed(&error),
    };
    match Store::inspect(&config).await {
        Ok(report) => judge(&report, config.connections_max.into(), findings),
        Err(error) => findings.error(format!(
            "postgres: {error}; see that it runs, and that DATABASE_URL names it and a user who may enter"
        )),
    }
}

fn judge(report: &DatabaseReport, wanted: i64, findings: &mut Findings) {
    let before = findings.count();
    let major = report.version / 10_000;
    if report.version < OLDEST {
        findings.error(format!("postgres: version {major} is too old; use 14 or later"));
    }
    if report.encoding != "UTF8" {
        let encoding = &report.encoding;
        findings.error(format!(
            "postgres: the database keeps text as {encoding}; make one with encoding 'UTF8'"
        ));
    }
    if report.is_standby {
        findings
            .error("postgres: it is a standby, to which nothing can be written; name the primary");
    }
    for setting in &report.forgetful {
        findings.error(format!(
            "postgres: {setting} is off, so a crash may forget what buyers were told; set it to on"
        ));
    }
    let ahead = report.clock_ahead_ms;
    if ahead.abs() > CLOCK_FAR_MS {
        findings.warning(format!(
            "postgres: its clock is {ahead} ms ahead of this machine's; set both by NTP"
        ));
    }
    let max = report.connections_max;
    if max < wanted {
        findings.error(format!(
            "postgres: it allows {max} connections, and this replica takes {wanted}; raise max_connections \
             or lower LEASEHOLD_DATABASE_CONNECTIONS"
        ));
    } else if max < wanted * 2 {
        findings.warning(format!(
            "postgres: it allows {max} connections, and each replica takes {wanted}, so there is room for \
             one only; raise max_connections or lower LEASEHOLD_DATABASE_CONNECTIONS"
        ));
    }
    if findings.count() == before {
        let room = max / wanted.max(1);
        findings
            .ok(format!("postgres: version {major}, with connections for {room} such replicas"));
    }
    judge_tables(report.has_fence, &report.migrations, findings);
}

fn judge_tables(has_fence: bool, tables: &MigrationReport, findings: &mut Findings) {
    let MigrationReport { missing, newer, changed } = tables;
    if !missing.is_empty() || !has_fence {
        findings.error(format!(
            "tables: {} migrations are missing {missing:?}; run `purchase migrate`",
            missing.len()
        ));
    }
    if !newer.is_empty() {
        findings.warning(format!(
            "tables: a newer program has added to them {newer:?}; this one works with those of the next \
             release, not with later ones, so replace it"
        ));
    }
    if !changed.is_empty() {
        findings.error(format!(
            "tables: migrations {changed:?} are not those that were run; use the program that ran them"
        ));
    }
    if missing.is_empty() && newer.is_empty() && changed.is_empty() && has_fence {
        findings.ok("tables: they are those of this program");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> DatabaseReport {
        DatabaseReport {
            version: 180_006,
            encoding: "UTF8".to_owned(),
            forgetful: vec![],
            connections_max: 97,
            is_standby: false,
            clock_ahead_ms: -20,
            has_fence: true,
            migrations: MigrationReport::default(),
        }
    }

    /// The exit code and the text for a database that is good but for this.
    fn judged(change: impl FnOnce(&mut DatabaseReport)) -> (u8, String) {
        let (mut report, mut findings) = (good(), Findings::default());
        change(&mut report);
        judge(&report, 9, &mut findings);
        (findings.exit_code(), findings.to_string())
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let (code, text) = judged(|_| ());
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("for 10 such replicas"), "{text}");
        type Change = fn(&mut DatabaseReport);
        let cases: [(u8, &str, Change); 12] = [
            (1, "too old", |r| r.version = 130_010),
            (1, "UTF8", |r| r.encoding = "SQL_ASCII".to_owned()),
            (1, "standby", |r| r.is_standby = true),
            (1, "fsync is off", |r| r.forgetful = vec!["fsync".to_owned()]),
            (3, "NTP", |r| r.clock_ahead_ms = -2001),
            (3, "NTP", |r| r.clock_ahead_ms = 60_000),
            (1, "allows 8 connections", |r| r.connections_max = 8),
            (3, "room for one only", |r| r.connections_max = 17),
            (1, "purchase migrate", |r| r.migrations.missing = vec![2]),
            (1, "purchase migrate", |r| r.has_fence = false),
            (3, "newer program", |r| r.migrations.newer = vec![3]),
            (1, "not those that were run", |r| r.migrations.changed = vec![1]),
        ];
        for (code, said, change) in cases {
            let (told, text) = judged(change);
            assert_eq!(told, code, "{said}: {text}");
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
