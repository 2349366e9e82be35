-- Files uploaded by a form, written to a directory piece by piece. Without a port it uploads one to itself and ends.
local http = require "rille.http"
local fs = require "rille.fs"

local page = [[
<!doctype html><title>upload</title>
<form method="post" enctype="multipart/form-data"><input type="file" name="file" multiple><button>Send</button></form>
]]

local directory, _ <close> = fs.temp_dir() -- it goes with the script, which therefore waits for the server

local count = 0

local function receive(request)
  local lines = {}
  for part in request:parts() do
    if part.filename and part.filename ~= "" then
      count = count + 1
      local number = count -- others may come meanwhile
      local path = ("%s/%d"):format(directory, number) -- never the name that the client gave
      local size = 0
      local file <close> = fs.open(path, "w")
      for piece in part:chunks() do
        file:write(piece)
        size = size + #piece
      end
      lines[#lines + 1] = ("%s: %d bytes, kept as number %d\n"):format(part.filename, size, number)
    end
  end
  return table.concat(lines)
end

local router = http.router()
router:get("/", function() return http.html(page) end)
router:post("/", receive)

local server = http.serve {
  port = tonumber(arg[1]) or 0, handler = router, limits = { body = 1024 * 1024 * 1024 },
}
print("serving on " .. server.url)

if not arg[1] then
  local body = {
    '--end\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n\r\n',
    ("some text\n"):rep(100000), "\r\n--end--\r\n",
  }
  local answer = http.post(server.url, {
    body = table.concat(body), headers = { ["Content-Type"] = "multipart/form-data; boundary=end" },
  })
  io.write(answer.status, " ", answer.body)
  server:stop()
else
  server:wait()
end
