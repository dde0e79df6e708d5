-- A second Neovim with the client of this repository and nothing else, driven as a person does: keys go in, and the
-- text, the screen and Lua's answers come out. Refuses: sleeping, and going on while it waits for an answer of its own.
local wait = require('wait')

local M = {}

local FOLDER = vim.fs.dirname(debug.getinfo(1, 'S').source:sub(2))
local CLIENT = vim.fs.normalize(FOLDER .. '/../../../editors/neovim')
local LINES, COLUMNS = 36, 110

local channel
local errors = {}

-- Lua in the child; its result is the result here.
function M.lua(code, ...)
  local mode = vim.rpcrequest(channel, 'nvim_get_mode')
  if mode.blocking then error('Neovim waits for a key:\n' .. table.concat(errors, '\n')) end
  return vim.rpcrequest(channel, 'nvim_exec_lua', code, { ... })
end

-- Starts it with a file, and waits for the server.
function M.start(file, setup)
  channel = vim.fn.jobstart({
    vim.v.progpath,
    '--embed',
    '--headless',
    '--clean',
    '-n',
    '--cmd',
    ('set lines=%d columns=%d rtp^=%s'):format(LINES, COLUMNS, CLIENT),
    '--cmd',
    'lua vim.g.mapleader = " "',
    '--cmd',
    setup or 'lua vim.o.laststatus = 2',
    file,
  }, {
    rpc = true,
    on_stderr = function(_, lines) vim.list_extend(errors, lines) end,
  })
  M.lua('vim.o.statusline = "%f %{v:lua.require\'familiar\'.status()}"')
  M.attached()
end

function M.attached()
  wait.until_met(
    'Familiar to attach',
    function()
      return M.lua(
        'local c = vim.lsp.get_clients({ bufnr = 0, name = "familiar" })[1] return c and c.initialized or false'
      )
    end,
    M.state
  )
end

-- One more Neovim beside this one, with the same words to drive it.
function M.another() return dofile(FOLDER .. '/child.lua') end

-- Types keys, as people write them.
function M.keys(keys) vim.rpcrequest(channel, 'nvim_input', keys) end

-- The text of its current buffer.
function M.text() return M.lua('return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\\n")') end

-- What its screen shows.
function M.screen()
  return M.lua([[
    vim.cmd.redraw()
    local rows = {}
    for row = 1, vim.o.lines do
      local cells = {}
      for column = 1, vim.o.columns do cells[column] = vim.fn.screenstring(row, column) end
      rows[row] = table.concat(cells):gsub('%s+$', '')
    end
    return table.concat(rows, '\n')]])
end

-- Waits until the screen shows something, and returns the screen.
function M.shows(text)
  return wait.until_met(('"%s" on the screen'):format(text), function()
    local screen = M.screen()
    return screen:find(text, 1, true) and screen
  end, M.state)
end

-- Waits until the screen no longer shows something.
function M.hides(text)
  wait.until_met(
    ('no "%s" on the screen'):format(text),
    function() return not M.screen():find(text, 1, true) end,
    M.state
  )
end

-- Waits until the text is another one, and returns it.
function M.changed_from(before)
  return wait.until_met('another text', function()
    local now = M.text()
    return now ~= before and now
  end, M.state)
end

-- Waits until the server has said how a change stands: only then can it be judged.
function M.stands(words)
  wait.until_met(words, function()
    return M.lua(
      [[
      for _, mark in ipairs(vim.diagnostic.get(0)) do
        if mark.message:find(..., 1, true) then return true end
      end
      return false]],
      words
    )
  end, M.state)
end

-- Waits until as many changes wait to be judged.
function M.judging(count)
  wait.until_met(
    count .. ' changes to judge',
    function() return M.lua('return require("familiar.review").count(vim.api.nvim_get_current_buf())') == count end,
    M.state
  )
end

-- Opens the prompt with keys, waits for its title, types words and sends them.
function M.prompt(keys, title, words)
  M.keys(keys)
  local screen = M.shows(title)
  M.keys(words)
  M.shows(words)
  M.keys('<CR>')
  return screen
end

-- For the report of a wait that failed.
function M.state()
  local messages = M.lua('return vim.fn.execute("messages")')
  return ('%s\nmessages: %s\nerrors: %s'):format(M.screen(), messages, table.concat(errors, '\n'))
end

return M
