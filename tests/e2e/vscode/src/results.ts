// What came of the scenarios of a suite, as lines of a terminal and as rows of a page. It refuses to play any.

/** How one scenario went. */
export interface Result {
  readonly name: string;
  readonly seconds: number;
  /** Why it failed. */
  readonly error: string | undefined;
}

/** Characters of an error that stand in a row. */
const ERROR_CHARS_MAX = 120;

/** Says how a scenario that began then, in milliseconds of the clock, went. */
export function told(name: string, began: number, error: string | undefined): Result {
  const seconds = (Date.now() - began) / 1_000;
  console.log(`${error === undefined ? "passed" : "FAILED"}  ${name}  (${seconds.toFixed(1)} s)`);
  if (error !== undefined) console.log(error);
  return { name, seconds, error };
}

/** How many passed, of how many. */
export function passed(results: readonly Result[]): string {
  return `${results.filter(({ error }) => error === undefined).length} of ${results.length} passed`;
}

/** A table with a row for each. */
export function rows(results: readonly Result[]): string[] {
  const row = ({ name, seconds, error }: Result) => {
    const said = error === undefined ? "passed" : `failed: ${(error.split("\n")[0] ?? "").slice(0, ERROR_CHARS_MAX)}`;
    return `| ${name} | ${said} | ${seconds.toFixed(1)} |`;
  };
  return ["| what a user does | result | seconds |", "|---|---|---:|", ...results.map(row)];
}
