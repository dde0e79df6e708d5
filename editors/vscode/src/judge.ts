// What a person does with changes that wait: keep, revert, ask for another version, go from one to the next.
// It refuses to change text: the server answers every command with an edit of its own.

import * as vscode from "vscode";
import type { Before } from "./before";
import type { Change, Changes } from "./changes";
import type { Server } from "./server";

/** Registers the commands about waiting changes, and keeps the context keys of their keys and menus up to date. */
export function registerJudging(server: Server, changes: Changes, before: Before): vscode.Disposable[] {
  const judge = new Judge(server, changes);
  const command = (name: string, run: (change: Change) => Promise<unknown>) =>
    vscode.commands.registerCommand(`familiar.review.${name}`, async (given?: Change) => {
      const change = given ?? judge.here();
      if (change !== undefined) await run(change);
    });
  const register = vscode.commands.registerCommand;
  return [
    command("keep", (change) => server.execute("familiar.keep", named(change))),
    command("revert", (change) => server.execute("familiar.revert", named(change))),
    command("retry", (change) => server.execute("familiar.retry", edit(change))),
    command("nextVersion", (change) => judge.show(change, 1)),
    command("previousVersion", (change) => judge.show(change, -1)),
    command("diff", (change) => before.compare(change.uri, change.range.start.line)),
    register("familiar.review.keepAll", () => judge.all("familiar.keep")),
    register("familiar.review.revertAll", () => judge.all("familiar.revert")),
    register("familiar.review.keepEverywhere", () => server.execute("familiar.keep")),
    register("familiar.review.revertEverywhere", () => server.execute("familiar.revert")),
    register("familiar.review.next", () => judge.go(1)),
    register("familiar.review.previous", () => judge.go(-1)),
    changes.onArrival(leaveSelection),
    ...contextKeys(changes),
  ];
}

/** The arguments that name one change. */
function named(change: Change): object {
  return { uri: change.serverUri, proposal: change.proposal, file: change.file, change: change.change };
}

/** The arguments that name the edit a change belongs to. */
function edit(change: Change): { uri: string; proposal: string } {
  return { uri: change.serverUri, proposal: change.proposal };
}

class Judge {
  constructor(
    private readonly server: Server,
    private readonly changes: Changes,
  ) {}

  /** The change at the cursor; says so when there is none. */
  here(): Change | undefined {
    const editor = vscode.window.activeTextEditor;
    const change = editor && this.changes.at(editor.document.uri, editor.selection.active);
    if (change === undefined) {
      const hint = this.changes.count > 0 ? "; `Next Change` goes to one" : "";
      void vscode.window.showInformationMessage(`Familiar: no change that waits is at the cursor${hint}.`);
    }
    return change;
  }

  /** Judges all changes of the active file. */
  async all(command: string): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (document !== undefined) await this.server.execute(command, { uri: this.server.uriOf(document) });
  }

  /** Shows another of the versions there are. */
  async show(change: Change, step: 1 | -1): Promise<void> {
    if (change.candidates > 1) {
      await this.server.execute("familiar.alternative", { ...edit(change), step });
      return;
    }
    const asked = "Ask for Another";
    const answer = await vscode.window.showInformationMessage("Familiar: this edit has one version so far.", asked);
    if (answer === asked) await this.server.execute("familiar.retry", edit(change));
  }

  /** Goes to the next or previous change of the active file, else to the first one of another file. */
  async go(step: 1 | -1): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const here = editor === undefined ? [] : this.changes.of(editor.document.uri);
    const line = editor?.selection.active.line ?? 0;
    const ahead = here.filter((change) => (change.range.start.line - line) * step > 0);
    // Going round within a file comes before another file only when there is no other file.
    const elsewhere = this.changes.firsts().find((change) => change.uri.toString() !== editor?.document.uri.toString());
    const target = ahead.at(step === 1 ? 0 : -1) ?? elsewhere ?? here.at(step === 1 ? 0 : -1);
    if (target === undefined) {
      void vscode.window.showInformationMessage("Familiar: no changes wait to be judged.");
      return;
    }
    await reveal(target);
  }
}

async function reveal(change: Change): Promise<void> {
  const editor = await vscode.window.showTextDocument(change.uri);
  const start = editor.document.validatePosition(new vscode.Position(change.range.start.line, 0));
  editor.selection = new vscode.Selection(start, start);
  editor.revealRange(change.range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

/** Puts the cursor on the first change when the text it was asked for is still selected: the next key would replace it all. */
function leaveSelection(change: Change): void {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined || editor.document.uri.toString() !== change.uri.toString()) return;
  const { start } = change.range;
  if (editor.selection.isEmpty || editor.selection.intersection(change.range) === undefined) return;
  editor.selection = new vscode.Selection(start, start);
}

/** `familiar.changesHere`: the active file has waiting changes; `familiar.onChange`: the cursor is on one. */
function contextKeys(changes: Changes): vscode.Disposable[] {
  const shown = new Map<string, boolean>();
  const set = (key: string, value: boolean): void => {
    if (shown.get(key) === value) return;
    shown.set(key, value);
    void vscode.commands.executeCommand("setContext", key, value);
  };
  const update = (): void => {
    const editor = vscode.window.activeTextEditor;
    set("familiar.changesAnywhere", changes.count > 0);
    set("familiar.changesHere", editor !== undefined && changes.of(editor.document.uri).length > 0);
    set("familiar.onChange", editor !== undefined && changes.at(editor.document.uri, editor.selection.active) !== undefined);
  };
  return [
    changes.onChange(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.window.onDidChangeTextEditorSelection(update),
  ];
}
