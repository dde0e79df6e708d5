-- What a command is about: the selection, the lines of a range, or the place of the cursor.
-- Refuses: columns of any other kind than the client's.
local M = {}

---@class familiar.Target
---@field buffer integer
---@field first integer first line, from 1
---@field last integer last line
---@field selected boolean whether the user chose the extent
---@field column integer? byte of the cursor, where nothing is selected
---@field from integer[]? line from 0 and byte of the first character, of a selection within lines
---@field to integer[]? the same just behind the last one

local ESCAPE = vim.keycode('<Esc>')

-- The byte just behind the character at `byte`, from 0.
local function behind(text, byte)
  if byte >= #text then return #text end
  return byte + vim.str_utf_end(text, byte + 1) + 1
end

---The selection, which ends, or the place of the cursor.
---@return familiar.Target
function M.here()
  local mode = vim.fn.mode()
  local buffer = vim.api.nvim_get_current_buf()
  if not mode:match('^[vV\22]') then
    local line = vim.fn.line('.')
    return { buffer = buffer, first = line, last = line, selected = false, column = vim.fn.col('.') - 1 }
  end
  local from, to = vim.fn.getpos('v'), vim.fn.getpos('.')
  if from[2] > to[2] or (from[2] == to[2] and from[3] > to[3]) then
    from, to = to, from
  end
  vim.api.nvim_feedkeys(ESCAPE, 'nx', false)
  local target = M.lines(from[2], to[2])
  if mode == 'v' then
    local text = vim.fn.getline(to[2])
    target.from = { from[2] - 1, math.min(from[3] - 1, #vim.fn.getline(from[2])) }
    local stop = vim.o.selection == 'exclusive' and math.min(to[3] - 1, #text) or behind(text, to[3] - 1)
    target.to = { to[2] - 1, stop }
  end
  return target
end

---What a range of the protocol covers; an empty one is the place of a cursor.
---@param buffer integer
---@param range lsp.Range
---@param encoding string
---@return familiar.Target
function M.of_range(buffer, range, encoding)
  local function place(position)
    local text = vim.api.nvim_buf_get_lines(buffer, position.line, position.line + 1, false)[1] or ''
    return { position.line, vim.str_byteindex(text, encoding, position.character, false) }
  end
  local from, to = place(range.start), place(range['end'])
  local first = from[1] + 1
  if vim.deep_equal(from, to) then
    return { buffer = buffer, first = first, last = first, selected = false, column = from[2] }
  end
  -- A range that ends where a line begins has nothing of that line.
  local last = math.max(to[2] == 0 and to[1] or to[1] + 1, first)
  return { buffer = buffer, first = first, last = last, selected = true, from = from, to = to }
end

---Whole lines of the current buffer.
---@return familiar.Target
function M.lines(first, last)
  return { buffer = vim.api.nvim_get_current_buf(), first = first, last = last, selected = true }
end

local function position(buffer, place, encoding)
  local text = vim.api.nvim_buf_get_lines(buffer, place[1], place[1] + 1, false)[1] or ''
  return { line = place[1], character = vim.str_utfindex(text, encoding, math.min(place[2], #text), false) }
end

---The same as a range of the protocol; an empty one means the symbol around the cursor.
---@param target familiar.Target
---@param encoding string
function M.range(target, encoding)
  local buffer = target.buffer
  if not target.selected then
    local place = position(buffer, { target.first - 1, target.column or 0 }, encoding)
    return { start = place, ['end'] = place }
  end
  if target.from then
    return { start = position(buffer, target.from, encoding), ['end'] = position(buffer, target.to, encoding) }
  end
  local count = vim.api.nvim_buf_line_count(buffer)
  local stop = target.last < count and { line = target.last, character = 0 }
    or position(buffer, { count - 1, vim.v.maxcol }, encoding)
  return { start = { line = target.first - 1, character = 0 }, ['end'] = stop }
end

---How the target is called in a title: `shop.py:3-7`.
---@param target familiar.Target
function M.name(target)
  local file = vim.fs.basename(vim.api.nvim_buf_get_name(target.buffer))
  if file == '' then file = 'unnamed' end
  if not target.selected or target.first == target.last then return ('%s:%d'):format(file, target.first) end
  return ('%s:%d-%d'):format(file, target.first, target.last)
end

return M
