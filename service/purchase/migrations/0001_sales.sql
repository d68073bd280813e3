-- Sales, the claims on their units, the log of what happened to them, and the replies that are kept
-- for repeated requests.
--
-- The constraints hold even if every lease lies and every program has a bug.

create table sales (
    id                  uuid        primary key,
    name                text        not null check (name <> ''),
    unit_price_minor    bigint      not null check (unit_price_minor >= 0),
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    strategy            text        not null check
        (strategy in ('leased', 'row_lock', 'optimistic', 'event_log', 'queue')),
    without_leases      text        not null check (without_leases in ('refuse', 'continue')),
    capacity            integer     not null check (capacity > 0),
    allowance           integer     not null check (allowance >= 0),
    per_buyer_max       integer     check (per_buyer_max > 0),
    opens_at            bigint,
    closes_at           bigint,
    reservation_seconds integer     not null check (reservation_seconds > 0),
    sold                integer     not null default 0 check (sold >= 0),
    held                integer     not null default 0 check (held >= 0),
    waiting             integer     not null default 0 check (waiting >= 0),
    -- The number of the last event. A decision made from older state is refused by it.
    version             bigint      not null default 1,
    created_at          bigint      not null,
    constraint never_oversold check (sold + held <= capacity + allowance)
)
-- One row takes every batch of a hot sale: room on its page keeps those updates there.
with (fillfactor = 50);

-- Which sales may have reservations to give up.
create index sales_with_reservations on sales (id) where held > 0;

-- Which may have units to offer to those who wait.
create index sales_with_waiting on sales (id) where waiting > 0;

-- One buyer's hold on units of a sale, from reservation or purchase to its end.
create table claims (
    id                uuid    primary key,
    sale_id           uuid    not null references sales (id),
    buyer             text    not null check (buyer <> ''),
    quantity          integer not null check (quantity > 0),
    refunded          integer not null check (refunded between 0 and quantity),
    status            text    not null check (status in
        ('waiting', 'pending', 'confirmed', 'cancelled', 'expired', 'refunded', 'paid_unfulfilled')),
    -- Points in time are milliseconds since 1970: the clock they come from is this server's.
    expires_at        bigint  check (status <> 'pending' or expires_at is not null),
    total_minor       bigint  not null check (total_minor >= 0),
    payment_reference text,
    -- Orders claims by when they were made; not above the version of the batch that made it.
    seq               bigint  not null,
    created_at        bigint  not null
);

create index claims_of_buyer on claims (sale_id, buyer);
create index claims_pending on claims (sale_id, expires_at) where status = 'pending';
create index claims_waiting on claims (sale_id, seq) where status = 'waiting';

-- Everything that happened to a sale, numbered without a gap: audit trail, and what is told to others.
create table events (
    sale_id           uuid   not null references sales (id),
    seq               bigint not null,
    at                bigint not null,
    kind              text   not null,
    claim_id          uuid,
    buyer             text,
    quantity          integer,
    total_minor       bigint,
    expires_at        bigint,
    payment_reference text,
    -- The sale's terms, of the kinds that set them.
    terms             jsonb,
    primary key (sale_id, seq)
);

-- What a repeated request is answered: the first answer, byte for byte, stored with its write.
create table replies (
    -- The sale that the request was about, or the nil UUID for requests about none.
    scope       uuid   not null,
    key         text   not null check (key <> ''),
    -- SHA-256 of what was asked: the same key with another request is refused.
    fingerprint bytea  not null check (octet_length(fingerprint) = 32),
    kind        text   not null,
    body        text   not null,
    created_at  bigint not null,
    constraint one_reply_per_key primary key (scope, key)
);

-- Old replies are forgotten in the order of their writing, which is the order of their pages.
create index replies_by_age on replies using brin (created_at);

-- One row for every accepted write of a sale. Ordered by version, the tokens never go down.
create table batches (
    sale_id    uuid    not null references sales (id),
    version    bigint  not null,
    -- Null when it was written without a lease, under the sale's version alone.
    token      bigint,
    replica    text    not null,
    events     integer not null check (events > 0),
    -- Units that it sold or reserved.
    units      integer not null check (units >= 0),
    written_at bigint  not null,
    primary key (sale_id, version)
);

-- What was written lately, for the live page: rows stand in the order of their time.
create index batches_by_time on batches using brin (written_at) with (pages_per_range = 16);

