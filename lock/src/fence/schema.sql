-- The newest claim of every protected resource.
create table if not exists leasehold_fence (
    resource text   primary key,
    token    bigint not null check (token > 0),
    -- Part of the rule: an equal token of another holder is refused.
    holder   text   not null check (holder <> '')
)
-- Every batch of writes updates its resource's row: room on the page keeps that update cheap.
with (fillfactor = 50);

-- Accepts a claim iff token > stored, or token = stored and holder = stored holder; raises what is
-- stored, and locks the row until the transaction ends. Returns the token.
--
-- Refuses with SQLSTATE LH001; both tokens are in the message, and in the detail as
-- "<given> <newest> <resource>" for programs.
create or replace function leasehold_claim(p_resource text, p_token bigint, p_holder text)
returns bigint
language plpgsql
-- Volatile: the read after a refusal must see what the claim was compared with.
volatile
as $$
declare
    v_newest bigint;
begin
    insert into leasehold_fence as f (resource, token, holder)
    values (p_resource, p_token, p_holder)
    on conflict (resource) do update
        set token = excluded.token, holder = excluded.holder
        where f.token < excluded.token or (f.token = excluded.token and f.holder = excluded.holder);
    if found then
        return p_token;
    end if;
    select token into v_newest from leasehold_fence where resource = p_resource;
    raise exception 'stale fencing token % for resource %: the newest is %', p_token, p_resource, v_newest
        using errcode = 'LH001',
              detail = format('%s %s %s', p_token, v_newest, p_resource),
              hint = 'another holder has claimed the resource; acquire the lease anew';
end
$$;
