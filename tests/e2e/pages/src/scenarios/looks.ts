// Every page in both themes, on a desk and on a phone. Refuses: judging beauty; it holds what can be measured.

import { equal, ok } from "node:assert/strict";
import { waitForTiles } from "../desk.ts";
import type { Look } from "../desk.ts";
import type { Scenario } from "../scenario.ts";

/** A page as a phone shows it. */
export const PHONE = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };
const LOOKS: readonly (readonly [string, Look])[] = [
  ["a desk, light", { colorScheme: "light" }],
  ["a desk, dark", { colorScheme: "dark" }],
  ["a phone, light", { colorScheme: "light", ...PHONE }],
  ["a phone, dark", { colorScheme: "dark", ...PHONE }],
];
/** One word without a blank, as prompts of other tools have them. */
const LONG = `fox_${"snow_".repeat(40)}end`;

/** The scenarios of this file. */
export const LOOK_SCENARIOS: readonly Scenario[] = LOOKS.map(([name, look]) => ({
  name: `every page follows the theme and fits: ${name}`,
  setting: { models: ["main", "other"] },
  play: async (desk, picture) => {
    const [image] = await desk.draw(LONG, { negative: LONG, count: "3" });
    const page = await desk.open("/images", look);
    const used = `/images?use=${image?.id}&over=${image?.id}`;
    for (const address of ["/images", `/images/${image?.id}`, used, "/images/queue", "/settings", "/chats"]) {
      await page.goto(new URL(address, page.url()).href);
      if (address === "/images") await waitForTiles(page, 3);
      // What is folded has to fit as well; a menu lies over the rest.
      await page.locator("main details:not(.menu)").evaluateAll((all) => all.forEach((one) => one.setAttribute("open", "")));
      await picture(address.replace(image?.id ?? "", "one").replace(/[^a-z]+/g, "-").slice(0, 20));
      const seen = await page.evaluate(() => {
        const [red = 0, green = 0, blue = 0] = (getComputedStyle(document.body).backgroundColor.match(/\d+/g) ?? []).map(Number);
        return { light: red + green + blue, width: document.documentElement.scrollWidth };
      });
      // A phone that cannot show a page shrinks it, so the width of its window says nothing.
      const room = page.viewportSize()?.width ?? 0;
      ok(seen.width <= room, `${address} is ${seen.width} px wide in ${room} px`);
      equal(seen.light > 384, look.colorScheme === "light", `${address} has the wrong background`);
    }
  },
}));
