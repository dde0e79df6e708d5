// Edits: the box, what is drawn, and judging change by change. What counts is the file on the disk after it was saved.
// Refuses: trusting the screen alone.

import { CHANGES, FIRST_FUNCTION, SHOP, SHOP_LINES, code, shopWith, slowCode } from "../files.ts";
import type { Desk } from "../desk.ts";
import type { Editor } from "../editor.ts";
import type { Scenario } from "../scenario.ts";

const files = { "shop.py": SHOP };
const edited = code(shopWith(0, 1, 2));
/** The shop with a line of documentation in each function. */
const DOCUMENTED = SHOP.replace(/^def (\w+).*\n/gm, '$&    """The $1."""\n');

/** Opens the shop and asks for the edit of all three functions. */
async function edit(desk: Desk, words = "make it exact"): Promise<Editor> {
  const editor = await desk.open("shop.py");
  await editor.waitForStatus(/Familiar$/);
  await editor.select(1, SHOP_LINES);
  await editor.instruct(words);
  return editor;
}

/** The scenarios of this file. */
export const EDITING: readonly Scenario[] = [
  {
    name: "each change is kept or reverted by itself",
    setting: { files, replies: [edited] },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.lens("Keep").first().waitFor();
      await picture("three-changes");
      // The first with a click, the second and the third with keys.
      await editor.lens("Keep").first().click();
      await editor.waitForStatus(/2 changes to judge/);
      await editor.goTo(9);
      await editor.press("Control+Alt+n");
      await editor.waitForStatus(/1 change to judge/);
      await editor.press("Alt+F5");
      await editor.waitForLine(13);
      await editor.press("Control+Alt+y");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0, 2), () => desk.read("shop.py"));
      await picture("judged");
    },
  },
  {
    name: "all changes are kept, or reverted, with one key",
    setting: { files, replies: [edited, edited] },
    play: async (desk) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+Shift+Backspace");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, SHOP_LINES);
      await editor.instruct("make it exact");
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0, 1, 2), () => desk.read("shop.py"));
    },
  },
  {
    name: "what was reverted and is undone waits to be judged again",
    setting: { files, replies: [edited] },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.goTo(9);
      await editor.press("Control+Alt+n");
      await editor.waitForStatus(/2 changes to judge/);
      await editor.press("Control+z");
      await editor.waitForStatus(/3 changes to judge/);
      await picture("again");
      await editor.press("Control+y");
      await editor.waitForStatus(/2 changes to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0, 2), () => desk.read("shop.py"));
    },
  },
  {
    name: "one undo takes a whole edit back",
    setting: { files, replies: [edited] },
    play: async (desk) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+z");
      await editor.waitForStatus(/Familiar$/);
      // Something has to differ for a save to be one.
      await editor.press("Control+End");
      await editor.type("# end\n");
      await editor.saveAs(`${SHOP}# end\n`, () => desk.read("shop.py"));
    },
  },
  {
    name: "words of a dismissed box stand in it again",
    setting: { files, replies: [edited] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, SHOP_LINES);
      await (await editor.openBox()).fill("make it ex");
      await editor.press("Escape");
      await editor.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
      const box = await editor.openBox();
      await editor.until("the words are there", async () => (await box.inputValue()) === "make it ex");
      // The old words are selected, so that the first key of others replaces them.
      await editor.press("End");
      await editor.type("act");
      await picture("box");
      await editor.press("Enter");
      await editor.waitForStatus(/3 changes to judge/);
      await editor.openBox();
      await editor.until("sent words leave the box", async () => (await box.inputValue()) === "");
      await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "make it exact" }).waitFor();
      await picture("history");
    },
  },
  {
    name: "code is drawn while it is written",
    setting: { files, replies: [slowCode(shopWith(0, 1, 2), 250)], settings: { "workbench.colorTheme": "Default Light Modern" } },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/writing/);
      await editor.waitForDrawn("Decimal(0)");
      await picture("preview");
      await editor.waitForStatus(/3 changes to judge/);
      await editor.page.locator(".view-line", { hasText: "quantize" }).first().hover();
      await editor.page.locator(".monaco-hover .mtk1, .monaco-hover .monaco-tokenized-source").first().waitFor();
      await picture("light");
      await editor.lens("Diff").click();
      await editor.page.locator(".monaco-diff-editor").first().waitFor();
      await editor.waitForText("return price * rate");
      await picture("diff");
    },
  },
  {
    name: "an edit is gone on from with further words",
    setting: { files, replies: [edited, code(shopWith(0, 1, 2).replace("Decimal(0)", "Decimal()"))] },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.goTo(2);
      const box = await editor.openBox();
      await box.fill("without the zero");
      await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "Now also" }).waitFor();
      await picture("follow-up");
      await editor.press("Enter");
      await editor.waitForText("Decimal()");
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+Shift+Backspace");
      await editor.waitForStatus(/Familiar$/);
      await editor.waitForText("result = 0");
    },
  },
  {
    name: "another version is asked for and both are compared",
    setting: { files, replies: [edited, code(shopWith(0, 1))] },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.lens("Retry").click();
      await editor.waitForStatus(/2 changes to judge/);
      await editor.lens("Version 2 of 2").waitFor();
      await picture("versions");
      await editor.lens("Version 2 of 2").click();
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0, 1, 2), () => desk.read("shop.py"));
    },
  },
  {
    name: "an edit is shown as a diff first, and its changes accepted",
    setting: { files, replies: [edited], settings: { "familiar.review": "ask" } },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.message(/changes/i).locator(".monaco-button", { hasText: "Show changes" }).click();
      await editor.page.locator(".tab", { hasText: ".diff" }).waitFor();
      await editor.lens("Accept change 1").waitFor();
      await picture("proposal");
      await editor.lens("Accept change 1").click();
      await editor.lens("Accept change 1").waitFor({ state: "hidden" });
      await editor.lens("Reject change 2").click();
      await editor.lens("Reject change 2").waitFor({ state: "hidden" });
      await picture("accepted");
      await editor.page.locator(".tab", { hasText: "shop.py" }).first().click();
      await editor.waitForText(CHANGES[0][1].trim());
      await editor.saveAs(shopWith(0), () => desk.read("shop.py"));
    },
  },
  {
    name: "a kept edit is taken back later",
    setting: { files, replies: [edited] },
    play: async (desk, picture) => {
      const editor = await edit(desk);
      await editor.waitForStatus(/3 changes to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.press("Control+Home");
      await editor.type("# shop\n");
      await editor.saveAs(`# shop\n${shopWith(0, 1, 2)}`, () => desk.read("shop.py"));
      await editor.command("Familiar: Earlier Edits of This File...");
      const past = editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "make it exact" });
      await past.waitFor();
      await picture("history");
      await past.hover();
      await past.locator(".codicon-discard").click();
      await editor.waitForText("result = 0");
      await editor.saveAs(`# shop\n${SHOP}`, () => desk.read("shop.py"));
    },
  },
  {
    name: "a whole file is explained and documented, by selecting all of it",
    setting: { files, replies: [{ text: ["It sells things."] }, code(DOCUMENTED)] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.goTo(1);
      await editor.press("Control+a");
      await editor.openBox();
      await picture("box");
      await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "Explain" }).click();
      await editor.waitForText("Explain shop.py:1-13");
      await editor.waitForText("It sells things.");
      await picture("explained");
      await editor.page.locator(".tab", { hasText: "shop.py" }).first().click();
      await editor.goTo(1);
      await editor.press("Control+a");
      await editor.openBox();
      await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "Document" }).click();
      await editor.waitForStatus(/3 changes to judge/);
      await editor.lens("Keep all 3").waitFor();
      await picture("documented");
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(DOCUMENTED, () => desk.read("shop.py"));
    },
  },
  {
    name: "a comment in the code is carried out and taken away",
    setting: { files: { "shop.py": `# familiar: make it exact\n${SHOP}` }, replies: [code(shopWith(0).slice(0, FIRST_FUNCTION))] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.goTo(1);
      await editor.command("Familiar: Carry Out the Comment at the Cursor");
      await editor.waitForStatus(/changes? to judge/);
      await picture("carried-out");
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0), () => desk.read("shop.py"));
    },
  },
];