-- Which replicas there are, and how they fare: each writes its row once a second.
create table replicas (
    name       text   primary key check (name <> ''),
    started_at bigint not null,
    seen_at    bigint not null,
    stats      text   not null
);

-- Now, on this server's clock, in milliseconds since 1970. Moves on within a transaction.
create function leasehold_now() returns bigint
language sql volatile
as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- A sale as it stands, with what a decision about these keys, buyers and claims needs. With a token it
-- begins a turn: it claims the fence, then reads. In this order, since what was read before the claim
-- could still be changed by the holder before; and volatile, so that each read sees what the claim
-- waited for. No row when there is no such sale.
create function read_sale(
    p_sale uuid, p_resource text, p_token bigint, p_holder text,
    p_keys text[], p_buyers text[], p_claims uuid[], p_due_max integer, p_line_max integer
)
returns table (
    name text, unit_price_minor bigint, currency text, without_leases text, strategy text, capacity integer, allowance integer,
    per_buyer_max integer, opens_at bigint, closes_at bigint, reservation_seconds integer,
    sold integer, held integer, waiting integer, version bigint, created_at bigint,
    now_ms bigint, next_expiry bigint, claims text, due uuid[], line uuid[], units_of text,
    known_keys text[], known_fingerprints bytea[], known_kinds text[], known_bodies text[]
)
language plpgsql volatile
as $$
#variable_conflict use_column
begin
    if p_token is not null then
        perform leasehold_claim(p_resource, p_token, p_holder);
    end if;
    select s.name, s.unit_price_minor, s.currency, s.without_leases, s.strategy, s.capacity, s.allowance,
           s.per_buyer_max, s.opens_at, s.closes_at, s.reservation_seconds,
           s.sold, s.held, s.waiting, s.version, s.created_at
    into name, unit_price_minor, currency, without_leases, strategy, capacity, allowance,
         per_buyer_max, opens_at, closes_at, reservation_seconds,
         sold, held, waiting, version, created_at
    from sales s where s.id = p_sale;
    if not found then
        return;
    end if;
    now_ms := leasehold_now();
    due := '{}';
    line := '{}';
    if held > 0 then
        select coalesce(array_agg(d.id order by d.expires_at, d.id), '{}') into due from (
            select c.id, c.expires_at from claims c
            where c.sale_id = p_sale and c.status = 'pending' and c.expires_at <= now_ms
            order by c.expires_at, c.id limit p_due_max
        ) d;
        select min(c.expires_at) into next_expiry from claims c
        where c.sale_id = p_sale and c.status = 'pending' and c.expires_at > now_ms;
    end if;
    if waiting > 0 then
        select coalesce(array_agg(w.id order by w.seq), '{}') into line from (
            select c.id, c.seq from claims c
            where c.sale_id = p_sale and c.status = 'waiting' order by c.seq limit p_line_max
        ) w;
    end if;
    if cardinality(p_claims) + cardinality(due) + cardinality(line) > 0 then
        select jsonb_agg(to_jsonb(c))::text into claims from claims c
        where c.id = any (p_claims || due || line) and c.sale_id = p_sale;
    end if;
    if per_buyer_max is not null then
        select jsonb_object_agg(u.buyer, u.units)::text into units_of from (
            select c.buyer, sum(c.quantity - c.refunded) as units from claims c
            where c.sale_id = p_sale and c.status in ('waiting', 'pending', 'confirmed')
              and c.buyer = any (p_buyers || coalesce(
                  (select array_agg(r.buyer) from claims r where r.id = any (p_claims || due)), '{}'))
            group by c.buyer
        ) u;
    end if;
    known_keys := '{}';
    known_fingerprints := '{}';
    known_kinds := '{}';
    known_bodies := '{}';
    if cardinality(p_keys) > 0 then
        select coalesce(array_agg(r.key), '{}'), coalesce(array_agg(r.fingerprint), '{}'),
               coalesce(array_agg(r.kind), '{}'), coalesce(array_agg(r.body), '{}')
        into known_keys, known_fingerprints, known_kinds, known_bodies
        from replies r where r.scope = p_sale and r.key = any (p_keys);
    end if;
    return next;
end
$$;

