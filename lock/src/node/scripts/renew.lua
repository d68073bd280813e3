-- Lets a lease run anew on this node.
--
-- KEYS[1]  the lease    KEYS[2]  the fence
-- ARGV[1]  holder       ARGV[2]  ttl in ms       ARGV[3]  number       ARGV[4]  fence lifetime in ms
--
-- Returns  1  renewed
--          0  refused: the lease is not ours here, or its fence is not exactly our number and us
--
-- Atomic and exact: comparing the holder alone can succeed after a newer lease was granted
-- elsewhere. A missing key is never made again: that would resurrect a lease that was lost.

if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.pcall('GET', KEYS[2]) ~= ARGV[3] .. ':' .. ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
