-- What is measured: one entry a work. Programs are bench/GROUP/NAME/PEER's file; they print "key number" pairs.
--   args     arguments of a default run; the first is the count of operations and scales by `slow`
--   full     arguments of a run with --full
--   counted  the count of operations for instruction counts, or nil: under valgrind, n against 2n
--   needs    a shell command without whose success the work is left out
--   packages shell commands without whose success a peer is
--   tool     what loads the server, if it is not bench/tools/load.c; `peers`, `rounds` and `seconds` narrow a long work down
--   metrics  key, unit, and `more` where more is better
--   reach    targets: metric, at_most or at_least, a number; `times` multiplies it by that peer's (or work's) figure; with
--            `floor`, no more is asked than nine tenths of what that peer does

-- Slow peers do a part of the operations; figures are per operation.
local slow = { asyncio = 0.1, uvloop = 0.15, luv = 0.5, cqueues = 0.5 }

local ns = { { key = "ns", unit = "ns" } }

local function load_metrics()
  return { { key = "rps", unit = "/s", more = true }, { key = "cpu_us", unit = "us cpu" } }
end

local function json_metrics()
  return { { key = "decode", unit = "MB/s in", more = true }, { key = "encode", unit = "MB/s out", more = true } }
end

local function json_reach()
  return {
    { metric = "decode", at_least = 1, times = "cjson" },
    { metric = "decode", at_least = 0.8, times = "node" },
    { metric = "encode", at_least = 1, times = "cjson" },
  }
end

