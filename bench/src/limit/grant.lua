-- The least that a grant with a fencing number must do. A yardstick, not a protocol: it decides
-- nothing by what it reads.
--
-- KEYS[1]  the lease    KEYS[2]  the fence    KEYS[3]  the node's membership
-- ARGV[1]  holder       ARGV[2]  ttl in ms    ARGV[3]  new fence    ARGV[4]  fence lifetime in ms
--
-- Returns  1  granted
--          0  taken

if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('MGET', KEYS[2], KEYS[3])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1
