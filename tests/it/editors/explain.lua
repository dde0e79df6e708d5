-- Asks for an explanation with Neovim's own code actions, as `gra` does, and reports the document that opens.
local wait = require('wait')

vim.cmd.edit('app.py')
local client = wait.attached()
local titles = {}
vim.ui.select = function(items, options, choose)
  for _, item in ipairs(items) do
    local title = options.format_item and options.format_item(item) or item.action.title
    table.insert(titles, title)
  end
  for at, title in ipairs(titles) do
    if title:find('Explain', 1, true) then return choose(items[at], at) end
  end
  error('no Explain in ' .. vim.inspect(titles))
end
vim.lsp.buf.code_action()
wait.until_met('the answer', function() return vim.api.nvim_buf_get_name(0):match('%.md$') end)
wait.report({
  root = client.root_dir,
  titles = titles,
  name = vim.api.nvim_buf_get_name(0),
  text = wait.text(),
})
