//! The program `purchase`, as an operator calls it.

use std::{path::Path, process::Output};

use leasehold_stack::{Persistence, Stack};
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

use crate::{
    servers::{NOBODY, nodes},
    world::World,
};

/// Calls the program with this environment and nothing else.
pub(crate) async fn purchase(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replica"));
    command.args(args).env_clear().envs(env.iter().copied()).kill_on_drop(true);
    command.output().await.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A certificate and its key in a folder, and where they are.
fn certificate_in(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    [("tls.crt", made.cert.pem()), ("tls.key", made.key_pair.serialize_pem())].map(|(name, pem)| {
        std::fs::write(folder.join(name), pem).unwrap();
        folder.join(name).display().to_string()
    })
}

#[tokio::test]
async fn a_replica_serves_over_tls_and_is_asked_for_its_health() {
    let mut world = World::start(0).await;
    let [certificate, key] = certificate_in(world.stack.folder());
    let set = |name: &str, value| (name.to_owned(), value);
    world.config.env.push(set("LEASEHOLD_TLS_CERT_FILE", certificate));
    world.config.env.push(set("LEASEHOLD_TLS_KEY_FILE", key));
    let replica = world.config.start("replica-1").await.unwrap();
    assert!(replica.url().starts_with("https://127.0.0.1:"), "{}", replica.url());
    let healthy = purchase(&["health", "--url", replica.url()], &[]).await;
    assert!(healthy.status.success(), "{}", text(&healthy.stderr));
    let plain = replica.url().replace("https", "http");
    assert!(!purchase(&["health", "--url", &plain], &[]).await.status.success());
}

#[tokio::test]
async fn half_of_tls_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = certificate_in(folder.path());
    for (set, value, missing) in [
        ("LEASEHOLD_TLS_CERT_FILE", certificate, "LEASEHOLD_TLS_KEY_FILE"),
        ("LEASEHOLD_TLS_KEY_FILE", key, "LEASEHOLD_TLS_CERT_FILE"),
    ] {
        let urls =
            [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/x"), ("REDIS_URLS", "redis://h")];
        let refused = purchase(&["serve"], &[&urls[..], &[(set, &value)]].concat()).await;
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains(&format!("{missing} is not")), "{said}");
    }
}

/// What `keys new` says: the key, and its line.
async fn new_key(args: &[&str]) -> [String; 2] {
    let made = purchase(&[&["keys", "new"], args].concat(), &[]).await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    [text(&made.stdout), text(&made.stderr)].map(|said| {
        let line = said.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{said}");
        line.to_owned()
    })
}

#[tokio::test]
async fn a_new_key_and_its_line_are_told_apart_and_fit_together() {
    let [key, admin] = new_key(&["--name", "office", "--scope", "admin"]).await;
    let random = key.strip_prefix("lh_admin_").unwrap();
    assert_eq!((random.len(), random.chars().all(|c| c.is_ascii_hexdigit())), (64, true));
    let [other, buyer] = new_key(&["--name", "web-2", "--scope", "buyer", "--days", "90"]).await;
    assert_ne!(key, other);
    assert!(!admin.contains(random) && buyer.starts_with("web-2:buyer:"), "{admin} {buyer}");

    let folder = tempfile::tempdir().unwrap();
    let (list, secret) = (folder.path().join("keys"), folder.path().join("key"));
    std::fs::write(&list, format!("{admin}\n{buyer}\n")).unwrap();
    std::fs::write(&secret, &key).unwrap();
    let file = [("LEASEHOLD_KEYS_FILE", list.to_str().unwrap())];
    let listed = purchase(&["keys", "check"], &file).await;
    let said = text(&listed.stdout);
    assert!(listed.status.success() && said.starts_with("office  admin    no end\n"), "{said}");
    assert!(said.contains("web-2   buyer    until 20"), "{said}");
    assert!(!said.contains(&admin[admin.len() - 16..]), "a digest is shown");

    let mut digest = Command::new(env!("CARGO_BIN_EXE_replica"));
    digest.args(["keys", "digest"]).stdin(std::fs::File::open(secret).unwrap());
    assert!(admin.ends_with(text(&digest.output().await.unwrap().stdout).trim()));
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused() {
    let bad = ["keys", "new", "--name", "Web", "--scope", "buyer"];
    let refused = purchase(&bad, &[]).await;
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(1), String::new()));
    assert!(text(&refused.stderr).contains("a name has"));
    for bad in [["--scope", "root", "--name", "a"], ["--days", "0", "--name", "a"]] {
        let refused = purchase(&[&["keys", "new"][..], &bad].concat(), &[]).await;
        assert_eq!(refused.status.code(), Some(2));
    }
    let refused = purchase(&["keys", "check"], &[("LEASEHOLD_KEYS", "web:buyer")]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("line 1, key 1"), "{}", text(&refused.stderr));
}

#[tokio::test]
async fn help_and_completions_teach_every_command() {
    let help = text(&purchase(&["--help"], &[]).await.stdout);
    let script = text(&purchase(&["completions", "bash"], &[]).await.stdout);
    for command in ["serve", "check-config", "migrate", "health", "keys", "completions"] {
        assert!(help.contains(command) && script.contains(command), "{command}");
    }
    for taught in ["Exit codes:", "LEASEHOLD_KEYS_FILE", "Examples:"] {
        assert!(help.contains(taught), "{taught}");
    }
}

