-- The prompt: a small window over blank lines above the code, with the words asked before.
-- Refuses: hiding code, and losing words. What was typed and not sent is there again the next time.
local M = {}

local NS = vim.api.nvim_create_namespace('familiar.prompt')
-- Words asked before that are remembered.
local HISTORY_MAX = 100
-- Longest instruction the server takes, in bytes.
local WORDS_BYTES_MAX = 16 * 1024
local LINES_MAX = 8
local COLUMNS_MAX, COLUMNS_MIN = 90, 24

local SCROLL = vim.keycode('<C-e>')

local draft = ''
local history

local function history_file() return vim.fs.joinpath(vim.fn.stdpath('state'), 'familiar-prompts.json') end

-- The words asked before, the newest last.
local function asked_before()
  if history then return history end
  history = {}
  local file = io.open(history_file(), 'rb')
  if file then
    local ok, words = pcall(vim.json.decode, file:read('*a'))
    file:close()
    if ok and vim.islist(words) then
      history = vim.tbl_filter(function(entry) return type(entry) == 'string' end, words)
    end
  end
  return history
end

---Keeps words for the history.
---@param words string
function M.remember(words)
  local all = vim.tbl_filter(function(entry) return entry ~= words end, asked_before())
  table.insert(all, words)
  history = vim.list_slice(all, math.max(#all - HISTORY_MAX + 1, 1))
  vim.fn.mkdir(vim.fn.stdpath('state'), 'p')
  local file = io.open(history_file(), 'wb')
  if not file then return end
  file:write(vim.json.encode(history))
  file:close()
end

---Words that were sent and refused come back into the next prompt.
---@param words string
function M.give_back(words)
  if draft == '' then draft = words end
end

---@class familiar.Prompt
---@field title string
---@field target familiar.Target
---@field send fun(words: string)

-- One prompt, from its opening to its end.
local Prompt = {}
Prompt.__index = Prompt

function Prompt:words() return table.concat(vim.api.nvim_buf_get_lines(self.buffer, 0, -1, false), '\n') end

function Prompt:write(words)
  local lines = vim.split(words, '\n')
  vim.api.nvim_buf_set_lines(self.buffer, 0, -1, false, lines)
  vim.api.nvim_win_set_cursor(self.window, { #lines, #lines[#lines] })
  self:fit()
end

-- Makes the window as high as its words, and as much room above the code.
function Prompt:fit()
  local needed = vim.api.nvim_win_text_height(self.window, {}).all
  local height = math.min(math.max(needed, 1), LINES_MAX)
  if height == self.height then return end
  self.height = height
  local room = height + 2
  local blank = {}
  for _ = 1, room do
    table.insert(blank, { { '', 'Normal' } })
  end
  self.room = vim.api.nvim_buf_set_extmark(
    self.code,
    NS,
    self.row,
    0,
    { id = self.room, virt_lines = blank, virt_lines_above = true }
  )
  vim.api.nvim_win_call(self.over, function()
    local view = vim.fn.winsaveview()
    if view.topline == self.row + 1 then vim.fn.winrestview({ topfill = room }) end
    -- The line that the words are about stays in sight.
    for _ = 1, room do
      if vim.fn.line('w$') > self.row then break end
      vim.cmd('normal! ' .. SCROLL)
    end
  end)
  vim.api.nvim_win_set_config(self.window, {
    relative = 'win',
    win = self.over,
    bufpos = { self.row, 0 },
    row = -room,
    col = 0,
    height = height,
  })
  -- While it was too low the window followed the cursor; now all its lines fit.
  if needed <= height then vim.api.nvim_win_call(self.window, function() vim.fn.winrestview({ topline = 1 }) end) end
end

function Prompt:close()
  if self.closed then return end
  self.closed = true
  vim.cmd.stopinsert()
  vim.api.nvim_buf_clear_namespace(self.code, NS, 0, -1)
  if vim.api.nvim_win_is_valid(self.window) then vim.api.nvim_win_close(self.window, true) end
  if vim.api.nvim_win_is_valid(self.over) then vim.api.nvim_set_current_win(self.over) end
end

-- Closes and keeps the words for the next time.
function Prompt:leave()
  if self.closed then return end
  draft = vim.trim(self:words()) ~= '' and self:words() or ''
  self:close()
end

function Prompt:submit()
  local words = vim.trim(self:words())
  if words == '' then return self:leave() end
  if #words > WORDS_BYTES_MAX then
    return require('familiar').say(
      ('these are more than %d KiB of words'):format(WORDS_BYTES_MAX / 1024),
      vim.log.levels.WARN
    )
  end
  M.remember(words)
  draft = ''
  self:close()
  -- Leaving insert mode takes effect first, so that nothing is typed into the code.
  vim.schedule(function() self.send(words) end)
end

-- To older words with `step` 1, to newer ones with -1; the draft is the newest.
function Prompt:recall(step)
  local all = asked_before()
  local at = self.at + step
  if at < 0 or at > #all then return end
  if self.at == 0 then self.typed = self:words() end
  self.at = at
  self:write(at == 0 and self.typed or all[#all - at + 1])
end

-- Up and down move within several lines, and beyond them through the history.
function Prompt:up_or_down(step)
  local line, count = vim.fn.line('.'), vim.fn.line('$')
  if (step > 0 and line > 1) or (step < 0 and line < count) then
    local column = vim.fn.col('.') - 1
    return vim.api.nvim_win_set_cursor(self.window, { line - step, column })
  end
  self:recall(step)
end

function Prompt:set_keys()
  local function key(modes, keys, run)
    for _, lhs in ipairs(keys) do
      vim.keymap.set(modes, lhs, run, { buffer = self.buffer, nowait = true })
    end
  end
  local both = { 'i', 'n' }
  key(both, { '<CR>' }, function() self:submit() end)
  key('i', { '<C-j>', '<S-CR>', '<M-CR>' }, function() vim.api.nvim_put({ '', '' }, 'c', false, true) end)
  key(both, { '<Up>' }, function() self:up_or_down(1) end)
  key(both, { '<Down>' }, function() self:up_or_down(-1) end)
  key(both, { '<C-p>' }, function() self:recall(1) end)
  key(both, { '<C-n>' }, function() self:recall(-1) end)
  key(both, { '<Esc>', '<C-c>' }, function() self:leave() end)
  key('n', { 'q' }, function() self:leave() end)
end

local function footer(width)
  local all = ' Enter sends · Ctrl-J new line · Up/Down earlier words · Esc closes '
  local short = ' Enter sends · Esc closes '
  return vim.fn.strdisplaywidth(all) <= width and all or vim.fn.strdisplaywidth(short) <= width and short or ''
end

-- Shows which lines the words are about.
local function mark_target(target)
  local from = target.from or { target.first - 1, 0 }
  local to = target.to or { target.last, 0 }
  if not target.selected then return end
  vim.api.nvim_buf_set_extmark(target.buffer, NS, from[1], from[2], {
    end_row = to[1],
    end_col = to[2],
    hl_group = 'FamiliarSelection',
    hl_eol = true,
    strict = false,
  })
end

---Asks for words about a target; `send` gets them.
---@param what familiar.Prompt
function M.open(what)
  local over = vim.api.nvim_get_current_win()
  local information = vim.fn.getwininfo(over)[1]
  local width = math.max(math.min(information.width - information.textoff - 2, COLUMNS_MAX), COLUMNS_MIN)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = 'wipe'
  local window = vim.api.nvim_open_win(buffer, true, {
    relative = 'win',
    win = over,
    bufpos = { what.target.first - 1, 0 },
    row = 0,
    col = 0,
    width = width,
    height = 1,
    style = 'minimal',
    border = 'rounded',
    title = { { (' %s '):format(what.title), 'FloatTitle' } },
    footer = { { footer(width), 'FamiliarHint' } },
    footer_pos = 'right',
  })
  vim.wo[window].wrap, vim.wo[window].linebreak = true, true
  local prompt = setmetatable({
    buffer = buffer,
    window = window,
    over = over,
    code = what.target.buffer,
    at = 0,
    typed = '',
    row = math.max(what.target.first, information.topline) - 1,
    send = what.send,
  }, Prompt)
  mark_target(what.target)
  prompt:set_keys()
  vim.bo[buffer].filetype = 'familiar-prompt'
  vim.api.nvim_create_autocmd(
    { 'TextChanged', 'TextChangedI' },
    { buffer = buffer, callback = function() prompt:fit() end }
  )
  vim.api.nvim_create_autocmd('WinLeave', { buffer = buffer, callback = function() prompt:leave() end })
  prompt:write(draft)
  vim.cmd.startinsert({ bang = true })
end

return M
