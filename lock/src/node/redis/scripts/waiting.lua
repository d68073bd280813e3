-- Shared: the clients that wait for a lease, longest first, as 16 hexadecimal digits and a blank
-- each. A list of 256 is full: who is not on it only polls.
--
-- While somebody waits, the lease's value is the holder's and a '+'. So a holder may free its lease
-- by a plain compare-and-delete, which fails when it has to wake somebody.

local WAITING_BYTES_MAX = 256 * 17
local WAITING_MS = 60000

local function enlist(key, client)
  local waiting = redis.call('MGET', key)[1] or ''
  if not string.find(waiting, client, 1, true) and #waiting < WAITING_BYTES_MAX then
    waiting = waiting .. client .. ' '
  end
  redis.call('SET', key, waiting, 'PX', WAITING_MS)
end

-- Marks a lease as wanted if it is one of ours: a foreign holder's value is never touched.
local function mark(lease, value, fence)
  if value and #value == 32 and fence and string.sub(fence, 18) == value then
    redis.call('SET', lease, value .. '+', 'KEEPTTL')
  end
end

-- Tells the first client that still listens. One that died is skipped at once: nobody receives. In a
-- cluster a server counts only its own listeners, while the others hear it too: there the first
-- client counts as told, and the rest is left to polling.
local function wake(key, waiting, resource)
  while #waiting > 0 do
    local client = string.sub(waiting, 1, 16)
    waiting = string.sub(waiting, 18)
    -- pcall: a user without the right to publish leaves waiters to their polling.
    local heard = redis.pcall('PUBLISH', 'leasehold:wake:' .. client, resource)
    if type(heard) == 'number' and (heard > 0 or RUN == 'open') then
      if #waiting > 0 then
        redis.call('SET', key, waiting, 'PX', WAITING_MS)
      else
        redis.call('DEL', key)
      end
      return true
    end
  end
  redis.call('DEL', key)
  return false
end
