-- Says what this node has of a resource, and changes nothing.
--
-- KEYS[1]  the lease
--
-- Returns  {pttl, value, fence}: pttl -2 without a key and -1 without expiry; '' for a text that is not
--          there. A key of another kind is there and has no value.
--
-- A script since the keys' names are made in Lua, and since the three belong together. MGET: a key of
-- another kind is a foreign holder, and no error.

--#include keys.lua

local seen = redis.call('MGET', lease, fence_key)
return { redis.call('PTTL', lease), seen[1] or '', seen[2] or '' }
