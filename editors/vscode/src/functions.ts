// A line above each function with what can be asked about it, for those who want one: the setting is off at first.
// It refuses to find functions: what the language's own server, or Familiar, says the symbols are is taken.

import * as vscode from "vscode";
import { ASKS } from "./asks";
import type { Server } from "./server";

const SETTING = "functionLenses";
/** Functions of one document that get a line. */
const FUNCTIONS_MAX = 500;
const KINDS = new Set([vscode.SymbolKind.Function, vscode.SymbolKind.Method, vscode.SymbolKind.Constructor]);

/** Provides the lenses of functions. */
export class FunctionLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly moved = new vscode.EventEmitter<void>();
  private readonly registered: vscode.Disposable[];

  readonly onDidChangeCodeLenses = this.moved.event;

  constructor(private readonly server: Server) {
    this.registered = [
      server.onLife(() => this.moved.fire()),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(`familiar.${SETTING}`)) this.moved.fire();
      }),
      vscode.languages.registerCodeLensProvider([{ scheme: "file" }, { scheme: "untitled" }], this),
    ];
  }

  dispose(): void {
    for (const one of [...this.registered, this.moved]) one.dispose();
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const isWanted = vscode.workspace.getConfiguration("familiar", document).get<boolean>(SETTING, false);
    if (!isWanted || this.server.life.kind !== "running") return [];
    const symbols = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
      "vscode.executeDocumentSymbolProvider",
      document.uri,
    );
    return functionsOf(symbols ?? []).slice(0, FUNCTIONS_MAX).flatMap((symbol) => lensesOf(document.uri, symbol));
  }
}

/** The functions among symbols and what is in them; a flat list, from older servers, has nothing in it. */
function functionsOf(symbols: readonly vscode.DocumentSymbol[]): vscode.DocumentSymbol[] {
  return symbols.flatMap((symbol) => [...(KINDS.has(symbol.kind) ? [symbol] : []), ...functionsOf(symbol.children ?? [])]);
}

function lensesOf(uri: vscode.Uri, { range, name }: vscode.DocumentSymbol): vscode.CodeLens[] {
  if (range === undefined) return [];
  const line = new vscode.Range(range.start.line, 0, range.start.line, 0);
  const lens = (title: string, command: string) =>
    new vscode.CodeLens(line, { title, command: `familiar.${command}`, tooltip: `Familiar: ${name}`, arguments: [uri, range] });
  return [
    lens("$(sparkle) Edit or ask", "inline"),
    ...(["explain", "document", "tests"] as const).map((ask) => lens(ASKS[ask].replace(/^\$\([a-z-]+\) /, ""), `ask.${ask}`)),
  ];
}
