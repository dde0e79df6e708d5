-- The daemon is killed while two changes wait. The client says so, the server comes back by itself, and the changes are
-- marked again and can be judged.
local child, wait = require('child'), require('wait')

local PID = [[
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'familiar' })[1]
  local answer = client and client:request_sync('familiar/status', vim.empty_dict(), 30000)
  return answer and answer.result and answer.result.pid or 0]]

-- Keeps what lasts too short for a process that only looks now and then: what the status line showed when the loss was
-- told, and how many changes were marked after that.
local KEEP = [[
  local notify = vim.notify
  vim.notify = function(text, ...)
    if text:find('starts again', 1, true) then
      vim.g.marked_again = 0
      vim.schedule(function()
        vim.cmd.redraw()
        local cells = {}
        for column = 1, vim.o.columns do cells[column] = vim.fn.screenstring(vim.o.lines - vim.o.cmdheight, column) end
        vim.g.line_when_lost = table.concat(cells)
      end)
    end
    return notify(text, ...)
  end
  vim.api.nvim_create_autocmd('User', {
    pattern = 'FamiliarReview',
    callback = function(event) vim.g.marked_again = event.data.changes end,
  })]]

-- The process of the daemon. Never 0, which `kill` would take for this process and its whole group.
local function daemon()
  return wait.until_met('the process of the daemon', function()
    local pid = child.lua(PID)
    return type(pid) == 'number' and pid > 0 and pid
  end, child.state)
end

-- Waits until the child has said something, and returns all that it said.
local function said(text)
  return wait.until_met(('"%s" among the messages'):format(text), function()
    local messages = child.lua('return vim.fn.execute("messages")')
    return messages:find(text, 1, true) and messages
  end, child.state)
end

child.start('app.py')
child.prompt('ggVG ae', 'Edit app.py:1-6', 'careful')
child.judging(2)
child.lua(KEEP)
local changed, first_daemon = child.text(), daemon()
vim.uv.kill(first_daemon, 'sigkill')
local lost = said('starts again')
local line = wait.until_met(
  'the status line after the loss',
  function() return child.lua('return vim.g.line_when_lost or false') end,
  child.state
)
said('the server is back')
child.attached()
wait.until_met(
  '2 changes that are marked again',
  function() return child.lua('return vim.g.marked_again') == 2 end,
  child.state
)
local back = child.shows('2 changes to judge')
local second_daemon = daemon()
child.keys('gg]h ak')
child.judging(1)
child.keys(']h au')
child.judging(0)
wait.report({
  first_daemon = first_daemon,
  second_daemon = second_daemon,
  lost = lost,
  line = line,
  back = back,
  judged = child.changed_from(changed),
})
