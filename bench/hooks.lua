-- wrk: form bodies as e-conomic sends them, another debtor number each time
local number = 0

function init(args)
  math.randomseed(os.time())
  number = math.random(1, 1000000)
end

function request()
  number = number % 900000 + 1
  local body = "old=" .. number .. "&new=" .. number
  return wrk.format("POST", nil, { ["Content-Type"] = "application/x-www-form-urlencoded" }, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"not_2xx":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
