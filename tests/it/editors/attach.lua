-- Opens a file as a user does, and reports what attached, what it starts and what `:help` finds.
local wait = require('wait')

vim.cmd.edit('app.py')
local client = wait.attached()
wait.report({
  cmd = require('familiar').options.cmd,
  root = client.root_dir,
  help = vim.fn.getcompletion('familiar', 'help'),
})
