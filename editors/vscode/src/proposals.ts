// The line above each change of a proposal's diff with what can be done about it: accept, reject, take back.
// It refuses to know what that is: the entries are the code actions that the server offers there.

import * as vscode from "vscode";

/** Changes of one diff that get a line. */
const CHANGES_MAX = 200;
/** The server's commands about changes; its other actions are not for a diff. */
const COMMANDS = new Set(["familiar.accept", "familiar.reject", "familiar.keep", "familiar.takeBack"]);

/** Provides the lenses of proposals that are open as diffs. */
export class ProposalLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly moved = new vscode.EventEmitter<void>();
  private readonly registered: vscode.Disposable[];

  readonly onDidChangeCodeLenses = this.moved.event;

  constructor() {
    // Not before the event is there: it is looked for once, when the provider is registered.
    this.registered = [
      // The server marks each change with what became of it, and marks it anew when that changes.
      vscode.languages.onDidChangeDiagnostics(({ uris }) => {
        if (uris.some((uri) => uri.path.endsWith(".diff"))) this.moved.fire();
      }),
      vscode.languages.registerCodeLensProvider({ scheme: "file", pattern: "**/*.diff" }, this),
    ];
  }

  dispose(): void {
    for (const one of [...this.registered, this.moved]) one.dispose();
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    // Any diff may be open; in ours the server marks the first line of each change, also of those without a line `@@`.
    const marks = vscode.languages.getDiagnostics(document.uri).filter(({ source }) => source === "familiar");
    const starts = marks.map(({ range }) => range.start.line).sort((one, other) => one - other).slice(0, CHANGES_MAX);
    const lenses: vscode.CodeLens[] = [];
    // What is offered for all changes is offered at each of them; once is enough.
    const shown = new Set<string>();
    for (const line of starts) {
      const range = new vscode.Range(line, 0, line, 0);
      for (const command of await offers(document.uri, range)) {
        const key = JSON.stringify([command.command, command.arguments]);
        if (!shown.has(key)) lenses.push(new vscode.CodeLens(range, command));
        shown.add(key);
      }
    }
    return lenses;
  }
}

async function offers(uri: vscode.Uri, range: vscode.Range): Promise<vscode.Command[]> {
  const actions = await vscode.commands.executeCommand<(vscode.CodeAction | vscode.Command)[] | undefined>(
    "vscode.executeCodeActionProvider",
    uri,
    range,
  );
  const commands = (actions ?? []).map((action) => (action instanceof vscode.CodeAction ? action.command : action));
  return commands.flatMap((command) => {
    if (command === undefined || !COMMANDS.has(command.command)) return [];
    return [{ ...command, title: command.title.replace(/^Familiar: /, "") }];
  });
}
