// Plays the scenarios one after the other and writes the table of results. Refuses: passing when nothing was played, when a
// page complained, and writing a table when only some were played.
// Usage: node src/run.ts [WORD...]    plays the scenarios whose name has one of the words in it

import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { Desk } from "./desk.ts";
import type { Programs } from "./desk.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { stableDiffusion } from "./tiny.ts";
import { passed, rows, told } from "../../vscode/src/results.ts";
import type { Result } from "../../vscode/src/results.ts";

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, "../../../..");
const WORK = path.join(ROOT, "target/e2e-pages");
const RESULTS = path.join(ROOT, "tests/e2e/results/pages.md");
const BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"].concat([
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]);

/** The surroundings of the scenario that is being played. */
let current: Desk | undefined;
/** Whether somebody ends the tests: then no further surroundings are made, which nobody would end. */
let ending = false;

/** Ends what was started when somebody ends the tests; the daemon would outlive them. */
function endWith(browser: Browser): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      ending = true;
      void Promise.allSettled([current?.close(), browser.close()]).then(() => process.exit(1));
    });
  }
}

async function play(scenario: Scenario, programs: Programs): Promise<Result> {
  const began = Date.now();
  const file = (name: string) => path.join(WORK, `${scenario.name.replace(/[^a-z0-9]+/gi, "-")}-${name}.png`);
  let desk: Desk | undefined;
  let error: string | undefined;
  try {
    const made = await Desk.make(programs, scenario.setting ?? {});
    desk = made;
    current = made;
    await scenario.play(made, async (name) => {
      await made.pages.at(-1)?.screenshot({ path: file(name), fullPage: true });
    });
    if (made.complaints.length > 0) throw new Error(`pages complained: ${made.complaints.join("; ")}`);
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    if (desk !== undefined && desk.complaints.length > 0) error += `\npages complained: ${desk.complaints.join("; ")}`;
    for (const [at, page] of (desk?.pages ?? []).entries()) {
      await page.screenshot({ path: file(`failed-${at}`), fullPage: true }).catch(() => undefined);
    }
    await desk?.keepLogs(file("logs").replace(/\.png$/, "")).catch(() => undefined);
  } finally {
    await desk?.close().catch((thrown: unknown) => {
      error ??= `could not be ended: ${String(thrown)}`;
    });
  }
  return told(scenario.name, began, error);
}

async function table(results: readonly Result[], programs: Programs): Promise<string> {
  const familiar = (await run(programs.familiar, ["--version"])).stdout.trim();
  const all = results.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    "# The pages of images, end to end",
    "",
    "Written by the last step of `make test-pages`: the real program, which draws with a tiny Stable Diffusion of made-up weights, and its",
    "pages in a headless Chromium. No page may complain in its console, and no request may leave this machine.",
    "",
    `${new Date().toISOString().slice(0, 10)}; ${familiar}; Chromium ${programs.browser.version()};`,
    `${passed(results)}, in ${all.toFixed(0)} s.`,
    "",
    ...rows(results),
    "",
  ].join("\n");
}

/** A variable of the environment that `make test-pages` sets. */
function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} names no program: run \`make test-pages\``);
  return path.resolve(value);
}

async function main(words: readonly string[]): Promise<number> {
  const chosen = SCENARIOS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0) throw new Error("no scenario has such a name");
  await rm(WORK, { recursive: true, force: true });
  await mkdir(WORK, { recursive: true });
  const model = path.join(WORK, "model");
  await stableDiffusion(model);
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launch({ executablePath: given("FAMILIAR_BROWSER"), args: BROWSER, ...signals });
  endWith(browser);
  const programs = { familiar: given("FAMILIAR_BIN"), browser, model };
  const results: Result[] = [];
  try {
    for (const scenario of chosen) {
      if (ending) return 1;
      results.push(await play(scenario, programs));
    }
    if (words.length === 0) await writeFile(RESULTS, await table(results, programs));
  } finally {
    await browser.close();
  }
  return results.every(({ error }) => error === undefined) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
