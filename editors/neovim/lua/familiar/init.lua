-- The options, and the one beginning. `setup` is for those who want something else than the defaults.
-- Refuses: options that it does not know, and beginning twice.
local M = {}

---@class familiar.Options
local DEFAULTS = {
  -- The server: a name on the PATH or a full path, and its arguments.
  cmd = { 'familiar', 'lsp' },
  -- Kinds of file to attach to; nil means every kind.
  filetypes = nil,
  -- What stands at the root of a project.
  root_markers = { '.git', '.jj', '.hg' },
  -- What all default keys begin with; false sets none of them.
  prefix = '<Leader>a',
  -- To the next and the previous change that waits to be judged; false sets no key.
  next_change = ']h',
  previous_change = '[h',
  -- 'apply' marks changes in the text, 'ask' shows a diff first; nil leaves it to Familiar's own configuration.
  review = nil,
  -- Shows the code while the model writes it.
  preview = true,
  -- Marks changes in the sign column.
  signs = true,
  -- Anything else for |vim.lsp.config()|.
  lsp = {},
}
local KINDS = {
  cmd = 'table',
  filetypes = 'table',
  root_markers = 'table',
  prefix = { 'string', 'boolean' },
  next_change = { 'string', 'boolean' },
  previous_change = { 'string', 'boolean' },
  review = 'string',
  preview = 'boolean',
  signs = 'boolean',
  lsp = 'table',
}

M.options = vim.deepcopy(DEFAULTS)
local started = false

---The beginning of a text that the message line has room for.
---@param text string
---@return string
function M.cut(text)
  text = text:gsub('%s*\n%s*', ' ')
  if vim.fn.strdisplaywidth(text) <= vim.v.echospace then return text end
  local room = math.max(vim.v.echospace - 1, 0)
  local cut = vim.fn.strcharpart(text, 0, room)
  -- Some characters take two columns.
  while vim.fn.strdisplaywidth(cut) > room do
    cut = vim.fn.strcharpart(cut, 0, vim.fn.strchars(cut) - 1)
  end
  return cut .. '…'
end

local GROUPS = { [vim.log.levels.WARN] = 'WarningMsg', [vim.log.levels.ERROR] = 'ErrorMsg' }

---Says something to the user, and never makes them press Enter for it: of a long text the beginning stays on the
---message line, and `:messages` has all of it.
---@param text string
---@param level? integer one of vim.log.levels
function M.say(text, level)
  text, level = 'Familiar: ' .. text, level or vim.log.levels.INFO
  local prompts = vim.o.messagesopt
  vim.o.messagesopt = prompts:gsub('hit%-enter', 'wait:0')
  local ok, problem = pcall(vim.notify, text, level, { title = 'Familiar' })
  vim.o.messagesopt = prompts
  if not ok then error(problem, 0) end
  local cut = M.cut(text)
  if cut == text and level ~= vim.log.levels.ERROR then return end
  -- What did not fit has moved the screen up, and so has an error below another one.
  vim.cmd.redraw()
  vim.api.nvim_echo({ { cut, GROUPS[level] } }, false, {})
end

---Changes options. Not needed for the defaults.
---@param options? familiar.Options
function M.setup(options)
  options = options or {}
  for name, value in pairs(options) do
    if not KINDS[name] then error(('familiar.setup: there is no option "%s"'):format(name), 2) end
    vim.validate(name, value, KINDS[name])
  end
  if options.review and options.review ~= 'apply' and options.review ~= 'ask' then
    error("familiar.setup: review is 'apply' or 'ask'", 2)
  end
  M.options = vim.tbl_extend('force', vim.deepcopy(DEFAULTS), options)
  if vim.v.vim_did_enter == 1 and vim.g.loaded_familiar then require('familiar.keys').set_global() end
  if started then require('familiar.lsp').restart() end
end

---Begins: colours, and the server for this and later files. The plugin calls it; calling it again does nothing.
function M.start()
  if started then return end
  started = true
  require('familiar.colours').start()
  require('familiar.jobs').start()
  require('familiar.lsp').start()
end

---What the status line shows; see |familiar-statusline|.
---@return string
function M.status() return require('familiar.status').line() end

return M
