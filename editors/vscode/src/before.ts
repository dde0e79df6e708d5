// The text of a file as it was before the changes that wait to be judged, as a read-only document to compare with.
// It refuses to remember old texts: it is made from the file as it is now and the server's list of changes.

import * as vscode from "vscode";
import type { Changes } from "./changes";

const SCHEME = "familiar-before";

/** Provides the old texts and opens the comparison. */
export class Before implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly moved = new vscode.EventEmitter<vscode.Uri>();
  private readonly registered: vscode.Disposable[];

  readonly onDidChange = this.moved.event;

  constructor(private readonly changes: Changes) {
    this.registered = [
      changes.onChange((uri) => this.moved.fire(beforeUri(uri))),
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
    ];
  }

  dispose(): void {
    for (const one of [...this.registered, this.moved]) one.dispose();
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const now = vscode.Uri.parse(uri.query);
    const document = await vscode.workspace.openTextDocument(now);
    const text = document.getText();
    const parts: string[] = [];
    let from = 0;
    for (const change of this.changes.of(now)) {
      parts.push(text.slice(from, document.offsetAt(change.range.start)), change.oldText);
      from = document.offsetAt(change.range.end);
    }
    return parts.join("") + text.slice(from);
  }

  /** Opens the file beside what it was, at a line. */
  async compare(uri: vscode.Uri, line: number): Promise<void> {
    const name = uri.path.split("/").at(-1) ?? uri.path;
    const place = new vscode.Range(line, 0, line, 0);
    const title = `${name}: before Familiar and now`;
    await vscode.commands.executeCommand("vscode.diff", beforeUri(uri), uri, title, { selection: place, preview: true });
  }
}

/** The path is kept, so that the old text has the colours of its language. */
function beforeUri(uri: vscode.Uri): vscode.Uri {
  return uri.with({ scheme: SCHEME, authority: "", query: uri.toString(), fragment: "" });
}
