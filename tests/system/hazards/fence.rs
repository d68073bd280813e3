//! The fence in Postgres: who is accepted, and what is lost without it.

use leasehold::{
    FencingToken, GrantNumber, HolderId, Resource, Stamp,
    fence::{self, FenceError},
};
use leasehold_stack::{Silent, Stack, StackConfig};
use sqlx::{Connection as _, PgConnection};

async fn postgres() -> Stack {
    let stack = Stack::start(StackConfig { lease_nodes: 0, ..StackConfig::default() }, &Silent)
        .await
        .unwrap();
    let mut connection = connect(&stack).await;
    fence::install(&mut connection).await.unwrap();
    fence::install(&mut connection).await.unwrap();
    stack
}

async fn connect(stack: &Stack) -> PgConnection {
    PgConnection::connect(&stack.database_url()).await.unwrap()
}

fn stamp(resource: &str, number: u64, turn: u16, holder: u128) -> Stamp {
    Stamp {
        resource: Resource::new(resource).unwrap(),
        token: FencingToken::new(GrantNumber::new(number).unwrap(), turn).unwrap(),
        holder: HolderId::from_random(holder),
    }
}

#[tokio::test]
async fn a_claim_is_accepted_iff_it_is_newer_or_the_same_holders() {
    let stack = postgres().await;
    let mut connection = connect(&stack).await;
    let steps = [
        (stamp("a", 5, 0, 1), Ok(())),
        (stamp("a", 5, 0, 1), Ok(())),
        (stamp("a", 5, 0, 2), Err((5, 0))),
        (stamp("a", 4, 1023, 1), Err((5, 0))),
        (stamp("a", 5, 1, 1), Ok(())),
        (stamp("a", 5, 0, 1), Err((5, 1))),
        (stamp("a", 6, 0, 2), Ok(())),
        (stamp("a", 5, 1, 1), Err((6, 0))),
        // Resources do not touch one another, whatever their names hold.
        (stamp("b c 'd", 1, 0, 3), Ok(())),
        (stamp("b c 'd", 1, 0, 4), Err((1, 0))),
    ];
    for (stamp, expected) in steps {
        let claimed = fence::claim(&mut connection, &stamp).await;
        match (claimed, expected) {
            (Ok(()), Ok(())) => {}
            (Err(FenceError::Stale(stale)), Err((number, turn))) => {
                let newest = FencingToken::new(GrantNumber::new(number).unwrap(), turn).unwrap();
                assert_eq!((stale.given, stale.newest), (stamp.token, newest));
                assert_eq!(stale.resource, stamp.resource.as_str());
                let text = stale.to_string();
                assert!(
                    text.contains(&stamp.token.to_string()) && text.contains(&newest.to_string()),
                    "{text}"
                );
            }
            (claimed, expected) => panic!("{stamp:?}: {claimed:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn any_language_can_call_the_function_and_read_the_refusal() {
    let stack = postgres().await;
    let mut connection = connect(&stack).await;
    let call = "select leasehold_claim('a', 2048, 'ada')";
    let token: i64 = sqlx::query_scalar(call).fetch_one(&mut connection).await.unwrap();
    assert_eq!(token, 2048);
    let refused = sqlx::query("select leasehold_claim('a', 1024, 'bob')")
        .execute(&mut connection)
        .await
        .unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().as_deref(),
        Some(fence::STALE_TOKEN_SQLSTATE)
    );
    assert_eq!(fence::Stale::from_error(&refused).unwrap().newest.as_i64(), 2048);
    // As the first part of a single statement: nothing of it happens when the claim is refused.
    let _made = sqlx::raw_sql("create table t (n integer)").execute(&mut connection).await.unwrap();
    let write = "with claim as materialized (select leasehold_claim('a', 1024, 'bob')) \
                 insert into t select 1 from claim";
    assert!(sqlx::query(write).execute(&mut connection).await.is_err());
    let count: i64 =
        sqlx::query_scalar("select count(*) from t").fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, 0);
}

/// Two holders raise a counter by reading and writing it; the first one pauses in between, past the
/// end of its lease. Returns the counter: 2 if both count or the late one was refused and asked
/// again, 1 if an update was lost.
async fn paused_between_read_and_write(stack: &Stack, fenced: bool) -> i32 {
    let (mut early, mut late) = (connect(stack).await, connect(stack).await);
    let raw = "drop table if exists counter; create table counter (n integer); insert into counter values (0)";
    let _made = sqlx::raw_sql(raw).execute(&mut early).await.unwrap();
    let resource = if fenced { "fenced" } else { "unfenced" };
    let (first, second) = (stamp(resource, 1, 0, 1), stamp(resource, 2, 0, 2));

    let read = |n: &'static str| n;
    if fenced {
        fence::claim(&mut early, &first).await.unwrap();
    }
    let seen: i32 =
        sqlx::query_scalar(read("select n from counter")).fetch_one(&mut early).await.unwrap();

    // The first holder pauses here. Its lease ends, the second one has its whole turn.
    if fenced {
        fence::claim(&mut late, &second).await.unwrap();
    }
    let _raised = sqlx::query("update counter set n = n + 1").execute(&mut late).await.unwrap();

    // The first one goes on with what it read.
    let mut tx = early.begin().await.unwrap();
    let accepted = !fenced || fence::claim(&mut tx, &first).await.is_ok();
    if accepted {
        let write = sqlx::query("update counter set n = $1").bind(seen + 1);
        let _written = write.execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
        let mut tx = early.begin().await.unwrap();
        fence::claim(&mut tx, &stamp(resource, 3, 0, 1)).await.unwrap();
        let _raised = sqlx::query("update counter set n = n + 1").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    sqlx::query_scalar(read("select n from counter")).fetch_one(&mut late).await.unwrap()
}

#[tokio::test]
async fn with_the_fence_no_update_is_lost_and_without_it_one_is() {
    let stack = postgres().await;
    assert_eq!(paused_between_read_and_write(&stack, true).await, 2);
    assert_eq!(
        paused_between_read_and_write(&stack, false).await,
        1,
        "the control must see the loss"
    );
}
