-- Where there is no model the health check and the status line say so, and what brings one; an answer is no file to
-- work on.
local child, wait = require('child'), require('wait')

vim.env.FAMILIAR_MODELS = vim.fs.joinpath(vim.uv.cwd(), 'none')
child.start('app.py')
local line = child.shows('Familiar: no model')
child.keys('ggVG ax')
child.shows('Explain app.py')
child.keys('<C-w>p')
child.lua('vim.cmd.checkhealth("familiar")')
wait.report({ line = line, health = child.text() })
