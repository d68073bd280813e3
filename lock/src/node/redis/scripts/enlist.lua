-- Notes a client that waits for a lease, without trying to get it.
--
-- KEYS[1]  the lease
-- ARGV[1]  the client
--
-- Returns  1
--
-- Atomic since two clients that wrote the list at once would lose one of them.

--#include keys.lua
--#include waiting.lua

enlist(side_key('waiting', KEYS[1]), ARGV[1])
local seen = redis.call('MGET', KEYS[1], side_key('fence', KEYS[1]))
mark(KEYS[1], seen[1], seen[2])
return 1
