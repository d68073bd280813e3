//! Standing for an office.

use serde_json::json;

use super::{Beside, token};

#[tokio::test]
async fn an_office_passes_to_the_next_when_the_leaders_program_ends() {
    let beside = Beside::start().await;
    let client = beside.client();
    let mut first = client.stream("/v1/elections/office%2Fone").await;
    assert_eq!(first.event().await, ("standing".to_owned(), json!({ "resource": "office/one" })));
    let (event, leader) = first.event().await;
    assert_eq!((event.as_str(), &leader["resource"]), ("elected", &json!("office/one")));
    let mut second = client.stream("/v1/elections/office%2Fone").await;
    assert_eq!(second.event().await.0, "standing");
    let (_, seen) = client.get("/v1/resources/office%2Fone").await;
    assert_eq!([&seen["state"], &seen["token"]], [&json!("held"), &leader["token"]]);
    drop(first);
    let (event, next) = second.event().await;
    assert_eq!(event, "elected");
    assert!(token(&next) > token(&leader));
}
