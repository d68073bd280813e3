-- The least that a release must do: compare and delete, with one look at the fence.
--
-- KEYS[1]  the lease    KEYS[2]  the fence
-- ARGV[1]  holder
--
-- Returns  1  it was ours and is free now
--          0  it was not ours

local found = redis.call('MGET', KEYS[1], KEYS[2])
if found[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
