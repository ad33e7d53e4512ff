-- The closed loop's requests, for wrk. What to send comes by environment:
-- BENCH_WORKLOAD (read; read, KV v1; wrapped read; write; token), BENCH_KEYS (how many secrets), BENCH_TOKEN.
-- The last line printed is "BENCH " and the figures as JSON; latencies are in microseconds.

local workload = os.getenv("BENCH_WORKLOAD")
local keys = tonumber(os.getenv("BENCH_KEYS"))
local prepared = {}

local function word(length)
  local letters = {}
  for i = 1, length do letters[i] = string.char(math.random(97, 122)) end
  return table.concat(letters)
end

function init(args)
  math.randomseed(os.time())
  local headers = { ["X-Vault-Token"] = os.getenv("BENCH_TOKEN") }
  for i = 1, keys do
    if workload == "read" then
      prepared[i] = wrk.format("GET", "/v1/secret/data/bench/" .. (i - 1), headers)
    elseif workload == "read, KV v1" then
      prepared[i] = wrk.format("GET", "/v1/plain/bench/" .. (i - 1), headers)
    elseif workload == "wrapped read" then
      headers["X-Vault-Wrap-TTL"] = "60"
      prepared[i] = wrk.format("GET", "/v1/secret/data/bench/" .. (i - 1), headers)
    elseif workload == "write" then
      local body = string.format('{"data":{"user":"%s","password":"%s"}}', word(8), word(24))
      prepared[i] = wrk.format("POST", "/v1/secret/data/bench/" .. (i - 1), headers, body)
    else
      local body = '{"policies":["bench"],"ttl":"1h"}'
      prepared[i] = wrk.format("POST", "/v1/auth/token/create", headers, body)
    end
  end
end

function request()
  return prepared[math.random(keys)]
end

function done(summary, latency, requests)
  local failed = summary.errors
  print(string.format(
    'BENCH {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
