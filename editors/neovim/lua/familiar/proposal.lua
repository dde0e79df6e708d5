-- The diff of a proposal in a window of its own: the keys for judging work there as well, on the server's own actions.
-- Refuses: reading the diff. What can be done about a change is what the server offers at its lines.
local familiar = require('familiar')

local M = {}

-- How the server calls what a key does, by the state of the change.
local VERBS = {
  keep = { 'Accept', 'Keep' },
  revert = { 'Reject', 'Take back' },
}

---Makes a buffer that shows a proposal known, with its keys.
---@param buffer integer
function M.take(buffer)
  vim.b[buffer].familiar_proposal = true
  require('familiar.keys').set_judging(buffer)
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

-- The lines where changes begin, as the server marks them: a rename has no line `@@`.
local function marked()
  local lines = {}
  for _, mark in ipairs(vim.diagnostic.get(0)) do
    if mark.source == 'familiar' then table.insert(lines, mark.lnum + 1) end
  end
  return lines
end

---Moves to another change of the diff, around the ends of the text.
---@param forward boolean
---@return boolean moved
function M.go(forward)
  local here, lines = vim.fn.line('.'), marked()
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
