-- Binds a number to its holder on this node, and lets the lease run anew.
--
-- KEYS[1]  the lease
-- ARGV[1]  "<number>:<holder>", 16 digits       ARGV[2]  ttl in ms
-- ARGV[3]  'check' from whoever loads this script (see guard.lua)
--
-- Returns  1  bound
--          0  refused: the lease is not ours any more, or the fence is already higher
--         -1  this node may not vote
--
-- Atomic since a number may be bound only while the lease is ours: without that check two holders
-- can be given the same number.

--#include keys.lua
--#include guard.lua

local seen = redis.call('MGET', KEYS[1], fence_key, MEMBER)
local member = member_of(seen[3], ARGV[3])
if not member then return -1 end
local wanted, holder = split(ARGV[1])
if not seen[1] or string.sub(seen[1], 1, 32) ~= holder then return 0 end

local bound, bound_to = split(seen[2])
bound = bound or 0
if bound > wanted or (bound == wanted and bound_to ~= holder) then return 0 end

if wanted > tonumber(string.sub(member, 1, 16)) then
  local number, ttl = wanted, ARGV[2]
  --#include clock.lua
  --#include raise.lua
end
-- The mark of those who wait stays.
local is_marked = #seen[1] > 32 or seen[2] and #seen[2] > #ARGV[1]
redis.call('SET', fence_key, ARGV[1] .. (is_marked and '+' or ''), 'PX', fence_ms(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
