//! The write without its protection, for tests that must see the violation which the fence
//! prevents. In no build without the feature `faults`.

/// As `write_batch`, but without the claim and without the check of the version: what a service
/// does that trusts its lease.
pub(super) const WRITE_BATCH: &str = "
with unused as (select $2::text, $4::text, $5::bigint),
moved as (
    update sales set sold = sold + (select sum(q) from unnest($11::integer[]) q), version = version + 1
    where id = $1 returning version, unit_price_minor, currency
),
batch as (
    insert into batches (sale_id, version, token, replica, purchases, units)
    select $1, version, $3, $6, cardinality($7::uuid[]), (select sum(q) from unnest($11::integer[]) q) from moved
),
bought as (
    insert into purchases (id, sale_id, buyer, quantity, total_minor, currency, batch)
    select g.id, $1, g.buyer, g.quantity, g.quantity * m.unit_price_minor, m.currency, m.version
    from moved m, unnest($7::uuid[], $10::text[], $11::integer[]) as g (id, buyer, quantity)
)
insert into replies (scope, key, fingerprint, body)
select $1, g.key, g.fingerprint, g.body
from unnest($8::text[], $9::bytea[], $12::text[]) as g (key, fingerprint, body)";
