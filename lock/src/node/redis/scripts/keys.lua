-- Shared: the keys beside a lease. A name with a hash tag of its own keeps it; any other name becomes
-- the tag, so that all keys of a resource are in one slot should the node be a cluster (but for names
-- with a '}' and no tag). The two prefixes differ so that 'x' and '{x}' do not share a key.
--
-- They are made here and not sent along: each argument costs a server a twentieth of a grant.

local function side_key(kind, name)
  local tag = string.match(name, '{(.-)}')
  if tag and tag ~= '' then return 'leasehold:' .. kind .. ':' .. name end
  return 'leasehold:' .. kind .. '-of:{' .. name .. '}'
end
