-- Explain and ask open beside the code, one after the other in the same window; then the health check.
local child, wait = require('child'), require('wait')

child.start('app.py')
child.keys('ggVG ax')
local explained = child.shows('much fuel')
child.keys('<C-w>pggVG aa')
child.shows('Ask about app.py:1-6')
child.keys('why so much?<CR>')
wait.until_met(
  'the second answer',
  function()
    return child.lua('return vim.bo.filetype == "markdown"') and child.screen():find('# Ask about app.py', 1, true)
  end,
  child.state
)
local asked, windows = child.screen(), child.lua('return #vim.api.nvim_list_wins()')
child.keys('q')
wait.until_met('one window', function() return child.lua('return #vim.api.nvim_list_wins()') == 1 end, child.state)
local closed = child.lua('return #vim.api.nvim_list_wins()')
child.lua('vim.cmd.checkhealth("familiar")')
wait.report({ explained = explained, asked = asked, windows = windows, closed = closed, health = child.text() })
