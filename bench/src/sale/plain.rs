//! What the strategies are compared with beside each other: an endpoint that does nothing, which is HTTP's
//! own limit; one that reads an order and refuses it; and one that buys with a single statement, without lease,
//! fence, keys and events. In processes of their own, as many as there are replicas.
#![expect(clippy::print_stdout, reason = "a server says where it listens")]

use std::{path::Path, str::FromStr as _, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use leasehold_stack::{Launch, Process};
use serde::{Deserialize, Serialize};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The hidden name under which this program is such a server.
pub(crate) const NAME: &str = "plain";

pub(crate) const NOTHING: &str = "/nothing";
pub(crate) const READ: &str = "/read";
pub(crate) const STATEMENT: &str = "/statement";

/// As many connections to Postgres as a replica sells with: its nine without those for reading.
const CONNECTIONS: u32 = 6;

const START_LIMIT: Duration = Duration::from_secs(30);

const TABLES: [&str; 3] = [
    "create table bench_stock (id integer primary key, units integer not null check (units >= 0))",
    "create table bench_orders (id uuid primary key, stock integer not null references bench_stock, \
     buyer text not null, quantity integer not null, at timestamptz not null default now())",
    "insert into bench_stock values (1, 1000000000)",
];

pub(crate) const BUY: &str = "with taken as (update bench_stock set units = units - $2 where id = 1 and units >= $2 \
    returning id) insert into bench_orders (id, stock, buyer, quantity) select $1, id, $3, $2 from taken";

/// A running server. Dropping it kills it.
pub(crate) struct Plain {
    process: Process,
    pub(crate) url: String,
}

impl Plain {
    pub(crate) async fn start(number: u16, database: &str, folder: &Path) -> anyhow::Result<Self> {
        let name = format!("{NAME}-{number}");
        let launch =
            Launch::new(&name, std::env::current_exe()?, folder.join(format!("{name}.log")))
                .arg(NAME)
                .env("DATABASE_URL", database)
                .capture_lines(4);
        let mut process = Process::spawn(&launch)?;
        let url =
            process.next_line(START_LIMIT).await?.context("a plain server does not listen")?;
        Ok(Self { process, url })
    }
}

impl Plain {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Makes what the one statement writes to.
pub(crate) async fn make_tables(database: &str) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).connect(database).await?;
    for table in TABLES {
        let _done = sqlx::query(table).execute(&pool).await?;
    }
    Ok(())
}

/// The server itself.
#[tokio::main]
pub(crate) async fn serve() -> anyhow::Result<()> {
    let database = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let options = PgConnectOptions::from_str(&database)?.application_name(NAME);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
    let routes = Router::new()
        .route(NOTHING, post(async || StatusCode::CREATED))
        .route(READ, post(refuse))
        .route(STATEMENT, post(buy))
        .with_state(pool);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Wanted {
    buyer: String,
    quantity: i32,
}

impl Wanted {
    const fn is_sound(&self) -> bool {
        !self.buyer.is_empty() && self.quantity > 0
    }
}

/// As long as the service's.
#[derive(Serialize)]
struct Refused {
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'static str,
}

async fn refuse(headers: HeaderMap, Json(wanted): Json<Wanted>) -> (StatusCode, Json<Refused>) {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let status = match key {
        Some(key) if headers.contains_key(AUTHORIZATION) && wanted.is_sound() => {
            // Read like anything that is about to be looked up.
            Uuid::try_parse(key).map_or(StatusCode::BAD_REQUEST, |_| StatusCode::CONFLICT)
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let (title, detail) = ("Conflict", "nothing is left");
    (status, Json(Refused { title, status: status.as_u16(), code: "sold_out", detail }))
}

#[derive(Serialize)]
struct Bought {
    purchase_id: Uuid,
}

async fn buy(
    State(pool): State<PgPool>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Bought>), (StatusCode, Json<&'static str>)> {
    let purchase_id = Uuid::new_v4();
    let buy = sqlx::query(BUY).bind(purchase_id).bind(wanted.quantity).bind(wanted.buyer);
    match buy.execute(&pool).await {
        Ok(done) if done.rows_affected() == 1 => {
            Ok((StatusCode::CREATED, Json(Bought { purchase_id })))
        }
        Ok(_) => Err((StatusCode::CONFLICT, Json("sold_out"))),
        Err(_) => Err((StatusCode::INTERNAL_SERVER_ERROR, Json("internal"))),
    }
}
