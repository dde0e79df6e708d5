-- What `:Familiar` and the keys do: each finds what it is about and sends one command to the server.
-- Refuses: model work, and words that it does not know.
local familiar = require('familiar')

local M = {}

local lsp = require('familiar.lsp')

-- Sends work on a target and shows where it is done.
local function work(name, target, argument)
  lsp.with(target.buffer, function(client)
    argument = vim.tbl_extend('keep', argument or {}, {
      uri = vim.uri_from_bufnr(target.buffer),
      range = require('familiar.target').range(target, client.offset_encoding),
      review = name ~= 'explain' and name ~= 'ask' and name ~= 'review' and familiar.options.review or nil,
    })
    M.begin(client, target.buffer, target.first - 1, name, argument)
  end)
end

---Sends a command that takes time, with a line about it beside the code.
function M.begin(client, buffer, row, name, argument)
  local token = lsp.new_token()
  require('familiar.jobs').begin(token, client, buffer, row, { name = name, words = argument.instruction })
  lsp.command(client, buffer, name, argument, {
    token = token,
    -- What was answered and has not begun was over at once.
    answered = function() require('familiar.jobs').finish_unbegun(token) end,
    failed = function()
      require('familiar.jobs').finish(token)
      if argument.instruction then require('familiar.prompt').give_back(argument.instruction) end
    end,
  })
end

-- Words that stood behind the command are remembered like those of the prompt.
local function send_given(given, send)
  require('familiar.prompt').remember(given.words)
  send(given.words)
end

-- Asks for words unless they were given, then does the work.
local function with_words(name, verb)
  return function(given)
    local target = given.target()
    local function send(words)
      work(name, target, { instruction = words, reach = given.bang and name == 'edit' and 'workspace' or nil })
    end
    if given.words ~= '' then return send_given(given, send) end
    local title = ('%s %s'):format(verb, require('familiar.target').name(target))
    if given.bang and name == 'edit' then title = verb .. ' in several files' end
    require('familiar.prompt').open({ title = title, target = target, send = send })
  end
end

-- What a follow-up says, about the change under the cursor.
local function follow_up(change, given)
  local target = given.target()
  local function send(words)
    lsp.with(target.buffer, function(client)
      local argument = { uri = vim.uri_from_bufnr(target.buffer), proposal = change.proposal, instruction = words }
      M.begin(client, target.buffer, target.first - 1, 'followUp', argument)
    end)
  end
  if given.words ~= '' then return send_given(given, send) end
  local about = change.instruction or change.title
  if vim.fn.strchars(about) > 50 then about = vim.fn.strcharpart(about, 0, 49) .. '…' end
  require('familiar.prompt').open({ title = ('Follow up on "%s"'):format(about), target = target, send = send })
end

-- The commands that need words.
local WITH_WORDS = {
  edit = with_words('edit', 'Edit'),
  ask = with_words('ask', 'Ask about'),
  image = with_words('image', 'Draw an image at'),
}

---What was chosen in the menu of code actions, or sent by another plugin: without the words that it needs they are
---asked for, with them it goes on to the server.
---@param client vim.lsp.Client
---@param name 'edit'|'ask'|'image'
---@param command lsp.Command
---@param buffer integer
function M.from_menu(client, name, command, buffer)
  local argument = lsp.read((command.arguments or {})[1])
  if type(argument) ~= 'table' or argument.instruction or not (argument.uri and argument.range) then
    local sent = { command = command.command, arguments = command.arguments }
    client:request('workspace/executeCommand', sent, function(problem)
      if problem then familiar.say(problem.message, vim.log.levels.ERROR) end
    end, buffer)
    return
  end
  local wanted = vim.uri_to_bufnr(argument.uri)
  -- The prompt stands over the code.
  if wanted ~= vim.api.nvim_get_current_buf() then
    vim.lsp.util.show_document(argument, client.offset_encoding, { reuse_win = true, focus = true })
  end
  local target = require('familiar.target').of_range(wanted, argument.range, client.offset_encoding)
  WITH_WORDS[name]({ words = '', bang = false, selected = target.selected, target = function() return target end })
