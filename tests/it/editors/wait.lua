-- What the scripts of Neovim share: bounded waits for a condition that say on failure what Neovim knew, and the wait
-- for Familiar to be attached. Refuses: sleeping, and going on after a wait that failed.
local M = {}

local WAIT_MS_MAX = 100 * 1000
local LOOK_MS = 10

-- Waits until `met` returns a true value, and returns that. `state` tells more where another Neovim is looked at.
function M.until_met(what, met, state)
  local value
  local ok = vim.wait(WAIT_MS_MAX, function()
    value = met()
    return value
  end, LOOK_MS)
  if ok then return value end
  if state then error(('waited for %s; there is:\n%s'):format(what, state())) end
  local log = vim.fn.filereadable(vim.lsp.log.get_filename()) == 1 and vim.fn.readfile(vim.lsp.log.get_filename()) or {}
  error(
    ('waited for %s; the buffer is %s:\n%s\nmessages: %s\nlog: %s'):format(
      what,
      vim.api.nvim_buf_get_name(0),
      M.text(),
      vim.fn.execute('messages'),
      table.concat(log, '\n')
    )
  )
end

-- The text of the current buffer.
function M.text() return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n') end

-- The client of Familiar, once it is ready for the current buffer.
function M.attached()
  return M.until_met('Familiar to attach', function()
    local client = vim.lsp.get_clients({ bufnr = 0, name = 'familiar' })[1]
    return client and client.initialized and client
  end)
end

-- Hands what was seen to the test, as one line of JSON.
function M.report(seen) io.stdout:write(vim.json.encode(seen), '\n') end

return M
