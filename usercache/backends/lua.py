"""The Lua scripts; in a cluster, each call has one key, or keys of one slot.

The first byte of a value is its kind, as in `usercache.keys`. A fill lock is `L` and its token; a
write marker is `B` and its holders, oldest first, each a token and the millisecond at which it
expires. A writer's scripts succeed whatever the key holds, even another type (hence `pcall`).

They end by publishing their keys on the channel that is their last argument, if anybody listens
there: see Note [Changes by publish/subscribe] in `usercache/tracking/subscription.py`.
"""

from typing import Final

from usercache.backends.base import DEADLINE_DIGITS, MOST_HOLDERS, TOKEN_BYTES

# KEYS[1] record key. ARGV: fill lock, its milliseconds, the unreadable entry it may replace or "".
# Returns nil when the caller has the fill lock now, else what the key holds.
ACQUIRE_FILL_LOCK: Final = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[3] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""

# KEYS[1] record key. ARGV: fill lock, entry, its milliseconds. Returns 1 if the fill lock still
# stood.
FILL: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# Without the right to PUBSUB, nothing is published. With it and without PUBLISH, the script fails.
_PUBLISH: Final = """
local channel = ARGV[#ARGV]
local listeners = redis.pcall('PUBSUB', 'NUMSUB', channel)[2]
if listeners and tonumber(listeners) > 0 then
  for _, key in ipairs(KEYS) do redis.call('PUBLISH', channel, key) end
end
"""

_HOLDERS: Final = f"""
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local kept, last
local function keep(token, deadline)
  kept[#kept + 1] = token .. string.format('%0{DEADLINE_DIGITS}d', deadline)
  if deadline > last then last = deadline end
end
local function read_others(key)
  kept, last = {{}}, 0
  local held = redis.pcall('GET', key)
  if type(held) ~= 'string' or held:sub(1, 1) ~= 'B' then return end
  for at = 2, #held, {TOKEN_BYTES + DEADLINE_DIGITS} do
    local token = held:sub(at, at + {TOKEN_BYTES - 1})
    local digits = held:sub(at + {TOKEN_BYTES}, at + {TOKEN_BYTES + DEADLINE_DIGITS - 1})
    local deadline = tonumber(digits)
    if deadline and deadline > now and token ~= ARGV[1] then keep(token, deadline) end
  end
end
local function store(key)
  redis.call('SET', key, 'B' .. table.concat(kept), 'PX', last - now)
end
"""

# KEYS: record keys. ARGV: token, milliseconds, channel. The write marker replaces whatever the key
# holds. Set again, a token gets the new deadline.
SET_MARKERS: Final = (
    _HOLDERS
    + f"""
for _, key in ipairs(KEYS) do
  read_others(key)
  keep(ARGV[1], now + ARGV[2])
  while #kept > {MOST_HOLDERS} do
    local first = table.remove(kept, 1):sub({TOKEN_BYTES + 1})
    local second = kept[1]:sub({TOKEN_BYTES + 1})
    kept[1] = ('\\0'):rep({TOKEN_BYTES}) .. (first > second and first or second)
  end
  store(key)
end
"""
    + _PUBLISH
)

# KEYS: record keys. ARGV: token, channel. The last holder deletes the key, and so does one whose
# write marker was lost: what replaced it may be older than the write.
CLEAR_MARKERS: Final = (
    _HOLDERS
    + """
for _, key in ipairs(KEYS) do
  read_others(key)
  if last == 0 then redis.call('DEL', key) else store(key) end
end
"""
    + _PUBLISH
)

# KEYS: record keys. ARGV: channel. Write markers stay: their writers have not finished.
INVALIDATE: Final = (
    """
for _, key in ipairs(KEYS) do
  local held = redis.pcall('GET', key)
  if type(held) ~= 'string' or held:sub(1, 1) ~= 'B' then redis.call('DEL', key) end
end
"""
    + _PUBLISH
)
