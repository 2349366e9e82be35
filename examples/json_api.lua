-- A small REST service: notes with validation, in memory. Without a port it tries itself and ends.
local http = require "rille.http"

local notes, last = {}, 0

local function check(note)
  if type(note) ~= "table" or type(note.text) ~= "string" then http.error(422, "text: a string is needed") end
  if #note.text == 0 or #note.text > 1000 then http.error(422, "text: 1 to 1,000 bytes") end
  return { text = note.text, done = note.done == true }
end

local function find(request)
  local note = notes[tonumber(request.params.id)]
  return note or http.error(404, "no such note")
end

local api = http.router()
api:use(http.log(function(line) print("  " .. line:gsub("%d+%.%dms", "…ms"):gsub(":%d+", "", 1)) end))
api:get("/notes", function()
  local list = require("rille.json").array {}
  for id = 1, last do list[#list + 1] = notes[id] end
  return http.json(list)
end)
api:post("/notes", function(request)
  local note = check(request:json())
  last = last + 1
  note.id, notes[last] = last, note
  return http.json(note, { status = 201, headers = { Location = "/notes/" .. last } })
end)
api:get("/notes/:id", function(request) return http.json(find(request)) end)
api:put("/notes/:id", function(request)
  local note, new = find(request), check(request:json())
  note.text, note.done = new.text, new.done
  return http.json(note)
end)
api:delete("/notes/:id", function(request)
  notes[find(request).id] = nil
  return { status = 204 }
end)

local server = http.serve { port = tonumber(arg[1]) or 0, handler = api, limits = { body = 64 * 1024 } }
print("serving on " .. server.url .. "/notes")

if not arg[1] then
  local client = http.session { url = server.url }
  local made = client:post("/notes", { json = { text = "write an example" } })
  print(made.status, made.headers.location, made.body)
  print(client:put("/notes/1", { json = { text = "write an example", done = true } }).body)
  print(client:get("/notes").body)
  for _, bad in ipairs { '{"text":""}', "[1,", '{"txt":1}' } do
    local answer = client:post("/notes", { body = bad })
    print(answer.status, (answer.body:gsub("%s+$", "")))
  end
  print(client:delete("/notes/1").status, client:get("/notes/1").status, client:get("/nothing").status)
  server:stop()
end
