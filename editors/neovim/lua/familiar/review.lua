-- Changes that wait to be judged: drawn in the text as the server tells, and judged where the cursor stands.
-- Refuses: deciding anything. The server owns the changes; what is drawn only moves with the text until it speaks.
local M = {}

local drawing = require('familiar.drawing')
local api = vim.api

local NS = api.nvim_create_namespace('familiar.review')
local HINTS = api.nvim_create_namespace('familiar.review.hints')
-- Most removed lines drawn for one change, and most added lines whose changed part is pointed at.
local REMOVED_MAX, SPANS_MAX = 200, 200

---@class familiar.Change
---@field proposal string
---@field file integer
---@field change integer
---@field title string
---@field instruction string?
---@field candidates integer
---@field candidate integer
---@field mark integer the extmark of its lines
---@field empty boolean whether lines were only removed
---@type table<integer, familiar.Change[]>
local standing = {}
-- How far in its history the text of a buffer has been while changes waited, or was when a key judged some: when they
-- are gone and the text is further back, they were undone.
---@type table<integer, integer>
local moments = {}

local function moment(buffer) return api.nvim_buf_call(buffer, vim.fn.changenr) end

local function lines_of(text)
  if text == '' then return {} end
  return vim.split((text:gsub('\r?\n$', '')), '\r?\n')
end

