-- The highlight groups, made from those that every colour scheme has, so that light and dark follow by themselves.
-- Refuses: colours of its own, and overruling what the user set.
local M = {}

local LINKS = {
  FamiliarAddedText = 'DiffText',
  FamiliarRemoved = 'DiffDelete',
  FamiliarRemovedText = 'DiffText',
  FamiliarAddedSign = 'Added',
  FamiliarChangedSign = 'Changed',
  FamiliarRemovedSign = 'Removed',
  FamiliarHint = 'Comment',
  FamiliarKey = 'Special',
  FamiliarProgress = 'DiagnosticInfo',
  FamiliarPreview = 'DiffAdd',
  FamiliarReplaced = 'NonText',
  FamiliarSelection = 'Visual',
}

-- The background of a group alone, under which the colours of the code stay; the group itself where it has none.
local function background_of(name)
  local group = vim.api.nvim_get_hl(0, { name = name, link = false })
  if group.reverse or not (group.bg or group.ctermbg) then return { link = name, default = true } end
  return { bg = group.bg, ctermbg = group.ctermbg, default = true }
end

local function define()
  for name, to in pairs(LINKS) do
    vim.api.nvim_set_hl(0, name, { link = to, default = true })
  end
  vim.api.nvim_set_hl(0, 'FamiliarAdded', background_of('DiffAdd'))
end

function M.start()
  define()
  vim.api.nvim_create_autocmd('ColorScheme', {
    group = vim.api.nvim_create_augroup('familiar.colours', {}),
    callback = define,
  })
end

return M
