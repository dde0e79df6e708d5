// Attaching and asking: what a user sees before anything is edited. Refuses: edits; those are in `editing.ts`.

import { SHOP } from "../files.ts";
import type { Scenario } from "../scenario.ts";

const files = { "shop.py": SHOP };

/** The scenarios of this file. */
export const ASKING: readonly Scenario[] = [
  {
    name: "the window opens and Familiar is ready",
    setting: { files, replies: [{ text: [""] }] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.until("one session in the daemon", async () => (await desk.status()).sessions === 1);
      await picture("ready");
    },
  },
  {
    name: "a selection is explained",
    setting: { files, replies: [{ text: ["It adds the ", "prices up."] }] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, 5);
      await editor.command("Familiar: Explain Selection");
      await editor.waitForText("It adds the prices up.");
      await picture("explained");
      await editor.until("the file is as it was", async () => (await desk.read("shop.py")) === SHOP);
    },
  },
  {
    name: "a function is explained from the line above it",
    setting: { files, replies: [{ text: ["It adds the prices up."] }], settings: { "familiar.functionLenses": "on" } },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.lens("Explain", 2).waitFor();
      await picture("lenses");
      await editor.lens("Explain").click();
      await editor.waitForText("It adds the prices up.");
    },
  },
  {
    name: "without the program, the way to it is shown",
    setting: { files, withoutProgram: true },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/not found/);
      await editor.message("make run").waitFor();
      await picture("missing");
      await editor.message("make run").locator(".monaco-button", { hasText: "How to Build It" }).click();
      await editor.page.locator(".tab", { hasText: /readme/i }).waitFor();
    },
  },
  {
    name: "without a model, the status says so",
    setting: { files },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/no model/);
      await picture("no-model");
    },
  },
];
