-- Ends a lease on this node if it is ours, and hands it over to who is next. The fence stays: numbers
-- must go on growing.
--
-- KEYS[1]  the lease
-- ARGV[1]  holder
-- ARGV[2]  the client that is to have it before others if it waits, or ''
-- ARGV[3]  'check' from whoever loads this script (see guard.lua)
--
-- Returns  2  it was ours and is another's now, who was told
--          1  it was ours and is free now
--          0  it was not ours; a request of ours that waited does not wait any more
--
-- Atomic since between a comparison and a delete the lease could expire and be granted to another,
-- whose lease would then be deleted; and since the next holder must be asked for nothing: the lease
-- is theirs in the step in which it ceases to be ours. MGET: a key of another kind is not ours, and
-- no error.

local holder, next = ARGV[1], ARGV[2]

-- Nearly always: nobody waits, or there would be a '+' (see grant.lua).
if redis.call('MGET', KEYS[1])[1] == holder then
  redis.call('DEL', KEYS[1])
  return 1
end

--#include keys.lua

local seen = redis.call('MGET', lease, waiting_key, fence_key, MEMBER)
local ours = seen[1] and string.sub(seen[1], 1, 32) == holder and #seen[1] <= 33
local queue = seen[2] or ''
if queue == '' then
  if ours then redis.call('DEL', lease) end
  return ours and 1 or 0
end

--#include queue.lua

local from = string.find(queue, '/' .. holder .. ':', 1, true)
if from then
  queue = take(queue, string.sub(queue, from - 16, from - 1))
  keep(queue)
end
if not ours then return 0 end

--#include guard.lua

-- Only a node that votes hands over, and only where it is sure of the number after ours.
local member = member_of(seen[4], ARGV[3])
local bound, bound_to = split(seen[3])
local number = member and bound_to == holder
  and math.max(bound, tonumber(string.sub(member, 18, 33))) + 1
if not number or number > MAX then
  redis.call('DEL', lease)
  return 1
end

local bid = digits(number)
local place
if next ~= '' then queue, place = take(queue, next) end
while place or queue ~= '' do
  if not place then
    place, queue = string.sub(queue, 1, PLACE), string.sub(queue, PLACE + 1)
  end
  local heir, ttl = string.sub(place, 18, 49), tostring(tonumber(string.sub(place, 51, 58)) or 0)
  local value = queue == '' and heir or heir .. '+'
  -- Written before anybody is told: where memory is full the first write of a script fails, and an
  -- heir that was told would believe in a lease that is not there. Where even a delete fails (a full
  -- disk, no master any more) this one does, and nothing was done.
  local written = redis.pcall('SET', lease, value, 'PX', ttl)
  if written.err then
    redis.call('DEL', lease)
    return 1
  end
  -- One that died is skipped at once: nobody receives. In a cluster a server counts only its own
  -- listeners, while the others hear it too: there everybody counts as told.
  -- pcall: a user without the right to publish leaves waiters to their polling.
  local heard = redis.pcall('PUBLISH', 'leasehold:wake:' .. string.sub(place, 1, 16),
    heir .. ' ' .. bid .. ' ' .. (queue == '' and '-' or string.sub(queue, 1, 16)) .. ' ' .. lease)
  if type(heard) == 'number' and (heard > 0 or RUN == 'open') then
    if number > tonumber(string.sub(member, 1, 16))
      or tonumber(ttl) > tonumber(string.sub(member, 52, 67)) then
      --#include clock.lua
      --#include raise.lua
    end
    redis.call('SET', fence_key, bid .. ':' .. value, 'PX', fence_ms(ttl))
    keep(queue)
    return 2
  end
  place = nil
end
redis.call('DEL', lease, waiting_key)
return 1
