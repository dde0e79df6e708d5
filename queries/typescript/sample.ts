/** A shop, small enough to read. */
import type { Shelf } from './stock'
import express = require('express')
export { type Money, priceOf } from './prices'

/** The most items one basket holds. */
export const ITEMS_MAX = 10 as const

/** Anything that can be counted. */
export interface Countable<T = unknown> extends Iterable<T> {
  readonly size: number
  /** Counts once more. */
  count(): number
}

export type Pay = 'cash' | Card<number>

export const enum Mode {
  Strict,
  Lenient = 'lenient',
}

@injectable()
export abstract class Basket<T extends Item> extends Counter implements Countable<T>, Disposable {
  static readonly currency = 'EUR'
  #items: T[] = []

  constructor(private readonly shelf: Shelf) {
    super()
  }

  /**
   * Adds one item.
   *
   * Full baskets refuse.
   */
  @logged
  async add(item: T): Promise<void> {
    if (this.#items.length >= ITEMS_MAX) throw new FullError(item as Item)
    this.#items.push(item)
  }

  protected abstract price(item: T): number

  onFull = (listener: Listener): (() => void) => this.on('full', listener)
}

export function checkout(basket: Basket<Item>): Receipt
export function checkout(basket: Basket<Item>, pay?: Pay): Receipt {
  const local = (item: Item) => item.price
  return basket.shelf.pay(pay, local)
}

export namespace Prices {
  export function of(item: Item): number {
    return item.price
  }
}

declare module 'express' {
  interface Request {
    basket?: Basket<Item>
  }
}

declare global {
  var shop: Shop
}

declare function charge(card: Card): boolean

export const createRouter = <T extends Config>(config: T) => {
  return express.Router(config)
}

export const handlers = {
  /** Shows one basket. */
  async show(request: Request) {
    return request.basket
  },
  list: () => [],
} satisfies Handlers
