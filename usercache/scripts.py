"""The Lua that Redis runs for us; one key to each call, or keys of one slot, for clusters' sake.

Kinds and layouts are those of `usercache.keys`: a lease is `L` and its token; a barrier is `B`
and its holders, each a token and the millisecond at which that holder is given up. What a
writer does succeeds whatever lies under the key, be it of another type (hence `pcall`).
"""

from typing import Final

TOKEN_BYTES: Final = 8
DEADLINE_DIGITS: Final = 13
"""Milliseconds since 1970 have thirteen digits until the year 2286."""

# KEYS[1] record key. ARGV: lease, its milliseconds, the unreadable entry it may replace or "".
# Returns nil when the lease is now ours, else what the key holds.
TAKE_LEASE: Final = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[3] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""

# KEYS[1] record key. ARGV: lease, entry, its milliseconds. Returns 1 if the lease still stood.
FILL: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

_HOLDERS: Final = f"""
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' or held:sub(1, 1) ~= 'B' then held = nil end
local kept, last = {{}}, 0
local function keep(token, deadline)
  kept[#kept + 1] = token .. string.format('%0{DEADLINE_DIGITS}d', deadline)
  if deadline > last then last = deadline end
end
for at = 2, held and #held or 0, {TOKEN_BYTES + DEADLINE_DIGITS} do
  local token = held:sub(at, at + {TOKEN_BYTES - 1})
  local deadline = tonumber(held:sub(at + {TOKEN_BYTES}, at + {TOKEN_BYTES + DEADLINE_DIGITS - 1}))
  if deadline and deadline > now and token ~= ARGV[1] then keep(token, deadline) end
end
"""

_STORE_HOLDERS: Final = """
redis.call('SET', KEYS[1], 'B' .. table.concat(kept), 'PX', last - now)
"""

# KEYS[1] record key. ARGV: token, milliseconds. Whatever was there gives way to the barrier.
RAISE_BARRIER: Final = _HOLDERS + "keep(ARGV[1], now + ARGV[2])" + _STORE_HOLDERS

# KEYS[1] record key. ARGV: token. The last holder deletes the key, and so does one whose
# barrier was lost: what took its place may be older than the write.
LOWER_BARRIER: Final = (
    _HOLDERS + "if last == 0 then return redis.call('DEL', KEYS[1]) end" + _STORE_HOLDERS
)

# KEYS[1] record key. A barrier stays: its writers have not finished.
FORGET: Final = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:sub(1, 1) == 'B' then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS[1] the sender's last number, [2] the totals, then four for each slice: its minute, the
# ranking of that, its hour, the ranking of that. ARGV: the batch's number, the seconds to remember
# it for, how many users a minute's and an hour's ranking keep, and the slices as JSON.
# Returns 1 if the batch was added, 0 if it had been before. A ranking may grow to twice its size
# before the last half goes: whoever comes new would otherwise be the last each time.
ADD_FIGURES: Final = """
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
local function add(key, slice)
  for name, count in pairs(slice.counts) do redis.call('HINCRBY', key, name, count) end
  for name, value in pairs(slice.maxima) do
    if value > tonumber(redis.call('HGET', key, name) or 0) then
      redis.call('HSET', key, name, value)
    end
  end
end
local function rank(key, hits, kept)
  for user, count in pairs(hits) do redis.call('ZINCRBY', key, count, user) end
  if redis.call('ZCARD', key) > 2 * kept then
    redis.call('ZREMRANGEBYRANK', key, 0, -kept - 1)
  end
end
for number, slice in ipairs(cjson.decode(ARGV[5])) do
  add(KEYS[2], slice)
  for span = 1, 2 do
    local at, seconds = 4 * number + 2 * span - 3, slice.lives[span]
    if seconds > 0 then
      add(KEYS[at], slice)
      redis.call('EXPIRE', KEYS[at], seconds)
      rank(KEYS[at + 1], slice.hits, tonumber(ARGV[2 + span]))
      redis.call('EXPIRE', KEYS[at + 1], seconds)
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
