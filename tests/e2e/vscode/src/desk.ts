// Everything one scenario works with, made for it alone: a home of Familiar with a scripted model, a workspace, a
// code-server with the packaged extension, and pages of a browser. Refuses: any address but 127.0.0.1, and the machine's own
// settings, daemon and models.

import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, open, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { Editor } from "./editor.ts";
import { until, untilEqual } from "./until.ts";

const run = promisify(execFile);

/** Where the programs are that the tests use. */
export interface Programs {
  /** The `familiar` program, built with the scripted model. */
  readonly familiar: string;
  /** Folder of `.make/code-server`. */
  readonly codeServer: string;
  /** A folder of extensions with the packaged client in it. */
  readonly extensions: string;
  readonly browser: Browser;
}

/** One answer of the model; see `Reply` in `server/model/src/scripted.rs`. */
export interface Reply {
  readonly text: readonly string[];
  readonly delay_ms?: number;
  readonly hang?: boolean;
}

/** What a scenario starts with. */
export interface Setting {
  /** The files of the workspace by name. */
  readonly files: Readonly<Record<string, string>>;
  /** What the model says, in order; no list at all means that there is no model. */
  readonly replies?: readonly Reply[];
  /** User settings of VS Code beside the usual ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Leaves the program away. */
  readonly withoutProgram?: boolean;
}

/** How often code-server is started for one scenario. */
const STARTS_MAX = 5;

const SETTINGS = {
  "chat.disableAIFeatures": true,
  "editor.minimap.enabled": false,
  // In a browser VS Code saves by itself unless it is told not to.
  "files.autoSave": "off",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "git.enabled": false,
  // Other programs of this machine listen on ports too, which VS Code would tell of over the page.
  "remote.otherPortsAttributes": { "onAutoForward": "silent" },
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "window.dialogStyle": "custom",
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.colorTheme": "Default Dark Modern",
};

/** One scenario's surroundings. */
export class Desk {
  readonly root: string;
  readonly workspace: string;
  readonly #programs: Programs;
  readonly #port: number;
  readonly #pages: Editor[] = [];
  #server: ChildProcess | undefined;

  private constructor(programs: Programs, root: string, port: number) {
    this.#programs = programs;
    this.root = root;
    this.workspace = path.join(root, "shop");
    this.#port = port;
  }

  /** Makes the folders and starts code-server. */
  static async make(programs: Programs, setting: Setting): Promise<Desk> {
    // Short, because the path of the daemon's socket may have no more than 108 bytes.
    const root = await mkdtemp(path.join(tmpdir(), "fam-"));
    const desk = new Desk(programs, root, await freePort());
    try {
      await desk.#furnish(setting);
      await desk.#start();
    } catch (error) {
      await desk.close();
      throw error;
    }
    return desk;
  }

