// The entry of Familiar's VS Code client: it makes the parts and joins them.
// It refuses to hold any feature: what two editors need belongs to the server.

import * as vscode from "vscode";
import { registerAsks } from "./asks";
import { Before } from "./before";
import { Changes } from "./changes";
import { registerHistory } from "./history";
import { Jobs, registerCancel } from "./jobs";
import { registerJudging } from "./judge";
import { ChangeLenses } from "./lenses";
import { Marks } from "./marks";
import { Previews } from "./preview";
import { openReadme } from "./program";
import { ProposalLenses } from "./proposals";
import { registerPrompt } from "./prompt";
import { PREVIEW, REVIEW } from "./protocol";
import type { PreviewParams, ReviewParams } from "./protocol";
import { Server } from "./server";
import { StatusItem } from "./status";
import { Words } from "./words";

let server: Server | undefined;

/** Called by VS Code once its window is up. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("Familiar", { log: true });
  const changes = new Changes();
  const jobs = new Jobs();
  const previews = new Previews();
  const before = new Before(changes);
  const running = new Server(log, context.extensionUri, {
    middleware: jobs.middleware,
    notifications: new Map([
      [REVIEW, (params: unknown) => changes.take(params as ReviewParams)],
      [PREVIEW, (params: unknown) => previews.take(params as PreviewParams)],
    ]),
  });
  server = running;
  const command = vscode.commands.registerCommand;
  context.subscriptions.push(
    log,
    running,
    changes,
    jobs,
    previews,
    before,
    new Marks(changes),
    new ChangeLenses(changes),
    new ProposalLenses(),
    new StatusItem(running, jobs, changes),
    running.onLife(({ kind }) => {
      void vscode.commands.executeCommand("setContext", "familiar.running", kind === "running");
      if (kind === "running" || kind === "starting") return;
      // What a session knew goes with it.
      changes.clear();
      jobs.clear();
      previews.clear();
    }),
    command("familiar.client.start", () => running.start()),
    command("familiar.client.stop", () => running.stop()),
    command("familiar.client.restart", () => running.restart()),
    command("familiar.client.log", () => log.show()),
    command("familiar.client.readme", () => openReadme(context.extensionUri)),
    command("familiar.client.status", () => running.execute("familiar.status")),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (["path", "functionLenses", "review"].some((name) => change.affectsConfiguration(`familiar.${name}`))) void running.restart();
    }),
    registerPrompt(running, changes, new Words(context.workspaceState)),
    registerCancel(running, jobs),
    ...registerAsks(running),
    ...registerJudging(running, changes, before),
    ...registerHistory(running),
  );
  await running.start();
}

/** Called by VS Code when the window closes; it waits for the returned promise. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
