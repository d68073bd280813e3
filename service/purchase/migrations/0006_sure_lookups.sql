-- Claims and replies are looked up one by one. While a sale is young, Postgres has not counted its rows, and
-- takes a condition on the sale for one that leaves few: it then read every claim of the sale for each
-- batch. "Is not distinct from" is a condition that no index serves, and "offset 0" keeps a lookup of
-- one key from becoming a join with all of them.
set local lock_timeout = '200ms';

create or replace function read_sale(
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
    loop
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
        next_expiry := null;
        claims := null;
        units_of := null;
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
            where c.id = any (p_claims || due || line) and c.sale_id is not distinct from p_sale;
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
        -- Nothing of this went between: a reservation that was given up meanwhile is neither due nor free.
        exit when held = 0 and waiting = 0 or version = (select s.version from sales s where s.id = p_sale);
    end loop;
    known_keys := '{}';
    known_fingerprints := '{}';
    known_kinds := '{}';
    known_bodies := '{}';
    if cardinality(p_keys) > 0 then
        select coalesce(array_agg(r.key), '{}'), coalesce(array_agg(r.fingerprint), '{}'),
               coalesce(array_agg(r.kind), '{}'), coalesce(array_agg(r.body), '{}')
        into known_keys, known_fingerprints, known_kinds, known_bodies
        from unnest(p_keys) as k (key) cross join lateral (
            select r.key, r.fingerprint, r.kind, r.body from replies r
            where r.scope = p_sale and r.key = k.key offset 0
        ) r;
    end if;
    return next;
end
$$;