end

local function edit(given)
  local change = not given.selected
    and not given.bang
    and require('familiar.review').at_cursor(vim.api.nvim_get_current_buf())
  if change then return follow_up(change, given) end
  WITH_WORDS.edit(given)
end

-- Draws the words that are given or selected; without either they are asked for.
local function image(given)
  if given.words == '' and given.selected then return work('image', given.target()) end
  WITH_WORDS.image(given)
end

local function on_code(name)
  return function(given) work(name, given.target(), { instruction = given.words ~= '' and given.words or nil }) end
end

-- Fixes what a diagnostic of the line says, where nothing is selected and no words are given.
local function fix(given)
  local target = given.target()
  local words = given.words ~= '' and given.words or nil
  if not words and not target.selected then
    local found = vim.diagnostic.get(target.buffer, { lnum = target.first - 1 })
    table.sort(found, function(a, b) return a.severity < b.severity end)
    if found[1] then words = 'Fix this: ' .. found[1].message end
  end
  work('fix', target, { instruction = words })
end

-- Runs something with the change under the cursor and what names its edit to the server.
local function on_change(run)
  return function(given)
    local change = require('familiar.review').wanted()
    if not change then return end
    local buffer = vim.api.nvim_get_current_buf()
    local named = { uri = vim.uri_from_bufnr(buffer), proposal = change.proposal }
    lsp.with(buffer, function(client) run(client, buffer, named, change, given) end)
  end
end

local function in_proposal() return require('familiar.proposal').is(vim.api.nvim_get_current_buf()) end

local function judge(name)
  local judge_change = on_change(function(client, buffer, named, change)
    named.file, named.change = change.file, change.change
    require('familiar.review').judging(buffer)
    lsp.command(client, buffer, name, named)
  end)
  return function(given)
    if in_proposal() then return require('familiar.proposal').judge(name, false) end
    judge_change(given)
  end
end

local function judge_all(name)
  return function(given)
    if in_proposal() then return require('familiar.proposal').judge(name, true) end
    local buffer = vim.api.nvim_get_current_buf()
    local all = not given.bang and { uri = vim.uri_from_bufnr(buffer) } or nil
    lsp.with(buffer, function(client)
      require('familiar.review').judging(all and buffer)
      lsp.command(client, buffer, name, all)
    end)
  end
end

local retry = on_change(
  function(client, buffer, named) M.begin(client, buffer, vim.fn.line('.') - 1, 'retry', named) end
)

local function alternative(step)
  return on_change(function(client, buffer, named, change, given)
    if change.candidates < 2 then
      return familiar.say('there is one version of this edit; `:Familiar retry` makes another')
    end
    named.step = given.bang and -step or step
    lsp.command(client, buffer, 'alternative', named)
  end)
end

local function go(forward)
  return function() require(in_proposal() and 'familiar.proposal' or 'familiar.review').go(forward) end
end

local function show_proposal(buffer, argument)
  lsp.with(buffer, function(client) lsp.command(client, buffer, 'showProposal', argument) end)
end

-- An edit of the past in one line.
local function describe(edited)
  local counts, states = {}, {}
  for _, state in ipairs(edited.states or {}) do
    if not counts[state] then table.insert(states, state) end
    counts[state] = (counts[state] or 0) + 1
  end
  for at, state in ipairs(states) do
    states[at] = counts[state] .. ' ' .. state
  end
  local words = edited.instruction and ': ' .. edited.instruction or ''
  local when = os.date('%d %b %H:%M', edited.createdMs / 1000)
  return ('%s  %s%s  (%s)'):format(when, edited.title, words, table.concat(states, ', '))
end