-- Writes the outcome of one decision, all or nothing, in one statement of the caller: fence, sale,
-- log, claims, replies. Without a token (null) nothing but the version guards it, which is enough: it
-- is what makes every other decision from the same state fail.
--
-- Refuses with  LH001  stale fencing token (raised by the claim)
--               LH002  the sale has changed since the decision: reload and decide again; the detail is the
--                      version that it is at
--               23505  on one_reply_per_key: a key was answered before: look it up, decide again
--               23514  on never_oversold: more than there is, whatever the caller believed
create function write_batch(
    p_sale uuid, p_resource text, p_token bigint, p_holder text, p_version bigint, p_replica text, p_at bigint,
    p_sold integer, p_held integer, p_waiting integer, p_units integer,
    -- The log.
    p_kinds text[], p_claims uuid[], p_buyers text[], p_quantities integer[], p_totals bigint[], p_expires bigint[],
    p_references text[], p_terms text[],
    -- Every claim that it made or changed, as it stands afterwards.
    c_ids uuid[], c_buyers text[], c_quantities integer[], c_refunded integer[], c_statuses text[], c_expires bigint[],
    c_totals bigint[], c_references text[],
    -- The replies.
    r_keys text[], r_fingerprints bytea[], r_kinds text[], r_bodies text[]
)
returns void
language plpgsql volatile
as $$
declare
    v_events constant integer := cardinality(p_kinds);
    v_terms  jsonb;
begin
    if p_token is not null then
        perform leasehold_claim(p_resource, p_token, p_holder);
    end if;

    -- The last change of the terms is what counts.
    select t::jsonb into v_terms
    from unnest(p_terms) with ordinality as u (t, n) where t is not null order by n desc limit 1;

    if v_terms is null then
        update sales s set sold = p_sold, held = p_held, waiting = p_waiting, version = s.version + v_events
        where s.id = p_sale and s.version = p_version;
    else
        update sales s set
            sold = p_sold, held = p_held, waiting = p_waiting, version = s.version + v_events,
            name = v_terms ->> 'name', capacity = (v_terms ->> 'capacity')::integer,
            allowance = (v_terms ->> 'allowance')::integer, per_buyer_max = (v_terms ->> 'per_buyer_max')::integer,
            opens_at = (v_terms ->> 'opens_at')::bigint, closes_at = (v_terms ->> 'closes_at')::bigint,
            reservation_seconds = (v_terms ->> 'reservation_seconds')::integer,
            without_leases = v_terms ->> 'without_leases'
        where s.id = p_sale and s.version = p_version;
    end if;
    if not found then
        raise exception 'sale % is not at version % any more', p_sale, p_version
            using errcode = 'LH002',
                  detail = coalesce((select s.version::text from sales s where s.id = p_sale), '');
    end if;

    insert into batches (sale_id, version, token, replica, events, units, written_at)
    values (p_sale, p_version + v_events, p_token, p_replica, v_events, p_units, p_at);

    insert into events (sale_id, seq, at, kind, claim_id, buyer, quantity, total_minor, expires_at, payment_reference, terms)
    select p_sale, p_version + e.n, p_at, e.kind, e.claim, e.buyer, e.quantity, e.total, e.expires, e.reference, e.terms::jsonb
    from unnest(p_kinds, p_claims, p_buyers, p_quantities, p_totals, p_expires, p_references, p_terms)
         with ordinality as e (kind, claim, buyer, quantity, total, expires, reference, terms, n);

    insert into claims as c (id, sale_id, buyer, quantity, refunded, status, expires_at, total_minor, payment_reference, seq, created_at)
    select u.id, p_sale, u.buyer, u.quantity, u.refunded, u.status, u.expires, u.total, u.reference, p_version + u.n, p_at
    from unnest(c_ids, c_buyers, c_quantities, c_refunded, c_statuses, c_expires, c_totals, c_references)
         with ordinality as u (id, buyer, quantity, refunded, status, expires, total, reference, n)
    on conflict (id) do update set
        refunded = excluded.refunded, status = excluded.status, expires_at = excluded.expires_at,
        payment_reference = excluded.payment_reference;

    insert into replies (scope, key, fingerprint, kind, body, created_at)
    select p_sale, r.key, r.fingerprint, r.kind, r.body, p_at
    from unnest(r_keys, r_fingerprints, r_kinds, r_bodies) as r (key, fingerprint, kind, body);
end
$$;

