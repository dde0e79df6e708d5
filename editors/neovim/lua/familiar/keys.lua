-- The default keys: those that are always there, and those for judging, of buffers that the server knows.
-- Refuses: a key that somebody uses already. What a key does is a <Plug> map, so any other key can do it.
local M = {}

-- After the prefix, everywhere.
local GLOBAL = {
  { 'e', 'edit', 'edit by instruction; on a change: follow up', true },
  { 'a', 'ask', 'ask about the code', true },
  { 'x', 'explain', 'explain', true },
  { 'f', 'fix', 'fix', true },
  { 'd', 'document', 'document', true },
  { 't', 'tests', 'write tests', true },
  { 'o', 'optimise', 'optimise', true },
  { 'r', 'refactor', 'refactor', true },
  { 'v', 'review', 'review the code', true },
  { 'h', 'history', 'earlier edits of this file' },
  { 'c', 'cancel', 'cancel what runs' },
  { 's', 'status', 'status' },
}
-- After the prefix, in a buffer that the server knows, also in the diff of a proposal. They stay when nothing waits:
-- one press too many must not become typing.
local JUDGING = {
  { 'k', 'keep', 'keep the change' },
  { 'u', 'revert', 'revert the change' },
  { 'K', 'keepall', 'keep all changes of the file' },
  { 'U', 'revertall', 'revert all changes of the file' },
  { 'n', 'next', 'to the next change' },
  { 'p', 'prev', 'to the previous change' },
}
-- The same, in the text itself.
local IN_TEXT = {
  { 'R', 'retry', 'another version of this edit' },
  { ']', 'alternative', 'show the next version' },
  { '[', 'alternative-back', 'show the previous version' },
  { 'D', 'diff', 'the edit as a diff' },
}

local function plug(name) return ('<Plug>(familiar-%s)'):format(name) end

-- Keys that we set: for all buffers, and by buffer.
local set_globally, set_in = {}, {}

-- Sets one key unless it, or a part of it, is taken; remembers it in `set`.
local function set_free(set, mode, key, name, what, buffer)
  if vim.fn.maparg(key, mode) ~= '' then return end
  vim.keymap.set(mode, key, plug(name), { desc = 'Familiar: ' .. what, buffer = buffer })
  table.insert(set, { mode, key })
end

local function forget(set, buffer)
  for _, key in ipairs(set) do
    pcall(vim.keymap.del, key[1], key[2], { buffer = buffer })
  end
end

---The prefix, or nil where there is none or the user has a key of that very name, which ours would slow down.
---@return string?
function M.prefix()
  local prefix = require('familiar').options.prefix
  if not prefix or prefix == true or vim.fn.maparg(prefix, 'n') ~= '' then return nil end
  return prefix
end

---Sets the keys that are always there, in place of those set before. The others follow when a buffer is attached.
function M.set_global()
  forget(set_globally)
  set_globally = {}
  for buffer, set in pairs(set_in) do
    forget(set, buffer)
  end
  set_in = {}
  local prefix = M.prefix()
  if not prefix then return end
  for _, key in ipairs(GLOBAL) do
    for _, mode in ipairs(key[4] and { 'n', 'x' } or { 'n' }) do
      set_free(set_globally, mode, prefix .. key[1], key[2], key[3])
    end
  end
end

---Sets the keys for judging in a buffer, until it is deleted.
---@param buffer integer
function M.set_judging(buffer)
  if set_in[buffer] then return end
  vim.api.nvim_create_autocmd({ 'BufDelete', 'BufWipeout' }, {
    buffer = buffer,
    callback = function()
      set_in[buffer] = nil
      return true
    end,
  })
  local set, options, prefix = {}, require('familiar').options, M.prefix()
  set_in[buffer] = set
  vim.api.nvim_buf_call(buffer, function()
    local in_text = not require('familiar.proposal').is(buffer)
    for _, key in ipairs(prefix and vim.list_extend(in_text and vim.deepcopy(IN_TEXT) or {}, JUDGING) or {}) do
      set_free(set, 'n', prefix .. key[1], key[2], key[3], buffer)
    end
    local moves = { { options.next_change, 'next', 'next' }, { options.previous_change, 'prev', 'previous' } }
    for _, move in ipairs(moves) do
      local what = ('to the %s change'):format(move[3])
      if type(move[1]) == 'string' then set_free(set, 'n', move[1], move[2], what, buffer) end
    end
  end)
end

---The shortest key that does something in the current buffer, as one types it; nil when there is none.
---@param name string
---@return string?
function M.of(name)
  local best
  for _, maps in ipairs({ vim.api.nvim_buf_get_keymap(0, 'n'), vim.api.nvim_get_keymap('n') }) do
    for _, map in ipairs(maps) do
      if map.rhs == plug(name) and (not best or #map.lhs < #best) then best = map.lhs end
    end
  end
  return best and vim.fn.keytrans(vim.keycode(best)) or nil
end

return M
