// The files and the model's answers that several scenarios share. Refuses: logic.

import type { Reply } from "./desk.ts";

/** Three functions, each of which is edited. */
export const SHOP = `def total(prices):
    result = 0
    for price in prices:
        result += price
    return result


def tax(price, rate):
    return price * rate


def label(name):
    return name
`;

/** The lines of `SHOP`. */
export const SHOP_LINES = 13;

/** Where the first of them ends. */
export const FIRST_FUNCTION = SHOP.replace("result = 0", "result = Decimal(0)").indexOf("\n\n") + 1;

/** A file that uses them. */
export const CART = `from shop import total


def pay(cart):
    return total(cart.prices)
`;

/** An answer that changes both files and makes a third. */
export const SEVERAL = [
  ...["shop.py", "<<<<<<< SEARCH", "    result = 0", "=======", "    result = Decimal(0)", ">>>>>>> REPLACE", ""],
  ...["cart.py", "<<<<<<< SEARCH", "    return total(cart.prices)", "=======", "    return rounded(total(cart.prices))"],
  ...[">>>>>>> REPLACE", "", "money.py", "<<<<<<< SEARCH", "=======", "from decimal import Decimal", ">>>>>>> REPLACE", ""],
].join("\n");

/** A file that nobody needs any more. */
export const OLD = `from shop import total


def old_total(prices):
    return total(prices)
`;

/** An answer that changes a file, gives the one that uses it another name, makes a third and takes a fourth away. */
export const MOVING = [
  ...["shop.py", "<<<<<<< SEARCH", "    result = 0", "=======", "    result = Decimal(0)", ">>>>>>> REPLACE", ""],
  ...["cart.py", "<<<<<<< SEARCH", "    return total(cart.prices)", "=======", "    return rounded(total(cart.prices))"],
  ...[">>>>>>> REPLACE", "", "money.py", "<<<<<<< SEARCH", "=======", "from decimal import Decimal", ">>>>>>> REPLACE", ""],
  ...["RENAME FILE: cart.py -> basket.py", "DELETE FILE: old.py", ""],
].join("\n");

/** The lines that the edit replaces, and what stands there afterwards. */
export const CHANGES = [
  ["    result = 0\n", "    result = Decimal(0)\n"],
  ["    return price * rate\n", "    return (price * rate).quantize(CENT)\n"],
  ["    return name\n", "    return name.strip()\n"],
] as const;

/** `SHOP` after those of its changes that are named, from 0. */
export function shopWith(...changes: readonly number[]): string {
  const wanted = CHANGES.filter((_, at) => changes.includes(at));
  return wanted.reduce((text, [before, after]) => text.replace(before, after), SHOP);
}

/** An answer with code. */
export function code(text: string, more: Partial<Reply> = {}): Reply {
  return { text: [`\`\`\`python\n${text}\`\`\`\n`], ...more };
}

/** An answer with code that comes line by line. */
export function slowCode(text: string, delay: number): Reply {
  return { text: ["```python\n", ...text.split(/(?<=\n)/), "```\n"], delay_ms: delay };
}
