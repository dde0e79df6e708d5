-- The model writes and does not end: what it wrote is shown, and the key cancels.
local child, wait = require('child'), require('wait')

child.start('app.py')
child.prompt('ggVG ae', 'Edit app.py:1-6', 'careful')
child.shows('return fuel >= 9001')
local writing = child.shows('writing')
child.keys(' ac')
child.hides('return fuel >= 9001')
child.hides('cancels')
wait.report({ writing = writing, text = child.text(), after = child.screen() })
