//! The write without its protection, for tests that must see the violation which the fence
//! prevents. In no build without the feature `faults`.

/// As `write_batch`, but without the claim and without the check of the version: what a service
/// does that trusts its lease.
pub(super) const WRITE_BATCH: &str = "
with unused as (select $2::text, $4::text, $5::bigint, $8::integer, $9::integer, $10::integer),
moved as (
    update sales set sold = sold + $11::integer, version = version + cardinality($12::text[])
    where id = $1 returning version, version - cardinality($12::text[]) as before
),
batch as (
    insert into batches (sale_id, version, token, replica, events, units, written_at)
    select $1, version, $3::bigint, $6::text, cardinality($12::text[]), $11::integer, $7::bigint from moved
),
happened as (
    insert into events (sale_id, seq, at, kind, claim_id, buyer, quantity, total_minor, expires_at, payment_reference, terms)
    select $1, m.before + e.n, $7, e.kind, e.claim, e.buyer, e.quantity, e.total, e.expires, e.reference, e.terms::jsonb
    from moved m, unnest($12::text[], $13::uuid[], $14::text[], $15::integer[], $16::bigint[], $17::bigint[], $18::text[], $19::text[])
         with ordinality as e (kind, claim, buyer, quantity, total, expires, reference, terms, n)
),
claimed as (
    insert into claims (id, sale_id, buyer, quantity, refunded, status, expires_at, total_minor, payment_reference, seq, created_at)
    select u.id, $1, u.buyer, u.quantity, u.refunded, u.status, u.expires, u.total, u.reference, m.before + u.n, $7
    from moved m, unnest($20::uuid[], $21::text[], $22::integer[], $23::integer[], $24::text[], $25::bigint[], $26::bigint[], $27::text[])
         with ordinality as u (id, buyer, quantity, refunded, status, expires, total, reference, n)
)
insert into replies (scope, key, fingerprint, kind, body, created_at)
select $1, r.key, r.fingerprint, r.kind, r.body, $7
from unnest($28::text[], $29::bytea[], $30::text[], $31::text[]) as r (key, fingerprint, kind, body)";
