// The questions a person can ask about a selection without words of their own, as palette commands.
// The ids start with `familiar.ask.`: the server announces `familiar.explain` and its sisters itself, and the language
// client registers those, so that registering them here again would fail.

import * as vscode from "vscode";
import type { Server } from "./server";

/** The questions, as the server calls them, with what they are called in a list. */
export const ASKS = {
  explain: "$(book) Explain",
  fix: "$(wrench) Fix",
  document: "$(comment) Document",
  tests: "$(beaker) Write tests",
  optimise: "$(dashboard) Optimise",
  refactor: "$(symbol-structure) Refactor",
  review: "$(eye) Review",
} as const;

/** A question without words. */
export type Ask = keyof typeof ASKS;

/** A part of a document that something is asked about; an empty range means the symbol around it. */
export interface Place {
  readonly document: vscode.TextDocument;
  readonly range: vscode.Range;
}

/** What can go with a question. */
export interface More {
  readonly instruction?: string;
  readonly reach?: "workspace";
  readonly review?: "ask" | "apply";
}

/** Registers one command per question, and the one that carries out a comment in the code. */
export function registerAsks(server: Server): vscode.Disposable[] {
  const asks = (Object.keys(ASKS) as Ask[]).map((ask) =>
    vscode.commands.registerCommand(`familiar.ask.${ask}`, async () => {
      const place = activePlace();
      if (place !== undefined) await put(server, ask, place);
    }),
  );
  const comment = vscode.commands.registerCommand("familiar.ask.comment", async () => {
    const place = activePlace();
    if (place === undefined) return;
    const { line, character } = place.range.start;
    await server.execute("familiar.comment", { uri: server.uriOf(place.document), position: { line, character } });
  });
  return [...asks, comment];
}

/** The selection of the active editor; says so when there is none. */
export function activePlace(): Place | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) {
    void vscode.window.showInformationMessage("Familiar: open a file and select some code first.");
    return undefined;
  }
  return { document: editor.document, range: editor.selection };
}

/** Sends one question; the answer comes later, as a document or an edit. */
export async function put(server: Server, ask: Ask | "ask" | "edit" | "image", place: Place, more: More = {}): Promise<void> {
  const setting = vscode.workspace.getConfiguration("familiar", place.document).get<string>("review", "configured");
  // What the configuration of the program says holds for all editors, unless this one says otherwise.
  const review = setting === "ask" || setting === "apply" ? { review: setting } : {};
  const { start, end } = place.range;
  const range = {
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  };
  await server.execute(`familiar.${ask}`, { uri: server.uriOf(place.document), range, ...review, ...more });
}
