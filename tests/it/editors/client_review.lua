-- Words in the prompt, kept over its closing, make two changes: the first is kept, the second reverted.
local child, wait = require('child'), require('wait')

child.start('app.py')
child.keys('ggVG ae')
local prompt = child.shows('Edit app.py:1-')
child.keys('be careful<Esc>')
child.hides('Edit app.py:1-')
child.keys('ggVG ae')
child.shows('│be careful')
child.keys(' with the fuel<CR>')
child.judging(2)
local judging, changed = child.shows('2 changes to judge'), child.text()
child.keys('gg]h')
local first = child.shows('1/2')
local judging_key = child.lua('return vim.fn.maparg("]h", "n")')
child.keys(' ak')
child.judging(1)
child.keys(']h au')
child.judging(0)
local judged, after = child.changed_from(changed), child.shows('every change is judged')
-- One press too many.
child.keys(' au')
child.shows('no change waits here')
wait.report({
  prompt = prompt,
  judging = judging,
  first = first,
  changed = changed,
  judged = judged,
  after = after,
  too_many = child.text(),
  judging_key = judging_key,
  key_after = child.lua('return vim.fn.maparg("]h", "n")'),
})
