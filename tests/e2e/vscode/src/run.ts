// Plays the scenarios one after the other and writes the table of results. Refuses: passing when nothing was played, and
// writing a table when only some were.
// Usage: node src/run.ts [WORD...]    plays the scenarios whose name has one of the words in it

import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { Desk } from "./desk.ts";
import type { Programs } from "./desk.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { passed, rows, told } from "./results.ts";
import type { Result } from "./results.ts";

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, "../../../..");
const WORK = path.join(ROOT, "target/e2e-vscode");
const RESULTS = path.join(ROOT, "tests/e2e/results/vscode.md");
const CODE_SERVER = path.join(ROOT, "target/code-server");
const BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"].concat([
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]);

/** Runs a program of code-server's package that needs no page. */
async function codeServer(...given: string[]): Promise<string> {
  const entry = path.join(CODE_SERVER, "node_modules/code-server/out/node/entry.js");
  const home = { HOME: WORK, XDG_CONFIG_HOME: path.join(WORK, "config"), PATH: process.env["PATH"] ?? "" };
  const { stdout } = await run(path.join(CODE_SERVER, "node/bin/node"), [entry, ...given], { env: home });
  return stdout;
}

/** A folder of extensions with the package of this tree in it. */
async function installExtension(): Promise<string> {
  const extensions = path.join(WORK, "extensions");
  const { version } = JSON.parse(await readFile(path.join(ROOT, "editors/vscode/package.json"), "utf8")) as { version: string };
  const vsix = path.join(ROOT, `editors/vscode/familiar-${version}.vsix`);
  const data = path.join(WORK, "data");
  await codeServer("--install-extension", vsix, "--force", "--extensions-dir", extensions, "--user-data-dir", data);
  return extensions;
}

/** The surroundings of the scenario that is being played. */
let current: Desk | undefined;
/** Whether somebody ends the tests: then no further surroundings are made, which nobody would end. */
let ending = false;

/** Ends what was started when somebody ends the tests; code-server and the daemon would outlive them. */
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
    const made = await Desk.make(programs, scenario.setting);
    desk = made;
    current = made;
    await scenario.play(made, async (name) => {
      await made.pages[0]?.page.screenshot({ path: file(name) });
    });
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    for (const [at, editor] of (desk?.pages ?? []).entries()) {
      await editor.page.screenshot({ path: file(`failed-${at}`) }).catch(() => undefined);
      error += `\nkeys of page ${at} go to ${await editor.focus().catch(() => "nothing that can be seen")}`;
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
  const version = (await codeServer("--version")).trim().split("\n").at(-1) ?? "";
  const [server, , , , code] = version.split(" ");
  const familiar = (await run(programs.familiar, ["--version"])).stdout.trim();
  return [
    "# Familiar in VS Code, end to end",
    "",
    "Written by the last step of `make test-editors`: the packaged extension in code-server, which runs VS Code's own workbench and extension",
    "host, in a headless Chromium; the real program with a scripted model.",
    "",
    `${new Date().toISOString().slice(0, 10)}; ${familiar}; VS Code ${code} (code-server ${server}); Chromium ${programs.browser.version()};`,
    `${passed(results)}.`,
    "",
    ...rows(results),
    "",
  ].join("\n");
}

async function main(words: readonly string[]): Promise<number> {
  const familiar = process.env["FAMILIAR_BIN"];
  if (familiar === undefined) throw new Error("FAMILIAR_BIN names no program: run `make test-editors`");
  const chosen = SCENARIOS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0) throw new Error("no scenario has such a name");
  await rm(WORK, { recursive: true, force: true });
  await mkdir(WORK, { recursive: true });
  const extensions = await installExtension();
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launch({ executablePath: path.join(CODE_SERVER, "chromium"), args: BROWSER, ...signals });
  endWith(browser);
  const programs = { familiar: path.resolve(familiar), codeServer: CODE_SERVER, extensions, browser };
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
