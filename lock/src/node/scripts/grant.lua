-- Grants a lease on this node if nobody has it here, and mints its number.
--
-- KEYS[1]  the lease: the resource's name, verbatim
-- KEYS[2]  the fence: "<number>:<holder>", the highest number bound here and to whom
-- ARGV[1]  holder
-- ARGV[2]  ttl in ms
-- ARGV[3]  hint: the smallest number to mint (the client's clock in us)
-- ARGV[4]  lifetime of the fence in ms
-- ARGV[5]  how far the hint may be ahead of this node's clock, in us
--
-- Returns  {1, number}          granted, or ours already
--          {0, pttl, fence}     held by another; pttl -1 without expiry, fence 0 if unknown
--          {-1, clock}          the hint is too far ahead of this node's clock
--
-- Atomic since the fence must rise in the same step in which the lease is taken: a number that is
-- minted apart from its grant can be older than the grant of the next holder.

-- A fence value that is not ours (a foreign key of that name) counts as none.
local function read_fence(value)
  if type(value) ~= 'string' then return 0, nil end
  local number, holder = string.match(value, '^(%d+):(%x*)$')
  return tonumber(number) or 0, holder
end

local taken = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
local fence, bound_to = read_fence(redis.pcall('GET', KEYS[2]))

if not taken then
  -- pcall: a lease of another kind (a hash of Redisson, say) is a foreign holder, not an error.
  if bound_to == ARGV[1] and redis.pcall('GET', KEYS[1]) == ARGV[1] then
    return {1, fence}
  end
  return {0, redis.call('PTTL', KEYS[1]), fence}
end

local hint = tonumber(ARGV[3])
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
if hint > fence + 1 and hint - clock > tonumber(ARGV[5]) then
  redis.call('DEL', KEYS[1])
  return {-1, clock}
end

local number = math.max(fence + 1, hint)
-- %.0f: Lua would print a number of this size in exponent form.
redis.call('SET', KEYS[2], string.format('%.0f:%s', number, ARGV[1]), 'PX', ARGV[4])
return {1, number}