-- Draws the old lines above the row, or below the last line of the text for what was removed behind it.
local function draw_removed(buffer, row, old, spans)
  local drawn = {}
  for at = 1, math.min(#old, REMOVED_MAX) do
    table.insert(
      drawn,
      drawing.line(buffer, old[at], 'FamiliarRemoved', spans[at] and spans[at][1], 'FamiliarRemovedText')
    )
  end
  if #old > REMOVED_MAX then
    table.insert(drawn, drawing.line(buffer, ('… %d more lines'):format(#old - REMOVED_MAX), 'FamiliarRemoved'))
  end
  if #drawn == 0 then return 0 end
  local behind = row >= api.nvim_buf_line_count(buffer)
  api.nvim_buf_set_extmark(
    buffer,
    NS,
    behind and row - 1 or row,
    0,
    { virt_lines = drawn, virt_lines_above = not behind }
  )
  return behind and 0 or #drawn
end

-- Lines above the first line of a window show only when the window is told to make room for them.
local function make_room(buffer, row, count)
  if count == 0 then return end
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    api.nvim_win_call(window, function()
      if vim.fn.line('w0') == row + 1 then
        vim.fn.winrestview({ topfill = math.min(count, api.nvim_win_get_height(0) - 1) })
      end
    end)
  end
end

-- Where the parts of lines differ, when every old line has its new one.
local function spans_of(old, new)
  local spans = {}
  if #old ~= #new or #new > SPANS_MAX then return spans end
  for at = 1, #new do
    local before, after = drawing.spans(old[at], new[at])
    if before then spans[at] = { before, after } end
  end
  return spans
end

local function draw_sign(buffer, row, stop, sign, replaces)
  if not require('familiar').options.signs then return end
  local group = sign ~= '┃' and 'FamiliarRemovedSign' or replaces and 'FamiliarChangedSign' or 'FamiliarAddedSign'
  api.nvim_buf_set_extmark(buffer, NS, row, 0, {
    end_row = math.max(stop - 1, row),
    sign_text = sign,
    sign_hl_group = group,
    strict = false,
  })
end

local function draw(buffer, change)
  local count = api.nvim_buf_line_count(buffer)
  local first = math.min(change.range.start.line, count)
  local stop = change.range['end'].line + (change.range['end'].character > 0 and 1 or 0)
  stop = math.max(math.min(stop, count), first)
  local old, new = lines_of(change.oldText), api.nvim_buf_get_lines(buffer, first, stop, false)
  local spans = spans_of(old, new)
  local removed = draw_removed(buffer, first, old, spans)
  change.empty = first == stop
  local row = math.min(first, count - 1)
  -- Below the colours of the code and below the parts that changed.
  local options = change.empty and { strict = false }
    or { end_row = stop, end_col = 0, hl_group = 'FamiliarAdded', hl_eol = true, priority = 90, strict = false }
  change.mark = api.nvim_buf_set_extmark(buffer, NS, row, 0, options)
  draw_sign(buffer, row, stop, change.empty and (row < first and '▁' or '▔') or '┃', #old > 0)
  for at, span in pairs(spans) do
    if span[2][2] > span[2][1] then
      api.nvim_buf_set_extmark(buffer, NS, first + at - 1, span[2][1], {
        end_col = span[2][2],
        hl_group = 'FamiliarAddedText',
        priority = 150,
        strict = false,
      })
    end
  end
  make_room(buffer, first, removed)
end

-- First and last row of a change as the text stands now.
local function rows(buffer, change)
  local mark = api.nvim_buf_get_extmark_by_id(buffer, NS, change.mark, { details = true })
  if not mark[1] then return nil end
  return mark[1], math.max((mark[3].end_row or 0) - 1, mark[1])
end

---The change in which the cursor stands, and its number in the text.
---@param buffer integer
---@return familiar.Change?, integer?
function M.at_cursor(buffer)
  local row = api.nvim_win_get_cursor(0)[1] - 1
  for at, change in ipairs(standing[buffer] or {}) do
    local first, last = rows(buffer, change)
    if first and row >= first and row <= last then return change, at end
  end
end

---How many changes of a buffer, or of all of them, wait to be judged.
---@param buffer? integer
---@return integer
function M.count(buffer)
  if buffer then return #(standing[buffer] or {}) end
  return vim.iter(vim.tbl_values(standing)):fold(0, function(sum, changes) return sum + #changes end)
end

-- What can be done with the change under the cursor, behind its first line.
local function hint(buffer)
  api.nvim_buf_clear_namespace(buffer, HINTS, 0, -1)
  if api.nvim_get_current_buf() ~= buffer then return end
  local change, at = M.at_cursor(buffer)
  if not change then return end
  local text = { { ('  %d/%d '):format(at, M.count(buffer)), 'FamiliarHint' } }
  local function add(name, what)
    local key = require('familiar.keys').of(name)
    if key then vim.list_extend(text, { { ' ' .. key, 'FamiliarKey' }, { ' ' .. what, 'FamiliarHint' } }) end
  end
  if change.candidates > 1 then
    table.insert(text, { (' version %d/%d '):format(change.candidate, change.candidates), 'FamiliarHint' })
  end
  add('keep', 'keep')
  add('revert', 'revert')
  add(change.candidates > 1 and 'alternative' or 'retry', change.candidates > 1 and 'next version' or 'retry')
  api.nvim_buf_set_extmark(buffer, HINTS, (rows(buffer, change)), 0, { virt_text = text, hl_mode = 'combine' })
end

local function forget(buffer)
  standing[buffer], moments[buffer] = nil, nil
  pcall(api.nvim_del_augroup_by_name, 'familiar.review.' .. buffer)
end

-- Keeps the hint where the cursor is, until the text goes.
local function follow(buffer)
  local group = api.nvim_create_augroup('familiar.review.' .. buffer, {})
  api.nvim_create_autocmd({ 'CursorMoved', 'InsertLeave', 'BufEnter' }, {
    group = group,
    buffer = buffer,
    callback = function() hint(buffer) end,
  })
  api.nvim_create_autocmd('BufUnload', {
    group = group,
    buffer = buffer,
    callback = function() forget(buffer) end,
  })
end

-- Says how many there are and, where the line has room, with which keys they are judged.
local function announce(buffer)
  local count = M.count(buffer)
  local text = count == 1 and 'Familiar: 1 change to judge' or ('Familiar: %d changes to judge'):format(count)
  local keys = {}
  for _, pair in ipairs({ { 'keep', 'keeps' }, { 'revert', 'reverts' }, { 'next', 'next' } }) do
    local key = require('familiar.keys').of(pair[1])
    if key then table.insert(keys, key .. ' ' .. pair[2]) end
  end
  local hint_text = '  ' .. table.concat(keys, ', ')
  if #text + #hint_text > vim.v.echospace then hint_text = '' end
  api.nvim_echo({ { require('familiar').cut(text) }, { hint_text, 'FamiliarHint' } }, false, {})
end

-- Says how the last change went.
local function announce_end(undone)
  local text = undone and 'Familiar: the edit was undone' or 'Familiar: every change is judged'
  api.nvim_echo({ { require('familiar').cut(text) } }, false, {})
end

---A key judges changes of a buffer, or of all of them: what goes now was not undone.
---@param buffer integer?
function M.judging(buffer)
  for _, one in ipairs(buffer and { buffer } or vim.tbl_keys(standing)) do
    if standing[one] then moments[one] = moment(one) end
  end
end

---Takes the state of one document from `familiar/review`.
---@param params { uri: string, changes: table[] }
function M.show(params)
  local buffer = vim.uri_to_bufnr(params.uri)
  if not api.nvim_buf_is_loaded(buffer) then return end
  local before = M.count(buffer)
  api.nvim_buf_clear_namespace(buffer, NS, 0, -1)
  api.nvim_buf_clear_namespace(buffer, HINTS, 0, -1)
  if #params.changes == 0 then
    local undone = moments[buffer] and moment(buffer) < moments[buffer]
    forget(buffer)
    if before > 0 and buffer == api.nvim_get_current_buf() then announce_end(undone) end
  else
    standing[buffer], moments[buffer] = params.changes, math.max(moments[buffer] or 0, moment(buffer))
    for _, change in ipairs(params.changes) do
      draw(buffer, change)
    end
    require('familiar.keys').set_judging(buffer)
    follow(buffer)
    hint(buffer)
    if before == 0 and buffer == api.nvim_get_current_buf() then announce(buffer) end
  end
  vim.cmd.redrawstatus({ bang = true })
  api.nvim_exec_autocmds(
    'User',
    { pattern = 'FamiliarReview', modeline = false, data = { buf = buffer, changes = #params.changes } }
  )
end

---Moves to the next change, or to the previous one, around the ends of the text.
---@param forward boolean
---@return boolean moved
function M.go(forward)
  local buffer = api.nvim_get_current_buf()
  local row = api.nvim_win_get_cursor(0)[1] - 1
  local around, found
  for _, change in ipairs(standing[buffer] or {}) do
    local first, last = rows(buffer, change)
    if first and forward then
      around = around or first
      if first > row then found = found or first end
    elseif first then
      around = first
      if last < row then found = first end
    end
  end
  found = found or around
  if not found then
    require('familiar').say('no change waits here')
    return false
  end
  vim.cmd("normal! m'")
  api.nvim_win_set_cursor(0, { found + 1, 0 })
  vim.cmd('normal! zv^')
  return true
end

---The change under the cursor; where there is none, the cursor goes to the next one and the user may press again.
---@return familiar.Change?
function M.wanted()
  local buffer = api.nvim_get_current_buf()
  local change = M.at_cursor(buffer)
  if change then return change end
  if M.go(true) then require('familiar').say('the cursor was on no change; this is the next one') end
end

---What stands in a buffer, for other plugins.
---@param buffer integer
---@return familiar.Change[]
function M.changes(buffer) return vim.deepcopy(standing[buffer] or {}) end

return M
