//! The smallest set of permissions that a client of the lock needs on a server.

use std::{sync::Arc, time::Duration};

use leasehold::{
    GrantNumber, HolderId, LeaseConfig, Leases, Resource,
    model::{Admission, ClientId, GrantRequest, Question, Reply, Standing},
    node::{Node as _, Notice, RedisNode},
};
use leasehold_stack::{Persistence, Stack};
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;

use crate::{
    servers::{PATIENCE, config, nodes, redis, resource},
    world::LIMIT,
};

/// As in the README, whose line is read here so that it stays true.
const README: &str = include_str!("../../../lock/README.md");
const NAME: &str = "lease";
const PASSWORD: &str = "secret";

/// The rules of the README's user.
pub(crate) fn rules() -> Vec<&'static str> {
    let line = README.lines().find_map(|line| line.strip_prefix("user lease on >secret "));
    line.expect("the README has the line").split_whitespace().collect()
}

pub(crate) async fn make_user(redis: &mut MultiplexedConnection, rules: &[&str]) {
    redis::cmd("ACL").arg("DELUSER").arg(NAME).exec_async(redis).await.unwrap();
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg(NAME).arg("reset").arg("on").arg(format!(">{PASSWORD}")).arg(rules);
    set.exec_async(redis).await.unwrap();
}

/// A node's address with that user.
pub(crate) fn with_user(url: &str) -> String {
    url.replace("redis://", &format!("redis://{NAME}:{PASSWORD}@"))
}

fn url(stack: &Stack) -> String {
    with_user(&stack.nodes[0].url())
}

fn grant(holder: u128, waiter: Option<ClientId>) -> Question {
    Question::Grant(Arc::new(request(holder, waiter)))
}

fn request(holder: u128, waiter: Option<ClientId>) -> GrantRequest {
    GrantRequest {
        resource: resource(),
        holder: HolderId::from_random(holder),
        // Short enough that its fence keeps its lifetime.
        ttl: Duration::from_secs(900),
        hint: GrantNumber::ONE,
        waiter,
    }
}

/// Uses a server in every way; says what does not work.
async fn use_it(stack: &Stack, rules: &[&str]) -> Result<(), String> {
    let mut admin = redis(&stack.nodes[0]).await;
    redis::cmd("FLUSHALL").exec_async(&mut admin).await.unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
    make_user(&mut admin, rules).await;
    let node = Arc::new(RedisNode::new(&url(stack), LIMIT).unwrap());
    let ask = async |question: Question, wanted: fn(&Reply) -> bool| {
        let reply = node.ask(std::slice::from_ref(&question)).await.remove(0);
        let reply = reply.map_err(|error| error.to_string())?;
        if wanted(&reply) { Ok(reply) } else { Err(format!("{question:?}: {reply:?}")) }
    };

    let client = ClientId::from_random(1);
    let (sender, mut heard) = mpsc::channel(2);
    let listening = Arc::clone(&node);
    let ear = tokio::spawn(async move { listening.listen(client, sender).await });
    if heard.recv().await != Some(Notice::Listening) {
        return Err(ear.await.unwrap().to_string());
    }

    let outside =
        ask(Question::Stand, |reply| matches!(reply, Reply::Standing(Standing::Outside { .. })));
    let Reply::Standing(Standing::Outside { outage, .. }) = outside.await? else {
        return Err("it votes".to_owned());
    };
    let admission = Admission {
        floor: GrantNumber::ONE,
        ttl_max: Duration::from_secs(1),
        quarantine: Duration::ZERO,
        outage,
    };
    ask(Question::Admit(admission), |reply| *reply == Reply::Admitted).await?;
    let granted = ask(grant(1, None), |reply| matches!(reply, Reply::Granted { .. })).await?;
    let Reply::Granted { number, .. } = granted else { return Err("no number".to_owned()) };
    ask(grant(2, Some(client)), |reply| matches!(reply, Reply::Held { .. })).await?;
    let binding = request(1, None).bind(number);
    ask(Question::Commit(binding.clone()), |reply| *reply == Reply::Bound).await?;
    ask(Question::Renew(binding.clone()), |reply| *reply == Reply::Bound).await?;
    let release = |holder| Question::Release { resource: resource(), holder, next: None };
    ask(release(binding.holder), |reply| *reply == Reply::Released { passed: true }).await?;
    let told = tokio::time::timeout(LIMIT, heard.recv()).await;
    if !matches!(told, Ok(Some(Notice::Granted(_)))) {
        return Err(format!("told {told:?}"));
    }
    ask(release(request(2, None).holder), |reply| *reply == Reply::Released { passed: false })
        .await?;
    // As most grants are: above a fence of the same stretch of numbers, and within what is noted.
    let member = |reply: &Reply| matches!(reply, Reply::Standing(Standing::Member { .. }));
    let Reply::Standing(Standing::Member { high, .. }) = ask(Question::Stand, member).await? else {
        return Err("no standing".to_owned());
    };
    for hint in [high.get() - 1, high.get()].map(|hint| GrantNumber::new(hint).unwrap()) {
        let request = GrantRequest { hint, ..request(1, None) };
        let holder = request.holder;
        let question = Question::Grant(Arc::new(request));
        ask(question, |reply| matches!(reply, Reply::Granted { .. })).await?;
        ask(release(holder), |reply| matches!(reply, Reply::Released { .. })).await?;
    }
    node.look(&resource()).await.map_err(|error| error.to_string())?;
    node.ping().await.map_err(|error| error.to_string())?;
    let report = node.report().await.map_err(|error| error.to_string())?.unwrap();
    if report.append_only == "unknown" {
        return Err("the check cannot see appendfsync".to_owned());
    }
    ear.abort();
    Ok(())
}

