-- One short piece of text about Familiar for the status line.
-- Refuses: asking the server while a line is drawn. What is shown was told before.
local M = {}

-- What `familiar/status` said last.
local known = nil

---Asks how the model is, once for each server, and again while it has none.
---@param client vim.lsp.Client
function M.attached(client)
  if known and known.client == client.id and not (known.model and not known.model.name) then return end
  known = { client = client.id }
  client:request('familiar/status', vim.empty_dict(), function(problem, status)
    if problem or not known or known.client ~= client.id then return end
    known.model = require('familiar.lsp').read(status).model
    vim.cmd.redrawstatus({ bang = true })
  end)
end

---What is known, for a status line of one's own.
---@return { state: 'off'|'lost'|'working'|'judging'|'idle', text: string, changes: integer, jobs: integer }
function M.get()
  local buffer = vim.api.nvim_get_current_buf()
  local jobs = require('familiar.jobs').all()
  local changes = require('familiar.review').count(buffer)
  local function state(name, text) return { state = name, text = text, changes = changes, jobs = #jobs } end
  local lsp = require('familiar.lsp')
  if lsp.lost() then return state('lost', 'server lost') end
  if not lsp.client(buffer) then return state('off', '') end
  if #jobs > 0 then
    local more = #jobs > 1 and (' (+%d)'):format(#jobs - 1) or ''
    return state('working', jobs[1].message .. more)
  end
  if changes > 0 then
    return state('judging', changes == 1 and '1 change to judge' or changes .. ' changes to judge')
  end
  if known and known.model and not known.model.name then return state('idle', 'no model') end
  return state('idle', '')
end

---The text: empty where Familiar is not attached.
---@return string
function M.line()
  local now = M.get()
  if now.state == 'off' then return '' end
  return now.text == '' and 'Familiar' or 'Familiar: ' .. now.text:gsub('%%', '%%%%')
end

return M
