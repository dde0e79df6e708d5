-- Edits as the README says, reads the mark, and takes the change back with the editor's own code actions.
local wait = require('wait')

vim.cmd.edit('app.py')
wait.attached()
local before = wait.text()
vim.ui.input = function(_, done) done('be careful with the fuel') end
vim.api.nvim_win_set_cursor(0, { 1, 0 })
vim.api.nvim_feedkeys(vim.keycode('Vj<Leader>fe'), 'mx', false)
wait.until_met('the edit', function() return wait.text() ~= before end)
local function marks() return vim.diagnostic.get(0) end
wait.until_met('the mark', function() return #marks() == 1 end)
local mark = marks()[1]
local titles = {}
vim.ui.select = function(items, options, done)
  for _, item in ipairs(items) do
    titles[#titles + 1] = options.format_item(item)
  end
  for index, title in ipairs(titles) do
    if title:find('Revert change', 1, true) then return done(items[index], index) end
  end
  done(nil)
end
vim.api.nvim_win_set_cursor(0, { mark.lnum + 1, 0 })
vim.lsp.buf.code_action()
wait.until_met('the change taken back', function() return wait.text() == before end)
wait.until_met('no mark', function() return #marks() == 0 end)
wait.report({ message = mark.message, severity = mark.severity, titles = titles })
