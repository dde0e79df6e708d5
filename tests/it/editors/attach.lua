-- Opens a file as a user does, and reports the server that attached and what `:help` finds.
local wait = require('wait')

vim.cmd.edit('app.py')
local client = wait.attached()
wait.report({
  cmd = client.config.cmd,
  root = client.root_dir,
  help = vim.fn.getcompletion('familiar', 'help'),
})
