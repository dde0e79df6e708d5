// Edits of several files: shown first, made at once, taken back at once. What counts is the folder on the disk, names and
// contents. Refuses: edits of one file; those are in `editing.ts`.

import { CART, MOVING, OLD, SEVERAL, SHOP, SHOP_LINES, shopWith } from "../files.ts";
import type { Desk } from "../desk.ts";
import type { Editor } from "../editor.ts";
import type { Scenario } from "../scenario.ts";

const MONEY = "from decimal import Decimal\n";
const EXACT_CART = CART.replace("total(cart.prices)", "rounded(total(cart.prices))");

/** Opens the shop and asks for an edit of several files. */
async function edit(desk: Desk, words: string): Promise<Editor> {
  const editor = await desk.open("shop.py");
  await editor.waitForStatus(/Familiar$/);
  await editor.select(1, SHOP_LINES);
  await (await editor.openBox()).fill(words);
  await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "Edit several files" }).click();
  return editor;
}

/** The scenarios of this file. */
export const SEVERAL_FILES: readonly Scenario[] = [
  {
    name: "an edit of several files is shown first, and made at once",
    setting: { files: { "shop.py": SHOP, "cart.py": CART }, replies: [{ text: [SEVERAL] }] },
    play: async (desk, picture) => {
      const editor = await edit(desk, "make it exact everywhere");
      const asked = editor.message(/Edit 3 files: 3 changes/);
      await asked.waitFor();
      await picture("asked");
      await asked.locator(".monaco-button", { hasText: "Choose changes" }).click();
      const panel = editor.page.locator(".bulk-edit-panel");
      await panel.locator(".monaco-list-row", { hasText: "money.py" }).waitFor();
      // Nothing is ticked beforehand, so that what is not looked at is not done.
      for (const file of ["shop.py", "cart.py", "money.py"]) {
        await panel.locator(".monaco-list-row", { hasText: file }).locator(".edit-checkbox").click();
      }
      await picture("chosen");
      await panel.locator(".monaco-button", { hasText: "Apply" }).click();
      await editor.page.locator(".tab", { hasText: "shop.py" }).first().click();
      await editor.waitForText("Decimal(0)");
      await picture("applied");
      await editor.saveAll("shop.py", "cart.py", "money.py");
      await desk.waitForFiles({ "cart.py": EXACT_CART, "money.py": MONEY, "shop.py": shopWith(0) });
    },
  },
  {
    name: "files are renamed, deleted and made by one edit, and all of it is taken back",
    setting: { files: { "shop.py": SHOP, "cart.py": CART, "old.py": OLD }, replies: [{ text: [MOVING] }] },
    play: async (desk, picture) => {
      const editor = await edit(desk, "exact sums, a cart is a basket, and nobody needs old_total");
      const asked = editor.message(/Edit 5 files: 5 changes/);
      await asked.locator(".monaco-button", { hasText: "Show changes" }).click();
      await editor.lens("Accept all changes").waitFor();
      await picture("proposal");
      // Nothing happened so far.
      await desk.waitForFiles({ "cart.py": CART, "old.py": OLD, "shop.py": SHOP });
      // A rename has no lines that differ; it is judged like any other change.
      await editor.press("Control+End");
      await editor.lens("Accept change 5").waitFor();
      await picture("rename");
      await editor.press("Control+Home");
      await editor.lens("Accept all changes").click();
      await editor.lens("Take back all changes").waitFor();
      await picture("accepted");
      await editor.saveAll("shop.py", "basket.py", "money.py");
      await desk.waitForFiles({ "basket.py": EXACT_CART, "money.py": MONEY, "shop.py": shopWith(0) });
      await picture("saved");
      await editor.lens("Take back all changes").click();
      await editor.lens("Take back all changes").waitFor({ state: "hidden" });
      await editor.saveAll("shop.py", "cart.py", "old.py");
      await desk.waitForFiles({ "cart.py": CART, "old.py": OLD, "shop.py": SHOP });
      await picture("taken-back");
    },
  },
  {
    name: "a deletion and a rename that were chosen are taken back as well",
    setting: { files: { "shop.py": SHOP, "cart.py": CART, "old.py": OLD }, replies: [{ text: [MOVING] }] },
    play: async (desk, picture) => {
      const editor = await edit(desk, "exact sums, a cart is a basket, and nobody needs old_total");
      await editor.message(/Edit 5 files: 5 changes/).locator(".monaco-button", { hasText: "Choose changes" }).click();
      const panel = editor.page.locator(".bulk-edit-panel");
      await panel.locator(".monaco-list-row", { hasText: "old.py" }).waitFor();
      // The box of a file ticks all of it.
      for (const file of ["basket.py", "money.py", "old.py", "shop.py"]) {
        await panel.locator(".monaco-list-row", { hasText: file }).first().locator(".edit-checkbox").click();
      }
      await picture("chosen");
      await panel.locator(".monaco-button", { hasText: "Apply" }).click();
      await editor.page.locator(".tab", { hasText: "shop.py" }).first().click();
      await editor.waitForText("Decimal(0)");
      await editor.saveAll("shop.py", "basket.py", "money.py");
      await desk.waitForFiles({ "basket.py": EXACT_CART, "money.py": MONEY, "shop.py": shopWith(0) });
      await editor.command("Familiar: Earlier Edits of This File...");
      const past = editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "exact sums" });
      await past.hover();
      await past.locator(".codicon-discard").click();
      await editor.saveAll("shop.py", "cart.py", "old.py");
      await desk.waitForFiles({ "cart.py": CART, "old.py": OLD, "shop.py": SHOP });
      await picture("taken-back");
    },
  },
];