#[tokio::test]
async fn the_user_of_the_readme_may_do_all_that_is_needed_and_nothing_else() {
    let stack = nodes(1, Persistence::Durable).await;
    let rules = rules();
    assert_eq!(use_it(&stack, &rules).await, Ok(()));
    let permissions = rules.iter().filter(|rule| rule.starts_with(['+', '~', '&']));
    let mut count = 0;
    for left_out in permissions {
        let less: Vec<&str> = rules.iter().copied().filter(|rule| rule != left_out).collect();
        let broken = use_it(&stack, &less).await;
        assert!(broken.is_err(), "{left_out} is not needed");
        count += 1;
    }
    assert!(count > 10, "the line was not read");
}

/// Several grants are one call to a server, which refuses all of it if one may not be asked.
#[tokio::test]
async fn what_is_denied_keeps_nobody_from_what_is_not() {
    let stack = nodes(1, Persistence::Durable).await;
    let mut admin = redis(&stack.nodes[0]).await;
    let mut rules: Vec<&str> = rules().into_iter().filter(|rule| *rule != "~*").collect();
    rules.extend(["~leasehold:*", "~ours*"]);
    make_user(&mut admin, &rules).await;
    let node = RedisNode::new(&url(&stack), LIMIT).unwrap();
    let member = async |question| node.ask(&[question]).await.remove(0).unwrap();
    let Reply::Standing(Standing::Outside { outage, .. }) = member(Question::Stand).await else {
        unreachable!("it votes");
    };
    let quarantine = Duration::ZERO;
    let floor = GrantNumber::ONE;
    let admission = Admission { floor, ttl_max: Duration::from_secs(900), quarantine, outage };
    assert_eq!(member(Question::Admit(admission)).await, Reply::Admitted);
    // The second time the scripts are there.
    for holder in [1, 2] {
        let grants = ["ours", "theirs", "ours too"].map(|name| {
            let resource = Resource::new(format!("{name} {holder}")).unwrap();
            Question::Grant(Arc::new(GrantRequest { resource, ..request(holder, None) }))
        });
        let replies = node.ask(&grants).await;
        let granted = |reply: &Result<Reply, _>| matches!(reply, Ok(Reply::Granted { .. }));
        assert_eq!(replies.iter().map(granted).collect::<Vec<_>>(), [true, false, true]);
        assert!(replies[1].as_ref().unwrap_err().to_string().contains("denied"), "{replies:?}");
    }
}

#[tokio::test]
async fn leases_work_with_the_user_of_the_readme() {
    let stack = nodes(1, Persistence::Durable).await;
    make_user(&mut redis(&stack.nodes[0]).await, &rules()).await;
    // A machine that is busy for a second must not end it.
    let ttl = Duration::from_secs(6);
    let client = || {
        let config = LeaseConfig { ttl, node_timeout: ttl / 4, ..LeaseConfig::default() };
        Leases::connect([url(&stack)], config).unwrap()
    };
    let (ours, theirs) = (client(), client());
    assert_eq!(ours.check().await, Ok(vec![]));
    let lease = ours.acquire(&resource(), PATIENCE).await.unwrap();
    // Over its lifetime: it is renewed.
    let waiting = tokio::spawn(async move { theirs.acquire(&resource(), PATIENCE).await });
    tokio::time::sleep(ttl * 2).await;
    assert!(!lease.is_lost() && !waiting.is_finished());
    let token = lease.token();
    let _outcome = lease.release().await;
    assert!(waiting.await.unwrap().unwrap().token() > token);
}

#[tokio::test]
async fn a_missing_permission_ends_a_wait_at_once_and_is_named() {
    let stack = nodes(1, Persistence::Durable).await;
    let mut admin = redis(&stack.nodes[0]).await;
    for left_out in ["+evalsha", "+eval", "+info", "+mget", "+set", "+time", "~*"] {
        redis::cmd("FLUSHALL").exec_async(&mut admin).await.unwrap();
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
        let less: Vec<&str> = rules().into_iter().filter(|rule| *rule != left_out).collect();
        make_user(&mut admin, &less).await;
        let leases = Leases::connect([url(&stack)], config()).unwrap();
        let wanted = resource();
        let wait = leases.acquire(&wanted, Duration::from_secs(3600));
        let error = tokio::time::timeout(LIMIT, wait).await.expect(left_out).unwrap_err();
        assert!(!error.is_retryable(), "{left_out}: {error}");
        assert!(error.to_string().contains("denied"), "{left_out}: {error}");
    }
}
