-- rille.json: JSON (RFC 8259) to and from Lua values.
local native = require "rille.native.json"

local json = {}

--- Stands for JSON's null, in both directions. It is true in a condition: compare with `==`.
--- @type lightuserdata
json.null = native.null

--- The value of a JSON text. Objects and arrays become tables; numbers without point and exponent become integers if
--- 64 bits hold them, all others floats; the last of several equal keys counts. `depth` limits nesting. With
--- `lossless`, a number whose digits a float would not keep comes as a `json.number`.
--- @type fun(text: string, options?: {depth?: integer, lossless?: boolean}): any
--- @raise INVALID or LIMIT, with the `byte` of the fault
json.decode = native.decode

--- The JSON text of a value. A table whose keys are 1..n is an array, one whose keys are strings is an object; `{}` is
--- an object unless it is marked. `indent` is a number of spaces for each level, or the white space itself.
--- @type fun(value: any, options?: {indent?: integer|string, sort_keys?: boolean, depth?: integer}): string
--- @raise INVALID or LIMIT, with the `path` of what cannot be JSON
json.encode = native.encode

--- Marks a table as an array, also when it is empty, and returns it.
--- @type fun(list?: table): table
json.array = native.array

--- Marks a table as an object and returns it.
--- @type fun(map?: table): table
json.object = native.object

--- A number by its digits, which are written as they are.
--- @type fun(digits: string): table
json.number = native.number

--- @class rille.JsonDecoder
--- @field feed fun(self, bytes: string): rille.JsonDecoder takes more input
--- @field next fun(self): any the next value, or nil if it is not complete yet
--- @field finish fun(self): rille.JsonDecoder no more input follows

--- A decoder of texts that follow each other and come in pieces. A faulty value raises and is skipped. `limit` is the
--- most bytes that one value may have (64 MiB).
--- @type fun(options?: {depth?: integer, lossless?: boolean, limit?: integer}): rille.JsonDecoder
json.decoder = native.decoder

local function pieces_of(source)
  if type(source) == "string" then
    local once = source
    return function()
      local piece = once
      once = nil
      return piece
    end
  end
  if type(source) == "function" then return source end
  return function() return source:read() end
end

--- Iterates over JSON values that follow each other, each in a line or not. The source is a stream, a string, or a
--- function that returns pieces until nil. Waits as the source does.
--- @async
--- @param source rille.Stream|string|fun():string?
--- @param options? {depth?: integer, lossless?: boolean, limit?: integer}
--- @return fun(): any
--- @raise as json.decode; the next call goes on behind the faulty value
function json.lines(source, options)
  local decoder, read = native.decoder(options), pieces_of(source)
  local ended = false
  return function()
    while true do
      local value = decoder:next()
      if value ~= nil or ended then return value end
      local piece = read()
      if piece then
        decoder:feed(piece)
      else
        decoder:finish()
        ended = true
      end
    end
  end
end

return json
