-- json: an HTTP server that decodes a note, checks it, and answers with another. Prints its port and serves until
-- killed.
local http = require "rille.http"
local net = require "rille.net"

local api, last = http.router(), 0
api:post("/notes", function(request)
  local note = request:json()
  if type(note.text) ~= "string" or #note.tags == 0 then http.error(422, "a text and tags are needed") end
  last = last % 900 + 100
  return http.json({ id = last, text = note.text, tags = note.tags, done = note.done == true }, { status = 201 })
end)

local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
http.serve { listener = listener, handler = api }
