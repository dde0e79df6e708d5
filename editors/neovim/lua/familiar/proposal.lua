-- The diff of a proposal in a window of its own: the keys for judging work there as well, on the server's own actions.
-- Refuses: reading the diff. What can be done about a change is what the server offers at its lines.
local familiar = require('familiar')

local M = {}

local HINTS = vim.api.nvim_create_namespace('familiar.proposal')

-- How the server calls what a key does, by the state of the change.
local VERBS = {
  keep = { 'Accept', 'Keep' },
  revert = { 'Reject', 'Take back' },
}

-- The server's marks: one at the first line of each change, also of a rename, which has no line `@@`.
local function marks(buffer)
  return vim.tbl_filter(function(mark) return mark.source == 'familiar' end, vim.diagnostic.get(buffer))
end

-- How the change under the cursor stands and which keys judge it, behind its first line.
local function hint(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, HINTS, 0, -1)
  if vim.api.nvim_get_current_buf() ~= buffer then return end
  local row, here = vim.fn.line('.') - 1, nil
  for _, mark in ipairs(marks(buffer)) do
    if mark.lnum <= row and (not here or mark.lnum > here.lnum) then here = mark end
  end
  if not here then return end
  -- Those who have messages shown behind their lines see this one already.
  local text = vim.diagnostic.config().virtual_text and {} or { { '  ' .. here.message, 'FamiliarHint' } }
  for _, key in ipairs({ { 'keep', 'accept' }, { 'revert', 'reject' } }) do
    local lhs = require('familiar.keys').of(key[1])
    if lhs then vim.list_extend(text, { { '  ' .. lhs, 'FamiliarKey' }, { ' ' .. key[2], 'FamiliarHint' } }) end
  end
  vim.api.nvim_buf_set_extmark(buffer, HINTS, here.lnum, 0, { virt_text = text, hl_mode = 'combine', strict = false })
end

---Makes a buffer that shows a proposal known, with its keys.
---@param buffer integer
function M.take(buffer)
  vim.b[buffer].familiar_proposal = true
  require('familiar.keys').set_judging(buffer)
  vim.api.nvim_create_autocmd({ 'CursorMoved', 'DiagnosticChanged', 'BufEnter' }, {
    group = vim.api.nvim_create_augroup('familiar.proposal.' .. buffer, {}),
    buffer = buffer,
    callback = function() hint(buffer) end,
  })
end

---Whether a buffer shows a proposal.
---@param buffer integer
function M.is(buffer) return vim.b[buffer].familiar_proposal == true end

-- The action that begins with one of the verbs and is about all changes, or about one.
local function find(actions, verbs, all)
  for _, verb in ipairs(verbs) do
    for _, action in ipairs(actions) do
      local about = action.title:match(verb .. ' (%a+) change')
      if about == 'all' and all then return action end
      if not about and not all and action.title:find(verb .. ' change', 1, true) then return action end
    end
  end
end

---Accepts or rejects the change under the cursor, or all of them.
---@param name 'keep'|'revert'
---@param all boolean
function M.judge(name, all)
  local buffer = vim.api.nvim_get_current_buf()
  require('familiar.lsp').with(buffer, function(client)
    local params = vim.lsp.util.make_range_params(0, client.offset_encoding)
    params.context = { diagnostics = {} }
    client:request('textDocument/codeAction', params, function(problem, actions)
      -- With a single change there is no entry for all of them.
      local found = actions and (find(actions, VERBS[name], all) or all and find(actions, VERBS[name], false))
      if found then return client:exec_cmd(found.command, { bufnr = buffer }) end
      familiar.say(problem and problem.message or 'there is nothing to ' .. name .. ' at this line')
    end, buffer)
  end)
end

---Moves to another change of the diff, around the ends of the text.
---@param forward boolean
---@return boolean moved
function M.go(forward)
  local here = vim.fn.line('.')
  local lines = vim.tbl_map(function(mark) return mark.lnum + 1 end, marks(0))
  table.sort(lines, function(one, other)
    if forward then return one < other end
    return one > other
  end)
  local target = vim.iter(lines):find(function(line)
    if forward then return line > here end
    return line < here
  end) or lines[1]
  if not target then
    familiar.say('no change is marked here yet')
    return false
  end
  vim.cmd("normal! m'")
  vim.api.nvim_win_set_cursor(0, { target, 0 })
  return true
end

return M
