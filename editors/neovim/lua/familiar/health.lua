-- `:checkhealth familiar`: is everything there that an edit needs, and what to do where it is not.
-- Refuses: mending anything by itself.
local M = {}

local health = vim.health
-- The longest that the program may take to answer, in milliseconds.
local ANSWER_MS_MAX = 5000

local function check_program(lsp, options)
  health.start('Familiar: program')
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim is older than 0.11', 'Install Neovim 0.11 or newer')
  end
  local program = lsp.program()
  if not program then
    health.error(('"%s" cannot be run'):format(options.cmd[1]), {
      'Build it in its repository: `cargo build --release --bin familiar`; it is target/release/familiar then',
      'Put it on the PATH that Neovim sees, or name it in the setup: cmd = { "/full/path/familiar", "lsp" }',
    })
    return false
  end
  local ask = { program, '--version' }
  local ok, answer = pcall(function() return vim.system(ask, { text = true, timeout = ANSWER_MS_MAX }):wait() end)
  if ok and answer.code == 0 then
    health.ok(('%s (%s)'):format(answer.stdout:match('[^\n]*'), program))
    return true
  end
  local why = ok and vim.trim(answer.stderr) or tostring(answer)
  health.error(('%s does not answer: %s'):format(program, why), 'Build it again')
  return false
end

local function check_model(status)
  local model = status.model or {}
  if model.name then
    health.ok(('model %s (%s)'):format(model.name, model.state or 'state unknown'))
  else
    health.warn('no model: searches and explanations show passages, edits are not possible', {
      model.hint or 'Bring one: `familiar models pull starter`, or see `familiar models --help`',
    })
  end
end

local function check_workspaces(status)
  for _, workspace in ipairs(status.workspaces or {}) do
    health.ok(('index of %s: %d files'):format(workspace.root, workspace.files or 0))
  end
  if #(status.workspaces or {}) == 0 then
    health.warn('no folder is indexed: answers rest on the open file alone', {
      'Open a file in a project: a folder with ' .. table.concat(require('familiar').options.root_markers, ', '),
    })
  end
end

-- Buffers of files to work on: diffs and answers are attached as well.
local function count_files(client)
  local function is_file(buffer)
    return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].modifiable and not vim.b[buffer].familiar_answer
  end
  return #vim.tbl_filter(is_file, vim.tbl_keys(client.attached_buffers))
end

local function check_server(lsp)
  health.start('Familiar: server')
  local client = vim.lsp.get_clients({ name = 'familiar' })[1]
  if not client then
    local lost = lsp.lost()
    return health.warn(lost and 'the server is away: ' .. lost or 'the server does not run', {
      'Open a file: the server starts with the first one',
      '`:Familiar restart` starts it; `:checkhealth vim.lsp` and `familiar status` tell more',
    })
  end
  local files = count_files(client)
  health.ok(('attached to %d %s'):format(files, files == 1 and 'file' or 'files'))
  local answer, problem = client:request_sync('familiar/status', vim.empty_dict(), ANSWER_MS_MAX)
  local status = lsp.read(answer and answer.result)
  if not status then
    local why = problem or vim.inspect(answer and answer.err)
    return health.error('the server does not answer: ' .. why, '`:Familiar restart`')
  end
  health.ok('version ' .. status.version)
  check_model(status)
  check_workspaces(status)
  for _, note in ipairs(status.notes or {}) do
    health.warn('configuration: ' .. note)
  end
  health.info('log: ' .. tostring(status.log))
end

local function check_keys()
  health.start('Familiar: keys')
  local keys, options = require('familiar.keys'), require('familiar').options
  if options.prefix == false then return health.info('no default keys are wanted') end
  if not keys.prefix() then
    return health.warn(('%s is a key of yours, so no default key was set'):format(options.prefix), {
      'Choose another prefix: require("familiar").setup({ prefix = "<Leader>i" })',
      'or map the <Plug> keys of :help familiar-keys',
    })
  end
  local missing = {}
  for _, name in ipairs({ 'edit', 'ask', 'explain', 'fix', 'cancel' }) do
    if not keys.of(name) then table.insert(missing, name) end
  end
  if #missing > 0 then
    local what = 'no key for %s: the default ones are taken'
    health.warn(what:format(table.concat(missing, ', ')), 'Map the <Plug> keys of :help familiar-keys')
  else
    health.ok(('%s edits'):format(keys.of('edit')))
  end
end

function M.check()
  local lsp, options = require('familiar.lsp'), require('familiar').options
  if check_program(lsp, options) then check_server(lsp) end
  check_keys()
end

return M
