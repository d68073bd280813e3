-- Lets this node vote, if it has been outside for long enough.
--
-- ARGV[1]  floor: numbers are minted above it, 16 digits
-- ARGV[2]  the longest ttl that this node may have granted, in ms
-- ARGV[3]  how long it must have been outside, in ms
-- ARGV[4]  since when it is outside, as stand.lua said
--
-- Returns  {1}            it votes
--          {0, out_for, since}   not yet, or this is another outage
--
-- Atomic since the process must not be another one between the check and the record.

local run = string.sub(string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'), 1, 16)
local record = redis.call('MGET', MEMBER)[1]
if record and string.sub(record, 35, 50) == run then return {1} end

--#include clock.lua
local now = math.floor(clock / 1000)
local since, since_run = string.match(redis.call('MGET', OUTSIDE)[1] or '', '^(%d+) (%x+)$')
if since_run ~= run then return {0, 0, 0} end
local out_for = math.max(now - tonumber(since), 0)
-- What was decided for an earlier outage knows nothing of what came after it.
if since ~= ARGV[4] or out_for < tonumber(ARGV[3]) then return {0, out_for, tonumber(since)} end

local record = string.format('%s %s %s %016.0f %016.0f', ARGV[1], ARGV[1], run, ARGV[2], ARGV[1] + 1)
redis.call('SET', MEMBER, record)
redis.call('DEL', OUTSIDE)
return {1}
