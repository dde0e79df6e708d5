-- An edit of several files: it opens as a diff, whose keys go to each change of it, also to a rename, which has no lines.
local child, wait = require('child'), require('wait')

local SHOW = [[
  vim.ui.select = function(items, options, done)
    for at, item in ipairs(items) do
      if (options.format_item or tostring)(item):find('Show changes', 1, true) then return done(item, at) end
    end
  end]]

-- The line under the cursor, after keys that move it.
local function moved(keys)
  local before = child.lua('return vim.fn.line(".")')
  child.keys(keys)
  wait.until_met('the cursor elsewhere', function() return child.lua('return vim.fn.line(".")') ~= before end, child.state)
  return child.lua('return vim.api.nvim_get_current_line()')
end

child.start('app.py')
child.lua(SHOW)
child.lua('vim.cmd("%Familiar! edit careful with the fuel, and land in a file of its own name")')
child.shows('# Familiar: Edit 2 files')
child.stands('Change 3 of 3: accept or reject')
child.keys('gg')
local lines = { moved(']h'), moved(']h'), moved(']h'), moved(']h'), moved('[h') }
local hint = child.shows('accept or reject it with a code action')
child.keys(' ak')
child.stands('Change 3 of 3: accepted')
moved(']h')
child.keys(' ak')
child.stands('Change 1 of 3: accepted')
moved(']h')
child.keys(' au')
child.stands('Change 2 of 3: not applied')
local app = child.lua('return table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr("app.py"), 0, -1, false), "\\n")')
wait.report({ lines = lines, hint = hint, app = app })
