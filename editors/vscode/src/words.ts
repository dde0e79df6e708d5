// The words a person typed: those not sent yet, so that no dismissed box loses them, and those sent before.
// It refuses to keep words anywhere but in this workspace's own storage of VS Code.

import type * as vscode from "vscode";

/** Sent words that are remembered; the oldest go first. */
const SENT_MAX = 50;
/** The longest words that are remembered, in characters. */
const WORDS_CHARS_MAX = 4_000;

const DRAFT = "familiar.draft";
const SENT = "familiar.sent";

/** The typed words of one workspace. */
export class Words {
  constructor(private readonly storage: vscode.Memento) {}

  /** What was typed and not sent. */
  get draft(): string {
    return this.storage.get(DRAFT, "");
  }

  /** Remembers what is typed, or that nothing is left to send. */
  keepDraft(words: string): void {
    void this.storage.update(DRAFT, words.slice(0, WORDS_CHARS_MAX));
  }

  /** What was sent, newest first. */
  get sent(): readonly string[] {
    return this.storage.get<string[]>(SENT, []);
  }

  /** Remembers words that were sent. */
  addSent(words: string): void {
    const rest = this.sent.filter((old) => old !== words);
    void this.storage.update(SENT, [words.slice(0, WORDS_CHARS_MAX), ...rest].slice(0, SENT_MAX));
  }
}
