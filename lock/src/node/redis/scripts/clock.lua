-- Shared: this node's clock in microseconds since 1970.

local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
