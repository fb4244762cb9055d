-- What the queue does inside Redis. Each named part is one script, run after `common`; a script is one atomic step, and
-- with `appendfsync always` its answer leaves after the fsync.
--
--   blocks     stream  one entry per block: ingester, seq, count, block (the encoded bytes)
--   index      stream  the same ids, for blocks that are not acknowledged: ingester, seq, count, size. The books, the
--                      depth and the choice of what fits into a batch read it, since they need no payload
--   ingesters  hash    ingester -> "next_seq events queued touched" (blocks that wait; milliseconds since 1970)
--   totals     hash    blocks and events that wait, bytes that the stream holds
--   held       hash    id -> size of blocks that are acknowledged, but that another group of the stream still needs
--   returned   stream  one entry, replaced when blocks are given back; it wakes waiting consumers
--
-- Blocks that are given back, or left by a consumer that is gone, belong to the consumer GIVEN_BACK until they are taken.

-- name: common
local blocks, index, ingesters, totals, held, returned = unpack(KEYS)
local GROUP, GIVEN_BACK = 'tallystick', '(given back)'
local OLD_GROUP = 'runnel'  -- what the group was called when the project was
local PAGE = 64
local MOST = 4000  -- ids in one command: Lua cannot unpack many more

local function named(flat)
  local values = {}
  for i = 1, #flat, 2 do values[flat[i]] = flat[i + 1] end
  return values
