-- An edit that is asked about first: the question is waved away, found again in the menu, and decided in the diff.
local child, wait = require('child'), require('wait')

-- Waves questions of the server away, and chooses what has this in its title from everything else.
local ANSWER = [[
  local title = ...
  vim.ui.select = function(items, options, done)
    if options.kind == 'lsp_message' then
      vim.g.waved_away = true
      return done(nil, nil)
    end
    for at, item in ipairs(items) do
      if options.format_item(item):find(title, 1, true) then return done(item, at) end
    end
  end]]

-- The text of the file, whichever buffer is in front.
local function app()
  return child.lua('return table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr("app.py"), 0, -1, false), "\\n")')
end

local function app_changes_from(before)
  return wait.until_met('another text', function()
    local now = app()
    return now ~= before and now
  end, child.state)
end

child.start('app.py')
child.lua("require('familiar').setup({ review = 'ask' })")
child.lua(ANSWER, 'Decide on the changes')
local original = app()
child.keys('ggVG ae')
child.shows('Edit app.py:1-')
child.keys('careful with the fuel<CR>')
wait.until_met('the question', function() return child.lua('return vim.g.waved_away') == true end, child.state)
local asked = app()
child.keys('gggra')
local diff = child.shows('+++ b/app.py')
child.stands('Change 1 of 2: accept or reject')
child.keys('gg]h ak')
local accepted = app_changes_from(original)
child.stands('Change 1 of 2: accepted')
child.keys(']h au')
child.stands('Change 2 of 2: not applied')
child.lua('vim.cmd.buffer("app.py")')
child.keys('u')
wait.report({ asked = asked, diff = diff, accepted = accepted, undone = app_changes_from(accepted) })
