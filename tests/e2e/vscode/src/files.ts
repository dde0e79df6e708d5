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
