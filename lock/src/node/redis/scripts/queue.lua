-- Shared: the requests that wait for a lease, longest first, one of each client. Each takes a place of
-- 59 bytes, "<client>/<holder>:<ttl>;": 16 and 32 hexadecimal digits, and milliseconds with 8 digits.
-- A queue of 256 places is full: who is not in it only polls.
--
-- While somebody waits, there is a '+' behind the lease's value and behind the fence, if there is one.
-- So a holder may end its lease by a plain compare-and-delete, which fails when it has to hand it over;
-- and a grant need not look for a queue. Whoever writes one of the two keeps the mark. It may outlive
-- the queue: the next grant takes it away.

local PLACE = 59
local QUEUE_MAX = 256 * PLACE
local WAITING_MS = 60000

-- The queue without this client, and the client's place.
local function take(queue, client)
  local from = string.find(queue, client .. '/', 1, true)
  if not from then return queue end
  local rest = string.sub(queue, 1, from - 1) .. string.sub(queue, from + PLACE)
  return rest, string.sub(queue, from, from + PLACE - 1)
end

local function keep(queue)
  if queue == '' then
    redis.call('DEL', waiting_key)
  else
    redis.call('SET', waiting_key, queue, 'PX', WAITING_MS)
  end
end