-- Writes the outcome of a decision that was made from a sale's events up to p_version, unless something
-- has happened since that makes it wrong: any event if p_exact, else those of these kinds, about these
-- claims or of these buyers. Whatever may have happened, units are added to what is sold by now, so
-- never_oversold holds the bound. Refuses as write_batch does.
create function append_events(
    p_sale uuid, p_version bigint, p_exact boolean, v_kinds text[], v_claims uuid[], v_buyers text[],
    p_replica text, p_at bigint, p_sold integer, p_held integer, p_waiting integer, p_units integer,
    p_kinds text[], p_claims uuid[], p_buyers text[], p_quantities integer[], p_totals bigint[], p_expires bigint[],
    p_references text[], p_terms text[],
    c_ids uuid[], c_buyers text[], c_quantities integer[], c_refunded integer[], c_statuses text[], c_expires bigint[],
    c_totals bigint[], c_references text[],
    r_keys text[], r_fingerprints bytea[], r_kinds text[], r_bodies text[]
)
returns void
language plpgsql volatile
as $$
declare
    v_version bigint;
    v_sold    integer;
    v_held    integer;
    v_waiting integer;
begin
    select s.version, s.sold, s.held, s.waiting into v_version, v_sold, v_held, v_waiting
    from sales s where s.id = p_sale for update;
    if v_version is distinct from p_version and (p_exact or exists (
        select from events e where e.sale_id = p_sale and e.seq > p_version
          and (e.kind = any (v_kinds) or e.claim_id = any (v_claims) or e.buyer = any (v_buyers))
    )) then
        raise exception 'what was decided about sale % at version % is not right any more', p_sale, p_version
            using errcode = 'LH002', detail = coalesce(v_version::text, '');
    end if;
    -- Another may have decided later and been faster: the log's times never go back.
    perform write_batch(
        p_sale, null, null, null, v_version, p_replica,
        greatest(p_at, (select e.at from events e where e.sale_id = p_sale and e.seq = v_version)),
        v_sold + p_sold, v_held + p_held, v_waiting + p_waiting, p_units,
        p_kinds, p_claims, p_buyers, p_quantities, p_totals, p_expires, p_references, p_terms,
        c_ids, c_buyers, c_quantities, c_refunded, c_statuses, c_expires, c_totals, c_references,
        r_keys, r_fingerprints, r_kinds, r_bodies
    );
end
$$;

-- A sale as it stood after so many of its events, so that not all of them are read again.
create table snapshots (
    sale_id  uuid   primary key references sales (id),
    version  bigint not null,
    -- Every claim, and the order of those who wait.
    claims   text   not null,
    line     uuid[] not null,
    -- Its terms.
    terms    text   not null,
    taken_at bigint not null
);

-- Makes a sale once per key. Returns what is stored under the key now: this call's, or an earlier
-- one's, which the caller compares by its fingerprint.
create function create_sale(
    p_id uuid, p_terms jsonb, p_at bigint, p_replica text, p_key text, p_fingerprint bytea, p_body text,
    out made boolean, out fingerprint bytea, out body text
)
language plpgsql volatile
as $$
declare
    v_scope constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    insert into replies as r (scope, key, fingerprint, kind, body, created_at)
    values (v_scope, p_key, p_fingerprint, 'sale_created', p_body, p_at)
    on conflict on constraint one_reply_per_key do nothing;
    made := found;
    if made then
        insert into sales (id, name, unit_price_minor, currency, without_leases, strategy, capacity, allowance,
                           per_buyer_max, opens_at, closes_at, reservation_seconds, created_at)
        values (p_id, p_terms ->> 'name', (p_terms ->> 'unit_price_minor')::bigint, p_terms ->> 'currency',
                p_terms ->> 'without_leases', p_terms ->> 'strategy', (p_terms ->> 'capacity')::integer, (p_terms ->> 'allowance')::integer,
                (p_terms ->> 'per_buyer_max')::integer, (p_terms ->> 'opens_at')::bigint,
                (p_terms ->> 'closes_at')::bigint, (p_terms ->> 'reservation_seconds')::integer, p_at);
        insert into batches (sale_id, version, token, replica, events, units, written_at)
        values (p_id, 1, null, p_replica, 1, 0, p_at);
        insert into events (sale_id, seq, at, kind, terms) values (p_id, 1, p_at, 'sale_created', p_terms);
    end if;
    select r.fingerprint, r.body into fingerprint, body from replies r where r.scope = v_scope and r.key = p_key;
end
$$;
