// The changes that wait to be judged, as the server last told them: the one place that remembers them.
// It refuses to guess: where a change is and whether it is still there is the server's word alone.

import * as vscode from "vscode";
import type { ReviewParams, WireChange } from "./protocol";

/** One change that waits to be judged. */
export interface Change extends Omit<WireChange, "range"> {
  readonly uri: vscode.Uri;
  /** The document's name as the server knows it. */
  readonly serverUri: string;
  readonly range: vscode.Range;
}

/** The waiting changes of all documents. */
export class Changes implements vscode.Disposable {
  private readonly byDocument = new Map<string, readonly Change[]>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly arrived = new vscode.EventEmitter<Change>();

  /** Tells which document's changes are others now. */
  readonly onChange = this.changed.event;

  /** Tells of the first change of an edit that was not known before. */
  readonly onArrival = this.arrived.event;

  dispose(): void {
    this.arrived.dispose();
    this.changed.dispose();
  }

  /** Takes in the state of one document. */
  take(params: ReviewParams): void {
    const uri = vscode.Uri.parse(params.uri);
    const key = uri.toString();
    const before = this.byDocument.get(key);
    const now = params.changes.map((change): Change => {
      const { start, end } = change.range;
      const range = new vscode.Range(start.line, start.character, end.line, end.character);
      return { ...change, uri, serverUri: params.uri, range };
    });
    if (now.length === 0) this.byDocument.delete(key);
    else this.byDocument.set(key, now);
    if (now.length > 0 || before !== undefined) this.changed.fire(uri);
    const fresh = now.find((change) => before?.every((old) => old.proposal !== change.proposal) ?? true);
    if (fresh !== undefined) this.arrived.fire(fresh);
  }

  /** Forgets everything: the session that knew it has ended. */
  clear(): void {
    const known = [...this.byDocument.values()];
    this.byDocument.clear();
    for (const [first] of known) if (first !== undefined) this.changed.fire(first.uri);
  }

  /** The changes of one document, in its order. */
  of(document: vscode.Uri): readonly Change[] {
    return this.byDocument.get(document.toString()) ?? [];
  }

  /** The first change of each document that has any. */
  firsts(): Change[] {
    return [...this.byDocument.values()].flatMap((changes) => changes.slice(0, 1));
  }

  /** How many there are in all documents. */
  get count(): number {
    return [...this.byDocument.values()].reduce((sum, changes) => sum + changes.length, 0);
  }

  /** The change on the line of a position. */
  at(document: vscode.Uri, position: vscode.Position): Change | undefined {
    return this.of(document).find((change) => covers(change, position.line));
  }
}

/** The last line of a change; that of an empty one is the line in front of which something was removed. */
export function lastLine(change: Change): number {
  const { start, end } = change.range;
  return end.character === 0 && end.line > start.line ? end.line - 1 : end.line;
}

function covers(change: Change, line: number): boolean {
  return change.range.start.line <= line && line <= lastLine(change);
}
