-- An edit, "now also" on its change, another version of both, the version before, and all of it reverted.
local child, wait = require('child'), require('wait')

child.start('app.py')
local original = child.text()
child.prompt('ggVG ae', 'Edit app.py:1-6', 'careful with the fuel')
child.judging(1)
local first = child.changed_from(original)
child.keys('gg]h')
child.shows('1/1')
local prompt = child.prompt(' ae', 'Follow up on', 'and with the height')
child.judging(2)
local followed = child.changed_from(first)
child.keys('gg]h aR')
local retried = child.changed_from(followed)
child.judging(2)
child.keys('gg]h')
local versions = child.shows('version 3/3')
child.keys(' a[')
local back = child.changed_from(retried)
child.keys(' aU')
child.judging(0)
wait.report({
  prompt = prompt,
  first = first,
  followed = followed,
  retried = retried,
  versions = versions,
  back = back,
  reverted = child.changed_from(back),
})
