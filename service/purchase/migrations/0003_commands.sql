-- What queued commands came to. Written with the write that they caused, or alone when nothing was to be
-- written: a command that is read again from the queue has a row here, and is not run again.
create table commands (
    id          uuid   primary key,
    sale_id     uuid   not null references sales (id),
    outcome     text   not null check
        (outcome in ('done', 'replayed', 'refused', 'key_reused', 'expired', 'failed')),
    -- The kind of the reply, and the reply; or the refusal.
    kind        text,
    body        text,
    answered_at bigint not null,
    check (outcome not in ('done', 'replayed') or (kind is not null and body is not null)),
    check (outcome <> 'refused' or body is not null)
);

-- Old rows are forgotten in the order of their writing, which is the order of their pages.
create index commands_by_age on commands using brin (answered_at);

-- Notes what commands came to. With a token it claims the fence first, which a write before it in the same
-- statement has done already.
create function write_commands(
    p_sale uuid, p_resource text, p_token bigint, p_holder text,
    a_ids uuid[], a_outcomes text[], a_kinds text[], a_bodies text[]
)
returns void
language plpgsql volatile
as $$
begin
    if p_token is not null then
        perform leasehold_claim(p_resource, p_token, p_holder);
    end if;
    insert into commands (id, sale_id, outcome, kind, body, answered_at)
    select a.id, p_sale, a.outcome, a.kind, a.body, leasehold_now()
    from unnest(a_ids, a_outcomes, a_kinds, a_bodies) as a (id, outcome, kind, body);
end
$$;
