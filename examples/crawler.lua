-- A polite crawler: a few requests at once, never two of one page, none outside the site, and no more pages than allowed.
-- `crawler.lua URL [PAGES]`; without arguments it crawls a site that it serves itself.
local rille = require "rille"
local http = require "rille.http"

local AT_ONCE, PAUSE = 4, 0.005

local function absolute(base, link)
  link = link:gsub("#.*$", "")
  if link == "" then return nil end
  if link:find "^https?://" then return link end
  local root = base:match "^(https?://[^/]+)"
  if link:sub(1, 1) == "/" then return root .. link end
  return link:find "^%a[%w+.-]*:" and nil or base:match "^(.*/)" .. link
end

local function crawl(start, most)
  local root = start:match "^(https?://[^/]+)"
  local seen, count, results = { [start] = true }, 1, {}
  local slots = rille.semaphore(AT_ONCE)

  -- The text of a page; "" of what is none.
  local function fetch(url)
    local _ <close> = slots:acquire()
    local ok, answer = pcall(http.get, url, { timeout = 10, limit = 1024 * 1024 })
    rille.sleep(PAUSE)
    results[#results + 1] = { url = url, status = ok and answer.status or answer.code }
    return ok and (answer.headers["content-type"] or ""):find "html" and answer.body or ""
  end

  rille.group(function(g)
    local function visit(url)
      for link in fetch(url):gmatch 'href="([^"]*)"' do
        local found = absolute(url, link)
        if found and found:sub(1, #root) == root and not seen[found] and count < most then
          seen[found], count = true, count + 1
          g:spawn(visit, found)
        end
      end
    end
    visit(start)
  end)
  return results
end

local function show(results)
  table.sort(results, function(a, b) return a.url < b.url end)
  for _, result in ipairs(results) do print(result.status, (result.url:gsub(":%d+/", "/"))) end
  print(#results .. " pages")
end

if arg[1] then return show(crawl(arg[1], tonumber(arg[2]) or 100)) end

local server = http.serve { port = 0, handler = function(request)
  local n = tonumber(request.path:match "^/(%d*)$" or "x")
  if request.path == "/" then n = 1 end
  if not n or n > 20 then return { status = 404, body = "gone" } end
  return http.html(('<a href="/%d">a</a> <a href="%d">b</a> <a href="http://elsewhere.example/">c</a> <a href="#x">d</a>')
    :format(n * 2, n * 2 + 1))
end }
show(crawl(server.url .. "/", 30))
server:stop()
