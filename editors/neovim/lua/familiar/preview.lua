-- The code while the model writes it: virtual lines below the lines that it will replace, which are dimmed.
-- Refuses: touching the text, and more lines than one can follow; of long code the end is shown.
local M = {}

local NS = vim.api.nvim_create_namespace('familiar.preview')
-- Most lines shown at once.
local LINES_MAX = 16

---@type table<string|integer, { buffer: integer, mark: integer, dim: integer? }>
local shown = {}

---Takes away what was drawn for a piece of work.
---@param token string|integer
function M.clear(token)
  local preview = shown[token]
  shown[token] = nil
  if not preview or not vim.api.nvim_buf_is_valid(preview.buffer) then return end
  for _, mark in ipairs({ preview.mark, preview.dim }) do
    vim.api.nvim_buf_del_extmark(preview.buffer, NS, mark)
  end
end

-- The line that the preview hangs on: the last one that is replaced, or one of the window where that is out of sight.
local function anchor(buffer, first, last)
  local window = vim.fn.bufwinid(buffer)
  if window == -1 then return last end
  local top, bottom = vim.fn.line('w0', window) - 1, vim.fn.line('w$', window) - 1
  if last <= bottom then return last end
  return math.max(math.min(bottom - LINES_MAX, last), math.max(first, top))
end

local function begin(buffer, range)
  local count = vim.api.nvim_buf_line_count(buffer)
  local first = math.min(range.start.line, count - 1)
  local last = range['end'].character == 0 and range['end'].line - 1 or range['end'].line
  last = math.max(math.min(last, count - 1), first)
  local preview = { buffer = buffer }
  preview.dim = vim.api.nvim_buf_set_extmark(buffer, NS, first, 0, {
    end_row = last + 1,
    end_col = 0,
    hl_group = 'FamiliarReplaced',
    hl_eol = true,
    priority = 200,
    strict = false,
  })
  preview.row = anchor(buffer, first, last)
  return preview
end

---Draws what `familiar/preview` tells.
---@param params { token: any, uri: string, range: table, text: string, done: boolean }
function M.show(params)
  local buffer = vim.uri_to_bufnr(params.uri)
  if params.done or not vim.api.nvim_buf_is_loaded(buffer) then return M.clear(params.token) end
  local preview = shown[params.token] or begin(buffer, params.range)
  shown[params.token] = preview
  local lines = vim.split(params.text, '\r?\n')
  if lines[#lines] == '' then table.remove(lines) end
  local drawn = {}
  if #lines > LINES_MAX then
    table.insert(drawn, { { ('… %d lines above'):format(#lines - LINES_MAX), 'FamiliarHint' } })
    lines = vim.list_slice(lines, #lines - LINES_MAX + 1)
  end
  for _, line in ipairs(lines) do
    table.insert(drawn, require('familiar.drawing').line(buffer, line, 'FamiliarPreview'))
  end
  local row = preview.mark and vim.api.nvim_buf_get_extmark_by_id(buffer, NS, preview.mark, {})[1] or preview.row
  preview.mark = vim.api.nvim_buf_set_extmark(buffer, NS, row, 0, { id = preview.mark, virt_lines = drawn })
end

return M
