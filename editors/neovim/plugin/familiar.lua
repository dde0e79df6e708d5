-- What Neovim reads when it starts: the command, the <Plug> maps, and the moment to begin.
-- Refuses: anything heavy. The rest is loaded when it is first needed.
if vim.g.loaded_familiar then return end
vim.g.loaded_familiar = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Familiar needs Neovim 0.11 or newer', vim.log.levels.WARN)
  return
end

vim.api.nvim_create_user_command('Familiar', function(given) require('familiar.commands').run(given) end, {
  bang = true,
  range = true,
  nargs = '*',
  desc = 'Familiar: edit, ask, explain, judge changes …',
  complete = function(lead, line) return require('familiar.commands').complete(lead, line) end,
})

local names = 'edit ask explain fix document tests optimise refactor review keep revert keepall revertall next prev '
  .. 'retry alternative alternative-back image history diff comment cancel status chat restart'
for name in names:gmatch('%S+') do
  vim.keymap.set(
    { 'n', 'x' },
    ('<Plug>(familiar-%s)'):format(name),
    function() require('familiar.commands').press(name) end,
    { desc = 'Familiar: ' .. name }
  )
end

local group = vim.api.nvim_create_augroup('familiar', {})

-- The user's own keys are all known once Neovim has started; then ours take only what is free.
local function when_started(run)
  if vim.v.vim_did_enter == 1 then return run() end
  vim.api.nvim_create_autocmd('VimEnter', { group = group, once = true, callback = run })
end
when_started(function() require('familiar.keys').set_global() end)

-- The server is wanted from the first file on.
vim.api.nvim_create_autocmd('FileType', {
  group = group,
  once = true,
  callback = function()
    when_started(vim.schedule_wrap(function() require('familiar').start() end))
  end,
})
