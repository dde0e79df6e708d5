-- The server: its configuration for Neovim's own client, the way to it, and its return when it was lost.
-- Refuses: starting what is not there, and giving up without a reason.
local familiar = require('familiar')

local M = {}

local NAME = 'familiar'
-- The pause before each new start, in seconds; the last one is used for all further ones.
local PAUSES_S = { 1, 2, 4, 8, 16, 30 }
-- Starts in a row that may fail before the user has to ask for one.
local RESTARTS_MAX = 10
-- A server that ran this long, in seconds, counts as healthy again.
local HEALTHY_S = 60
-- Bytes at the end of the log that are searched for the server's last words.
local LOG_BYTES_MAX = 16 * 1024

-- How often, and after how many milliseconds each time, a restart looks whether the old server is gone.
local LOOKS_MAX, LOOK_MS = 60, 50

-- What is known about the server's life: `lost` says why it is away.
local life = { restarts = 0, lost = nil, stopping = false, timer = nil }
local tokens = 0

---How to get the program, for messages.
M.HOW_TO_BUILD = 'build it with `cargo build --release --bin familiar` in its repository and put it on the PATH, '
  .. 'or name it in `cmd` of the setup'

---The program, when it can be run.
---@return string?
function M.program()
  local program = familiar.options.cmd[1]
  return program and vim.fn.executable(program) == 1 and vim.fn.exepath(program) or nil
end

---The client of a buffer, once it is ready.
---@param buffer integer
---@return vim.lsp.Client?
function M.client(buffer)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = NAME })[1]
  return client and client.initialized and client or nil
end

---Why the server is away, while it is.
---@return string?
function M.lost() return life.lost end

---What the server sent, without its nulls: Neovim makes them vim.NIL, which counts as true.
---@param value any
---@return any
function M.read(value)
  if value == vim.NIL then return nil end
  if type(value) ~= 'table' then return value end
  local read = {}
  for key, part in pairs(value) do
    read[key] = M.read(part)
  end
  return read
end

-- Neovim keeps what a server writes to its error stream in the log alone.
local function last_words()
  local file = io.open(vim.lsp.log.get_filename(), 'rb')
  if not file then return nil end
  local size = file:seek('end')
  file:seek('set', math.max(size - LOG_BYTES_MAX, 0))
  local words
  for line in file:read('*a'):gmatch('[^\n]+') do
    local said = line:match('"rpc"\t.*familiar.*\t"stderr"\t"(.*)"%s*$')
    if said then words = said:gsub('\\n', '\n'):gsub('\\"', '"') end
  end
  file:close()
  local last = words and vim.trim(words):match('[^\n]*$')
  return last and last:gsub('^%a+: ', ''):gsub('; restart .*', '') or nil
end

local function start_again()
  if life.timer and not life.timer:is_closing() then life.timer:close() end
  life.timer = nil
  if M.program() then return vim.lsp.enable(NAME) end
  life.lost = ('%s is not there any more'):format(familiar.options.cmd[1])
  familiar.say(('%s; %s'):format(life.lost, M.HOW_TO_BUILD), vim.log.levels.ERROR)
end

