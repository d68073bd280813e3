-- Grants a lease on this node if nobody has it here, and mints its number.
--
-- KEYS[1]  the lease: the resource's name, verbatim
-- ARGV[1]  "<hint>:<holder>": the smallest number to mint (the client's clock in us, 16 digits)
-- ttl      in ms
-- waiter   the client for whom a held lease is waited for, or '' or nothing
-- mode     'check' from whoever loads this script (see guard.lua)
--
-- Nearly all leases of a client have one ttl and no hash tag in their names. For those the text
-- begins with the ttl, since each argument costs a server a fortieth of a grant. For all others it is
-- an argument. The member record of a run that has noted this ttl or a longer one is between
-- NOTED_MIN and NOTED_MAX from its third field on.
--
-- Returns  1                   granted with the hint as number
--          n                   granted with number n, or ours already
--          {3, n, client}      the same, and this client is next
--          {0, pttl, fence, holder}  held by another; pttl -1 without expiry, fence 0 if unknown, and
--                              whom it is bound to
--          {1, clock}          the hint is too far ahead of this node's clock
--          {2}                 this node may not vote
--
-- The fence is "<number>:<holder>", the highest number bound here and to whom, and a '+' while
-- somebody waits. Atomic since it must rise in the same step in which the lease is taken: a number
-- that is minted apart from its grant can be older than the grant of the next holder.

--#include keys.lua

local bid, call = ARGV[1], redis.call
local seen = call('MGET', fence_key, MEMBER)
local fence, member = seen[1], seen[2]

-- Nearly always: nobody waits, the hint is above all that is known here, and within what is noted.
-- Three calls, and texts compared as they are: this path decides how many leases a server can grant. A
-- fence without a mark is as long as our own. One that keeps its lifetime is overwritten in place,
-- which is half the work of a new value.
if fence and member and #fence == #bid and mode ~= 'check' then
  local hint, noted, fresh = bid:sub(1, 16), member:sub(35, 67), member:sub(69)
  if fence < hint and hint < member and fresh < hint and NOTED_MIN <= noted and noted <= NOTED_MAX then
    if call('SET', lease, bid:sub(18), 'NX', 'PX', ttl) then
      if fresh < fence and #ttl <= 6 then
        call('SETRANGE', fence_key, '0', bid)
      else
        call('SET', fence_key, bid, 'PX', #ttl <= 6 and '7200000' or '93600000')
      end
      return 1
    end
  end
end

--#include guard.lua
--#include queue.lua

local HINT_LAG_MAX_US = 2400000000

member = member_of(member, mode)
if not member then return {2} end

-- A fence value that is not ours (a foreign key of that name) counts as none.
local bound, bound_to = split(fence)
local holder, client = string.sub(bid, 18), waiter or ''

-- The number, and who is next.
local function granted(number, queue)
  if queue == '' then return number end
  return {3, number, string.sub(queue, 1, 16)}
end

waiting_key = waiting_key or 'leasehold:waiting-of:{' .. lease .. '}'
local is_marked = not fence or #fence ~= #bid
local queue = is_marked and redis.call('MGET', waiting_key)[1] or ''
local others, place = queue, nil
if client ~= '' then others, place = take(queue, client) end
local left = redis.call('PTTL', lease)
if left ~= -2 then
  -- Looked at only where it matters: it is marked as wanted while somebody waits. MGET: a lease of
  -- another kind (a hash of Redisson, say) is a foreign holder, not an error.
  local value = (bound_to == holder or queue == '') and redis.call('MGET', lease)[1]
  if value and bound_to == holder and string.sub(value, 1, 32) == holder then
    return granted(bound, queue)
  end
  if client ~= '' and (place or #queue < QUEUE_MAX) then
    local own = client .. '/' .. holder .. ':' .. string.format('%08d', ttl) .. ';'
    if place then
      -- Its newest request takes the place of the one before.
      local from = string.find(queue, place, 1, true)
      queue = string.sub(queue, 1, from - 1) .. own .. string.sub(queue, from + PLACE)
    else
      queue = queue .. own
    end
    keep(queue)
    if not is_marked then redis.call('SETRANGE', fence_key, '49', '+') end
    -- A foreign holder's value is never touched.
    if value and #value == 32 and value == bound_to then
      redis.call('SETRANGE', lease, '32', '+')
    end
  end
  return {0, left, bound or 0, bound_to or ''}
end
local plus = others == '' and '' or '+'
redis.call('SET', lease, holder .. plus, 'PX', ttl)

local high = tonumber(string.sub(member, 1, 16))
local floor = tonumber(string.sub(member, 18, 33))
local hint = tonumber(string.sub(bid, 1, 16))
--#include clock.lua
local above = floor
if bound then
  above = math.max(bound, floor)
elseif clock - hint >= HINT_LAG_MAX_US then
  above = high
end

local number = math.min(math.max(hint, above + 1), MAX)
if number > high or tonumber(ttl) > tonumber(string.sub(member, 52, 67)) then
  if hint > above + 1 and hint - clock > HINT_AHEAD_MAX_US then
    redis.call('DEL', lease)
    return {1, clock}
  end
  --#include raise.lua
end
redis.call('SET', fence_key, digits(number) .. ':' .. holder .. plus, 'PX', fence_ms(ttl))
if others ~= queue then keep(others) end
return granted(number, others)
