-- Two Neovims on one file, and one daemon: each has its own text, its own changes to judge and its own work to cancel;
-- what was saved is judged once, in whichever of them.
local child, wait = require('child'), require('wait')

local first, second = child, child.another()
first.start('app.py')
second.start('app.py')

-- Each edits its own text.
first.prompt('ggVG ae', 'Edit app.py:1-6', 'careful')
first.judging(2)
local first_edited, second_untouched = first.text(), second.text()
second.judging(0)
second.prompt('ggVG ae', 'Edit app.py:1-6', 'otherwise')
second.judging(2)
local second_edited, first_untouched = second.text(), first.text()
first.judging(2)

-- What one takes back stays in the other.
second.keys(' aU')
second.judging(0)
local reverted = second.changed_from(second_edited)
first.judging(2)

-- One model: the second waits for the first, and gives up without taking the work of the first along.
first.keys('u')
first.judging(0)
first.prompt('ggVG ae', 'Edit app.py:1-6', 'endless')
first.shows('return fuel >= 9001')
second.prompt('ggVG ae', 'Edit app.py:1-6', 'impatient')
local waiting = second.shows('in the queue')
second.keys(' ac')
second.hides('in the queue')
second.hides('cancels')
-- That it waits again shows that the first still writes.
second.prompt('ggVG ae', 'Edit app.py:1-6', 'patient')
second.shows('in the queue')
local writing = first.shows('return fuel >= 9001')
first.keys(' ac')
first.hides('return fuel >= 9001')
second.judging(2)
local first_cancelled = first.text()
second.keys(' aU')
second.judging(0)

-- What was saved waits in both, and is judged once.
first.prompt('ggVG ae', 'Edit app.py:1-6', 'careful again')
first.judging(2)
first.lua('vim.cmd.write()')
second.lua('vim.cmd.edit({ bang = true })')
second.judging(2)
local reloaded = second.text()
first.keys('gg]h ak')
first.judging(1)
second.judging(1)
second.keys('gg]h au')
second.judging(0)
local judged = second.changed_from(reloaded)
wait.report({
  first_edited = first_edited,
  second_untouched = second_untouched,
  second_edited = second_edited,
  first_untouched = first_untouched,
  reverted = reverted,
  waiting = waiting,
  writing = writing,
  first_cancelled = first_cancelled,
  reloaded = reloaded,
  judged = judged,
  first_at_the_end = first.text(),
})
