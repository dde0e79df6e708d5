-- The daemon is killed while two changes wait. The client says so, the server comes back by itself, and the changes are
-- marked again and can be judged.
local child, wait = require('child'), require('wait')

local PID = [[
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'familiar' })[1]
  local answer = client and client:request_sync('familiar/status', vim.empty_dict(), 5000)
  return answer and answer.result and answer.result.pid or 0]]

child.start('app.py')
child.prompt('ggVG ae', 'Edit app.py:1-6', 'careful')
child.judging(2)
local changed, first_daemon = child.text(), child.lua(PID)
vim.uv.kill(first_daemon, 'sigkill')
local lost = wait.until_met('the news of its end', function()
  local messages = child.lua('return vim.fn.execute("messages")')
  return messages:find('starts again', 1, true) and messages
end, child.state)
child.shows('server lost')
child.attached()
local back = child.shows('2 changes to judge')
local second_daemon = child.lua(PID)
child.keys('gg]h ak')
child.judging(1)
child.keys(']h au')
child.judging(0)
wait.report({
  first_daemon = first_daemon,
  second_daemon = second_daemon,
  lost = lost,
  back = back,
  judged = child.changed_from(changed),
})
