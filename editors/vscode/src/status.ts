// One entry in the status bar that says how Familiar is: lost, no model, at work, with changes to judge, or idle.
// It refuses to show two things at once: what a person can act upon soonest comes first.

import * as vscode from "vscode";
import type { Changes } from "./changes";
import type { Jobs } from "./jobs";
import type { StatusAnswer } from "./protocol";
import { STATUS } from "./protocol";
import type { Server } from "./server";

/** How often the seconds until a restart are counted down, in milliseconds. */
const COUNT_MS = 1_000;

interface Face {
  readonly text: string;
  readonly tooltip: string;
  readonly command: string;
  readonly warns?: boolean;
}

/** The entry in the status bar. */
export class StatusItem implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("familiar.status", vscode.StatusBarAlignment.Left, 0);
  private readonly watched: vscode.Disposable[];
  private model: StatusAnswer["model"] | undefined;
  private counting: NodeJS.Timeout | undefined;
  private busy = false;

  constructor(
    private readonly server: Server,
    private readonly jobs: Jobs,
    private readonly changes: Changes,
  ) {
    this.item.name = "Familiar";
    this.watched = [
      server.onLife((life) => {
        if (life.kind === "running") void this.askForModel();
        this.draw();
      }),
      jobs.onChange(() => {
        const busy = jobs.all.length > 0;
        // A model is loaded, or turns out to be unusable, while something runs.
        if (this.busy && !busy) void this.askForModel();
        this.busy = busy;
        this.draw();
      }),
      changes.onChange(() => this.draw()),
    ];
    this.draw();
    this.item.show();
  }

  dispose(): void {
    clearInterval(this.counting);
    for (const one of [...this.watched, this.item]) one.dispose();
  }

  private async askForModel(): Promise<void> {
    this.model = (await this.server.ask<StatusAnswer>(STATUS))?.model;
    this.draw();
  }

  private draw(): void {
    const { kind } = this.server.life;
    if (kind === "lost" && this.counting === undefined) this.counting = setInterval(() => this.draw(), COUNT_MS);
    if (kind !== "lost") {
      clearInterval(this.counting);
      this.counting = undefined;
    }
    const face = this.face();
    this.item.text = face.text;
    this.item.tooltip = face.tooltip;
    this.item.command = face.command;
    this.item.accessibilityInformation = { label: `Familiar: ${face.tooltip}`, role: "button" };
    const colour = face.warns === true ? "statusBarItem.warningBackground" : undefined;
    this.item.backgroundColor = colour === undefined ? undefined : new vscode.ThemeColor(colour);
  }

  private face(): Face {
    const life = this.server.life;
    switch (life.kind) {
      case "starting":
        return { text: "$(loading~spin) Familiar", tooltip: "The server is starting", command: "familiar.client.log" };
      case "missing":
        return {
          text: "$(error) Familiar: not found",
          tooltip: "There is no `familiar` program; click to see how to get it",
          command: "familiar.client.start",
          warns: true,
        };
      case "lost": {
        const seconds = Math.max(0, Math.ceil((life.at - Date.now()) / 1_000));
        const tooltip = "The server ended and is started again; click to start it now";
        return { text: `$(debug-disconnect) Familiar: lost, again in ${seconds} s`, tooltip, command: "familiar.client.restart", warns: true };
      }
      case "ended":
        return {
          text: life.byPerson ? "$(circle-slash) Familiar: stopped" : "$(error) Familiar: ended",
          tooltip: "The server does not run; click to start it",
          command: "familiar.client.start",
          warns: !life.byPerson,
        };
      case "running":
        return this.runningFace();
    }
  }

  private runningFace(): Face {
    const jobs = this.jobs.all;
    const first = jobs[0];
    if (first !== undefined) {
      const what = first.message === "" ? first.title : `${first.title}: ${first.message}`;
      const more = jobs.length > 1 ? ` (+${jobs.length - 1})` : "";
      return { text: `$(loading~spin) ${what}${more}`, tooltip: "Familiar works; click to cancel", command: "familiar.jobs.cancel" };
    }
    const { count } = this.changes;
    if (count > 0) {
      const text = `$(diff) Familiar: ${count} ${count === 1 ? "change" : "changes"} to judge`;
      return { text, tooltip: "Click to go to the next change", command: "familiar.review.next" };
    }
    const model = this.model;
    if (model !== undefined && (model.state === "none" || model.state === "unusable")) {
      const why = [model.problem, model.hint].filter((part) => part).join("; ");
      const text = model.state === "none" ? "$(warning) Familiar: no model" : "$(warning) Familiar: model unusable";
      return { text, tooltip: why || "No model can be used", command: "familiar.client.status", warns: true };
    }
    const name = model?.name ? ` with ${model.name}` : "";
    return { text: "$(sparkle) Familiar", tooltip: `Ready${name}; click to ask or edit`, command: "familiar.inline" };
  }
}
