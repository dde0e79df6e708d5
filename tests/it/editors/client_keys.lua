-- A user with another prefix and with keys of their own where ours would be.
local child, wait = require('child'), require('wait')

child.start(
  'app.py',
  [[lua
  vim.keymap.set('n', ']h', 'G', { desc = 'mine' })
  vim.keymap.set('n', ' if', 'gg', { desc = 'mine' })
  vim.keymap.set('n', '<C-k>', '<Plug>(familiar-edit)')
  require('familiar').setup({ prefix = '<Leader>i' })]]
)
local function of(key) return child.lua('return vim.fn.maparg(..., "n")', key) end
child.prompt('<C-k>', 'Edit app.py:1', 'careful')
child.judging(2)
wait.report({
  next = of(']h'),
  previous = of('[h'),
  fix = of(' if'),
  edit = of(' ie'),
  keep = of(' ik'),
  default = of(' ae'),
  health = child.lua('vim.cmd.checkhealth("familiar")') or child.text(),
})
