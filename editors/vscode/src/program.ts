// Where the `familiar` program is: the machine's setting, else the PATH; and what to say when it is nowhere.
// It refuses a program named by a workspace: `familiar.path` is a machine setting.

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import * as path from "node:path";
import * as vscode from "vscode";

/** What builds the program, to be typed in a clone of Familiar. */
const BUILD = "make run";

/** The program as the settings name it. */
export function programSetting(): string {
  return vscode.workspace.getConfiguration("familiar").get<string>("path", "").trim() || "familiar";
}

/** The program of the setting as a path that can be run, looked up on the PATH when it is a bare name. */
export async function findProgram(): Promise<string | undefined> {
  const named = programSetting();
  const places = path.isAbsolute(named)
    ? [named]
    : (process.env["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute).map((folder) => path.join(folder, named));
  const endings = process.platform === "win32" ? ["", ".exe"] : [""];
  for (const place of places) {
    for (const ending of endings) {
      const candidate = place + ending;
      if (await access(candidate, constants.X_OK).then(() => true, () => false)) return candidate;
    }
  }
  return undefined;
}

/** Says that there is no program, how it is built, and offers the next steps. */
export async function offerProgram(extension: vscode.Uri): Promise<void> {
  const message =
    `Familiar: there is no program \`${programSetting()}\`. Build it in a clone of Familiar with \`${BUILD}\` and put it on the PATH, ` +
    "or set familiar.path.";
  switch (await vscode.window.showErrorMessage(message, "How to Build It", "Copy Build Command", "Open Settings")) {
    case "How to Build It":
      return openReadme(extension);
    case "Copy Build Command":
      return vscode.env.clipboard.writeText(BUILD);
    case "Open Settings":
      await vscode.commands.executeCommand("workbench.action.openSettings", "familiar.path");
      return;
    default:
      return;
  }
}

/** Opens the README that came with the extension. The packager writes its name in small letters. */
export async function openReadme(extension: vscode.Uri): Promise<void> {
  for (const name of ["readme.md", "README.md"]) {
    const readme = vscode.Uri.joinPath(extension, name);
    if (await access(readme.fsPath).then(() => true, () => false)) {
      await vscode.commands.executeCommand("markdown.showPreview", readme);
      return;
    }
  }
}
