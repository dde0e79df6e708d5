-- Selects two lines, presses the key of the README, gives an instruction, and takes the edit back with one undo.
local wait = require('wait')

vim.cmd.edit('app.py')
wait.attached()
local before = wait.text()
local prompt
vim.ui.input = function(options, done)
  prompt = options.prompt
  done('be careful with the fuel')
end
vim.api.nvim_win_set_cursor(0, { 1, 0 })
vim.api.nvim_feedkeys(vim.keycode('Vj<Leader>fe'), 'mx', false)
wait.until_met('the edit', function() return wait.text() ~= before end)
local edited = wait.text()
vim.cmd.undo()
wait.report({ prompt = prompt, edited = edited, undone = wait.text() })
