-- An error that a worker raised, as its parent sees it: the same code and message, with the worker's traceback.
local make_error = require("rille.native.task").error

return function(err, report)
  if type(err) == "table" and err.code and err.message then
    local copy = make_error(err.code, err.message)
    for key, value in pairs(err) do
      if rawget(copy, key) == nil then copy[key] = value end
    end
    copy.traceback = copy.traceback or report
    return copy
  end
  local failed = make_error("WORKER", type(err) == "string" and err or tostring(err))
  failed.cause = err
  failed.traceback = report
  return failed
end
