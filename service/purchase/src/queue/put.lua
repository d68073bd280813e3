-- Puts commands into a partition, all or none. What waits there already is not put again: who asked may not
-- have heard the answer.
-- KEYS: the stream, the highest place, the ids of what waits
-- ARGV: how many may wait, the place, the bell, the partition, then id and text of each command
local new = {}
for at = 5, #ARGV, 2 do
  if redis.call('SISMEMBER', KEYS[3], ARGV[at]) == 0 then
    new[#new + 1] = at
  end
end
if #new > 0 and redis.call('XLEN', KEYS[1]) + #new > tonumber(ARGV[1]) then
  return 0
end
local highest = redis.call('GET', KEYS[2])
if not highest or tonumber(ARGV[2]) > tonumber(highest) then
  redis.call('SET', KEYS[2], ARGV[2])
end
for _, at in ipairs(new) do
  redis.call('XADD', KEYS[1], '*', 'command', ARGV[at + 1])
  redis.call('SADD', KEYS[3], ARGV[at])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
