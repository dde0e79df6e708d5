// The list of earlier edits of a file, to look at one again or to take it back.
// It refuses to remember them: the server keeps them, also from earlier days.

import * as vscode from "vscode";
import { activePlace } from "./asks";
import type { Past } from "./protocol";
import type { Server } from "./server";

/** Edits that are listed; the server sends them newest first. */
const LISTED_MAX = 200;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** What one word about a change means to a person. */
const STATES: Record<string, string> = { proposed: "proposed", standing: "to judge", kept: "kept", reverted: "taken back" };

/** Registers the list, and the command that opens the last edit of a file as a diff. */
export function registerHistory(server: Server): vscode.Disposable[] {
  return [
    vscode.commands.registerCommand("familiar.review.history", async () => {
      const place = activePlace();
      if (place === undefined) return;
      const past = await server.execute<Past[] | null>("familiar.history", { uri: server.uriOf(place.document) });
      if (past === undefined) return;
      if (past === null || past.length === 0) {
        void vscode.window.showInformationMessage("Familiar: it has not edited this file yet.");
        return;
      }
      choose(server, past.slice(0, LISTED_MAX));
    }),
    vscode.commands.registerCommand("familiar.review.showProposal", async () => {
      const place = activePlace();
      if (place !== undefined) await server.execute("familiar.showProposal", { uri: server.uriOf(place.document) });
    }),
  ];
}

interface Entry extends vscode.QuickPickItem {
  readonly past: Past;
}

const TAKE_BACK: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("discard"), tooltip: "Take this edit back" };

function choose(server: Server, past: readonly Past[]): void {
  const box = vscode.window.createQuickPick<Entry>();
  box.title = "Familiar: earlier edits of this file";
  box.placeholder = "Enter shows the edit as a diff, the arrow takes it back";
  box.matchOnDescription = true;
  box.items = past.map((one): Entry => {
    const standing = one.states.some((state) => state === "kept" || state === "standing");
    return {
      past: one,
      label: one.instruction ?? one.title,
      description: [one.instruction === null ? "" : one.title, ago(Date.now() - one.createdMs), states(one.states)].filter((part) => part).join(", "),
      buttons: standing ? [TAKE_BACK] : [],
    };
  });
  box.onDidAccept(() => {
    const chosen = box.selectedItems[0];
    box.hide();
    if (chosen !== undefined) void server.execute("familiar.showProposal", { proposal: chosen.past.proposal });
  });
  box.onDidTriggerItemButton(({ item }) => {
    box.hide();
    void server.execute("familiar.takeBack", { proposal: item.past.proposal });
  });
  box.onDidHide(() => box.dispose());
  box.show();
}

/** For example "2 kept, 1 taken back". */
function states(all: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const state of all) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${STATES[state] ?? state}`).join(", ");
}

function ago(ms: number): string {
  if (ms < MINUTE_MS) return "just now";
  if (ms < 60 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`;
  if (ms < DAY_MS) return `${Math.floor(ms / (60 * MINUTE_MS))} h ago`;
  return new Date(Date.now() - ms).toLocaleDateString();
}