-- After the end of the server: says why, and starts it again after a pause that grows.
local function ended(code, signal, began)
  if vim.v.exiting ~= vim.NIL or life.stopping then return end
  if code == 0 and (signal == 0 or signal == 15) then return end
  if life.timer then return end -- Another client of ours ended by the same, and one start is for all.
  if (vim.uv.now() - began) / 1000 > HEALTHY_S then life.restarts = 0 end
  life.restarts = life.restarts + 1
  life.lost = last_words() or (signal ~= 0 and 'signal ' .. signal or 'exit code ' .. code)
  if life.restarts > RESTARTS_MAX then
    local how =
      'the server ended %d times in a row (%s); `:checkhealth familiar` helps, `:Familiar restart` tries again'
    return familiar.say(how:format(life.restarts, life.lost), vim.log.levels.ERROR)
  end
  local pause_s = PAUSES_S[math.min(life.restarts, #PAUSES_S)]
  familiar.say(('the server ended (%s); it starts again in %d s'):format(life.lost, pause_s), vim.log.levels.WARN)
  life.timer = vim.defer_fn(start_again, pause_s * 1000)
end

-- Starts the process. Neovim is told that it ended well, because `ended` says more than Neovim would.
local function spawn(dispatchers, config)
  local began = vim.uv.now()
  local wrapped = vim.tbl_extend('force', dispatchers, {
    on_exit = function(code, signal)
      vim.schedule(function() ended(code, signal, began) end)
      dispatchers.on_exit(0, 0)
    end,
  })
  local where = { cwd = config and config.cmd_cwd, env = config and config.cmd_env }
  return vim.lsp.rpc.start(familiar.options.cmd, wrapped, where)
end

-- A file outside of any project, such as an answer, belongs to the session that runs already.
local function reuse(client, config)
  if client.name ~= NAME or client:is_stopped() then return false end
  return not config.root_dir or client.root_dir == config.root_dir
end

-- An answer opens beside the code, and a second one takes its place.
local function show_document(result, params, context)
  params = M.read(params)
  local code = vim.api.nvim_get_current_win()
  local name = not params.external and vim.uri_to_fname(params.uri) or ''
  if not (name:match('%.md$') or name:match('%.diff$')) then
    return vim.lsp.handlers['window/showDocument'](result, params, context)
  end
  -- Known before it opens and the client attaches to it.
  vim.b[vim.uri_to_bufnr(params.uri)].familiar_answer = true
  local window
  for _, candidate in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.w[candidate].familiar_answer then window = candidate end
  end
  if window then
    vim.api.nvim_set_current_win(window)
  elseif vim.api.nvim_buf_get_name(0) ~= name then
    -- The text has at most 100 columns; beside it there has to be room for the code.
    vim.cmd(vim.o.columns >= 150 and 'rightbelow vsplit' or 'rightbelow split')
  end
  local answer = vim.lsp.handlers['window/showDocument'](result, params, context)
  vim.w.familiar_answer = true
  local look = vim.wo[0][0]
  look.wrap, look.linebreak = true, true
  if name:match('%.diff$') then require('familiar.proposal').take(vim.api.nvim_get_current_buf()) end
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = true, desc = 'Familiar: close the answer' })
  if params.takeFocus == false and vim.api.nvim_win_is_valid(code) then vim.api.nvim_set_current_win(code) end
  return answer
end

local function show_message(_, params)
  local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
  familiar.say(params.message, levels[params.type])
end

-- Neovim prints the label of an edit, over our line about what waits.
local function apply_edit(problem, params, context)
  params.label = nil
  return vim.lsp.handlers['workspace/applyEdit'](problem, params, context)
end

-- The commands that need words, which the menu of code actions does not ask for.
local function with_words(name)
  return function(command, context)
    local client = assert(vim.lsp.get_client_by_id(context.client_id))
    require('familiar.commands').from_menu(client, name, command, context.bufnr)
  end
end

local function configuration()
  local options = familiar.options
  return vim.tbl_deep_extend('force', {
    cmd = spawn,
    filetypes = options.filetypes,
    root_markers = options.root_markers,
    reuse_client = reuse,
    init_options = { client = { review = true, preview = options.preview, prompt = true, edits = options.review } },
    commands = { ['familiar.edit'] = with_words('edit'), ['familiar.ask'] = with_words('ask') },
    handlers = {
      ['familiar/review'] = function(_, params) require('familiar.review').show(M.read(params)) end,
      ['familiar/preview'] = function(_, params) require('familiar.preview').show(M.read(params)) end,
      ['workspace/applyEdit'] = apply_edit,
      ['window/showDocument'] = show_document,
      ['window/showMessage'] = show_message,
    },
    on_exit = function(_, _, client)
      vim.schedule(function() require('familiar.jobs').forget(client) end)
    end,
    on_attach = function(client, buffer)
      if life.lost then
        life.lost = nil
        familiar.say('the server is back')
      end
      require('familiar.jobs').back()
      require('familiar.status').attached(client)
      if not vim.b[buffer].familiar_answer or require('familiar.proposal').is(buffer) then
        require('familiar.keys').set_judging(buffer)
      end
      vim.api.nvim_exec_autocmds('User', { pattern = 'FamiliarAttach', modeline = false, data = { buf = buffer } })
    end,
  }, options.lsp)