/// A deployment, as the program is told of it.
pub(crate) struct Deployment {
    database_url: String,
    redis_urls: Vec<String>,
    keys: String,
}

impl Deployment {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            database_url: world.stack.database_url(),
            redis_urls: world.stack.redis_urls(),
            keys: world.shop.keys().list(),
        }
    }

    /// The exit code of `check-config`, and what it says.
    pub(crate) async fn checked(&self, more: &[(&str, &str)]) -> (i32, String) {
        let nodes = self.redis_urls.join(",");
        let env = [
            ("DATABASE_URL", &*self.database_url),
            ("REDIS_URLS", &nodes),
            ("LEASEHOLD_KEYS", &self.keys),
            // A machine that is busy is not a deployment that is wrong.
            ("LEASEHOLD_NODE_TIMEOUT_MS", "10000"),
            ("LEASEHOLD_LEASE_TTL_MS", "40000"),
            ("LEASEHOLD_PATIENCE_MS", "50000"),
        ];
        let checked = purchase(&["check-config"], &[&env[..], more].concat()).await;
        (checked.status.code().unwrap(), text(&checked.stdout))
    }
}

pub(crate) async fn sql(stack: &Stack, statement: &'static str) {
    let mut connection = PgConnection::connect(&stack.database_url()).await.unwrap();
    let _done = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

async fn wrong_nodes_and_keys_are_named(world: &World, right: &Deployment) {
    let forgetful = nodes(1, Persistence::None).await;
    let with_nodes = |urls: Vec<String>| Deployment { redis_urls: urls, ..Deployment::of(world) };
    let [a, b, c]: &[String; 3] = right.redis_urls[..].try_into().unwrap();
    let some = |urls: &[&String]| with_nodes(urls.iter().map(|url| (*url).clone()).collect());
    let nobody = NOBODY.to_owned();
    for (deployment, code, word) in [
        (some(&[a, b, &nobody]), 3, "2 of 3 answer"),
        (some(&[a, &nobody, &NOBODY.replace(":1", ":2")]), 1, "there is no lease without 2"),
        (some(&[a, b]), 3, "odd number"),
        (some(&[a, b, &forgetful.nodes[0].url()]), 3, "appendfsync always"),
        (some(&[a, b, c, c]), 1, "a server of its own"),
        (Deployment { keys: "x".to_owned(), ..Deployment::of(world) }, 1, "name:scope:digest"),
    ] {
        let (told, said) = deployment.checked(&[]).await;
        assert!(told == code && said.contains(word), "{word}: {told}\n{said}");
    }
}

async fn settings_that_do_not_fit_are_named(right: &Deployment) {
    for (name, value, code, word) in [
        ("LEASEHOLD_TLS_CERT_FILE", "/nowhere", 1, "LEASEHOLD_TLS_KEY_FILE is not"),
        ("LEASEHOLD_LEASE_TTL_MS", "29000", 3, "three times LEASEHOLD_NODE_TIMEOUT_MS"),
        ("LEASEHOLD_LEASE_TTL_MS", "20000", 1, "does not fit a ttl"),
        ("LEASEHOLD_DATABASE_CONNECTIONS", "200", 1, "raise max_connections"),
        ("LEASEHOLD_REQUESTS_MAX", "none", 2, ""),
    ] {
        let (told, said) = right.checked(&[(name, value)]).await;
        assert!(told == code && said.contains(word), "{name}={value}: {told}\n{said}");
    }
}

async fn a_wrong_database_is_named(world: &World, right: &Deployment) {
    for (code, statement, word) in [
        (
            3,
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
          values (99999999999999, 'later', true, '', 0)",
            "a newer program",
        ),
        (1, "delete from _sqlx_migrations", "run `purchase migrate`"),
        (
            1,
            "do $$ begin
              execute format('alter database %I set synchronous_commit = off', current_database());
          end $$",
            "synchronous_commit is off",
        ),
    ] {
        sql(&world.stack, statement).await;
        let (told, said) = right.checked(&[]).await;
        assert!(told == code && said.contains(word), "{statement}: {told}\n{said}");
    }
}

#[tokio::test]
async fn a_deployment_is_right_or_said_to_be_wrong_with_what_to_do() {
    let world = World::start(0).await;
    let right = Deployment::of(&world);
    let (code, said) = right.checked(&[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.lines().count() > 5 && said.lines().all(|line| line.starts_with("ok ")), "{said}");

    wrong_nodes_and_keys_are_named(&world, &right).await;
    settings_that_do_not_fit_are_named(&right).await;
    a_wrong_database_is_named(&world, &right).await;
    let nowhere =
        Deployment { database_url: "postgres://a:secret@127.0.0.1:1/b".to_owned(), ..right };
    let (told, said) = nowhere.checked(&[]).await;
    assert!(told == 1 && said.contains("see that it runs") && !said.contains("secret"), "{said}");
}
