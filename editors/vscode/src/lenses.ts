// The line above each waiting change with what can be done about it: keep, revert, another version, see it as a diff.
// It refuses to do it: each entry is a command of `judge.ts`.

import * as vscode from "vscode";
import type { Change, Changes } from "./changes";

/** Provides the lenses of waiting changes. */
export class ChangeLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly moved = new vscode.EventEmitter<void>();
  private readonly registered: vscode.Disposable[];

  readonly onDidChangeCodeLenses = this.moved.event;

  constructor(private readonly changes: Changes) {
    this.registered = [
      changes.onChange(() => this.moved.fire()),
      vscode.languages.registerCodeLensProvider([{ scheme: "file" }, { scheme: "untitled" }], this),
    ];
  }

  dispose(): void {
    for (const one of [...this.registered, this.moved]) one.dispose();
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const all = this.changes.of(document.uri);
    return all.flatMap((change, at) => lensesOf(document, change, at, all.length));
  }
}

function lensesOf(document: vscode.TextDocument, change: Change, at: number, of: number): vscode.CodeLens[] {
  const line = Math.min(change.range.start.line, document.lineCount - 1);
  const range = new vscode.Range(line, 0, line, 0);
  const lens = (title: string, command: string, tooltip: string, ...more: unknown[]) =>
    new vscode.CodeLens(range, { title, command: `familiar.review.${command}`, tooltip, arguments: [change, ...more] });
  const lenses = [
    lens("$(check) Keep", "keep", "Keep this change"),
    lens("$(discard) Revert", "revert", `Put the old lines back${change.touched ? "; what you typed in the new ones goes" : ""}`),
    lens("$(refresh) Retry", "retry", "Ask for another version of this edit"),
  ];
  if (change.candidates > 1) {
    const title = `Version ${change.candidate} of ${change.candidates}`;
    lenses.push(lens(`$(arrow-swap) ${title}`, "nextVersion", "Show the next version of this edit"));
  }
  lenses.push(lens("$(diff) Diff", "diff", "Compare the file with what it was"));
  if (at === 0 && of > 1) {
    lenses.push(lens(`$(check-all) Keep all ${of}`, "keepAll", "Keep all changes of this file"));
    lenses.push(lens(`Revert all ${of}`, "revertAll", "Put all old lines of this file back"));
  }
  return lenses;
}
