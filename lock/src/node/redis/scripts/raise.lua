-- Shared: notes `number` and `ttl` in the record `member`, ahead of time so that it is noted rarely.

local HIGH_STRIDE_US = 10000
if RUN ~= 'open' then
  local noted = tonumber(string.sub(member, 1, 16))
  local lowest = string.sub(member, 18, 33)
  if number > noted then
    noted = math.min(math.max(number, clock) + HIGH_STRIDE_US, MAX)
    -- Further ahead than a forgotten number may be: the floor remembers it.
    if number - clock > HINT_AHEAD_MAX_US then lowest = digits(noted) end
  end
  local longest = string.sub(member, 52)
  if tonumber(ttl) > tonumber(longest) then longest = ttl end
  redis.call('SET', MEMBER, digits(noted) .. ' ' .. lowest .. string.sub(member, 34, 51) .. longest)
end