local function history()
  local buffer = vim.api.nvim_get_current_buf()
  local function choose(edits)
    if type(edits) ~= 'table' or #edits == 0 then return familiar.say('this file was not edited yet') end
    vim.ui.select(edits, { prompt = 'Edits of this file', format_item = describe }, function(edited)
      if edited then show_proposal(buffer, { proposal = edited.proposal }) end
    end)
  end
  local file = { uri = vim.uri_from_bufnr(buffer) }
  lsp.with(buffer, function(client) lsp.command(client, buffer, 'history', file, { answered = choose }) end)
end

local function cancel()
  local buffer = vim.api.nvim_get_current_buf()
  local tokens = require('familiar.jobs').tokens_of(buffer)
  lsp.with(buffer, function(client)
    if #tokens == 0 then return lsp.command(client, buffer, 'cancel') end
    for _, token in ipairs(tokens) do
      lsp.command(client, buffer, 'cancel', token)
    end
  end)
end

local function status()
  local buffer = vim.api.nvim_get_current_buf()
  lsp.with(buffer, function(client) lsp.command(client, buffer, 'status') end)
end

-- Does what the comment under the cursor asks for: `familiar: …` edits, `familiar? …` asks.
local function comment()
  local target = require('familiar.target').here()
  lsp.with(target.buffer, function(client)
    local place = require('familiar.target').range(target, client.offset_encoding).start
    lsp.command(client, target.buffer, 'comment', { uri = vim.uri_from_bufnr(target.buffer), position = place })
  end)
end

local function diff()
  local buffer = vim.api.nvim_get_current_buf()
  local change = require('familiar.review').at_cursor(buffer)
  show_proposal(buffer, change and { proposal = change.proposal } or { uri = vim.uri_from_bufnr(buffer) })
end

local function chat()
  local function ended(done)
    if done.code ~= 0 then familiar.say(vim.trim(done.stderr), vim.log.levels.ERROR) end
  end
  local command = { lsp.program() or familiar.options.cmd[1], 'open' }
  vim.system(command, { text = true, detach = true }, vim.schedule_wrap(ended))
end

-- Every word after `:Familiar`, in the order of the help file.
local COMMANDS = {
  edit = edit,
  ask = WITH_WORDS.ask,
  explain = on_code('explain'),
  fix = fix,
  document = on_code('document'),
  tests = on_code('tests'),
  optimise = on_code('optimise'),
  refactor = on_code('refactor'),
  review = on_code('review'),
  keep = judge('keep'),
  revert = judge('revert'),
  keepall = judge_all('keep'),
  revertall = judge_all('revert'),
  next = go(true),
  prev = go(false),
  retry = retry,
  alternative = alternative(1),
  ['alternative-back'] = alternative(-1),
  image = image,
  history = history,
  diff = diff,
  comment = comment,
  cancel = cancel,
  status = status,
  chat = chat,
  restart = function()
    familiar.start()
    lsp.restart()
  end,
}

---What a key does, in normal or visual mode.
---@param name string
function M.press(name)
  local target = require('familiar.target').here()
  COMMANDS[name]({ words = '', bang = false, selected = target.selected, target = function() return target end })
end

---What `:Familiar` does.
---@param given table as |nvim_create_user_command()| gives it
function M.run(given)
  local name, words = given.args:match('^%s*(%S*)%s*(.-)%s*$')
  if name == '' then name = 'status' end
  local run = COMMANDS[name]
  if not run then
    local how = 'there is no command "%s"; they are in :help familiar-commands'
    return familiar.say(how:format(name), vim.log.levels.ERROR)
  end
  local target = require('familiar.target')
  run({
    words = words,
    bang = given.bang,
    selected = given.range > 0,
    target = function() return given.range > 0 and target.lines(given.line1, given.line2) or target.here() end,
  })
end

---The words that may follow.
function M.complete(lead, line)
  if line:match('Familiar!?%s+%S+%s') then return {} end
  local names = vim.tbl_filter(function(name) return vim.startswith(name, lead) end, vim.tbl_keys(COMMANDS))
  table.sort(names)
  return names
end

return M
