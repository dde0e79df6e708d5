// The life of one `familiar lsp` process: start, stop, and restart with growing pauses when it ends by itself.
// It refuses a program named by a workspace: `familiar.path` is a machine setting.

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import * as path from "node:path";
import * as vscode from "vscode";
import { CloseAction, ErrorAction, ExecuteCommandRequest, LanguageClient } from "vscode-languageclient/node";

/** The pause before the first restart, in milliseconds; each further one is twice as long. */
const PAUSE_FIRST_MS = 1_000;
/** The longest pause between two restarts, in milliseconds. */
const PAUSE_MS_MAX = 30_000;
/** A process that lived this long, in milliseconds, was healthy: the count of restarts begins anew. */
const HEALTHY_AFTER_MS = 60_000;
/** So many restarts in a row, then a person decides. */
const RESTARTS_MAX = 8;

/** The language server as this window sees it. */
export class Server {
  private client: LanguageClient | undefined;
  private pause: NodeJS.Timeout | undefined;
  private restarts = 0;
  private startedAt = 0;
  /** Commands are carried out one after the other, so that a stop never meets a half-made start. */
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly log: vscode.LogOutputChannel) {}

  /** Starts the server unless it runs already. */
  start(): Promise<void> {
    return this.inTurn(async () => {
      if (this.client?.isRunning()) return;
      this.restarts = 0;
      await this.end();
      await this.launch();
    });
  }

  /** Stops the server and any restart that is waiting. */
  stop(): Promise<void> {
    return this.inTurn(() => this.end());
  }

  /** Stops the server and starts it anew, for example after `familiar` was replaced. */
  restart(): Promise<void> {
    return this.inTurn(async () => {
      this.restarts = 0;
      await this.end();
      await this.launch();
    });
  }

  /** Asks the server to carry out one of its commands on a selection. */
  async execute(command: string, document: vscode.TextDocument, range: vscode.Range, instruction?: string): Promise<void> {
    const client = this.client;
    if (client === undefined || !client.isRunning()) {
      await this.offer("Familiar is not running.", "Start");
      return;
    }
    const target = {
      uri: client.code2ProtocolConverter.asUri(document.uri),
      range: client.code2ProtocolConverter.asRange(range),
      ...(instruction === undefined ? {} : { instruction }),
    };
    try {
      await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: [target] });
    } catch (error) {
      void vscode.window.showErrorMessage(`Familiar: ${messageOf(error)}`);
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work, work).catch((error: unknown) => this.log.error(messageOf(error)));
    return this.turn;
  }

  /** Starts one process and the client that talks to it. */
  private async launch(): Promise<void> {
    const program = await findProgram();
    if (program === undefined) {
      this.log.error(`${programSetting()} was not found or may not be run.`);
      void this.offer(`Familiar: cannot find the program \`${programSetting()}\`. Set familiar.path.`, "Open Settings");
      return;
    }
    const client = new LanguageClient(
      "familiar",
      "Familiar",
      { command: program, args: ["lsp"] },
      {
        documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
        outputChannel: this.log,
        errorHandler: {
          // A broken pipe ends the process, and then `closed` speaks; one odd message does not.
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          closed: () => {
            this.restartLater(client);
            return { action: CloseAction.DoNotRestart, handled: true };
          },
        },
      },
    );
    this.client = client;
    this.startedAt = Date.now();
    try {
      await client.start();
    } catch (error) {
      this.log.error(messageOf(error));
      this.restartLater(client);
    }
  }

  /** Plans the next start after a process ended by itself, or hands the matter to the person. */
  private restartLater(ended: LanguageClient): void {
    if (this.client !== ended || this.pause !== undefined) return;
    if (Date.now() - this.startedAt > HEALTHY_AFTER_MS) this.restarts = 0;
    if (this.restarts >= RESTARTS_MAX) {
      void this.offer(`Familiar ended ${RESTARTS_MAX + 1} times in a row. Its log says why.`, "Restart", "Show Log");
      return;
    }
    const wait = Math.min(PAUSE_FIRST_MS * 2 ** this.restarts, PAUSE_MS_MAX);
    this.restarts += 1;
    this.log.warn(`The server ended; starting it again in ${wait / 1000} s.`);
    this.pause = setTimeout(() => {
      this.pause = undefined;
      void this.inTurn(async () => {
        // A stop or a start by hand may have come first.
        if (this.client !== ended) return;
        await this.end();
        await this.launch();
      });
    }, wait);
  }

  /** Ends the process and forgets the client; a new one is made for each start. */
  private async end(): Promise<void> {
    clearTimeout(this.pause);
    this.pause = undefined;
    const client = this.client;
    this.client = undefined;
    // A client whose process is gone answers with an error, which says nothing new.
    await client?.dispose().catch((error: unknown) => this.log.debug(messageOf(error)));
  }

  /** Shows an error with buttons and does what the chosen one says. */
  private async offer(message: string, ...choices: string[]): Promise<void> {
    switch (await vscode.window.showErrorMessage(message, ...choices)) {
      case "Start":
        return this.start();
      case "Restart":
        return this.restart();
      case "Show Log":
        return this.log.show();
      case "Open Settings":
        await vscode.commands.executeCommand("workbench.action.openSettings", "familiar.path");
        return;
      default:
        return;
    }
  }
}

function programSetting(): string {
  return vscode.workspace.getConfiguration("familiar").get<string>("path", "").trim() || "familiar";
}

/** The program of the setting as a path that can be run, looked up on the PATH when it is a bare name. */
async function findProgram(): Promise<string | undefined> {
  const named = programSetting();
  const places = path.isAbsolute(named)
    ? [named]
    : (process.env["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute).map((folder) => path.join(folder, named));
  const endings = process.platform === "win32" ? ["", ".exe"] : [""];
  for (const place of places) {
    for (const ending of endings) {
      const candidate = place + ending;
      if (await access(candidate, constants.X_OK).then(() => true, () => false)) return candidate;
    }
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
