// The work that runs in the server, by the progress it reports, and how it is cancelled.
// It refuses to draw: `status.ts` shows it. The progress is not shown a second time by VS Code itself.

import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import type { Server } from "./server";

/** A piece of work that runs. */
export interface Job {
  readonly token: string | number;
  readonly title: string;
  readonly message: string;
}

/** The work that runs now, oldest first. */
export class Jobs implements vscode.Disposable {
  private readonly running = new Map<string | number, Job>();
  private readonly changed = new vscode.EventEmitter<void>();

  /** Tells that something began, went on or ended. */
  readonly onChange = this.changed.event;

  /** Listens to the progress the server reports. */
  readonly middleware: Middleware = {
    handleWorkDoneProgress: (token, value, next) => {
      if (value.kind === "end") {
        this.running.delete(token);
        // The client has only to forget the token.
        next(token, value);
      } else {
        const title = value.kind === "begin" ? value.title : (this.running.get(token)?.title ?? "Familiar");
        this.running.set(token, { token, title: title.replace(/^Familiar: /, ""), message: value.message ?? "" });
      }
      this.changed.fire();
    },
  };

  dispose(): void {
    this.changed.dispose();
  }

  /** What runs, oldest first. */
  get all(): readonly Job[] {
    return [...this.running.values()];
  }

  /** Forgets everything: the session that ran it has ended. */
  clear(): void {
    if (this.running.size === 0) return;
    this.running.clear();
    this.changed.fire();
  }
}

/** Registers the command that cancels: the one job there is, or the one that is chosen. */
export function registerCancel(server: Server, jobs: Jobs): vscode.Disposable {
  return vscode.commands.registerCommand("familiar.jobs.cancel", async () => {
    const [only, ...others] = jobs.all;
    if (only === undefined) {
      void vscode.window.showInformationMessage("Familiar: nothing runs that could be cancelled.");
      return;
    }
    if (others.length === 0) {
      await server.execute("familiar.cancel", String(only.token));
      return;
    }
    const items = jobs.all.map((job) => ({ label: job.title, description: job.message, token: [String(job.token)] }));
    const all = { label: "All of them", description: "", token: [] as string[] };
    const chosen = await vscode.window.showQuickPick([...items, all], { title: "Familiar: cancel" });
    if (chosen !== undefined) await server.execute("familiar.cancel", ...chosen.token);
  });
}
