// How waiting changes look in the editor: new lines with a coloured background and a mark in the overview ruler, a line
// where something was only removed, and the old text beside it and in full under the pointer.
// It refuses colours of its own: all of them are the theme's colours of a diff.

import * as vscode from "vscode";
import { lastLine } from "./changes";
import type { Change, Changes } from "./changes";

/** The longest piece of old text shown beside a line, in characters. */
const BESIDE_CHARS_MAX = 60;
/** The longest old text shown under the pointer, in lines. */
const HOVER_LINES_MAX = 60;

/** Draws the waiting changes in all visible editors. */
export class Marks implements vscode.Disposable {
  private readonly added = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor("diffEditor.insertedLineBackground"),
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.addedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Full,
    // High contrast themes have no backgrounds for a diff; they have this border.
    border: "0 solid",
    borderColor: new vscode.ThemeColor("diffEditor.insertedTextBorder"),
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly removed = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    border: "dashed",
    borderWidth: "1px 0 0 0",
    borderColor: new vscode.ThemeColor("editorOverviewRuler.deletedForeground"),
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.deletedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Full,
  });
  private readonly beside = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly watched: vscode.Disposable[];

  constructor(private readonly changes: Changes) {
    this.watched = [
      changes.onChange((uri) => this.drawDocument(uri)),
      vscode.window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.draw(editor))),
    ];
  }

  dispose(): void {
    for (const one of [...this.watched, this.added, this.removed, this.beside]) one.dispose();
  }

  private drawDocument(uri: vscode.Uri): void {
    const key = uri.toString();
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.uri.toString() === key) this.draw(editor);
    }
  }

  private draw(editor: vscode.TextEditor): void {
    const added: vscode.DecorationOptions[] = [];
    const removed: vscode.DecorationOptions[] = [];
    const beside: vscode.DecorationOptions[] = [];
    for (const change of this.changes.of(editor.document.uri)) {
      const hoverMessage = hover(change);
      const last = lastLine(change);
      if (change.range.isEmpty) removed.push({ range: lineRange(change.range.start.line), hoverMessage });
      else added.push({ range: new vscode.Range(change.range.start.line, 0, last, 0), hoverMessage });
      if (change.oldText !== "") beside.push(oldTextBeside(editor.document, change));
    }
    editor.setDecorations(this.added, added);
    editor.setDecorations(this.removed, removed);
    editor.setDecorations(this.beside, beside);
  }
}

function lineRange(line: number): vscode.Range {
  return new vscode.Range(line, 0, line, 0);
}

/** The old text in short, behind the first line of a change. */
function oldTextBeside(document: vscode.TextDocument, change: Change): vscode.DecorationOptions {
  const lines = change.oldText.replace(/\r?\n$/, "").split(/\r?\n/);
  const first = (lines.find((line) => line.trim() !== "") ?? "").trim();
  const short = first.length > BESIDE_CHARS_MAX ? `${first.slice(0, BESIDE_CHARS_MAX)}…` : first;
  const verb = (change.range.isEmpty ? "removed" : "was") + (lines.length > 1 ? ` ${lines.length} lines` : "");
  const line = Math.min(change.range.start.line, document.lineCount - 1);
  const end = document.lineAt(line).range.end;
  return {
    range: new vscode.Range(end, end),
    renderOptions: {
      after: {
        contentText: `${verb}: ${short}`,
        color: new vscode.ThemeColor("editorCodeLens.foreground"),
        fontStyle: "italic",
        margin: "0 0 0 3em",
      },
    },
  };
}

/** The whole change as a diff, shown under the pointer. */
function hover(change: Change): vscode.MarkdownString {
  const words = change.instruction === null ? change.title : `${change.title}: ${change.instruction}`;
  const lines = [...signed("-", change.oldText), ...signed("+", change.newText)];
  const shown = lines.slice(0, HOVER_LINES_MAX);
  if (lines.length > shown.length) shown.push(`  (${lines.length - shown.length} more lines)`);
  const text = new vscode.MarkdownString();
  text.appendText(words);
  text.appendCodeblock(shown.join("\n"), "diff");
  return text;
}

function signed(sign: string, text: string): string[] {
  if (text === "") return [];
  return text.replace(/\r?\n$/, "").split(/\r?\n/).map((line) => sign + line);
}
