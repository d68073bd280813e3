//! Who may do what, and from where.

use std::os::unix::fs::PermissionsExt as _;

use hyper::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Beside, Client, FOR_EVER, PATIENCE, acquire, asking, path, token};
use crate::world::LIMIT;

fn line(name: &str, rest: &str) -> String {
    let digest = Sha256::digest(name).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (scope, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let rest = if rest.is_empty() { String::new() } else { format!(":{rest}") };
    format!("{name}:{scope}:{digest}{rest}")
}

async fn with_keys() -> (Beside, impl Fn(&str) -> Client) {
    let keys = [
        line("shop", "holder:prefix=orders/:prefix=stock:eu"),
        line("mail", "holder"),
        line("office", "admin"),
        line("watch", "metrics"),
    ];
    let beside = Beside::start_with(&[("LEASEHOLD_KEYS", &keys.join(","))]).await;
    let url = beside.sidecar.url().to_owned();
    (beside, move |key: &str| Client::of(&url, Some(key)))
}

#[tokio::test]
async fn a_lease_is_its_clients_alone() {
    let (beside, client) = with_keys().await;
    let (shop, mail) = (client("shop"), client("mail"));
    let lease = acquire(&shop, "orders/1", json!({ "ttl_ms": FOR_EVER, "request_id": "r" })).await;
    let renew = format!("{}/renew", path(&lease));
    assert_eq!(mail.get(&path(&lease)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(mail.post(&renew, &json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(mail.delete(&path(&lease)).await.1["outcome"], "not_held");
    assert_eq!(mail.get("/v1/leases").await.1["leases"], json!([]));
    // The same request id of another is another.
    let (status, _) =
        mail.post("/v1/leases", &asking("orders/1", json!({ "request_id": "r" }))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_stream, link) = mail.link().await;
    assert_eq!(shop.post(&renew, &json!({ "link": link })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(shop.get(&path(&lease)).await.0, StatusCode::OK);

    // Whoever knows all of it but has another key cannot have it either, also after a restart.
    beside.sidecar.process().kill().await.unwrap();
    let next = beside.config.start("second").await.unwrap();
    let attach = format!("{}/attach", path(&lease));
    let all = json!({
        "resource": lease["resource"], "token": lease["token"], "holder": lease["holder"]
    });
    let status = |key: &'static str| {
        let (client, all, attach) =
            (Client::of(next.url(), Some(key)), all.clone(), attach.clone());
        async move { client.post(&attach, &all).await.0 }
    };
    assert_eq!(status("mail").await, StatusCode::NOT_FOUND);
    assert_eq!(status("shop").await, StatusCode::OK);
}

#[tokio::test]
async fn a_key_opens_its_scope_and_its_names_and_no_others() {
    let (beside, client) = with_keys().await;
    let (shop, watch, office) = (client("shop"), client("watch"), client("office"));
    for name in ["orders/1", "stock:eu/7"] {
        let _lease = acquire(&shop, name, json!({})).await;
    }
    let code =
        |(status, problem): (StatusCode, serde_json::Value)| (status, problem["code"].clone());
    let forbidden = (StatusCode::FORBIDDEN, json!("forbidden"));
    for body in [
        json!({ "resource": "stock:us" }),
        json!({ "resources": ["orders/2", "other"] }),
        json!({ "resource": "order", "slots": 2 }),
    ] {
        assert_eq!(code(shop.post("/v1/leases", &body).await), forbidden, "{body}");
    }
    assert_eq!(code(shop.get("/v1/resources/other").await), forbidden);
    assert_eq!(code(shop.get("/v1/elections/other").await), forbidden);
    assert_eq!(code(shop.get("/metrics").await), forbidden);
    assert_eq!(code(shop.delete("/v1/resources/orders%2F1").await), forbidden);
    assert_eq!(code(watch.get("/v1/leases").await), forbidden);
    assert_eq!(watch.get("/metrics").await.0, StatusCode::OK);
    let nobody = Client::of(beside.sidecar.url(), None);
    let unknown = (StatusCode::UNAUTHORIZED, json!("unauthorized"));
    assert_eq!(code(nobody.get("/v1/leases").await), unknown);
    assert_eq!(code(client("other").get("/v1/link").await), unknown);
    assert_eq!(office.get("/v1/leases").await.0, StatusCode::OK);
    // A Dapr client sends its key by another name.
    let dapr = [("dapr-api-token", "mail")];
    let (status, ..) = nobody.send_with(Method::GET, "/v1/leases", "", &dapr).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_administrator_takes_a_lease_away_and_gets_a_token_above_it() {
    let (beside, client) = with_keys().await;
    let (mail, office) = (client("mail"), client("office"));
    let (mut stream, link) = mail.link().await;
    let lease = acquire(&mail, "a", json!({ "link": link })).await;
    let (status, evicted) = office.delete("/v1/resources/a").await;
    assert_eq!(status, StatusCode::OK, "{evicted}");
    assert_eq!((&evicted["was_held"], &evicted["token"]), (&json!(true), &lease["token"]));
    let newer: i64 = evicted["newer_token"].as_str().unwrap().parse().unwrap();
    assert!(newer > token(&lease));
    let (event, said) = stream.event().await;
    assert_eq!((event.as_str(), &said["why"]), ("lost", &json!("evicted")));
    assert_eq!(mail.get(&path(&lease)).await.0, StatusCode::GONE);
    // Who did it is in the log.
    let log = std::fs::read_to_string(beside.sidecar.process().log_path()).unwrap();
    assert!(log.contains("taken away by an administrator") && log.contains("office"), "{log}");
    assert!(!log.contains(lease["holder"].as_str().unwrap()), "a holder's secret is in the log");

    // One that is held elsewhere.
    let elsewhere = crate::servers::client(&beside.stack);
    let name = leasehold::Resource::new("b").unwrap();
    let theirs = elsewhere.acquire(&name, LIMIT).await.unwrap();
    let (_, seen) = mail.get("/v1/resources/b").await;
    let expected = theirs.token().to_string();
    assert_eq!((&seen["state"], &seen["token"]), (&json!("held"), &json!(expected)));
    assert_eq!(seen["is_held_here"], false);
    let (_, evicted) = office.delete("/v1/resources/b").await;
    assert_eq!(evicted["token"], json!(expected));
    assert_eq!(theirs.lost().await, leasehold::Loss::Taken);
    let (_, nobody) = office.delete("/v1/resources/b").await;
    assert_eq!(nobody["was_held"], false);
}

#[tokio::test]
async fn without_keys_pages_in_a_browser_are_not_let_in_and_nobody_is_an_administrator() {
    let beside = Beside::start().await;
    let client = beside.client();
    let status = |headers: &'static [(&'static str, &'static str)]| {
        let client = client.clone();
        async move { client.send_with(Method::GET, "/v1/leases", "", headers).await.0 }
    };
    assert_eq!(status(&[("host", "evil.example")]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status(&[("host", "localhost:1")]).await, StatusCode::OK);
    assert_eq!(status(&[("origin", "http://localhost")]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&[("sec-fetch-site", "cross-site")]).await, StatusCode::FORBIDDEN);
    // Node's fetch.
    assert_eq!(status(&[("sec-fetch-mode", "cors")]).await, StatusCode::OK);
    let (refused, _) = client.delete("/v1/resources/a").await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_socket_is_its_users_alone_and_is_replaced_when_nobody_listens() {
    let beside = Beside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lease.sock");
    let listen = format!("unix:{}", socket.display());
    let config = beside.config.clone().env("LEASEHOLD_LISTEN", &listen);
    let first = config.start("first").await.unwrap();
    assert_eq!(first.url(), listen);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = Client::of(&listen, None);
    // Whatever a library calls the other side of a socket.
    let named = [("host", "docker")];
    let (status, ..) = client.send_with(Method::GET, "/v1/leases", "", &named).await;
    assert_eq!(status, StatusCode::OK);
    let lease = acquire(&client, "a", json!({ "ttl_ms": PATIENCE })).await;
    // Another is not let in beside it, and breaks nothing.
    let second = config.run("second", "serve").unwrap();
    assert!(!second.wait(LIMIT).await.unwrap().success());
    assert!(second.log_tail(5).contains("somebody listens there"), "{}", second.log_tail(5));
    assert_eq!(client.get(&path(&lease)).await.0, StatusCode::OK);
    // One that was killed leaves its socket behind.
    first.process().kill().await.unwrap();
    let third = config.start("third").await.unwrap();
    assert_eq!(client.get("/v1/leases").await.0, StatusCode::OK);
    third.stop().await.unwrap();
    assert!(!socket.exists());
    // Something that is no socket is nobody's to remove.
    std::fs::write(&socket, "mine").unwrap();
    let fourth = config.run("fourth", "serve").unwrap();
    assert!(!fourth.wait(LIMIT).await.unwrap().success());
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "mine");
}

#[tokio::test]
async fn other_machines_need_a_key_and_tls() {
    let beside = Beside::start().await;
    let open = beside.config.clone().env("LEASEHOLD_LISTEN", "0.0.0.0:0");
    for config in [open.clone(), open.env("LEASEHOLD_KEYS", line("root", "admin"))] {
        let refused = config.run("open", "serve").unwrap();
        assert!(!refused.wait(LIMIT).await.unwrap().success());
        let said = refused.log_tail(5);
        assert!(said.contains("LEASEHOLD_KEYS_FILE") && said.contains("LEASEHOLD_TLS"), "{said}");
    }
}

#[tokio::test]
async fn a_leader_that_is_evicted_is_succeeded_and_a_token_above_it_is_known() {
    let keys = [line("mail", "holder"), line("office", "admin")].join(",");
    let quick = [
        ("LEASEHOLD_KEYS", keys.as_str()),
        ("LEASEHOLD_LEASE_TTL_MS", "3000"),
        ("LEASEHOLD_NODE_TIMEOUT_MS", "1000"),
    ];
    let beside = Beside::start_with(&quick).await;
    let client = |key: &str| Client::of(beside.sidecar.url(), Some(key));
    let mut leader = client("mail").stream("/v1/elections/a").await;
    assert_eq!(leader.event().await.0, "standing");
    let (event, elected) = leader.event().await;
    assert_eq!(event, "elected");
    let (status, evicted) = client("office").delete("/v1/resources/a").await;
    assert_eq!(status, StatusCode::OK, "{evicted}");
    assert_eq!(evicted["token"], elected["token"]);
    let newer: i64 = evicted["newer_token"].as_str().unwrap().parse().unwrap();
    assert!(newer > token(&elected));
    assert_eq!(leader.event().await.0, "lost");
    let (event, again) = leader.event().await;
    assert_eq!(event, "elected");
    assert!(token(&again) > token(&elected));
}

#[tokio::test]
async fn a_key_that_is_taken_away_loses_what_its_streams_keep() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, [line("mail", "holder"), line("office", "admin")].join("\n")).unwrap();
    let beside = Beside::start_with(&[("LEASEHOLD_KEYS_FILE", &file.display().to_string())]).await;
    let mail = Client::of(beside.sidecar.url(), Some("mail"));
    let (mut stream, link) = mail.link().await;
    let lease = acquire(&mail, "a", json!({ "link": link })).await;
    let mut leader = mail.stream("/v1/elections/b").await;
    while leader.event().await.0 != "elected" {}
    let next = folder.path().join("next");
    std::fs::write(&next, line("office", "admin")).unwrap();
    std::fs::rename(&next, &file).unwrap();
    assert_eq!(stream.next().await, None);
    while leader.next().await.is_some() {}
    for name in ["a", "b"] {
        assert!(super::taken_by_another(&beside, name).await > token(&lease));
    }
}
