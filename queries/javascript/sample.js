/*!
 * A shop, small enough to read.
 */

'use strict'

const { EventEmitter } = require('node:events')
import stock, { shelf as shelfOf } from './stock.js'
export * from './prices.js'

// The most items one basket holds.
export const ITEMS_MAX = 10
var debug = require('debug')('shop')
let app = exports = module.exports = {}

/**
 * What a customer carries.
 */
export class Basket extends EventEmitter {
  static currency = 'EUR'
  #items = []

  constructor(owner) {
    super()
    this.owner = owner
  }

  /** Sum of all prices. */
  get total() {
    return this.#items.reduce((sum, item) => sum + item.price, 0)
  }

  async *[Symbol.asyncIterator]() {}

  onFull = () => this.emit('full')

  #check(item) {
    if (this.#items.length >= ITEMS_MAX) throw new stock.FullError(item)
  }
}

/**
 * Add a handler.
 * @param {Function} fn called for each basket
 */
app.use = function use(fn) {
  const wrapped = (basket) => fn(basket)
  handlers.push(wrapped)
  return this
}

Basket.prototype.pay = function (card) {
  return charge(card, this.total)
}

exports.parse = async (text) => JSON.parse(text)
module.exports.format = function (basket) {
  return String(basket)
}

export default function checkout(basket) {
  return shelfOf(basket).pay()
}

export const Price = memo(({ amount, currency }) => {
  return <Money amount={amount}><Shop.Sign>{currency}</Shop.Sign></Money>
})

export const discount = async (basket) => {
  const { rates } = await import('./rates.js')
  return rates.of(basket)
}

const routes = {
  // Shows one basket.
  show(request) {
    return render(request)
  },
  list: (request) => render(request),
}

function* numbers() {
  yield 1
}
