-- Passes a lease on, takes it or frees it, all in one step so that nobody comes in between.
--
-- KEYS[1]  the lease
-- ARGV[1]  its value, empty for none    ARGV[2]  the new value, empty to free it
-- ARGV[3]  ttl in ms
--
-- Returns  1  done
--          0  it has another value

if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
