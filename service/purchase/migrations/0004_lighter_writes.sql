-- Which sale rows belong to is checked once a batch, not for each of its rows. A foreign key on them locks
-- and reads the sale's row for every single one, which was a third of what a batch cost.
--
-- It holds as before: every sale has a row in `batches` from its making on, whose key keeps the sale from
-- being deleted, and whoever writes has read the sale before.

-- While this waits, everybody waits behind it; and some readers lock in another order. So it gives way
-- first, and `migrate` tries again.
set local lock_timeout = '200ms';
lock table sales, events, claims, commands in access exclusive mode;
alter table events drop constraint if exists events_sale_id_fkey;
alter table claims drop constraint if exists claims_sale_id_fkey;
alter table commands drop constraint if exists commands_sale_id_fkey;
