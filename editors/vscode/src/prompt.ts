// The box that asks for words at the selection: what to change, what to ask, what else the edit at the cursor should do.
// It refuses to lose words: what is dismissed stands in the box when it opens again, and what was sent can be sent again.

import * as vscode from "vscode";
import { ASKS, activePlace, put } from "./asks";
import type { Ask, Place } from "./asks";
import type { Change, Changes } from "./changes";
import type { Server } from "./server";
import type { Words } from "./words";

/** Words sent before that are offered, newest first. */
const OFFERED_MAX = 12;

/** What happens to the words when an entry is chosen. */
interface Entry extends vscode.QuickPickItem {
  readonly send?: (words: string) => Promise<unknown>;
  /** Words of its own, in the place of those in the box. */
  readonly words?: string;
  /** It is for an empty box alone. */
  readonly bare?: true;
}

/** Registers the box. */
export function registerPrompt(server: Server, changes: Changes, words: Words): vscode.Disposable {
  return vscode.commands.registerCommand("familiar.inline", () => {
    const place = activePlace();
    // Taken before the box opens: it takes the focus, and the selection may move under it.
    if (place !== undefined) new Prompt(server, words, place, changes.at(place.document.uri, place.range.start)).show();
  });
}

class Prompt {
  private readonly box = vscode.window.createQuickPick<Entry>();
  private readonly target = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor("editor.inactiveSelectionBackground"),
  });
  private readonly clear: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("clear-all"), tooltip: "Clear the words" };
  private readonly file: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("file-code"), tooltip: "The whole file instead" };

  constructor(
    private readonly server: Server,
    private readonly words: Words,
    private place: Place,
    private readonly change: Change | undefined,
  ) {}

  show(): void {
    const { box } = this;
    box.placeholder = this.change === undefined ? "What should be changed, or asked?" : "Now also ...";
    box.buttons = [this.file, this.clear];
    box.value = this.words.draft;
    box.matchOnDescription = false;
    box.onDidChangeValue((value) => {
      this.words.keepDraft(value);
      this.fill();
    });
    box.onDidTriggerButton((button) => {
      if (button === this.file) {
        this.place = { ...this.place, range: wholeOf(this.place.document) };
        this.point();
        return;
      }
      box.value = "";
      this.words.keepDraft("");
      this.fill();
    });
    box.onDidAccept(() => void this.accept());
    box.onDidHide(() => {
      this.target.dispose();
      box.dispose();
    });
    this.point();
    box.show();
  }

  /** Says what the words are about, and shows it in the text. */
  private point(): void {
    this.box.title = `Familiar: ${this.change === undefined ? this.where() : `the edit here, or ${this.where()}`}`;
    vscode.window.activeTextEditor?.setDecorations(this.target, [this.place.range]);
    this.fill();
  }

  private where(): string {
    const { start, end, isEmpty } = this.place.range;
    if (!isEmpty && this.place.range.contains(wholeOf(this.place.document))) return "the whole file";
    if (isEmpty) return `line ${start.line + 1} and what it belongs to`;
    const last = end.character === 0 && end.line > start.line ? end.line : end.line + 1;
    return last === start.line + 1 ? `the selection in line ${last}` : `lines ${start.line + 1} to ${last}`;
  }

  private fill(): void {
    const typed = this.box.value.trim();
    this.box.items = [...(typed === "" ? this.withoutWords() : this.withWords()), ...this.sentBefore()];
  }

  /** What can be done with the words in the box. */
  private withWords(): Entry[] {
    const { server, place, change } = this;
    const entry = (label: string, send: (words: string) => Promise<unknown>): Entry => ({ label, send, alwaysShow: true });
    const edit = (more: object) => (instruction: string) => put(server, "edit", place, { instruction, ...more });
    const entries = [
      entry("$(edit) Edit", edit({})),
      entry("$(comment-discussion) Ask", (instruction) => put(server, "ask", place, { instruction })),
      entry("$(diff) Edit, and show me the diff first", edit({ review: "ask" })),
      entry("$(files) Edit several files", edit({ reach: "workspace" })),
    ];
    // A document in which images are named as Markdown does.
    if (place.document.languageId === "markdown") {
      entries.push(entry("$(file-media) Draw an image of it", (instruction) => put(server, "image", place, { instruction })));
    }
    if (change === undefined) return entries;
    const followUp = (instruction: string) =>
      server.execute("familiar.followUp", { uri: change.serverUri, proposal: change.proposal, instruction });
    return [entry("$(reply) Now also, in the edit at the cursor", followUp), ...entries];
  }

  /** What needs no words. */
  private withoutWords(): Entry[] {
    const asks = (Object.keys(ASKS) as Ask[]).map((ask): Entry => ({ label: ASKS[ask], bare: true, send: () => put(this.server, ask, this.place) }));
    return [{ label: "Without words", kind: vscode.QuickPickItemKind.Separator }, ...asks];
  }

  private sentBefore(): Entry[] {
    const send = this.withWords()[0]?.send;
    if (send === undefined) return [];
    const sent = this.words.sent.slice(0, OFFERED_MAX).map((words): Entry => ({ label: words, words, send }));
    return sent.length === 0 ? [] : [{ label: "Sent before", kind: vscode.QuickPickItemKind.Separator }, ...sent];
  }

  private async accept(): Promise<void> {
    const active = this.box.selectedItems[0] ?? this.box.activeItems[0];
    // Whoever types fast presses Enter before the entries for an empty box have given way.
    const isLate = this.box.value.trim() !== "" && (active === undefined || active.bare === true);
    const chosen = isLate ? this.withWords()[0] : active;
    if (chosen?.send === undefined) return;
    const words = (chosen.words ?? this.box.value).trim();
    // The words are kept until the server has taken them: it may be lost just now.
    if (this.server.life.kind === "running") this.words.keepDraft("");
    if (words !== "") this.words.addSent(words);
    this.box.hide();
    await chosen.send(words);
  }
}

function wholeOf(document: vscode.TextDocument): vscode.Range {
  return document.validateRange(new vscode.Range(0, 0, document.lineCount, 0));
}
