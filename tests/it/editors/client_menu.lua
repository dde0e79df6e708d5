-- The menu of code actions asks for words with the prompt; what they make is undone, and the client says so.
local child, wait = require('child'), require('wait')

-- Chooses what has this in its title, as `gra` shows it.
local CHOOSE = [[
  local title = ...
  vim.ui.select = function(items, options, done)
    for at, item in ipairs(items) do
      if options.format_item(item):find(title, 1, true) then return done(item, at) end
    end
  end]]

child.start('app.py')
local original = child.text()
child.lua(CHOOSE, 'Edit selection with an instruction')
local selected = child.prompt('ggVjgra', 'Edit app.py:1-2', 'careful with the fuel')
child.judging(1)
local edited, judging = child.changed_from(original), child.shows('1 change to judge')
child.keys('u')
child.judging(0)
local undone, screen = child.changed_from(edited), child.shows('the edit was undone')
child.lua(CHOOSE, 'Edit symbol with an instruction')
child.keys('5Ggra')
local symbol = child.shows('Edit app.py:5')
child.keys('<Esc>')
child.hides('Edit app.py:5')
wait.report({
  selected = selected,
  edited = edited,
  judging = judging,
  undone = undone,
  screen = screen,
  symbol = symbol,
  messages = child.lua('return vim.fn.execute("messages")'),
})
