-- Frees a lease on this node if it is ours, and wakes who waits for it. The fence stays: numbers
-- must go on growing.
--
-- KEYS[1]  the lease
-- ARGV[1]  holder
--
-- Returns  2  it was ours and is free now, and a client was told
--          1  it was ours and is free now
--          0  it was not ours
--
-- Atomic since between a comparison and a delete the lease could expire and be granted to another,
-- whose lease would then be deleted. MGET: a key of another kind is not ours, and no error.

--#include keys.lua

local waiting_key = side_key('waiting', KEYS[1])
local seen = redis.call('MGET', KEYS[1], waiting_key)
if not seen[1] or string.sub(seen[1], 1, 32) ~= ARGV[1] or #seen[1] > 33 then return 0 end
redis.call('DEL', KEYS[1])
if not seen[2] then return 1 end

--#include waiting.lua

if wake(waiting_key, seen[2], KEYS[1]) then return 2 end
return 1
