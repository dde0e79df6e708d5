// The questions a person can ask about a selection, as palette commands.
// The ids start with `familiar.ask.`: the server announces `familiar.explain` and its sisters itself, and the language
// client registers those, so that registering them here again would fail.

import * as vscode from "vscode";
import type { Server } from "./server";

const ASKS = ["explain", "fix", "document", "tests", "optimise", "edit"] as const;
type Ask = (typeof ASKS)[number];

/** Registers one command per question. */
export function registerAsks(server: Server): vscode.Disposable[] {
  return ASKS.map((ask) => vscode.commands.registerCommand(`familiar.ask.${ask}`, () => put(server, ask)));
}

/** Sends one question about the active selection; the answer comes later, as a document or an edit. */
async function put(server: Server, ask: Ask): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) {
    void vscode.window.showInformationMessage("Familiar: open a file and select some code first.");
    return;
  }
  // Taken before the input box opens: it takes the focus, and the selection may move under it.
  const { document, selection } = editor;
  let instruction: string | undefined;
  if (ask === "edit") {
    instruction = await vscode.window.showInputBox({
      title: "Familiar: edit the selection",
      prompt: "What should be changed?",
      placeHolder: "make this function async",
      ignoreFocusOut: true,
    });
    if (instruction === undefined || instruction.trim() === "") return;
  }
  await server.execute(`familiar.${ask}`, document, selection, instruction);
}
