#!/usr/bin/env lua
--- A shop, small enough to read.

local stock = require("shop.stock")
local pay = require "shop.pay"

-- The most items one basket holds.
local ITEMS_MAX = 10

---@class Basket
---@field items table
local Basket = {}
Basket.__index = Basket

local M = { version = "1.0" }

--- What a customer carries.
-- Full baskets refuse.
function Basket.new(owner)
  return setmetatable({ owner = owner, items = {} }, Basket)
end

--- Adds one item.
---@param item Item
function Basket:add(item)
  if #self.items >= ITEMS_MAX then
    error(M.full(item))
  end
  local function remember()
    table.insert(self.items, item)
  end
  remember()
end

function M.full(item)
  return "no room for " .. item.name
end

M.checkout = function(basket)
  return pay.total(basket)
end

M.defaults = {
  currency = "EUR",
  --- Called when a basket is empty.
  on_empty = function(basket)
    print(basket)
  end,
}

local function shelf_of(name)
  return stock.shelf(name)
end

local first = function() return shelf_of("first") end

function Global(a, ...)
  return first(a, ...)
end

M.nested = M.nested or {}
M.nested.deep.find = function(name) return name:lower() end

return M
