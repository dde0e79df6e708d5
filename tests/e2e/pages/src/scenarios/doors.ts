// The other doors to the same images: chat, command line, API, files that are brought, settings. Refuses: a door that the
// page does not hear of.

import { deepEqual, equal, match } from "node:assert/strict";
import { copyFile, writeFile } from "node:fs/promises";
import { hide, tiles, waitForTiles, waitForWord } from "../desk.ts";
import type { Told } from "../desk.ts";
import type { Scenario } from "../scenario.ts";
import { until } from "../../../vscode/src/until.ts";
import { download, facts } from "./viewing.ts";

/** The scenarios of this file. */
export const DOORS: readonly Scenario[] = [
  {
    name: "/image in a chat draws among the messages, without a model that writes",
    play: async (desk, picture) => {
      const page = await desk.open("/chats");
      await page.getByRole("textbox").first().fill("/image a lighthouse at dusk");
      await page.keyboard.press("Enter");
      const image = page.locator(".chat-images img");
      await image.waitFor();
      equal(await image.getAttribute("alt"), "a lighthouse at dusk");
      await until("the image itself", async () => {
        const width = await image.evaluate((one) => (one as HTMLImageElement).naturalWidth);
        return width === 64 || undefined;
      });
      await picture("chat");
      await page.goto(new URL("/images", page.url()).href);
      await waitForTiles(page, 1);
      equal(await tiles(page).getAttribute("alt"), "a lighthouse at dusk");
    },
  },
  {
    name: "what the command line makes and removes is seen on a page that watches the queue",
    play: async (desk) => {
      const page = await desk.open("/images");
      await page.locator("#new summary").click();
      await page.getByLabel("What is to be seen?").fill("a long one");
      await page.locator("#new").getByLabel("Another size").fill("64x64");
      await page.locator("#new").getByLabel("Steps").fill("150");
      await page.getByRole("button", { name: "Make", exact: true }).click();
      await page.locator("#queue .job progress").waitFor();
      const drawn = desk.draw("from a terminal");
      await page.locator("#queue .job", { hasText: "from a terminal" }).waitFor();
      await page.locator("#queue .job", { hasText: "a long one" }).getByRole("button", { name: "Cancel" }).click();
      await waitForTiles(page, 1);
      equal(await tiles(page).getAttribute("alt"), "from a terminal");
      const [image] = await drawn;
      equal((await desk.gallery()).length, 1);
      await desk.familiar("gallery", "delete", image?.id ?? "", "--yes");
      await page.reload();
      await page.locator("#none").waitFor();
      deepEqual(await desk.files(), []);
    },
  },
  {
    name: "a page at rest hears of jobs that begin elsewhere, and of those it missed in the background",
    play: async (desk) => {
      const page = await desk.open("/images");
      await page.locator("#none").waitFor();
      await desk.draw("from a terminal");
      await waitForTiles(page, 1);
      await waitForWord(page, "The images are ready.");
      let asked = 0;
      page.on("request", (request) => (asked += request.url().includes("/images/queue/stream") ? 1 : 0));
      await hide(page, true);
      await desk.draw("while nobody looked");
      // A page in the background holds no connection and asks for nothing.
      equal(await tiles(page).count(), 1);
      equal(asked, 0);
      await hide(page, false);
      await waitForTiles(page, 2);
      equal(await tiles(page).first().getAttribute("alt"), "while nobody looked");
      await desk.draw("in front again");
      await waitForTiles(page, 3);
      equal(asked, 1);
      await page.goto(new URL("/images/queue", page.url()).href);
      await page.locator("#idle").waitFor();
      const other = await desk.open("/images");
      await other.locator("#new summary").click();
      await other.getByLabel("What is to be seen?").fill("from another page");
      await other.locator("#new").getByLabel("Another size").fill("64x64");
      await other.locator("#new").getByLabel("Steps").fill("150");
      await other.getByRole("button", { name: "Make", exact: true }).click();
      await page.locator("#queue .job", { hasText: "from another page" }).locator("progress").waitFor();
      await page.locator("#idle").waitFor({ state: "hidden" });
      await page.locator("#queue .job").getByRole("button", { name: "Cancel" }).click();
      await waitForWord(other, "A job was cancelled.");
    },
  },
  {
    name: "the API makes an image, lists it, and deletes it",
    play: async (desk) => {
      const api = await desk.api();
      const asked = { prompt: "by a program", width_pixels: 64, height_pixels: 64, steps: 1, seed: 5 };
      const made = await api("POST", "", asked);
      equal(made.status, 202);
      const { id: job } = (await made.json()) as { id: string };
      // The stream of a job ends with it.
      match(await (await api("GET", `/jobs/${job}/events`)).text(), /"done"/);
      const list = async () => ((await (await api("GET", "")).json()) as { images: Told[] }).images;
      const [image] = await list();
      deepEqual([image?.prompt, image?.seed, image?.model], ["by a program", 5, "tiny"]);
      const page = await desk.open("/images");
      await waitForTiles(page, 1);
      equal((await api("DELETE", `/${image?.id}`)).status, 204);
      deepEqual(await list(), []);
      await page.reload();
      await page.locator("#none").waitFor();
    },
  },
  {
    name: "a file of ours that is brought back says how it was made, and what is no PNG is refused in words",
    play: async (desk, picture) => {
      const [image] = await desk.draw("a red fox", { negative: "fog", steps: "3", seed: "7" });
      const page = await desk.open(`/images/${image?.id}`);
      const saved = await download(page, "With its settings inside");
      await copyFile(saved.path, desk.file("fox.png"));
      await desk.familiar("gallery", "delete", image?.id ?? "", "--yes");
      await page.goto(new URL("/images", page.url()).href);
      await page.locator(".bring summary").click();
      await page.getByLabel(/PNG, JPEG or WebP files/).setInputFiles(desk.file("fox.png"));
      await page.getByRole("button", { name: "Bring" }).click();
      await page.locator(".viewer-image img").waitFor();
      equal(await page.locator("#prompt").textContent(), "a red fox");
      const { Seed, Steps, Model } = await facts(page);
      deepEqual({ Seed, Steps, Model }, { Seed: "7", Steps: "3", Model: "tiny" });
      equal((await facts(page))["Read from"], "Familiar");
      equal((await facts(page))["Layers left out"], undefined);
      await picture("brought");
      await page.getByRole("link", { name: "Use these settings" }).click();
      equal(await page.getByLabel("What is not to be seen").inputValue(), "fog");
      await writeFile(desk.file("words.png"), "no image at all");
      await page.locator(".bring summary").click();
      await page.getByLabel(/PNG, JPEG or WebP files/).setInputFiles(desk.file("words.png"));
      await page.getByRole("button", { name: "Bring" }).click();
      match((await page.locator(".bring").getByRole("alert").first().textContent()) ?? "", /words\.png.+PNG/);
      desk.forgive(/status of 4\d\d/);
      await picture("refused");
      equal((await desk.gallery()).length, 1);
    },
  },
  {
    name: "the settings choose which model draws when none is named",
    setting: { models: ["main", "other"] },
    play: async (desk, picture) => {
      const page = await desk.open("/settings");
      await page.locator("li", { hasText: "main" }).getByText("draws when none is named").waitFor();
      await picture("before");
      await page.getByRole("button", { name: "Use other" }).click();
      await page.locator("li", { hasText: "other" }).getByText("draws when none is named").waitFor();
      await page.goto(new URL("/images", page.url()).href);
      equal(await page.locator("#new").getByLabel("Model").inputValue(), "other");
      await page.locator("#new summary").click();
      await page.getByLabel("Steps").fill("1");
      await page.getByLabel("What is to be seen?").fill("a hen");
      await page.getByRole("button", { name: "Make", exact: true }).click();
      await waitForTiles(page, 1);
      await waitForWord(page, "The images are ready.");
      equal((await desk.gallery())[0]?.model, "other");
      equal((await desk.draw("a cat"))[0]?.model, "other");
    },
  },
];
