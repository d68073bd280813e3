-- Shared: notes `number` and `ttl` in the record `member`, ahead of time so that it is noted rarely.
--
-- A fence from `fresh` on is above the floor, and in the stretch of numbers that `high` is in: so it
-- was given its lifetime by a number of that stretch, and can keep it (see model/limits.rs).

local HIGH_STRIDE_US = 10000
local FENCE_STRETCH_US = 1000000000
if RUN ~= 'open' then
  local noted = tonumber(string.sub(member, 1, 16))
  local lowest = tonumber(string.sub(member, 18, 33))
  if number > noted then
    noted = math.min(math.max(number, clock) + HIGH_STRIDE_US, MAX)
    -- Further ahead than a forgotten number may be: the floor remembers it.
    if number - clock > HINT_AHEAD_MAX_US then lowest = noted end
  end
  local longest = math.max(tonumber(ttl), tonumber(string.sub(member, 52, 67)))
  local fresh = math.max(lowest + 1, noted - math.fmod(noted, FENCE_STRETCH_US))
  member = string.format('%016.0f %016.0f %s %016.0f %016.0f',
    noted, lowest, string.sub(member, 35, 50), longest, fresh)
  redis.call('SET', MEMBER, member)
end
