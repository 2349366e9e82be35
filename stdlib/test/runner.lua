-- Runs busted inside the runtime: every part of a test may wait, has a scope and a deadline of its own, and leaves
-- nothing behind.
local explore = require "rille.test.explore"
local leaks = require "rille.test.leaks"

local runner = {}

-- The parts that scripts write: each gets the deadline.
local timed = {
  it = true, finally = true, before_each = true, after_each = true, strict_setup = true, strict_teardown = true,
  lazy_setup = true, lazy_teardown = true,
}

local function describe_all(list)
  return "left behind: " .. table.concat(list, "; ")
end

local function is_timeout(err)
  return type(err) == "table" and err.code == "TIMEOUT"
end

-- busted puts a position before a message that has none: the test's own is the one that helps.
local function at_element(element, message)
  local trace = element.trace
  return trace and ("%s:%d: %s"):format(trace.short_src, trace.currentline, message) or message
end

-- What the tasks of a part that has run out of time were waiting for, besides the part itself.
local function waiting_tasks(before)
  local list = {}
  for _, sentence in ipairs(leaks.since(before)) do list[#list + 1] = sentence end
  return #list > 0 and " (" .. table.concat(list, "; ") .. ")" or ""
end

-- Replaces busted.safe, through which all that scripts write is called.
local function make_safe(busted, ours)
  local safe = busted.safe
  local clock_of_tests = ours.virtual_clock and require("rille.test").clock

  -- A cancellation unwinds through busted's own xpcall: its context is put right here.
  local function run_timed(descriptor, run, element)
    local context = busted.context.get()
    local results
    local before = leaks.snapshot()
    local ok, err = pcall(require("rille.test").timeout, ours.timeout, function()
      results = table.pack(safe(descriptor, run, element))
    end)
    if ok and results then return table.unpack(results, 1, results.n) end
    while busted.context.get() ~= context do busted.context.pop() end
    if is_timeout(err) then
      err = at_element(element, ("took more than %g s%s"):format(ours.timeout, waiting_tasks(before)))
    end
    return safe(descriptor, function() error(err, 0) end, element)
  end

  -- A test with all that is set up and torn down around it.
  local function run_whole(run, element)
    local before = leaks.snapshot()
    local results
    do
      local _ <close> = clock_of_tests and clock_of_tests() or nil
      results = table.pack(safe("it", run, element))
    end
    local left = leaks.since(before)
    if #left > 0 then
      runner.leaked[element] = true
      safe("it", function() error(at_element(element, describe_all(left)), 0) end, element)
    end
    return table.unpack(results, 1, results.n)
  end

  function busted.safe(descriptor, run, element)
    if descriptor == "it" and run ~= element.run then
      if ours.explore then
        return explore.run(busted, ours.explore, function() return run_whole(run, element) end, function(seed)
          runner.found[#runner.found + 1] = { element = element, seed = seed }
        end)
      end
      if ours.seed then require("rille.test").seed(ours.seed) end
      return run_whole(run, element)
    end
    if timed[descriptor] then return run_timed(descriptor, run, element) end
    return safe(descriptor, run, element)
  end
end

local function subscribe(busted, tally, keep_going)
  busted.subscribe({ "test", "end" }, function(element, _, status)
    if status == "success" then
      tally.passed[element] = true
    elseif status == "pending" then
      tally.skipped = tally.skipped + 1
    end
    tally.ran = tally.ran + 1
    return nil, true
  end)
  local function failed(element)
    local key = element.descriptor and element or {}
    tally.passed[key] = nil
    if not tally.failed[key] then
      tally.failed[key] = true
      tally.failures = tally.failures + 1
    end
    busted.skipAll = not keep_going
    return nil, true
  end
  busted.subscribe({ "error", "output" }, function(element, _, message)
    io.stderr:write("rille test: cannot load the output '", element.name, "': ", tostring(message), "\n")
    return nil, true
  end)
  busted.subscribe({ "failure" }, failed)
  busted.subscribe({ "error" }, failed)
end

local function count(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

local function load_busted()
  local ok, core = pcall(require, "busted.core")
  if ok then return core() end
  io.stderr:write("rille test: busted is not installed (on Debian: apt-get install lua-busted)\n",
    tostring(core), "\n")
  return nil
end

local function read_arguments(words)
  local cli = require "busted.modules.cli" { output = "plainTerminal" }
  cli:set_name("rille test")
  return cli:parse(words)
end

-- What busted's own runner does first: a directory, coverage, code. Nil and a complaint if it fails.
local function begin(args)
  local ok, err = pcall(require("rille.os").chdir, args.directory)
  if not ok then return nil, tostring(err) end
  if args.coverage then
    ok, err = require "busted.modules.luacov"()(args["coverage-config-file"])
    if not ok then return nil, err end
  end
  for _, code in ipairs(args.e or {}) do
    local f, message = load(code, "=(-e)", "t")
    if not f then return nil, message end
    f()
  end
  return true
end

local function load_helper(busted, args)
  if not args.helper or args.helper == "" then return true end
  local ok, err = require "busted.modules.helper_loader"()(busted, args.helper, { verbose = args.verbose,
    language = args.lang, arguments = args.Xhelper })
  if not ok then return nil, ("cannot load the helper '%s': %s"):format(args.helper, tostring(err)) end
  return true
end

local function load_handlers(busted, args)
  require "busted.modules.output_handler_loader"()(busted, args.output, {
    defaultOutput = "plainTerminal", enableSound = args["enable-sound"], verbose = args.verbose,
    suppressPending = args["suppress-pending"], language = args.lang, deferPrint = args["defer-print"],
    arguments = args.Xoutput,
  })
  local ok, complaint = load_helper(busted, args)
  if not ok then return nil, complaint end
  require "busted.modules.filter_loader"()(busted, {
    tags = args.tags, excludeTags = args["exclude-tags"], filter = args.filter, filterOut = args["filter-out"],
    list = args.list, nokeepgoing = not args["keep-going"], suppressPending = args["suppress-pending"],
  })
  return true
end

local function load_files(busted, args)
  local load = require "busted.modules.test_file_loader"(busted, args.loaders)
  load(args.ROOT, args.pattern, { excludes = args["exclude-pattern"], verbose = args.verbose,
    recursive = args.recursive })
end

-- luassert's state survives a test that failed in the middle; so does `arg`, which busted's own runner hides.
local function prepare(busted, args, ours)
  make_safe(busted, ours)
  require "busted"(busted)
  if not args["auto-insulate"] then busted.register("file", "file", {}) end
  if args.lazy then
    busted.register("setup", "lazy_setup")
    busted.register("teardown", "lazy_teardown")
  end
  if #args.lpath > 0 then package.path = (args.lpath .. ";" .. package.path):gsub(";;", ";") end
  if #args.cpath > 0 then package.cpath = (args.cpath .. ";" .. package.cpath):gsub(";;", ";") end
  busted.sort = args["sort-tests"]
  busted.randomize = args["shuffle-tests"]
  busted.randomseed = tonumber(args.seed) or os.time()
end

-- What others parse stays as it is: TAP has comments, and the rest is told on standard error.
local function summary_place(output)
  if output == "TAP" then return io.stdout, "# " end
  if not output or output:find "Terminal$" then return io.stdout, "" end
  return io.stderr, ""
end

local function full_name(busted, element)
  local names, at = {}, element
  while at and at.descriptor ~= "file" and at.name do
    table.insert(names, 1, at.name)
    at = busted.context.parent(at)
  end
  return table.concat(names, " ")
end

local function refuse(complaint)
  io.stderr:write("rille test: ", complaint, "\n")
  return 2
end

--- Runs what the words ask for; returns the exit status.
--- @async
function runner.run(ours, words)
  local busted = load_busted()
  if not busted then return 2 end
  local args, complaint = read_arguments(words)
  if not args then
    io.stderr:write(complaint, "\n")
    return 2
  end
  if args.version then
    print("busted " .. busted.version)
    return 0
  end
  local ready, trouble = begin(args)
  if not ready then return refuse(trouble) end
  if ours.seed then require("rille.test").seed(ours.seed) end
  runner.leaked, runner.found = {}, {}
  local tally = { ran = 0, skipped = 0, failures = 0, passed = {}, failed = {} }
  local real_now = require("rille.test").real_now
  local began = real_now()
  prepare(busted, args, ours)
  subscribe(busted, tally, args["keep-going"])
  ready, trouble = load_handlers(busted, args)
  if not ready then return refuse(trouble) end
  load_files(busted, args)
  require "busted.execute"(busted)(args["repeat"], {
    seed = args.seed, shuffle = args["shuffle-files"], sort = args["sort-files"],
  })
  busted.publish { "exit" }
  local out, mark = summary_place(args.output)
  for _, found in ipairs(runner.found) do
    out:write(("%sseed %d fails \"%s\": run it again with --seed=%d\n"):format(mark, found.seed, full_name(busted, found.element), found.seed))
  end
  out:write(mark, ("%d passed, %d failed, %d skipped in %.2f s\n"):format(count(tally.passed), tally.failures, tally.skipped,
    real_now() - began))
  return tally.failures > 0 and 1 or 0
end

return runner
