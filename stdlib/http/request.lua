--- What a request can do beside showing its head.
local native = require "rille.native.http"

local methods = native.request

local decode -- of rille.json, loaded at the first use

local function refuse(status, message)
  error(native.failure(status, message), 0)
end

local function media_type(request)
  return (request.headers["content-type"] or ""):match "^%s*([^;%s]*)":lower()
end

--- The whole body, read once and kept.
--- @async
--- @return string
function methods.text(request)
  local text = request._text
  if not text then
    text = request.body:read "a"
    request._text = text
  end
  return text
end

--- The body as JSON. A malformed one is answered with 400 if the handler does not catch the error.
--- @async
function methods.json(request)
  decode = decode or require("rille.json").decode
  local ok, value = pcall(decode, request:text())
  if not ok then
    refuse(400, "the body is not JSON: " .. tostring(type(value) == "table" and value.message or value))
  end
  return value
end

--- The fields of a form: `application/x-www-form-urlencoded`, or `multipart/form-data`, whose files are tables
--- {name, filename, type, data}.
--- @async
--- @return table<string, any>
function methods.form(request)
  if request._form then return request._form end
  local kind, form = media_type(request), nil
  if kind == "application/x-www-form-urlencoded" then
    form = native.pairs(request:text())
    if not form then refuse(400, "the form has a bad escape or too many names") end
  elseif kind == "multipart/form-data" then
    form = {}
    for part in request:parts() do
      local value = part:read "a"
      if part.filename then
        value = { name = part.name, filename = part.filename, type = part.type, data = value }
      end
      if part.name and form[part.name] == nil then form[part.name] = value end
    end
  else
    refuse(415, "a form is expected")
  end
  request._form = form
  return form
end

--- The parts of a multipart body, one after the other; each can be read, and has `name`, `filename`, `type` and
--- `headers`. What was not read of a part is skipped.
--- @async
--- @param options {parts: integer?, head: integer?}? limits: parts (1,000), bytes of a part's head (16 KiB)
--- @return fun(): rille.http.Part?
function methods.parts(request, options)
  return require("rille.http.multipart").parts(request, options)
end

return methods