end

---Starts the server for all files that are open or will be.
function M.start()
  if not M.program() then
    local what = '"%s" cannot be run; `:checkhealth familiar` says what to do'
    return familiar.say(what:format(familiar.options.cmd[1]), vim.log.levels.WARN)
  end
  vim.lsp.config(NAME, configuration())
  vim.lsp.enable(NAME)
end

-- Goes on once these clients are gone, or have had their time.
local function when_gone(clients, looks, run)
  local gone = vim.iter(clients):all(function(client) return client:is_stopped() end)
  if gone or looks == 0 then return run() end
  vim.defer_fn(function() when_gone(clients, looks - 1, run) end, LOOK_MS)
end

---Ends the server and starts it again, with the options as they are now.
function M.restart()
  life.restarts, life.lost, life.stopping = 0, nil, true
  local clients = vim.lsp.get_clients({ name = NAME })
  vim.lsp.enable(NAME, false)
  for _, client in ipairs(clients) do
    client:stop()
  end
  when_gone(clients, LOOKS_MAX, function()
    life.stopping = false
    M.start()
  end)
end

-- Why a buffer has no client, when waiting would not give it one.
local function why_none(buffer)
  if not M.program() then return ('"%s" cannot be run; %s'):format(familiar.options.cmd[1], M.HOW_TO_BUILD) end
  if life.lost and not life.timer then
    return ('the server is away (%s); `:Familiar restart` starts it'):format(life.lost)
  end
  local buffer_options, filetypes = vim.bo[buffer], familiar.options.filetypes
  if buffer_options.buftype ~= '' then return 'this buffer is no file' end
  if filetypes and not vim.tbl_contains(filetypes, buffer_options.filetype) then
    return ('your setup leaves out files of the kind "%s"'):format(buffer_options.filetype)
  end
end

---Runs something with the client of a buffer, as soon as there is one, or says why there is none. What waits for a buffer
---gives way to what comes after it, so that a key pressed again does its work once.
---@param buffer integer
---@param run fun(client: vim.lsp.Client)
function M.with(buffer, run)
  if vim.api.nvim_buf_get_name(buffer) == '' then
    return familiar.say('this buffer has no name yet; `:w NAME` gives it one', vim.log.levels.WARN)
  end
  local client = M.client(buffer)
  if client then return run(client) end
  local why = why_none(buffer)
  if why then return familiar.say(why, vim.log.levels.WARN) end
  -- Before anything is started: a server that runs already takes the buffer up at once.
  vim.api.nvim_create_autocmd('User', {
    pattern = 'FamiliarAttach',
    group = vim.api.nvim_create_augroup('familiar.waiting.' .. buffer, {}),
    callback = function(event)
      if event.data.buf ~= buffer then return end
      vim.schedule(function()
        local attached = M.client(buffer)
        if attached then run(attached) end
      end)
      return true
    end,
  })
  if life.timer then
    -- Whoever asks for something does not wait out a pause.
    start_again()
  else
    familiar.start()
  end
  -- A file of no kind made no event that would have started it.
  if vim.bo[buffer].filetype == '' then vim.lsp.enable(NAME) end
  if not M.client(buffer) then familiar.say('the server is starting; this waits for it') end
end

---Sends a command. What comes of it comes later, as an edit, a document or a message.
---@param client vim.lsp.Client
---@param buffer integer
---@param name string without `familiar.`
---@param argument any
---@param options? { token: string?, failed: fun(reason: string)?, answered: fun(answer: any)? }
function M.command(client, buffer, name, argument, options)
  options = options or {}
  client:request('workspace/executeCommand', {
    command = 'familiar.' .. name,
    arguments = argument == nil and {} or { argument },
    workDoneToken = options.token,
  }, function(problem, answer)
    if not problem then return options.answered and options.answered(M.read(answer)) end
    familiar.say(problem.message or vim.inspect(problem), vim.log.levels.ERROR)
    if options.failed then options.failed(problem.message) end
  end, buffer)
end

---A name for the progress of a new piece of work.
---@return string
function M.new_token()
  tokens = tokens + 1
  return ('familiar-nvim-%d-%d'):format(vim.uv.os_getpid(), tokens)
end

return M
