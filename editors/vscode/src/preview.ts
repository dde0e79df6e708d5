// Code that is being written, drawn as faint text beside the lines it will replace, until it is an edit or given up.
// It refuses to touch the text, and to draw what the setting switches off.

import * as vscode from "vscode";
import type { PreviewParams } from "./protocol";

/** Previews that are drawn at once, over all documents; those of further work are not drawn. */
const PREVIEWS_MAX = 16;
/** The longest line drawn, in characters. */
const LINE_CHARS_MAX = 200;
/** Columns between the longest old line and the new ones. */
const GAP_COLUMNS = 4;
/** The column, at the most, at which new lines begin. */
const COLUMN_MAX = 100;

interface Drawn {
  readonly uri: string;
  readonly range: vscode.Range;
  readonly text: string;
}

/** Draws what is being written in all visible editors. */
export class Previews implements vscode.Disposable {
  private readonly old = vscode.window.createTextEditorDecorationType({
    opacity: "0.45",
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly lines = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor("editor.inactiveSelectionBackground"),
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.modifiedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Full,
  });
  private readonly fresh = vscode.window.createTextEditorDecorationType({});
  private readonly drawn = new Map<string | number, Drawn>();
  private readonly watched = vscode.window.onDidChangeVisibleTextEditors((editors) => {
    for (const editor of editors) this.draw(editor);
  });

  dispose(): void {
    for (const one of [this.watched, this.old, this.lines, this.fresh]) one.dispose();
  }

  /** Takes in how far a piece of code is. */
  take(params: PreviewParams): void {
    const before = this.drawn.get(params.token);
    const uri = vscode.Uri.parse(params.uri).toString();
    const { start, end } = params.range;
    if (params.done || !isWanted()) {
      this.drawn.delete(params.token);
    } else if (before !== undefined || this.drawn.size < PREVIEWS_MAX) {
      const range = new vscode.Range(start.line, start.character, end.line, end.character);
      this.drawn.set(params.token, { uri, range, text: params.text });
    }
    this.drawDocument(uri);
  }

  /** Removes everything: the session that wrote it has ended. */
  clear(): void {
    this.drawn.clear();
    for (const editor of vscode.window.visibleTextEditors) this.draw(editor);
  }

  private drawDocument(uri: string): void {
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.uri.toString() === uri) this.draw(editor);
    }
  }

  private draw(editor: vscode.TextEditor): void {
    const uri = editor.document.uri.toString();
    const here = [...this.drawn.values()].filter((one) => one.uri === uri);
    const ranges = here.map((one) => wholeLines(editor.document, one.range));
    editor.setDecorations(this.lines, ranges);
    editor.setDecorations(this.old, ranges);
    editor.setDecorations(
      this.fresh,
      here.flatMap((one, at) => besides(editor, ranges[at] ?? one.range, one.text)),
    );
  }
}

function isWanted(): boolean {
  return vscode.workspace.getConfiguration("familiar").get<boolean>("preview", true);
}

/** The range without the line it ends at the very start of. */
function wholeLines(document: vscode.TextDocument, range: vscode.Range): vscode.Range {
  const back = range.end.character === 0 && range.end.line > range.start.line ? 1 : 0;
  const last = document.lineAt(Math.min(range.end.line - back, document.lineCount - 1));
  return new vscode.Range(Math.min(range.start.line, last.lineNumber), 0, last.lineNumber, last.text.length);
}

/** The newest lines of the text, one beside each old line; what does not fit scrolls out at the top. */
function besides(editor: vscode.TextEditor, range: vscode.Range, text: string): vscode.DecorationOptions[] {
  const tab = typeof editor.options.tabSize === "number" ? editor.options.tabSize : 4;
  const places = range.end.line - range.start.line + 1;
  const fresh = text.replace(/\r?\n$/, "").split(/\r?\n/).slice(-places);
  const widths = Array.from({ length: places }, (_, at) => width(editor.document.lineAt(range.start.line + at).text, tab));
  const column = Math.min(Math.max(...widths) + GAP_COLUMNS, COLUMN_MAX);
  return fresh.map((line, at) => {
    const end = editor.document.lineAt(range.start.line + at).range.end;
    // Spaces at the start of such text would not be drawn.
    const shown = line.slice(0, LINE_CHARS_MAX).replace(/\t/g, " ".repeat(tab)).replace(/ /g, "\u00a0");
    return {
      range: new vscode.Range(end, end),
      renderOptions: {
        after: {
          contentText: shown,
          color: new vscode.ThemeColor("editorGhostText.foreground"),
          fontStyle: "italic",
          margin: `0 0 0 ${Math.max(column - (widths[at] ?? 0), GAP_COLUMNS)}ch`,
        },
      },
    };
  });
}

function width(line: string, tab: number): number {
  let columns = 0;
  for (const character of line) columns += character === "\t" ? tab - (columns % tab) : 1;
  return columns;
}
