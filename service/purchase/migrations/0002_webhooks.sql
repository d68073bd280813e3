-- Webhooks: who is told what happens to sales, how far each was told, and what could not be told.
-- What is told are the rows of `events`; nothing is copied.

create table webhooks (
    id         uuid    primary key,
    url        text    not null check (url <> ''),
    -- In plain text: a signature cannot be made from a digest.
    secret     text    not null check (secret <> ''),
    -- Null for all sales.
    sale_id    uuid    references sales (id),
    -- Null for all kinds.
    kinds      text[]  check (cardinality(kinds) > 0),
    active     boolean not null default true,
    created_at bigint  not null
);

-- Up to which event of a sale a webhook was told. No row: nothing so far.
create table webhook_progress (
    webhook_id uuid   not null references webhooks (id) on delete cascade,
    sale_id    uuid   not null references sales (id),
    seq        bigint not null check (seq >= 0),
    primary key (webhook_id, sale_id)
);

-- Deliveries that are begun and not settled, one for each webhook and sale at most, and dead letters. A
-- delivery is written before it is sent: whoever sends it again sends the same events, under the same id.
create table webhook_deliveries (
    id         bigint  generated always as identity primary key,
    webhook_id uuid    not null,
    sale_id    uuid    not null,
    first_seq  bigint  not null,
    last_seq   bigint  not null check (last_seq >= first_seq),
    -- Those that failed.
    attempts   integer not null default 0,
    last_error text,
    -- When it may be sent (again); null for dead letters.
    next_at    bigint,
    died_at    bigint,
    foreign key (webhook_id, sale_id) references webhook_progress (webhook_id, sale_id) on delete cascade,
    constraint either_next_or_dead check ((next_at is null) <> (died_at is null))
);

create unique index webhook_deliveries_open on webhook_deliveries (webhook_id, sale_id) where died_at is null;
create index webhook_deliveries_dead on webhook_deliveries (webhook_id, id) where died_at is not null;

-- Makes a webhook once per key. Outcome: 'now' (made by this call), 'before' (the key was used, compare
-- by the fingerprint), or why nothing happened: 'no_sale', 'too_many'.
create function create_webhook(
    p_id uuid, p_url text, p_secret text, p_sale uuid, p_kinds text[], p_from_start boolean, p_most integer,
    p_at bigint, p_key text, p_fingerprint bytea, p_body text,
    out outcome text, out fingerprint bytea, out body text
)
language plpgsql volatile
as $$
declare
    v_scope constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    -- One at a time: two would each see room for the last.
    perform pg_advisory_xact_lock(hashtext('leasehold webhooks'));
    select 'before', r.fingerprint, r.body into outcome, fingerprint, body
    from replies r where r.scope = v_scope and r.key = p_key;
    if found then
        return;
    end if;
    if p_sale is not null and not exists (select 1 from sales s where s.id = p_sale) then
        outcome := 'no_sale';
        return;
    end if;
    if (select count(*) from webhooks) >= p_most then
        outcome := 'too_many';
        return;
    end if;
    -- A sale that is made with the same key at this moment makes this fail on one_reply_per_key.
    insert into replies as r (scope, key, fingerprint, kind, body, created_at)
    values (v_scope, p_key, p_fingerprint, 'webhook_created', p_body, p_at);
    insert into webhooks (id, url, secret, sale_id, kinds, created_at)
    values (p_id, p_url, p_secret, p_sale, p_kinds, p_at);
    if not p_from_start then
        insert into webhook_progress (webhook_id, sale_id, seq)
        select p_id, s.id, s.version from sales s where p_sale is null or s.id = p_sale;
    end if;
    outcome := 'now';
    fingerprint := p_fingerprint;
    body := p_body;
end
$$;

-- Has events delivered again from a number on: the given one, else that of the oldest dead letter, else
-- the first. Dead letters from there on are put away, since what they hold is sent again. Outcome as of
-- create_webhook, and 'no_webhook'.
create function replay_webhook(
    p_webhook uuid, p_sale uuid, p_from bigint, p_at bigint, p_key text, p_fingerprint bytea,
    out outcome text, out fingerprint bytea, out body text
)
language plpgsql volatile
as $$
declare
    v_scope constant uuid := '00000000-0000-0000-0000-000000000000';
    v_of    uuid;
    v_from  bigint;