local function spawn_reach()
  local reach = { { metric = "ns", at_most = 500 } }
  for _, peer in ipairs { "go", "node", "node_poll" } do reach[#reach + 1] = { metric = "ns", at_most = 1, times = peer } end
  return reach
end

local function late_metrics()
  return {
    { key = "timer_us", unit = "us timer" }, { key = "socket_us", unit = "us socket" },
    { key = "post_us", unit = "us post" }, { key = "idle_us", unit = "us idle" },
  }
end

local function late_reach()
  local reach = {}
  for i, metric in ipairs(late_metrics()) do reach[i] = { metric = metric.key, at_most = 1000 } end
  return reach
end

local function hello_reach()
  return {
    { metric = "rps", at_least = 0.95, times = "nginx", floor = "c" },
    { metric = "rps", at_least = 1.2, times = "nginx_lua", floor = "c" },
    { metric = "rps", at_least = 3, times = "node", floor = "c" },
    { metric = "cpu_us", at_most = 11.5 },
    { metric = "cpu_us", at_most = 1.05, times = "nginx", floor = "c" },
    { metric = "cpu_us", at_most = 0.833, times = "nginx_lua", floor = "c" },
    { metric = "cpu_us", at_most = 0.333, times = "node", floor = "c" },
  }
end

local websocket_packages = { node = "test -d /usr/share/nodejs/ws" }
local file_servers = { rille = true, go = true, node = true, nginx = true }

return {
  {
    group = "core", name = "switch", args = { 1000000 }, slow = slow, counted = 50000, metrics = ns,
    reach = { { metric = "instructions", at_most = 0.8, times = "lua" } },
  },
  {
    group = "core", name = "nested", args = { 500000, 5 }, counted = 50000, metrics = ns,
    reach = { { metric = "instructions", at_most = 1.2, work = "switch" } },
  },
  {
    group = "core", name = "generator", args = { 1000000 }, slow = { asyncio = 1 }, counted = 50000, metrics = ns,
    reach = { { metric = "instructions", at_most = 1.1, times = "lua" } },
  },
  {
    group = "core", name = "spawn", args = { 300000, 1000 }, slow = slow, counted = 20000, metrics = ns,
    reach = { { metric = "instructions", at_most = 1.5, times = "lua" }, table.unpack(spawn_reach()) },
  },
  {
    group = "core", name = "spawn_10k", program = "spawn", args = { 300000, 10000 }, slow = slow, metrics = ns,
    reach = spawn_reach(),
  },
  {
    group = "core", name = "gather", args = { 500000 }, slow = slow, counted = 20000, metrics = ns,
    reach = { { metric = "ns", at_most = 150 } },
  },
  {
    group = "core", name = "gather_wait", args = { 300000 }, slow = slow, counted = 20000, metrics = ns,
    reach = { { metric = "instructions", at_most = 1500 } },
  },
  {
    group = "core", name = "channel", args = { 1000000 }, slow = slow, counted = 50000, metrics = ns,
    reach = { { metric = "ns", at_most = 120 } },
  },
  {
    group = "core", name = "lock", args = { 500000 }, slow = slow, counted = 20000, metrics = ns,
    reach = { { metric = "ns", at_most = 200 } },
  },
  {
    group = "core", name = "sleepers", args = { 100000 }, full = { 1000000 },
    slow = { asyncio = 0.2, uvloop = 0.2 },
    metrics = {
      { key = "bytes", unit = "bytes" },
      { key = "create_ns", unit = "ns made" },
      { key = "wake_ns", unit = "ns woken" },
    },
    reach = {
      { metric = "bytes", at_most = 1250 },
      { metric = "create_ns", at_most = 2000 },
      { metric = "wake_ns", at_most = 1000 },
    },
  },
  {
    group = "core", name = "timers", args = { 30000 }, full = { 100000 }, slow = { asyncio = 0.1, uvloop = 0.1 },
    metrics = ns,
    reach = { { metric = "ns", at_most = 2000 } },
  },
  {
    group = "core", name = "start", start = true, args = { 20 }, metrics = { { key = "ms", unit = "ms" } },
    commands = {
      rille = "-e ''", lua = "-e ''", luv = "-l luv -e ''", asyncio = "-c 'import asyncio'", node = "-e ''",
      bun = "-e ''", deno = "eval ''",
    },
    reach = { { metric = "ms", at_most = 1.3, times = "lua" } },
  },
  {
    group = "io", name = "echo", server = true, args = { 50, 1, 64 }, metrics = load_metrics(),
    reach = {
      { metric = "rps", at_least = 0.9, times = "c" },
      { metric = "rps", at_least = 1.4, times = "node" },
      { metric = "cpu_us", at_most = 1.11, times = "c" },
    },
  },
  {
    group = "io", name = "echo_16", program = "echo", server = true, args = { 50, 16, 64 }, metrics = load_metrics(),
    reach = {
      { metric = "rps", at_least = 0.9, times = "c" },
      { metric = "cpu_us", at_most = 1.11, times = "c" },
    },
  },
  {
    group = "io", name = "echo_16k", program = "echo", server = true, args = { 50, 1, 16384 }, only_full = true,
    metrics = load_metrics(),
    reach = {
      { metric = "rps", at_least = 0.9, times = "c" },
      { metric = "cpu_us", at_most = 1.11, times = "c" },
    },
  },
  {
    group = "io", name = "idle", program = "echo", server = true, only_full = true, args = { 800, 1, "idle" },
    metrics = { { key = "bytes", unit = "bytes" } }, reach = { { metric = "bytes", at_most = 2048 } },
  },
  {
    group = "io", name = "crowd", program = "echo", server = true, tool = "bench/tools/crowd.c", only_full = true,
    args = { 100, 10000, 2000 }, seconds = 30, rounds = 1, peers = { rille = true, c = true, node = true },
    metrics = {
      { key = "alone_us", unit = "us p99" },
      { key = "crowd_us", unit = "us p99" },
      { key = "growth", unit = "times" },
      { key = "missed", unit = "missed" },
    },
    reach = { { metric = "growth", at_most = 2 }, { metric = "missed", at_most = 0 } },
  },
  {
    group = "io", name = "tls_shake", program = "tls", server = true, tool = "bench/tools/tlsload.c",
    setup = "bench/io/tls/certificate.lua", only_full = true, args = { 16, "handshake" }, metrics = load_metrics(),
    reach = { { metric = "cpu_us", at_most = 0.77, times = "node" } },
  },
  {
    group = "io", name = "tls_push", program = "tls", server = true, tool = "bench/tools/tlsload.c",
    setup = "bench/io/tls/certificate.lua", only_full = true, args = { 1, "download" },
    metrics = { { key = "mb_s", unit = "MB/s", more = true }, { key = "mb_cpu", unit = "MB/cpu s", more = true } },
    reach = {
      { metric = "mb_cpu", at_least = 0.7, times = "openssl" },
      { metric = "mb_cpu", at_least = 0.95, times = "c" },
    },
  },
  {
    group = "io", name = "tls_idle", program = "tls", server = true, tool = "bench/tools/tlsload.c",
    setup = "bench/io/tls/certificate.lua", only_full = true, args = { 800, "idle" },
    metrics = { { key = "bytes", unit = "bytes" } }, reach = { { metric = "bytes", at_most = 40960 } },
  },
  {
    group = "io", name = "files", args = { 10000 }, slow = { asyncio = 0.3, uvloop = 0.3, luv = 1 },
    metrics = { { key = "per_s", unit = "/s", more = true } },
    reach = { { metric = "per_s", at_least = 60000 } },
  },
  {
    group = "io", name = "processes", args = { 200 }, slow = { asyncio = 0.5, node = 0.5 },
    metrics = { { key = "per_s", unit = "/s", more = true } },
    reach = { { metric = "per_s", at_least = 900 } },
  },
  {
    group = "cpu", name = "sha256", args = { 300 }, full = { 1000 },
    metrics = { { key = "gb_s", unit = "GB/s", more = true }, { key = "late_ms", unit = "ms late" } },
    reach = { { metric = "gb_s", at_least = 0.95, times = "c" }, { metric = "late_ms", at_most = 3 } },
  },
  {
    group = "cpu", name = "worker", args = { 30000, 3 },
    metrics = {
      { key = "us", unit = "us msg" },
      { key = "start_us", unit = "us start" },
      { key = "gain", unit = "x of two", more = true },
    },
    reach = {
      { metric = "us", at_most = 2 },
      { metric = "start_us", at_most = 150 },
      { metric = "gain", at_least = 1.9 },
    },
  },
  {
    group = "cpu", name = "json_tweets", program = "json", setup = "bench/cpu/json/corpus.lua", args = { 40, "tweets" },
    metrics = json_metrics(), reach = json_reach(),
  },
  {
    group = "cpu", name = "json_numbers", program = "json", setup = "bench/cpu/json/corpus.lua",
    args = { 40, "numbers" }, metrics = json_metrics(), reach = json_reach(),
  },
  {
    group = "cpu", name = "json_strings", program = "json", setup = "bench/cpu/json/corpus.lua",
    args = { 40, "strings" }, metrics = json_metrics(), reach = json_reach(),
  },
  {
    group = "embed", name = "call", args = { 1000000, 1000 }, counted = 20000, metrics = ns,
    reach = { { metric = "instructions", at_most = 3, times = "c" }, { metric = "ns", at_most = 3, times = "c" } },
  },
  {
    group = "embed", name = "late", args = { 100 }, metrics = late_metrics(), reach = late_reach(),
  },
  {
    group = "embed", name = "late_glib", args = { 100 }, needs = "pkg-config --exists glib-2.0", metrics = late_metrics(),
    reach = late_reach(),
  },
  {
    group = "embed", name = "runtimes", args = { 1000 },
    metrics = { { key = "us", unit = "us" }, { key = "bytes", unit = "bytes" } },
    reach = { { metric = "us", at_most = 1000 }, { metric = "bytes", at_most = 153600 } },
  },
  {
    group = "http", name = "hello", server = true, args = { 64, 1, "http" }, metrics = load_metrics(),
    reach = hello_reach(),
  },
  {
    group = "http", name = "hello_wrk", program = "hello", server = true, args = { 64, 1, "wrk" }, needs = "command -v wrk",
    metrics = load_metrics(), reach = hello_reach(),
  },
  {
    group = "http", name = "hello_16", program = "hello", server = true, args = { 64, 16, "http" },
    metrics = load_metrics(), reach = { { metric = "rps", at_least = 3, times = "nginx" } },
  },
  {
    group = "http", name = "hello_2", server = true, args = { 64, 1, "http_both" }, metrics = load_metrics(),
    reach = { { metric = "cpu_us", at_most = 1.15, work = "hello" } },
  },
  {
    group = "http", name = "json_api", program = "json", server = true, args = { 64, 1, "http_json" },
    metrics = load_metrics(), reach = { { metric = "cpu_us", at_most = 1, times = "node" } },
  },
  {
    group = "http", name = "websocket", server = true, args = { 64, 1, "websocket" }, metrics = load_metrics(),
    packages = websocket_packages,
    reach = { { metric = "cpu_us", at_most = 0.9, times = "node" }, { metric = "cpu_us", at_most = 1.5, times = "c" } },
  },
  {
    group = "http", name = "websocket_16", program = "websocket", server = true, args = { 64, 16, "websocket" },
    metrics = load_metrics(), packages = websocket_packages, reach = { { metric = "cpu_us", at_most = 0.5, times = "node" } },
  },
  {
    group = "http", name = "file", server = true, args = { 64, 1, "http:/small.txt" }, metrics = load_metrics(),
    setup = "bench/http/file/files.lua", peers = file_servers, reach = { { metric = "cpu_us", at_most = 0.5, times = "node" } },
  },
  {
    group = "http", name = "file_1m", program = "file", server = true, args = { 64, 1, "http:/large.txt" },
    metrics = load_metrics(), setup = "bench/http/file/files.lua", peers = file_servers, only_full = true,
    reach = { { metric = "cpu_us", at_most = 1.25, times = "nginx" } },
  },
  {
    group = "http", name = "client", args = { 20000 }, setup = "bench/http/client/server.lua", slow = { node = 0.5 }, only_full = true,
    metrics = { { key = "per_s", unit = "/s", more = true }, { key = "cpu_us", unit = "us cpu" } },
    reach = { { metric = "cpu_us", at_most = 0.5, times = "node" } },
  },
  {
    group = "http", name = "h2", server = true, args = { 8, 32, "h2load" }, needs = "command -v h2load", only_full = true,
    setup = "bench/io/tls/certificate.lua", peers = file_servers, metrics = load_metrics(),
    reach = { { metric = "cpu_us", at_most = 1, times = "nginx" } },
  },
  {
    group = "http", name = "hello_idle", program = "hello", server = true, args = { 2000, 1, "idle_http" },
    metrics = { { key = "bytes", unit = "bytes" } }, reach = { { metric = "bytes", at_most = 2048 } },
  },
}
