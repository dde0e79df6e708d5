// Waiting for what is seen from outside. Refuses: waiting without an end, and waiting for time to pass: it looks until what
// is expected is there, because neither a page nor another process tells.

/** How long one thing may take, in milliseconds. Generous: a small machine may have much else to do. */
export const WAIT_MS_MAX = 180_000;
/** Between two looks, in milliseconds. */
const LOOK_MS = 40;

/** Looks until there is something, and returns it. What was seen last is told when it never comes. */
export async function until<Seen>(what: string, look: () => Promise<Seen | undefined> | Seen | undefined): Promise<Seen> {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS_MAX / 1_000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Looks until two values are the same. */
export async function untilEqual(what: string, expected: string, look: () => Promise<string> | string): Promise<void> {
  let last = "";
  try {
    await until(what, async () => {
      last = await look();
      return last === expected ? true : undefined;
    });
  } catch {
    throw new Error(`${what}: expected\n${expected}\nbut saw\n${last}`);
  }
}
