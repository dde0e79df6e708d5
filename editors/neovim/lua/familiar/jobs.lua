-- What the server is working on, as its progress tells, and a line about it beside the code it is about.
-- Refuses: guessing. Work that was begun elsewhere, as from the menu of code actions, has no line.
local M = {}

local NS = vim.api.nvim_create_namespace('familiar.jobs')

---@class familiar.Job
---@field client integer
---@field title string
---@field message string
---@field asked { name: string, words: string? }? the command, where it was sent from here
---@field begun boolean? whether the server told of its progress
---@field buffer integer?
---@field mark integer?
---@type table<string|integer, familiar.Job>
local jobs = {}

local function draw(job)
  if not (job.buffer and vim.api.nvim_buf_is_loaded(job.buffer)) then return end
  local at = job.mark and vim.api.nvim_buf_get_extmark_by_id(job.buffer, NS, job.mark, {})[1] or job.row
  local text = { { '  ' .. job.message, 'FamiliarProgress' } }
  local key = require('familiar.keys').of('cancel')
  if key then table.insert(text, { ('  %s cancels'):format(key), 'FamiliarHint' }) end
  job.mark =
    vim.api.nvim_buf_set_extmark(job.buffer, NS, math.min(at, vim.api.nvim_buf_line_count(job.buffer) - 1), 0, {
      id = job.mark,
      virt_text = text,
      hl_mode = 'combine',
    })
end

local function changed() vim.cmd.redrawstatus({ bang = true }) end

-- Takes away a job and what was drawn for it.
local function finish(token)
  local job = jobs[token]
  jobs[token] = nil
  if job and job.mark and vim.api.nvim_buf_is_valid(job.buffer) then
    vim.api.nvim_buf_del_extmark(job.buffer, NS, job.mark)
  end
  require('familiar.preview').clear(token)
  changed()
end

---Work that is asked for now, at a line of a buffer, from 0.
function M.begin(token, client, buffer, row, asked)
  jobs[token] = { client = client.id, title = '', message = 'asking', buffer = buffer, row = row, asked = asked }
  draw(jobs[token])
  changed()
end

---Work that was refused before it began.
M.finish = finish

---Work that was taken and yet never began.
function M.finish_unbegun(token)
  if jobs[token] and not jobs[token].begun then finish(token) end
end

-- Which key opens the prompt that remembers the words of a command. Of the other commands no words are remembered.
local PROMPTS = { edit = 'edit', followUp = 'edit', ask = 'ask' }
local ANSWERS = { ask = true, explain = true, review = true }

-- What was said last about lost work, until the server is back.
local lost

-- Says that work went with its server, and how its words come back.
local function tell_lost(asked)
  local text = ('the %s was lost'):format(ANSWERS[asked.name] and 'answer' or 'edit')
  local prompt = PROMPTS[asked.name]
  if prompt and asked.words then
    local key = require('familiar.keys').of(prompt) or ':Familiar ' .. prompt
    text = ('%s; %s and Up bring back its words'):format(text, key)
  end
  lost = text
  require('familiar').say(text, vim.log.levels.WARN)
end

---The server is back: what was lost with it is said again, for other lines have hidden it.
function M.back()
  if lost then require('familiar').say(lost, vim.log.levels.WARN) end
  lost = nil
end

---All work of a client that is no more.
function M.forget(client)
  for token, job in pairs(jobs) do
    if job.client == client then
      finish(token)
      if job.asked then tell_lost(job.asked) end
    end
  end
end

---All running work.
---@return familiar.Job[]
function M.all() return vim.tbl_values(jobs) end

---The names of the progress of what runs for a buffer.
function M.tokens_of(buffer)
  return vim.tbl_filter(function(token) return jobs[token].buffer == buffer end, vim.tbl_keys(jobs))
end

local function progress(event)
  local client = vim.lsp.get_client_by_id(event.data.client_id)
  local params = event.data.params
  if not client or client.name ~= 'familiar' or type(params.value) ~= 'table' then return end
  local value = require('familiar.lsp').read(params.value)
  if value.kind == 'end' then
    if value.message == 'cancelled' then require('familiar').say('cancelled') end
    -- A model may have come meanwhile.
    require('familiar.status').attached(client)
    return finish(params.token)
  end
  local job = jobs[params.token] or { client = client.id, title = '', message = '' }
  jobs[params.token] = job
  job.begun = true
  job.title = (value.title or job.title):gsub('^Familiar: ', '')
  job.message = value.message or (job.message ~= '' and job.message) or job.title
  draw(job)
  changed()
end

function M.start()
  vim.api.nvim_create_autocmd('LspProgress', {
    group = vim.api.nvim_create_augroup('familiar.jobs', {}),
    callback = progress,
  })
end

return M
