-- Frees a lease on this node if it is ours. The fence stays: numbers must go on growing.
--
-- KEYS[1]  the lease
-- ARGV[1]  holder
--
-- Returns  1  it was ours and is free now
--          0  it was not ours
--
-- Atomic since between a comparison and a delete the lease could expire and be granted to another,
-- whose lease would then be deleted.

if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
