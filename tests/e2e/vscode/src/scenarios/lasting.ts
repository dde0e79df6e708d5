// What must not harm a user: cancelling, a daemon that dies, two editors on one workspace. Refuses: a daemon that is only
// asked to leave; it is killed.

import { SHOP, SHOP_LINES, code, shopWith } from "../files.ts";
import type { Scenario } from "../scenario.ts";

const files = { "shop.py": SHOP, "other.py": SHOP };
const edited = code(shopWith(0, 1, 2));

/** The scenarios of this file. */
export const LASTING: readonly Scenario[] = [
  {
    name: "an answer that never ends is cancelled",
    setting: { files, replies: [{ text: ["```python\n", "def total(prices):\n"], hang: true }] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, SHOP_LINES);
      await editor.instruct("make it exact");
      await editor.waitForStatus(/writing/);
      await picture("running");
      await editor.clickStatus();
      await editor.waitForStatus(/Familiar$/);
      await editor.goTo(1);
      await editor.press("Control+End");
      await editor.type("# end\n");
      await editor.saveAs(`${SHOP}# end\n`, () => desk.read("shop.py"));
    },
  },
  {
    name: "the daemon is killed, comes back, and nothing is lost",
    setting: { files, replies: [edited] },
    play: async (desk, picture) => {
      const editor = await desk.open("shop.py");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, SHOP_LINES);
      await editor.instruct("make it exact");
      await editor.waitForStatus(/3 changes to judge/);
      const { pid } = await desk.status();
      process.kill(pid, "SIGKILL");
      await editor.waitForStatus(/lost/);
      await picture("lost");
      // The changes that waited are found again in the text, which was never saved.
      await editor.waitForStatus(/3 changes to judge/);
      await editor.until("another daemon", async () => (await desk.status()).pid !== pid);
      await editor.goTo(2);
      await editor.press("Control+Alt+n");
      await editor.waitForStatus(/2 changes to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.select(1, SHOP_LINES);
      await editor.instruct("make it exact");
      await editor.waitForStatus(/1 change to judge/);
      await editor.press("Control+Shift+Enter");
      await editor.waitForStatus(/Familiar$/);
      await editor.saveAs(shopWith(0, 1, 2), () => desk.read("shop.py"));
    },
  },
  {
    name: "two editors work on one workspace",
    setting: { files, replies: [edited, code(shopWith(1))] },
    play: async (desk, picture) => {
      const one = await desk.open("shop.py");
      const two = await desk.open("shop.py");
      await one.waitForStatus(/Familiar$/);
      await two.waitForStatus(/Familiar$/);
      await one.until("two sessions in one daemon", async () => (await desk.status()).sessions === 2);
      await one.select(1, SHOP_LINES);
      await one.instruct("make it exact");
      await one.waitForStatus(/3 changes to judge/);
      // What waits in one editor is nothing to the other, whose text is what is on the disk.
      await two.waitForStatus(/Familiar$/);
      await two.waitForText("result = 0");
      await one.press("Control+Shift+Backspace");
      await one.waitForStatus(/Familiar$/);
      await two.select(1, SHOP_LINES);
      await two.instruct("only the tax");
      await two.waitForStatus(/1 change to judge/);
      await two.press("Control+Shift+Enter");
      await two.waitForStatus(/Familiar$/);
      await two.saveAs(shopWith(1), () => desk.read("shop.py"));
      await picture("first-window");
    },
  },
];
