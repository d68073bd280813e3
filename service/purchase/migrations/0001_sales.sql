-- Sales, purchases, the replies that are kept for repeated requests, and the log of batches.
--
-- The constraints hold even if every lease lies and every program has a bug.

create table sales (
    id               uuid        primary key,
    name             text        not null check (name <> ''),
    unit_price_minor bigint      not null check (unit_price_minor >= 0),
    currency         text        not null check (currency ~ '^[A-Z]{3}$'),
    strategy         text        not null default 'leased' check (strategy in ('leased')),
    capacity         integer     not null check (capacity > 0),
    sold             integer     not null default 0,
    -- Raised by one with every accepted change, so that a decision made from older state is refused.
    version          bigint      not null default 0,
    created_at       timestamptz not null default now(),
    constraint never_oversold check (sold >= 0 and sold <= capacity)
)
-- One row takes every batch of a hot sale: room on its page keeps those updates there.
with (fillfactor = 50);

create table purchases (
    id          uuid        primary key,
    sale_id     uuid        not null references sales (id),
    buyer       text        not null check (buyer <> ''),
    quantity    integer     not null check (quantity > 0),
    total_minor bigint      not null check (total_minor >= 0),
    currency    text        not null,
    -- The sale's version that this purchase's batch made: joins it to `batches`.
    batch       bigint      not null,
    created_at  timestamptz not null default now()
);

create index purchases_by_sale on purchases (sale_id, batch);

-- What a repeated request is answered: the first answer, byte for byte, stored with its write.
create table replies (
    -- The sale whose purchases the key names, or the nil UUID for the making of sales.
    scope       uuid        not null,
    key         text        not null check (key <> ''),
    -- SHA-256 of what was asked: the same key with another request is refused.
    fingerprint bytea       not null check (octet_length(fingerprint) = 32),
    body        text        not null,
    created_at  timestamptz not null default now(),
    constraint one_reply_per_key primary key (scope, key)
);

-- One row for every accepted write of a sale. Ordered by version, the tokens never go down.
create table batches (
    sale_id    uuid        not null references sales (id),
    version    bigint      not null,
    token      bigint      not null,
    replica    text        not null,
    purchases  integer     not null check (purchases > 0),
    units      integer     not null check (units > 0),
    written_at timestamptz not null default now(),
    primary key (sale_id, version)
);

-- Begins a turn: claims the fence, then reads. In this order, since what was read before the claim
-- could still be changed by the holder before. Volatile, so that each read sees what the claim
-- waited for. Returns the stock (null when there is no such sale), and what those of the keys that
-- were granted before were answered.
create function begin_turn(
    p_sale uuid, p_resource text, p_token bigint, p_holder text, p_keys text[],
    out capacity integer, out sold integer, out version bigint,
    out known_keys text[], out known_fingerprints bytea[], out known_bodies text[]
)
language plpgsql volatile
as $$
begin
    perform leasehold_claim(p_resource, p_token, p_holder);
    select s.capacity, s.sold, s.version into capacity, sold, version from sales s where s.id = p_sale;
    select coalesce(array_agg(r.key), '{}'), coalesce(array_agg(r.fingerprint), '{}'), coalesce(array_agg(r.body), '{}')
    into known_keys, known_fingerprints, known_bodies
    from replies r where r.scope = p_sale and r.key = any (p_keys);
end
$$;

-- Writes one batch of grants, all or nothing, in one statement of the caller: fence, stock,
-- purchases, replies, log.
--
-- Refuses with  LH001  stale fencing token (raised by the claim)
--               LH002  the sale has changed since the decision: reload and decide again
--               23505  on one_reply_per_key: a key was granted before: look it up, decide again
--               23514  on never_oversold: more than the capacity, whatever the caller believed
create function write_batch(
    p_sale uuid, p_resource text, p_token bigint, p_holder text, p_version bigint, p_replica text,
    p_ids uuid[], p_keys text[], p_fingerprints bytea[], p_buyers text[], p_quantities integer[],
    p_bodies text[]
)
returns void
language plpgsql volatile
as $$
declare
    v_units    integer := (select sum(q) from unnest(p_quantities) q);
    v_price    bigint;
    v_currency text;
begin
    perform leasehold_claim(p_resource, p_token, p_holder);

    update sales s set sold = s.sold + v_units, version = s.version + 1
    where s.id = p_sale and s.version = p_version
    returning s.unit_price_minor, s.currency into v_price, v_currency;
    if not found then
        raise exception 'sale % is not at version % any more', p_sale, p_version using errcode = 'LH002';
    end if;

    insert into batches (sale_id, version, token, replica, purchases, units)
    values (p_sale, p_version + 1, p_token, p_replica, cardinality(p_ids), v_units);

    insert into purchases (id, sale_id, buyer, quantity, total_minor, currency, batch)
    select g.id, p_sale, g.buyer, g.quantity, g.quantity * v_price, v_currency, p_version + 1
    from unnest(p_ids, p_buyers, p_quantities) as g (id, buyer, quantity);

    insert into replies (scope, key, fingerprint, body)
    select p_sale, g.key, g.fingerprint, g.body
    from unnest(p_keys, p_fingerprints, p_bodies) as g (key, fingerprint, body);
end
$$;

-- Makes a sale once per key. Returns what is stored under the key now: this call's, or an earlier
-- one's, which the caller compares by its fingerprint.
create function create_sale(
    p_id uuid, p_name text, p_capacity integer, p_price bigint, p_currency text,
    p_key text, p_fingerprint bytea, p_body text,
    out made boolean, out fingerprint bytea, out body text
)
language plpgsql volatile
as $$
declare
    v_scope constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    insert into replies as r (scope, key, fingerprint, body)
    values (v_scope, p_key, p_fingerprint, p_body)
    on conflict on constraint one_reply_per_key do nothing;
    made := found;
    if made then
        insert into sales (id, name, capacity, unit_price_minor, currency)
        values (p_id, p_name, p_capacity, p_price, p_currency);
    end if;
    select r.fingerprint, r.body into fingerprint, body from replies r where r.scope = v_scope and r.key = p_key;
end
$$;
