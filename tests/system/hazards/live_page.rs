//! The live page and the documentation page, in a real browser on real services.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::sync::Mutex;

use crate::{sidecar::Beside, skipped::skip, world::World};

/// What must not be skipped: `required`.
const REQUIRED: &str = "LEASEHOLD_BROWSER";

/// Debian's browser; no other is fetched.
const BROWSER: &str = "/usr/bin/chromium";

/// One browser at a time: the first fetches what all of them need.
static TURN: Mutex<()> = Mutex::const_new(());

/// How long the browser may take in all.
const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_person_sees_a_sale_sell_out_in_a_real_browser() {
    if is_skipped() {
        return;
    }
    let world = World::start(2).await;
    let key = &world.shop.keys().admin;
    drive(&["--url", world.replicas[0].url(), "--admin-key", key]).await;
}

#[tokio::test]
async fn a_person_reads_what_a_sidecar_can_be_asked_in_a_real_browser() {
    if is_skipped() {
        return;
    }
    // Without keys: the one that keeps other pages out.
    let beside = Beside::start().await;
    drive(&["--docs", "--url", beside.sidecar.url()]).await;
}

/// Whether there is nothing to look with.
#[track_caller]
fn is_skipped() -> bool {
    let missing = missing();
    if let Some(missing) = &missing {
        let required = std::env::var(REQUIRED).is_ok_and(|said| said == "required");
        skip(REQUIRED, required, missing);
    }
    missing.is_some()
}

/// Looks at a service's pages as the arguments say.
async fn drive(args: &[&str]) {
    let _turn = TURN.lock().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let modules =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("leasehold-browser");
    let run = tokio::process::Command::new("node")
        .arg(folder.join("page.mjs"))
        .args(args)
        .arg("--modules")
        .arg(modules)
        .args(["--chromium", BROWSER])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, run).await.expect("the browser did not end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
}

/// What is not on this machine, if something is not.
fn missing() -> Option<String> {
    let found = |program: &str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
    };
    let programs = ["node", "npm"].into_iter().find(|program| !found(program));
    let browser = (!Path::new(BROWSER).is_file()).then_some(BROWSER);
    programs.or(browser).map(|program| format!("there is no {program}"))
}
