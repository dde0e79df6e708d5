// The entry of Familiar's VS Code client: it starts the server and registers the commands.
// It refuses to hold any feature: what two editors need belongs to the server.

import * as vscode from "vscode";
import { registerAsks } from "./asks";
import { Server } from "./server";

let server: Server | undefined;

/** Called by VS Code once its window is up. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("Familiar", { log: true });
  const running = new Server(log);
  server = running;
  context.subscriptions.push(
    log,
    vscode.commands.registerCommand("familiar.client.start", () => running.start()),
    vscode.commands.registerCommand("familiar.client.stop", () => running.stop()),
    vscode.commands.registerCommand("familiar.client.restart", () => running.restart()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("familiar.path")) void running.restart();
    }),
    ...registerAsks(running),
  );
  await running.start();
}

/** Called by VS Code when the window closes; it waits for the returned promise. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