begin
    -- Also orders two of the same key. The row goes only after this.
    select w.sale_id into v_of from webhooks w where w.id = p_webhook for update;
    if not found then
        outcome := 'no_webhook';
        return;
    end if;
    select 'before', r.fingerprint, r.body into outcome, fingerprint, body
    from replies r where r.scope = v_scope and r.key = p_key;
    if found then
        return;
    end if;
    if v_of <> p_sale or not exists (select 1 from sales s where s.id = p_sale) then
        outcome := 'no_sale';
        return;
    end if;
    insert into webhook_progress (webhook_id, sale_id, seq) values (p_webhook, p_sale, 0) on conflict do nothing;
    -- Locks out open_delivery and close_delivery until this is done.
    perform 1 from webhook_progress p where p.webhook_id = p_webhook and p.sale_id = p_sale for update;
    select coalesce(p_from, min(d.first_seq), 1) into v_from from webhook_deliveries d
    where d.webhook_id = p_webhook and d.sale_id = p_sale and d.died_at is not null;
    -- With the open delivery gone, whoever is sending it at this moment cannot settle it.
    delete from webhook_deliveries d
    where d.webhook_id = p_webhook and d.sale_id = p_sale and (d.died_at is null or d.first_seq >= v_from);
    update webhook_progress p set seq = least(p.seq, v_from - 1)
    where p.webhook_id = p_webhook and p.sale_id = p_sale;
    body := json_build_object('webhook_id', p_webhook, 'sale_id', p_sale, 'from_seq', v_from)::text;
    insert into replies as r (scope, key, fingerprint, kind, body, created_at)
    values (v_scope, p_key, p_fingerprint, 'webhook_replayed', body, p_at);
    outcome := 'now';
    fingerprint := p_fingerprint;
end
$$;

-- Begins a delivery, or takes up the one that was begun, under the webhook's lease. No row when nothing
-- is to be sent now. Refuses with LH001 when another has the lease by now.
create function open_delivery(
    p_webhook uuid, p_sale uuid, p_resource text, p_token bigint, p_holder text, p_events_max integer
)
returns table (first_seq bigint, last_seq bigint, attempts integer)
language plpgsql volatile
as $$
#variable_conflict use_column
declare
    v_seq     bigint;
    v_version bigint;
    v_next    bigint;
begin
    perform leasehold_claim(p_resource, p_token, p_holder);
    -- It may be deleted only after this.
    perform 1 from webhooks w where w.id = p_webhook and w.active for key share;
    if not found then
        return;
    end if;
    insert into webhook_progress (webhook_id, sale_id, seq) values (p_webhook, p_sale, 0) on conflict do nothing;
    select p.seq into v_seq from webhook_progress p
    where p.webhook_id = p_webhook and p.sale_id = p_sale for update;
    select d.first_seq, d.last_seq, d.attempts, d.next_at into first_seq, last_seq, attempts, v_next
    from webhook_deliveries d where d.webhook_id = p_webhook and d.sale_id = p_sale and d.died_at is null;
    if found then
        if v_next <= leasehold_now() then
            return next;
        end if;
        return;
    end if;
    select s.version into v_version from sales s where s.id = p_sale;
    if v_version > v_seq then
        first_seq := v_seq + 1;
        last_seq := least(v_version, v_seq + p_events_max);
        attempts := 0;
        insert into webhook_deliveries (webhook_id, sale_id, first_seq, last_seq, next_at)
        values (p_webhook, p_sale, first_seq, last_seq, leasehold_now());
        return next;
    end if;
end
$$;

-- Settles a delivery under the webhook's lease: without an error it was delivered; with one it is sent
-- again after p_wait milliseconds, or never if that is null. False when it is not to be settled any more
-- (a replay or a deletion came between). Refuses with LH001 when another has the lease by now.
create function close_delivery(
    p_webhook uuid, p_sale uuid, p_resource text, p_token bigint, p_holder text,
    p_first bigint, p_last bigint, p_error text, p_wait bigint
)
returns boolean
language plpgsql volatile
as $$
declare
    v_id bigint;
begin
    perform leasehold_claim(p_resource, p_token, p_holder);
    perform 1 from webhook_progress p where p.webhook_id = p_webhook and p.sale_id = p_sale for update;
    select d.id into v_id from webhook_deliveries d
    where d.webhook_id = p_webhook and d.sale_id = p_sale and d.died_at is null
      and d.first_seq = p_first and d.last_seq = p_last;
    if not found then
        return false;
    end if;
    if p_error is null then
        delete from webhook_deliveries d where d.id = v_id;
    elsif p_wait is null then
        update webhook_deliveries d set
            attempts = d.attempts + 1, last_error = p_error, next_at = null, died_at = leasehold_now()
        where d.id = v_id;
    else
        update webhook_deliveries d set
            attempts = d.attempts + 1, last_error = p_error, next_at = leasehold_now() + p_wait
        where d.id = v_id;
        return true;
    end if;
    update webhook_progress p set seq = p_last where p.webhook_id = p_webhook and p.sale_id = p_sale;
    return true;
end
$$;
