-- Files of no kind, which nothing attached to the server so far: what is asked for in each of them is done once it is.
local child, wait = require('child'), require('wait')

child.start('app.py')
child.lua([[
  local lsp = require('familiar.lsp')
  local buffers = {}
  for _, name in ipairs({ 'words', 'more-words' }) do
    vim.cmd.edit(name)
    table.insert(buffers, vim.api.nvim_get_current_buf())
  end
  vim.g.clients = #vim.lsp.get_clients({ bufnr = buffers[1] }) + #vim.lsp.get_clients({ bufnr = buffers[2] })
  for _, buffer in ipairs(buffers) do
    lsp.with(buffer, function(client) vim.g['asked_' .. buffer] = client.name end)
  end
  vim.g.buffers = buffers]])
wait.until_met('both to be asked', function()
  return child.lua([[
    return vim.iter(vim.g.buffers):all(function(buffer) return vim.g['asked_' .. buffer] == 'familiar' end)]])
end, child.state)
wait.report({ clients = child.lua('return vim.g.clients') })
