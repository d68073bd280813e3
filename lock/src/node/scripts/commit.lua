-- Binds a number to its holder on this node, and lets the lease run anew.
--
-- KEYS[1]  the lease    KEYS[2]  the fence
-- ARGV[1]  holder       ARGV[2]  ttl in ms       ARGV[3]  number       ARGV[4]  fence lifetime in ms
--
-- Returns  1  bound
--          0  refused: the lease is not ours any more, or the fence is already higher
--
-- Atomic since a number may be bound only while the lease is ours: without that check two holders
-- can be given the same number.

if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end

local value = redis.pcall('GET', KEYS[2])
if type(value) == 'string' then
  local number, holder = string.match(value, '^(%d+):(%x*)$')
  number = tonumber(number) or 0
  local wanted = tonumber(ARGV[3])
  if number > wanted or (number == wanted and holder ~= ARGV[1]) then return 0 end
end

redis.call('SET', KEYS[2], ARGV[3] .. ':' .. ARGV[1], 'PX', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
