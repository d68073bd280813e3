-- Shared: the requests that wait for a lease, longest first, each as "<client>/<holder>:<ttl>;" with
-- 16 and 32 hexadecimal digits and milliseconds, one of each client. A queue of 256 is full: who is
-- not in it only polls.
--
-- While somebody waits, the lease's value is the holder's and a '+'. So a holder may end its lease by
-- a plain compare-and-delete, which fails when it has to hand it over.

local WAITERS_MAX = 256
local WAITING_MS = 60000

-- The queue without this client, and its place.
local function take(queue, client)
  local from = string.find(queue, client .. '/', 1, true)
  if not from then return queue end
  local to = string.find(queue, ';', from, true) or #queue + 1
  return string.sub(queue, 1, from - 1) .. string.sub(queue, to + 1), string.sub(queue, from, to - 1)
end

-- The queue with this place at its end, or where the client has one already.
local function enter(queue, client, place)
  local from = string.find(queue, client .. '/', 1, true)
  if from then
    local to = string.find(queue, ';', from, true) or #queue + 1
    return string.sub(queue, 1, from - 1) .. place .. string.sub(queue, to)
  end
  local _, count = string.gsub(queue, ';', ';')
  if count >= WAITERS_MAX then return queue end
  return queue .. place .. ';'
end

local function keep(key, queue)
  if queue == '' then
    redis.call('DEL', key)
  else
    redis.call('SET', key, queue, 'PX', WAITING_MS)
  end
end

-- The queue without its first place, and that place, if any.
local function shift(queue)
  local place = string.match(queue, '^[^;]+')
  return place and string.sub(queue, #place + 2) or '', place
end

-- The client that is next, if any.
local function first(queue)
  return string.match(queue, '^(%x+)/')
end
