-- Synchronisation as one writes it by hand over coroutines, where a peer brings none: a bounded channel, a lock.
-- The scheduler gives `park()`, which waits, and `wake(task)`; `running()` names the task.
local fifo = {}

function fifo.new(park, wake, running)
  local self = {}

  function self.channel(capacity)
    local items, first, last = {}, 1, 0
    local sender, receiver

    local function send(value)
      if last - first + 1 >= capacity then
        sender = running()
        park()
      end
      last = last + 1
      items[last] = value
      if receiver then
        local task = receiver
        receiver = nil
        wake(task)
      end
    end

    local function recv()
      if first > last then
        receiver = running()
        park()
      end
      local value = items[first]
      items[first] = nil
      first = first + 1
      if sender then
        local task = sender
        sender = nil
        wake(task)
      end
      return value
    end

    return send, recv
  end

  function self.lock()
    local held, queue, first, last = false, {}, 1, 0

    local function acquire()
      if not held then
        held = true
        return
      end
      last = last + 1
      queue[last] = running()
      park()
    end

    local function release()
      local task = queue[first]
      if not task then
        held = false
        return
      end
      queue[first] = nil
      first = first + 1
      wake(task)
    end

    return acquire, release
  end

  return self
end

return fifo
