-- How lines that are not in the text are drawn, and which part of a line changed.
-- Refuses: knowing what they mean.
local M = {}

---A virtual line as wide as the screen, so that its colour reaches the edge like that of a real line.
---@param buffer integer
---@param text string
---@param group string
---@param span? integer[] first byte and the byte behind the last one of the part that changed
---@param changed? string the group of that part
function M.line(buffer, text, group, span, changed)
  local tab = vim.bo[buffer].tabstop
  local column = 0
  local function piece(plain, tabs)
    column = column + vim.fn.strdisplaywidth(plain)
    local blanks = #tabs > 0 and #tabs * tab - column % tab or 0
    column = column + blanks
    return plain .. (' '):rep(blanks)
  end
  local function shown(part) return (part:gsub('([^\t]*)(\t*)', piece)) end
  local chunks = {}
  if span then
    table.insert(chunks, { shown(text:sub(1, span[1])), group })
    table.insert(chunks, { shown(text:sub(span[1] + 1, span[2])), { group, changed } })
    table.insert(chunks, { shown(text:sub(span[2] + 1)), group })
  else
    table.insert(chunks, { shown(text), group })
  end
  table.insert(chunks, { (' '):rep(math.max(vim.o.columns - column, 0)), group })
  return chunks
end

-- The last byte position up to `at` that begins a character.
local function boundary(text, at)
  while at > 0 and at < #text and text:byte(at + 1) >= 0x80 and text:byte(at + 1) < 0xC0 do
    at = at - 1
  end
  return at
end

---The part that differs between two lines, in each of them; nil when they share too little to point at a part.
---@return integer[]? old, integer[]? new
function M.spans(old, new)
  local most = math.min(#old, #new)
  local front = 0
  while front < most and old:byte(front + 1) == new:byte(front + 1) do
    front = front + 1
  end
  front = boundary(old, front)
  local back = 0
  while back < most - front and old:byte(#old - back) == new:byte(#new - back) do
    back = back + 1
  end
  -- Back to the start of a character: the shared end must not begin in the middle of one.
  while back > 0 and vim.str_utf_start(old, #old - back + 1) ~= 0 do
    back = back - 1
  end
  local shared = #vim.trim(old:sub(1, front)) + #vim.trim(old:sub(#old - back + 1))
  if shared * 3 < math.max(#vim.trim(old), #vim.trim(new)) then return nil end
  return { front, #old - back }, { front, #new - back }
end

return M
