-- Lets a lease run anew on this node.
--
-- KEYS[1]  the lease
-- ARGV[1]  "<number>:<holder>", 16 digits       ARGV[2]  ttl in ms
-- ARGV[3]  'check' from whoever loads this script (see guard.lua)
--
-- Returns  1  renewed
--          0  refused: the lease is not ours here, or its fence is not exactly our number and us
--         -1  this node may not vote
--
-- Atomic and exact: comparing the holder alone can succeed after a newer lease was granted
-- elsewhere. A missing key is never made again: that would resurrect a lease that was lost.

--#include keys.lua
--#include guard.lua

local seen = redis.call('MGET', KEYS[1], fence_key, MEMBER)
local member = member_of(seen[3], ARGV[3])
if not member then return -1 end
local value, fence = seen[1] or '', seen[2] or ''
if string.sub(fence, 1, 49) ~= ARGV[1] or string.sub(value, 1, 32) ~= string.sub(ARGV[1], 18) then
  return 0
end
-- Who resumed it may give it longer than who was granted it, and a node that forgets stays out for as
-- long as any lease may last.
if RUN ~= 'open' and tonumber(ARGV[2]) > tonumber(string.sub(member, 52, 67)) then
  local number, ttl = tonumber(string.sub(ARGV[1], 1, 16)), ARGV[2]
  --#include clock.lua
  --#include raise.lua
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', fence_key, fence_ms(ARGV[2]))
return 1