  /** Opens a page, with a file of the workspace when one is named. */
  async open(file?: string): Promise<Editor> {
    const address = new URL(`http://127.0.0.1:${this.#port}/`);
    address.searchParams.set("folder", this.workspace);
    if (file !== undefined) {
      const uri = `vscode-remote://127.0.0.1:${this.#port}${path.join(this.workspace, file)}`;
      address.searchParams.set("payload", JSON.stringify([["openFile", uri]]));
    }
    const editor = await Editor.open(this.#programs.browser, address.href, file);
    this.#pages.push(editor);
    return editor;
  }

  /** The pages that were opened. */
  get pages(): readonly Editor[] {
    return this.#pages;
  }

  /** A file of the workspace as it is on the disk. */
  read(file: string): Promise<string> {
    return readFile(path.join(this.workspace, file), "utf8");
  }

  /** The names of the workspace's files on the disk, in order. */
  async list(): Promise<string[]> {
    return (await readdir(this.workspace)).filter((name) => name !== ".git").sort();
  }

  /** Waits until the workspace has exactly these files on the disk, with these texts. Names are in order. */
  async waitForFiles(expected: Readonly<Record<string, string>>): Promise<void> {
    await untilEqual("the workspace", JSON.stringify(expected, null, 1), async () => {
      const names = await this.list();
      // A file that goes between the two looks is read again at the next one.
      const texts = await Promise.all(names.map((name) => this.read(name).catch(() => "")));
      return JSON.stringify(Object.fromEntries(names.map((name, at) => [name, texts[at]])), null, 1);
    });
  }

  /** Runs a command of the program in this desk's home. */
  async familiar(...given: string[]): Promise<string> {
    const { stdout } = await run(this.#programs.familiar, given, { env: this.environment(), cwd: this.root });
    return stdout;
  }

  /** What the daemon says of itself. */
  async status(): Promise<{ pid: number; sessions: number }> {
    return JSON.parse(await this.familiar("status", "--json")) as { pid: number; sessions: number };
  }

  /** Copies what the daemon and code-server wrote into a folder that stays; where one never began the other is what tells. */
  async keepLogs(folder: string): Promise<void> {
    const written = { familiar: "home/state", "code-server": "data/logs" };
    const copies = Object.entries(written).map(([name, from]) =>
      cp(path.join(this.root, from), path.join(folder, name), { recursive: true }),
    );
    await Promise.allSettled(copies);
  }

  /** Ends everything that was started, and removes the folders. */
  async close(): Promise<void> {
    await Promise.all(this.#pages.map((page) => page.close()));
    const server = this.#server;
    if (server?.pid !== undefined && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      // A group of its own, so that the extension hosts go with it.
      process.kill(-server.pid, "SIGTERM");
      await ended;
    }
    await this.familiar("stop").catch(() => undefined);
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What code-server, the extension and the program see of the machine. */
  environment(): Record<string, string> {
    return {
      PATH: [path.join(this.root, "programs"), process.env["PATH"] ?? ""].join(path.delimiter),
      HOME: path.join(this.root, "user"),
      SHELL: "/bin/sh",
      LANG: "C.UTF-8",
      FAMILIAR_HOME: path.join(this.root, "home"),
      XDG_RUNTIME_DIR: path.join(this.root, "run"),
    };
  }

  async #furnish(setting: Setting): Promise<void> {
    for (const folder of ["programs", "user", "home", "data/User"]) await mkdir(path.join(this.root, folder), { recursive: true });
    await mkdir(path.join(this.root, "run"), { mode: 0o700 });
    await mkdir(path.join(this.workspace, ".git"), { recursive: true });
    await writeFile(path.join(this.workspace, ".git/HEAD"), "ref: refs/heads/main\n");
    for (const [name, text] of Object.entries(setting.files)) await writeFile(path.join(this.workspace, name), text);
    // The extension host takes its PATH from a login shell, where the system's own profile may set it anew.
    await writeFile(path.join(this.root, "user/.profile"), `PATH='${path.join(this.root, "programs")}':$PATH\nexport PATH\n`);
    const settings = JSON.stringify({ ...SETTINGS, ...setting.settings });
    await writeFile(path.join(this.root, "data/User/settings.json"), settings);
    await writeFile(path.join(this.root, "none.yaml"), "auth: none\ncert: false\n");
    await cp(this.#programs.extensions, path.join(this.root, "extensions"), { recursive: true });
    if (setting.withoutProgram === true) return;
    const program = path.join(this.root, "programs/familiar");
    if (setting.replies === undefined) {
      await symlink(this.#programs.familiar, program);
      return;
    }
    const script = path.join(this.root, "script.json");
    await writeFile(script, JSON.stringify({ replies: setting.replies }));
    // The extension starts `familiar lsp`; the option of the test build goes in between.
    await writeFile(program, `#!/bin/sh\nshift\nexec '${this.#programs.familiar}' lsp --scripted-model '${script}' "$@"\n`);
    await chmod(program, 0o755);
  }

  /** Starts code-server. On a busy machine it gives itself up when its own child is slow to come; then it is started again. */
  async #start(): Promise<void> {
    for (let tries = 1; !(await this.#startOnce()); tries += 1) {
      if (tries === STARTS_MAX) throw new Error(`code-server ended ${STARTS_MAX} times: ${await readFile(this.#log, "utf8")}`);
    }
  }

  /** Whether code-server came up. */
  async #startOnce(): Promise<boolean> {
    const { codeServer } = this.#programs;
    const address = `127.0.0.1:${this.#port}`;
    const given = [
      path.join(codeServer, "node_modules/code-server/out/node/entry.js"),
      ...["--bind-addr", address, "--auth", "none"],
      ...["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override"],
      ...["--user-data-dir", path.join(this.root, "data"), "--extensions-dir", path.join(this.root, "extensions")],
      ...["--config", path.join(this.root, "none.yaml"), this.workspace],
    ];
    const log = await open(this.#log, "w");
    const server = spawn(path.join(codeServer, "node/bin/node"), given, {
      env: this.environment(),
      cwd: this.root,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
    this.#server = server;
    return until("code-server", async () => {
      if (server.exitCode !== null) return "ended";
      const answer = await fetch(`http://${address}/healthz`).catch(() => undefined);
      return answer?.ok === true ? "up" : undefined;
    }).then((seen) => seen === "up");
  }

  get #log(): string {
    return path.join(this.root, "code-server.log");
  }
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
