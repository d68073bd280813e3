-- How this node stands: whether it may vote, and if not, for how long it surely granted nothing.
--
-- Returns  {1, high, ttl_max}   it votes
--          {0, out_for, since}  it does not, since so many ms; `since` tells one outage from another
--
-- Since when this run is known to be outside is noted as "<ms> <run>". Atomic since the run, the record
-- and the time must be of one instant.
--
-- A process that never removed data and has no record never granted anything: then it is outside
-- since it was started. Where a command was run that can remove data, or statistics were reset, it
-- is outside since it was first seen so.

local info = redis.call('INFO', 'server')
local run = string.sub(string.match(info, 'run_id:(%x+)'), 1, 16)
local record = redis.call('MGET', MEMBER)[1]
if record and string.sub(record, 35, 50) == run then
  return {1, tonumber(string.sub(record, 1, 16)), tonumber(string.sub(record, 52, 67))}
end
if record then redis.call('DEL', MEMBER) end

--#include clock.lua
local now = math.floor(clock / 1000)
local since, since_run = string.match(redis.call('MGET', OUTSIDE)[1] or '', '^(%d+) (%x+)$')
since = tonumber(since)
if since_run ~= run or not since or since > now then
  since = now
  local stats = redis.call('INFO', 'commandstats')
  local touched = false
  for _, command in ipairs({
    'flushall', 'flushdb', 'swapdb', 'debug', 'replicaof', 'slaveof', 'failover', 'config|resetstat',
    'config:', 'script|flush', 'script:', 'restore', 'cluster', 'psync', 'sync:', 'migrate', 'move:',
    'rename', 'unlink',
  }) do
    if string.find(stats, 'cmdstat_' .. command, 1, true) then touched = true end
  end
  if not string.find(redis.call('INFO', 'stats'), 'evicted_keys:0\r', 1, true) then touched = true end
  if not touched then
    -- The uptime is a difference of whole seconds, so it may be a second too long.
    local uptime = math.max(tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) - 1, 0)
    since = now - uptime * 1000
  end
  redis.call('SET', OUTSIDE, string.format('%.0f %s', since, run))
end
return {0, now - since, since}