end

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Move what the group under its old name has delivered, and is not acknowledged, to the new group, and remove the old
-- one: as long as a second group has not finished with an entry, the entry stays in the stream.
local function rename_group(last_delivered)
  redis.call('XGROUP', 'CREATE', blocks, GROUP, last_delivered)
  local start, page = '-', nil
  repeat
    page = redis.call('XPENDING', blocks, OLD_GROUP, start, '+', MOST)
    local command = {'XCLAIM', blocks, GROUP, GIVEN_BACK, 0}
    for _, entry in ipairs(page) do
      command[#command + 1] = entry[1]
      start = '(' .. entry[1]
    end
    command[#command + 1] = 'FORCE'
    command[#command + 1] = 'JUSTID'
    if #page > 0 then redis.call(unpack(command)) end
  until #page < MOST
  redis.call('XGROUP', 'DESTROY', blocks, OLD_GROUP)
end

-- The stream's groups by name, and their number. Ours is made when it is missing.
local function groups()
  local found, number = {}, 0
  local list = redis.pcall('XINFO', 'GROUPS', blocks)
  if not list.err then
    for _, flat in ipairs(list) do
      local group = named(flat)
      found[group.name] = group
      number = number + 1
    end
  end
  if not found[GROUP] and found[OLD_GROUP] then
    rename_group(found[OLD_GROUP]['last-delivered-id'])
    found[GROUP], found[OLD_GROUP] = found[OLD_GROUP], nil
  elseif not found[GROUP] then
    redis.call('XGROUP', 'CREATE', blocks, GROUP, '0', 'MKSTREAM')
    found[GROUP] = {['last-delivered-id'] = '0-0'}
    number = number + 1
  end
  return found, number
end

local function about(id)
  local entry = redis.call('XRANGE', index, id, id)[1]
  return entry and named(entry[2])
end

local function known(name)
  local text = redis.call('HGET', ingesters, name)
  if not text then return nil end
  local next_seq, events, queued, touched = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')
  return {next_seq = tonumber(next_seq), events = tonumber(events), queued = tonumber(queued),
          touched = tonumber(touched)}
end

local function remember(name, entry)
  redis.call('HSET', ingesters, name, string.format('%.0f %.0f %.0f %.0f',
    entry.next_seq, entry.events, entry.queued, entry.touched))
end

local function forget(ids, events)
  redis.call('XDEL', index, unpack(ids))
  redis.call('HINCRBY', totals, 'blocks', -#ids)
  redis.call('HINCRBY', totals, 'events', -events)
end

-- Account for an entry that is gone without an acknowledgement. Its ingester is never retired, so the books keep
-- showing the loss.
local function lose(id, gone)
  redis.call('XACK', blocks, GROUP, id)
  local block = about(id)
  if block then
    forget({id}, tonumber(block.count))
    redis.call('HINCRBY', totals, 'bytes', -tonumber(block.size))
    gone[#gone + 1] = {id, block.ingester .. '-' .. block.seq, tonumber(block.count)}
  else
    gone[#gone + 1] = {id, '', 0}
  end
end

local function lose_missing(ids, entries, gone)
  local got = {}
  for _, entry in ipairs(entries) do got[type(entry) == 'table' and entry[1] or entry] = true end
  for _, id in ipairs(ids) do
    if not got[id] and #redis.call('XRANGE', blocks, id, id) == 0 then lose(id, gone) end
  end
end

local function claim(consumer, ids, gone, ...)
  if #ids == 0 then return {} end
  local command = {'XCLAIM', blocks, GROUP, consumer, 0}
  for _, id in ipairs(ids) do command[#command + 1] = id end
  for _, option in ipairs({...}) do command[#command + 1] = option end
  local entries = redis.call(unpack(command))
  lose_missing(ids, entries, gone)
  return entries
end

local function pending(consumer, start, most)
  local ids = {}
  local list = redis.call('XPENDING', blocks, GROUP, start, '+', most, consumer)
  for _, entry in ipairs(list) do ids[#ids + 1] = entry[1] end
  return ids
end

local function last(stream)
  local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end

local function wake()
  redis.call('XADD', returned, 'MAXLEN', 1, '*', 'returned', 1)
end

-- name: publish
-- ARGV: budget in bytes; for each block ingester, seq, count, encoded bytes. Returns 1, or 0 when they do not fit.
local bytes, events = 0, 0
for i = 2, #ARGV, 4 do bytes = bytes + #ARGV[i + 3] end
if tonumber(redis.call('HGET', totals, 'bytes') or 0) + bytes > tonumber(ARGV[1]) then return 0 end
local time = now()
for i = 2, #ARGV, 4 do
  local name, seq, count, block = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local id = redis.call('XADD', blocks, '*', 'ingester', name, 'seq', seq, 'count', count, 'block', block)
  redis.call('XADD', index, id, 'ingester', name, 'seq', seq, 'count', count, 'size', #block)
  local before = known(name) or {events = 0, queued = 0}
  remember(name, {next_seq = tonumber(seq) + 1, events = before.events + tonumber(count),
                  queued = before.queued + 1, touched = time})
  events = events + tonumber(count)
end
redis.call('HINCRBY', totals, 'blocks', (#ARGV - 1) / 4)
redis.call('HINCRBY', totals, 'events', events)
redis.call('HINCRBY', totals, 'bytes', bytes)
return 1

-- name: take
-- ARGV: consumer, most events, most bytes, most blocks, least blocks. The oldest waiting blocks, those given back first;
-- the least (0 or 1) also when it is too large. Returns the entries, what is gone, whether more wait that do not fit,
-- and the ids after which new entries of index and returned come.
local me, most_events, most_bytes, most_blocks = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local least_blocks = tonumber(ARGV[5])
local events, bytes, number, gone, entries = 0, 0, 0, {}, {}

local function fits(block)
  events = events + tonumber(block.count)
  bytes = bytes + tonumber(block.size)
  number = number + 1
  return number <= least_blocks or (events <= most_events and bytes <= most_bytes and number <= most_blocks)
end

local found = groups()
local ids, full = {}, false
for _, id in ipairs(pending(GIVEN_BACK, '-', most_blocks)) do
  full = not fits(about(id) or {count = 0, size = 0})
  if full then break end
  ids[#ids + 1] = id
end
for _, entry in ipairs(claim(me, ids, gone)) do entries[#entries + 1] = entry end

if not full then
  local fresh = {}
  local after, page = found[GROUP]['last-delivered-id'], nil
  repeat
    page = redis.call('XRANGE', index, '(' .. after, '+', 'COUNT', PAGE)
    for _, entry in ipairs(page) do
      full = full or not fits(named(entry[2]))
      if full then break end
      after = entry[1]
      fresh[#fresh + 1] = after
    end
  until full or #page < PAGE
  if #fresh > 0 then
    local read = redis.call('XREADGROUP', 'GROUP', GROUP, me, 'COUNT', #fresh, 'STREAMS', blocks, '>')
    local got = read and read[1][2] or {}
    for _, entry in ipairs(got) do entries[#entries + 1] = entry end
    lose_missing(fresh, got, gone)
  end
end

return {entries, gone, full and 1 or 0, last(index), last(returned)}

-- name: acknowledge
-- ARGV: ids, 4000 at most. An entry is deleted at once when this is the stream's only group, else by `keep` when the
-- other groups have finished with it.
local _, number = groups()
redis.call('XACK', blocks, GROUP, unpack(ARGV))
local waiting, events, bytes, by_ingester = {}, 0, 0, {}
for _, id in ipairs(ARGV) do
  local block = about(id)
  if block then
    waiting[#waiting + 1] = id
    events = events + tonumber(block.count)
    bytes = bytes + tonumber(block.size)
    by_ingester[block.ingester] = (by_ingester[block.ingester] or 0) + 1
    if number > 1 then redis.call('HSET', held, id, block.size) end
  end
end
if #waiting == 0 then return {} end
forget(waiting, events)
if number == 1 then
  redis.call('XDEL', blocks, unpack(waiting))
  redis.call('HINCRBY', totals, 'bytes', -bytes)
end
for name, done in pairs(by_ingester) do
  local ingester = known(name)
  if ingester then
    ingester.queued = math.max(0, ingester.queued - done)
    remember(name, ingester)
  end
end
return {}

-- name: give_back
-- ARGV: consumer, ids. Those that still belong to this consumer wait again. Returns what is gone.
local mine, gone = {}, {}
groups()
for i = 2, #ARGV do
  if #redis.call('XPENDING', blocks, GROUP, ARGV[i], ARGV[i], 1, ARGV[1]) == 1 then mine[#mine + 1] = ARGV[i] end
end
claim(GIVEN_BACK, mine, gone, 'JUSTID')
if #mine > 0 then wake() end
return gone

-- name: keep
-- ARGV: consumer, milliseconds until takeover, ids that it has. Their idle time is reset. Its other entries wait again (the
-- answer that delivered them was lost), as do entries that any consumer left idle for too long; consumers that are gone
-- for good are removed. Returns how many blocks of others wait again, what is gone, and the removed consumers.
local me, takeover = ARGV[1], tonumber(ARGV[2])
local in_hand, gone, removed, unknown = {}, {}, {}, 0
for i = 3, #ARGV do in_hand[ARGV[i]] = true end
local found = groups()

local start = '-'
repeat
  local page, lists = pending(me, start, MOST), {[true] = {}, [false] = {}}
  for _, id in ipairs(page) do
    local list = lists[in_hand[id] == true]
    list[#list + 1] = id
    start = '(' .. id
  end
  claim(me, lists[true], gone, 'JUSTID')
  claim(GIVEN_BACK, lists[false], gone, 'JUSTID')
  unknown = unknown + #lists[false]
until #page < MOST

local function given_back_blocks()
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', blocks, GROUP)) do
    local consumer = named(flat)
    if consumer.name == GIVEN_BACK then return consumer.pending end
  end
  return 0
end

local before, cursor = given_back_blocks(), '0-0'
repeat
  local answer = redis.call('XAUTOCLAIM', blocks, GROUP, GIVEN_BACK, takeover, cursor, 'COUNT', 1000, 'JUSTID')
  cursor = answer[1]
  for _, id in ipairs(answer[3]) do lose(id, gone) end
until cursor == '0-0'
local moved = math.max(0, given_back_blocks() - before)
if moved + unknown > 0 then wake() end

for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', blocks, GROUP)) do
  local consumer = named(flat)
  local other = consumer.name ~= me and consumer.name ~= GIVEN_BACK
  if other and consumer.pending == 0 and consumer.idle > 10 * takeover then
    redis.call('XGROUP', 'DELCONSUMER', blocks, GROUP, consumer.name)
    removed[#removed + 1] = consumer.name
  end
end

local function parts(id)
  local milliseconds, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(milliseconds), tonumber(number)
end

local function before_or_same(a, b)
  local a_time, a_number = parts(a)
  local b_time, b_number = parts(b)
  return a_time < b_time or (a_time == b_time and a_number <= b_number)
end

local function done_with(group, id)
  if group.pending == 0 then return before_or_same(id, group['last-delivered-id']) end
  return not before_or_same(redis.call('XPENDING', blocks, group.name)[2], id)
end

if redis.call('HLEN', held) > 0 then
  for id, size in pairs(named(redis.call('HGETALL', held))) do
    local done = true
    for name, group in pairs(found) do done = done and (name == GROUP or done_with(group, id)) end
    if done then
      redis.call('XDEL', blocks, id)
      redis.call('HDEL', held, id)
      redis.call('HINCRBY', totals, 'bytes', -tonumber(size))
    end
  end
end
return {moved, gone, removed}

-- name: leave
-- ARGV: consumer. Its blocks wait again, and it is removed. Returns what is gone.
local gone, any = {}, false
groups()
repeat
  local ids = pending(ARGV[1], '-', MOST)
  claim(GIVEN_BACK, ids, gone, 'JUSTID')
  any = any or #ids > 0
until #ids == 0
redis.call('XGROUP', 'DELCONSUMER', blocks, GROUP, ARGV[1])
if any then wake() end
return gone

-- name: touch
-- ARGV: ingester. Its process is alive although it has published nothing for long: it must not be retired.
local entry = known(ARGV[1])
if entry then
  entry.touched = now()
  remember(ARGV[1], entry)
end
return 1

-- name: retire
-- ARGV: milliseconds. Retire ingesters that were silent for longer and have nothing queued: the books then have them
-- from the ledger alone.
local oldest, retired = now() - tonumber(ARGV[1]), 0
for name, _ in pairs(named(redis.call('HGETALL', ingesters))) do
  local entry = known(name)
  if entry and entry.queued == 0 and entry.touched < oldest then
    redis.call('HDEL', ingesters, name)
    retired = retired + 1
  end
end
return retired

-- name: depth
-- Returns blocks, events, bytes, and the oldest block's age in milliseconds (-1: none waits).
local counted = redis.call('HMGET', totals, 'blocks', 'events', 'bytes')
local oldest, age = redis.call('XRANGE', index, '-', '+', 'COUNT', 1)[1], -1
if oldest then age = math.max(0, now() - tonumber(string.match(oldest[1], '^%d+'))) end
return {tonumber(counted[1] or 0), tonumber(counted[2] or 0), tonumber(counted[3] or 0), age}

-- name: books
-- Returns all of ingesters, and the last id of index at that moment.
return {redis.call('HGETALL', ingesters), last(index)}
