// The life of one `familiar lsp` process: start, stop, and restart with growing pauses when it ends by itself.
// It refuses to know what is asked and answered: it carries commands out and hands notifications on.

import * as vscode from "vscode";
import { CloseAction, ErrorAction, ExecuteCommandRequest, LanguageClient } from "vscode-languageclient/node";
import type { Middleware } from "vscode-languageclient/node";
import { findProgram, offerProgram, programSetting } from "./program";

/** The pause before the first restart, in milliseconds; each further one is twice as long. */
const PAUSE_FIRST_MS = 1_000;
/** The longest pause between two restarts, in milliseconds. */
const PAUSE_MS_MAX = 30_000;
/** A process that lived this long, in milliseconds, was healthy: the count of restarts begins anew. */
const HEALTHY_AFTER_MS = 60_000;
/** So many restarts in a row, then a person decides. */
const RESTARTS_MAX = 8;

/** How the server is, as this window knows. */
export type Life =
  | { readonly kind: "starting" }
  | { readonly kind: "running" }
  /** It ended by itself and is started again at `at`, in milliseconds since 1970. */
  | { readonly kind: "lost"; readonly at: number }
  /** It ended too often, or a person has stopped it. */
  | { readonly kind: "ended"; readonly byPerson: boolean }
  /** There is no program to start. */
  | { readonly kind: "missing" };

/** What the others want to hear from the server. */
export interface Listeners {
  readonly middleware: Middleware;
  /** Handlers of the server's own notifications, by method. */
  readonly notifications: ReadonlyMap<string, (params: unknown) => void>;
}

/** The language server as this window sees it. */
export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private pause: NodeJS.Timeout | undefined;
  private restarts = 0;
  private startedAt = 0;
  private current: Life = { kind: "ended", byPerson: true };
  private readonly lived = new vscode.EventEmitter<Life>();
  /** Starts and stops are carried out one after the other, so that a stop never meets a half-made start. */
  private turn: Promise<void> = Promise.resolve();

  /** Tells of each new state. */
  readonly onLife = this.lived.event;

  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly extension: vscode.Uri,
    private readonly listeners: Listeners,
  ) {}

  /** How the server is. */
  get life(): Life {
    return this.current;
  }

  dispose(): void {
    this.lived.dispose();
  }

  /** Starts the server unless it runs already. */
  start(): Promise<void> {
    return this.inTurn(async () => {
      if (this.client?.isRunning()) return;
      await this.startAnew();
    });
  }

  /** Stops the server and any restart that is waiting. */
  stop(): Promise<void> {
    return this.inTurn(async () => {
      await this.end();
      this.become({ kind: "ended", byPerson: true });
    });
  }

  /** Stops the server and starts it anew, for example after `familiar` was replaced. */
  restart(): Promise<void> {
    return this.inTurn(() => this.startAnew());
  }

  /** The document's name as the server knows it. */
  uriOf(document: vscode.TextDocument): string {
    return this.client?.code2ProtocolConverter.asUri(document.uri) ?? document.uri.toString();
  }

  /** Has the server carry out one of its commands. An error is shown; then the answer is `undefined`. */
  async execute<Answer>(command: string, ...given: unknown[]): Promise<Answer | undefined> {
    const client = await this.running();
    if (client === undefined) return undefined;
    try {
      return await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: given });
    } catch (error) {
      void vscode.window.showErrorMessage(`Familiar: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Asks the server something of its own that no person waits for; `undefined` when it cannot answer. */
  async ask<Answer>(method: string): Promise<Answer | undefined> {
    const client = this.client;
    if (client === undefined || !client.isRunning()) return undefined;
    return client.sendRequest<Answer>(method).catch((error: unknown) => {
      this.log.debug(`${method}: ${messageOf(error)}`);
      return undefined;
    });
  }

  /** The client when the server runs; else what can be done is offered. */
  private async running(): Promise<LanguageClient | undefined> {
    if (this.client?.isRunning()) return this.client;
    if (this.current.kind === "missing") void offerProgram(this.extension);
    else if (this.current.kind === "ended") void this.offer("Familiar is not running.", "Start", "Show Log");
    else void vscode.window.showInformationMessage("Familiar is starting; ask again in a moment.");
    return undefined;
  }

  private become(life: Life): void {
    this.current = life;
    this.lived.fire(life);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work, work).catch((error: unknown) => this.log.error(messageOf(error)));
    return this.turn;
  }

  private async startAnew(): Promise<void> {
    this.restarts = 0;
    await this.end();
    await this.launch();
  }

  /** Starts one process and the client that talks to it. */
  private async launch(): Promise<void> {
    this.become({ kind: "starting" });
    const program = await findProgram();
    if (program === undefined) {
      this.log.error(`${programSetting()} was not found or may not be run.`);
      this.become({ kind: "missing" });
      void offerProgram(this.extension);
      return;
    }
    const client = this.clientFor(program);
    this.client = client;
    this.startedAt = Date.now();
    try {
      await client.start();
      if (this.client === client && client.isRunning()) this.become({ kind: "running" });
    } catch (error) {
      this.log.error(messageOf(error));
      this.restartLater(client);
    }
  }

  private clientFor(program: string): LanguageClient {
    const client = new LanguageClient(
      "familiar",
      "Familiar",
      { command: program, args: ["lsp"] },
      {
        documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
        outputChannel: this.log,
        initializationOptions: { client: { review: true, preview: true, ...functionLenses(), ...edits() } },
        middleware: this.listeners.middleware,
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
    for (const [method, handle] of this.listeners.notifications) {
      client.onNotification(method, (params: unknown) => {
        if (this.client === client) handle(params);
      });
    }
    return client;
  }

  /** Plans the next start after a process ended by itself, or hands the matter to the person. */
  private restartLater(ended: LanguageClient): void {
    if (this.client !== ended || this.pause !== undefined) return;
    if (Date.now() - this.startedAt > HEALTHY_AFTER_MS) this.restarts = 0;
    if (this.restarts >= RESTARTS_MAX) {
      this.become({ kind: "ended", byPerson: false });
      void this.offer(`Familiar ended ${RESTARTS_MAX + 1} times in a row. Its log says why.`, "Start", "Show Log");
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
    this.become({ kind: "lost", at: Date.now() + wait });
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
    const chosen = await vscode.window.showErrorMessage(message, ...choices);
    if (chosen === "Start") await this.start();
    if (chosen === "Show Log") this.log.show();
  }
}

/** Whether edits that the server offers by itself, such as those of its menu, are asked about first. */
function edits(): { edits?: string } {
  const setting = vscode.workspace.getConfiguration("familiar").get<string>("review", "configured");
  return setting === "configured" ? {} : { edits: setting };
}

/** Whether functions get lenses, unless that is left to the configuration of the program. */
function functionLenses(): { functionLenses?: boolean } {
  const setting = vscode.workspace.getConfiguration("familiar").get<string>("functionLenses", "configured");
  return setting === "configured" ? {} : { functionLenses: setting === "on" };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
