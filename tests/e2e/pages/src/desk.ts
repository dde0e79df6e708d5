// Everything one scenario works with, made for it alone: a home of Familiar with tiny image models, its daemon, and pages of
// a browser. Refuses: any address but this machine's, the user's own home and models, and errors that a page only tells its
// console; a scenario that was to be refused something says so.

import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { cp, mkdir, mkdtemp, open, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { until, WAIT_MS_MAX } from "../../vscode/src/until.ts";

const run = promisify(execFile);
/** The browser itself leads every name below `localhost` to this machine. */
const HERE = /^(127\.0\.0\.1|([a-z]+\.)?localhost)$/;
/** How an image is made unless a scenario says otherwise: the least that the model draws. */
const LEAST = { size: "64x64", steps: "1" };

/** Where the programs are that the tests use, and a tiny model. */
export interface Programs {
  readonly familiar: string;
  readonly browser: Browser;
  readonly model: string;
}

/** What a scenario starts with. */
export interface Setting {
  /** What the models are called, in the order of the alphabet; the first one draws when none is named. */
  readonly models?: readonly string[];
}

/** How a page is shown. */
export type Look = Pick<BrowserContextOptions, "colorScheme" | "viewport" | "hasTouch" | "isMobile">;

/** An image as `--json` and the API tell of it. */
export interface Told {
  readonly id: string;
  readonly prompt: string;
  readonly seed: number;
  readonly model: string;
}

/** One scenario's surroundings. */
export class Desk {
  readonly root: string;
  readonly pages: Page[] = [];
  /** What pages told their console, and requests beyond this machine. */
  readonly #complaints: string[] = [];
  readonly #programs: Programs;
  readonly #port: number;
  #daemon: ChildProcess | undefined;

  private constructor(programs: Programs, root: string, port: number) {
    this.#programs = programs;
    this.root = root;
    this.#port = port;
  }

  /** Makes the folders and starts the daemon. */
  static async make(programs: Programs, setting: Setting): Promise<Desk> {
    // Short, because the path of the daemon's socket may have no more than 108 bytes.
    const root = await mkdtemp(path.join(tmpdir(), "fam-"));
    const desk = new Desk(programs, root, await freePort());
    try {
      for (const folder of ["user", "home/models"]) await mkdir(path.join(root, folder), { recursive: true });
      await mkdir(path.join(root, "run"), { mode: 0o700 });
      for (const name of setting.models ?? ["tiny"]) await cp(programs.model, desk.model(name), { recursive: true });
      await desk.#start();
    } catch (error) {
      await desk.close();
      throw error;
    }
    return desk;
  }

  /** Opens a page of the daemon, signed in. */
  async open(address: string, look: Look = {}): Promise<Page> {
    const context = await this.#programs.browser.newContext({ viewport: { width: 1280, height: 900 }, ...look });
    context.setDefaultTimeout(WAIT_MS_MAX);
    await context.route((url) => !HERE.test(url.hostname), (route) => {
      this.#complaints.push(`a request to ${route.request().url()}`);
      return route.abort();
    });
    const page = await context.newPage();
    this.pages.push(page);
    page.on("pageerror", (error) => this.#complaints.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.#complaints.push(message.text());
    });
    const link = new URL((await this.familiar("open", "--print")).trim());
    await page.goto(link.href);
    await page.goto(new URL(address, page.url()).href);
    return page;
  }

  /** Takes back what a page complained of because it was refused something, and insists that it did. */
  forgive(complaint: RegExp): void {
    const at = this.#complaints.findIndex((one) => complaint.test(one));
    if (at < 0) throw new Error(`no page complained of ${complaint}: ${JSON.stringify(this.#complaints)}`);
    this.#complaints.splice(at, 1);
  }

  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Where a model lies. */
  model(name: string): string {
    return path.join(this.root, "home/models", name);
  }

  /** Where the scenario may write files. */
  file(name: string): string {
    return path.join(this.root, "user", name);
  }

  /** Runs a command of the program in this desk's home. */
  async familiar(...given: string[]): Promise<string> {
    const { stdout } = await run(this.#programs.familiar, given, { env: this.#environment(), cwd: this.file("") });
    return stdout;
  }

  /** Draws from the command line, as little as there can be. */
  async draw(prompt: string, given: Readonly<Record<string, string>> = {}): Promise<readonly Told[]> {
    const options = Object.entries({ ...LEAST, ...given }).flatMap(([name, value]) => [`--${name}`, value]);
    return (JSON.parse(await this.familiar("generate", prompt, ...options, "--json")) as { images: Told[] }).images;
  }

  /** The newest images, as the command line lists them. */
  async gallery(): Promise<readonly Told[]> {
    return (JSON.parse(await this.familiar("gallery", "--json")) as { images: Told[] }).images;
  }

  /** A request to the API with a token of its own. */
  async api(): Promise<(method: string, address: string, body?: unknown) => Promise<Response>> {
    const { token } = JSON.parse(await this.familiar("tokens", "create", "--name", "test", "--json")) as { token: string };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    return (method, address, body) =>
      fetch(`http://127.0.0.1:${this.#port}/api/v1/images${address}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
  }

  /** The image files that the home has. */
  async files(): Promise<string[]> {
    const all = await readdir(path.join(this.root, "home"), { recursive: true, withFileTypes: true });
    return all.filter((one) => one.isFile() && one.parentPath.includes("blobs")).map((one) => one.name);
  }

  /** The file of the one image that the home has, besides its small version. */
  async imageFile(): Promise<string> {
    const all = await readdir(path.join(this.root, "home"), { recursive: true, withFileTypes: true });
    const blobs = all.filter((one) => one.isFile() && one.parentPath.includes("blobs"));
    for (const file of blobs.map((one) => path.join(one.parentPath, one.name))) {
      if ((await readFile(file)).toString("latin1", 1, 4) === "PNG") return file;
    }
    throw new Error("there is no image file");
  }

  async keepLogs(file: string): Promise<void> {
    for (const log of ["home/state/logs/familiar.log", "daemon.log"]) {
      await cp(path.join(this.root, log), `${file}-${path.basename(log)}`).catch(() => undefined);
    }
  }

  /** Ends everything and removes it; a daemon that does not end when it is asked is an error, and is killed. */
  async close(): Promise<void> {
    for (const page of this.pages) await page.context().close();
    const daemon = this.#daemon;
    try {
      daemon?.kill("SIGTERM");
      await until("the end of the daemon", () => daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null);
    } finally {
      daemon?.kill("SIGKILL");
      await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  #environment(): Record<string, string> {
    const at = (name: string) => path.join(this.root, name);
    const own = { HOME: at("user"), FAMILIAR_HOME: at("home"), XDG_RUNTIME_DIR: at("run"), TZ: "UTC" };
    return { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", ...own };
  }

  async #start(): Promise<void> {
    const log = await open(path.join(this.root, "daemon.log"), "w");
    const given = ["serve", "--port", String(this.#port)];
    const daemon = spawn(this.#programs.familiar, given, {
      env: this.#environment(),
      cwd: this.file(""),
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
    this.#daemon = daemon;
    await until("the daemon", async () => {
      if (daemon.exitCode !== null) throw new Error(await readFile(path.join(this.root, "daemon.log"), "utf8"));
      const answer = await fetch(`http://127.0.0.1:${this.#port}/healthz`).catch(() => undefined);
      return answer?.ok === true || undefined;
    });
  }
}

/** Pretends that the page is in the background, or in front again; no window of a headless browser ever is. */
export async function hide(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

/** Whether all of something is on the screen now. */
export async function isOnScreen(page: Page, what: Locator): Promise<boolean> {
  const box = await what.boundingBox();
  const height = page.viewportSize()?.height ?? 0;
  return box !== null && box.y >= 0 && box.y + box.height <= height;
}

/** The pictures of the gallery that are on the page. */
export function tiles(page: Page): Locator {
  return page.locator("#grid .tile > a > img");
}

/** Waits until so many pictures are in the gallery, and all of them are loaded. */
export async function waitForTiles(page: Page, count: number): Promise<void> {
  await until(`${count} images in the gallery`, async () => {
    const loaded = await tiles(page).evaluateAll((all) => all.map((one) => (one as HTMLImageElement).naturalWidth));
    return (loaded.length === count && loaded.every((width) => width > 0)) || undefined;
  });
}

/** Waits until the page has said this to who cannot see it. */
export async function waitForWord(page: Page, words: string): Promise<void> {
  await page.locator("#announce, #news").filter({ hasText: words }).first().waitFor({ state: "attached" });
}

/** A port that nobody listens on now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
