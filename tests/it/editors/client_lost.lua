-- The daemon is killed while the model writes: the client says that the edit was lost, and its words come back.
local child, wait = require('child'), require('wait')

local PID = [[
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'familiar' })[1]
  local answer = client:request_sync('familiar/status', vim.empty_dict(), 30000)
  return answer and answer.result and answer.result.pid or 0]]

local function said(text)
  wait.until_met(
    ('"%s" among the messages'):format(text),
    function() return child.lua('return vim.fn.execute("messages")'):find(text, 1, true) end,
    child.state
  )
end

child.start('app.py')
child.prompt('ggVG ae', 'Edit app.py:1-6', 'careful with the fuel')
child.shows('return fuel >= 9001')
local daemon = child.lua(PID)
-- Never 0, which `kill` would take for this process and its whole group.
assert(daemon > 0, 'the daemon tells its process')
vim.uv.kill(daemon, 'sigkill')
said('the edit was lost; <Space>ae and Up bring back its words')
said('the server is back')
child.shows('the edit was lost; <Space>ae')
child.hides('return fuel >= 9001')
child.keys('gg ae')
child.shows('Edit app.py:1')
child.keys('<Up>')
wait.report({ prompt = child.shows('│careful with the fuel') })
