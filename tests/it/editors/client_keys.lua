-- A user with another prefix and with keys of their own where ours would be.
local child, wait = require('child'), require('wait')

child.start(
  'app.py',
  [[lua
  vim.keymap.set('n', ']h', 'G', { desc = 'mine' })
  vim.keymap.set('n', ' if', 'gg', { desc = 'mine' })
  vim.keymap.set({ 'n', 'x' }, '<C-k>', '<Plug>(familiar-edit)')
  require('familiar').setup({ prefix = '<Leader>i' })]]
)
local function of(key) return child.lua('return vim.fn.maparg(..., "n")', key) end
child.prompt('ggVG<C-k>', 'Edit app.py:1-6', 'careful')
child.judging(2)
local seen = {
  unmapped = child.lua([[
    local names = require('familiar.commands').complete('', 'Familiar ')
    local function is_unmapped(name) return vim.fn.maparg(('<Plug>(familiar-%s)'):format(name), 'n') == '' end
    return table.concat(vim.tbl_filter(is_unmapped, names), ' ')]]),
  next = of(']h'),
  previous = of('[h'),
  fix = of(' if'),
  edit = of(' ie'),
  keep = of(' ik'),
  default = of(' ae'),
}
child.lua('vim.cmd.checkhealth("familiar")')
seen.health = child.text()
wait.report(seen)
