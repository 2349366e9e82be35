-- rille.tty: terminals. Every function takes a stream, standard output by default.
local native = require "rille.native.tty"
local getenv = require("rille.options").getenv

local tty = {}

local STDIN, STDOUT = 0, 1

--- True if the stream is a terminal.
--- @param stream? rille.Stream|integer
--- @return boolean
function tty.is(stream)
  return native.is(stream or STDOUT)
end

--- How many characters the terminal shows.
--- @param stream? rille.Stream|integer
--- @return integer columns
--- @return integer rows
--- @raise ENOTTY
function tty.size(stream)
  return native.size(stream or STDOUT)
end

--- Switches the terminal to raw mode, in which keys arrive at once and unseen, until the value is
--- closed: `local raw <close> = tty.raw()`. Standard input by default.
--- @param stream? rille.Stream|integer
--- @return { close: fun() }
--- @raise ENOTTY
function tty.raw(stream)
  return native.raw(stream or STDIN)
end

--- How many bits of colour the terminal shows: 1 (none), 4, 8 or 24. By NO_COLOR, FORCE_COLOR,
--- COLORTERM and TERM.
--- @param stream? rille.Stream|integer
--- @return integer
function tty.color_depth(stream)
  local no_color, force = getenv "NO_COLOR", getenv "FORCE_COLOR"
  if no_color and no_color ~= "" then
    return 1
  end
  if force and force ~= "" then
    return ({ ["0"] = 1, ["2"] = 8, ["3"] = 24 })[force] or 4
  end
  local term = getenv "TERM" or ""
  if not tty.is(stream) or term == "" or term == "dumb" then
    return 1
  end
  local color = getenv "COLORTERM"
  if color == "truecolor" or color == "24bit" or term:find "direct" then
    return 24
  end
  return term:find "256" and 8 or 4
end

return tty
