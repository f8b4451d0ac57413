-- What Lua programs do much of: calls, tables, strings, closures, methods, floats. Prints results only, so that every
-- engine's output can be compared with the native one's.

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

local function primes_below(limit)
  local composite, count = {}, 0
  for i = 2, limit - 1 do
    if not composite[i] then
      count = count + 1
      for j = i * i, limit - 1, i do composite[j] = true end
    end
  end
  return count
end

local function text_round_trip(count)
  local parts, sum = {}, 0
  for i = 1, count do parts[#parts + 1] = string.format("%d:%s", i, tostring(i * 0.5)) end
  local text = table.concat(parts, ",")
  for key, value in text:gmatch("(%d+):([%d%.]+)") do sum = sum + tonumber(key) + tonumber(value) end
  return #text, sum
end

local function sorted_records(count)
  local records, seed = {}, 42
  for i = 1, count do
    seed = (seed * 1103515245 + 12345) % 2147483648
    records[i] = { key = seed, name = "record " .. i }
  end
  table.sort(records, function(a, b) return a.key < b.key end)
  return records[1].name, records[count].name
end

local Account = {}
Account.__index = Account
function Account.new() return setmetatable({ balance = 0, count = 0 }, Account) end
function Account:deposit(amount)
  self.balance = self.balance + amount
  self.count = self.count + 1
end

local function methods(rounds)
  local account = Account.new()
  for i = 1, rounds do account:deposit(i % 7) end
  return account.balance, account.count
end

local function spectral_norm(n)
  local function entry(i, j) return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1) end
  local u = {}
  for i = 0, n - 1 do u[i] = 1.0 end
  local norm = 0
  for _ = 1, 3 do
    local v = {}
    for i = 0, n - 1 do
      local sum = 0
      for j = 0, n - 1 do sum = sum + entry(i, j) * u[j] end
      v[i] = sum
    end
    norm = v[0]
    u = v
  end
  return string.format("%.9f", norm)
end

print("fib", fib(26))
print("primes", primes_below(150000))
print("text", text_round_trip(4000))
print("sort", sorted_records(12000))
print("methods", methods(400000))
print("spectral", spectral_norm(180))
