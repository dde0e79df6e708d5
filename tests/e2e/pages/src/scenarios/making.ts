// Making images from the page: progress, cancelling, failing. Refuses: knowing what an image looks like.

import { equal, match, ok } from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import type { Page } from "playwright-core";
import { isOnScreen, tiles, waitForTiles, waitForWord } from "../desk.ts";
import { PHONE } from "./looks.ts";
import type { Scenario } from "../scenario.ts";

/** Enough steps that a person, or a test, can take the job back while it is drawn. */
const LONG = "150";

/** Fills in the form, as far as fields are named, and sends it. */
async function make(page: Page, prompt: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const more = page.locator("#new details");
  if ((await more.getAttribute("open")) === null) await more.locator("summary").click();
  await page.getByLabel("What is to be seen?").fill(prompt);
  for (const [label, value] of Object.entries(fields)) await page.locator("#new").getByLabel(label, { exact: true }).fill(value);
  await page.getByRole("button", { name: "Make", exact: true }).click();
}

function madeIn(colorScheme: "light" | "dark"): Scenario {
  return {
    name: `two images are made, with steps, preview and time left, in the ${colorScheme} theme`,
    play: async (desk, picture) => {
      const page = await desk.open("/images", { colorScheme });
      await page.locator("#none").waitFor();
      // Whatever loads the page anew takes this away.
      await page.evaluate(() => document.body.setAttribute("data-same", ""));
      const fields = { "What is not to be seen": "fog", "Another size": "64x96", Steps: "24", Seed: "7", Images: "2" };
      await make(page, "a red fox, in snow", fields);
      const job = page.locator("#queue .job");
      await job.getByText(/Image 1 of 2, step \d+ of 24/).waitFor();
      await job.locator(".job-preview img").waitFor();
      equal(await job.locator("progress").getAttribute("max"), "48");
      await job.getByText(/Image 2 of 2, step \d+ of 24, .+ left/).waitFor();
      match((await job.textContent()) ?? "", /64 × 96 · 2 images/);
      await picture("drawing");
      await waitForTiles(page, 2);
      await waitForWord(page, "The images are ready.");
      await job.waitFor({ state: "hidden" });
      equal(await page.locator("body").getAttribute("data-same"), "");
      for (const image of await tiles(page).all()) equal(await image.getAttribute("alt"), "a red fox, in snow");
      await picture("made");
      const kept = await desk.gallery();
      equal(kept.map(({ seed }) => seed).join(), "8,7");
    },
  };
}

/** The scenarios of this file. */
export const MAKING: readonly Scenario[] = [
  madeIn("light"),
  madeIn("dark"),
  {
    name: "one job is cancelled while it is drawn, and the one behind it gets its turn",
    play: async (desk, picture) => {
      const page = await desk.open("/images");
      await make(page, "a long one", { "Another size": "64x64", Steps: LONG });
      const jobs = page.locator("#queue .job");
      await jobs.first().locator("progress").waitFor();
      await make(page, "a short one", { "Another size": "64x64", Steps: "1" });
      await jobs.nth(1).getByText("Next …").waitFor();
      await page.getByRole("button", { name: "Cancel all" }).waitFor();
      await picture("waiting");
      await jobs.first().getByRole("button", { name: "Cancel" }).click();
      await waitForTiles(page, 1);
      equal(await tiles(page).getAttribute("alt"), "a short one");
      await jobs.first().waitFor({ state: "hidden" });
      await page.goto(new URL("/images/queue", page.url()).href);
      await page.locator(".job", { hasText: "a long one" }).getByText("Cancelled", { exact: true }).waitFor();
      await picture("queue");
    },
  },
  {
    name: "cancelling is told to who cannot see it",
    play: async (desk) => {
      const page = await desk.open("/images");
      await make(page, "a long one", { "Another size": "64x64", Steps: LONG });
      await page.locator("#queue .job progress").waitFor();
      await page.locator("#queue .job").getByRole("button", { name: "Cancel" }).click();
      await waitForWord(page, "A job was cancelled.");
      await page.locator("#queue .job").waitFor({ state: "hidden" });
      equal((await desk.gallery()).length, 0);
    },
  },
  {
    name: "taking all jobs back is told to who cannot see it, and stays told",
    play: async (desk) => {
      const page = await desk.open("/images");
      const jobs = page.locator("#queue .job");
      for (const prompt of ["a long one", "another one"]) await make(page, prompt, { "Another size": "64x64", Steps: LONG });
      await jobs.first().locator("progress").waitFor();
      await page.getByRole("button", { name: "Cancel all" }).click();
      await waitForWord(page, "All jobs were cancelled.");
      // What the queue tells of each job comes in a place of its own.
      await waitForWord(page, "A job was cancelled.");
      await jobs.first().waitFor({ state: "hidden" });
      equal(await page.locator("#announce").textContent(), "All jobs were cancelled.");
      equal((await desk.gallery()).length, 0);
    },
  },
  {
    name: "on a phone, Make is answered beside the button, and the answer leads to the job and to the images",
    play: async (desk, picture) => {
      const page = await desk.open("/images", PHONE);
      await make(page, "a fox", { "Another size": "64x64", Steps: LONG });
      const news = page.locator("#news");
      await news.getByText("Queued.").waitFor();
      ok(await isOnScreen(page, news), "the answer is not on the screen");
      await picture("queued");
      await news.getByRole("link", { name: "See how far it is" }).click();
      const job = page.locator("#queue .job");
      ok(await isOnScreen(page, job.getByText("a fox")), "the job is not on the screen");
      await job.getByRole("button", { name: "Cancel" }).click();
      await news.getByText("A job was cancelled.").waitFor();
      await make(page, "a hen", { Steps: "1" });
      await news.getByText("The images are ready.").waitFor();
      await news.getByRole("link", { name: "See them" }).click();
      await page.waitForURL(/#gallery$/);
      await waitForTiles(page, 1);
    },
  },
  {
    name: "a job that failed says why, is dismissed, and is tried again once the model is whole",
    play: async (desk, picture) => {
      const torn = path.join(desk.model("tiny"), "unet/config.json");
      const whole = await readFile(torn);
      await writeFile(torn, "{}");
      const page = await desk.open("/images");
      const job = page.locator("#queue .job");
      for (const prompt of ["first", "second"]) {
        await make(page, prompt, { "Another size": "64x64", Steps: "1" });
        await job.locator(".notice-bad").waitFor();
        await waitForWord(page, "A job failed.");
        match((await job.locator(".notice-bad").textContent()) ?? "", /unet\/config\.json/);
        if (prompt === "second") break;
        await picture("failed");
        await job.getByRole("button", { name: "Dismiss" }).click();
        await job.waitFor({ state: "hidden" });
        await waitForWord(page, "The job was dismissed.");
        await page.reload();
        equal(await job.count(), 0);
      }
      await rm(torn);
      await writeFile(torn, whole);
      await job.getByRole("button", { name: "Try again" }).click();
      await waitForTiles(page, 1);
      await waitForWord(page, "The images are ready.");
      equal(await tiles(page).getAttribute("alt"), "second");
      await job.waitFor({ state: "hidden" });
    },
  },
  {
    name: "one size is asked for: what is typed takes the place of what is chosen, and the other way round",
    play: async (desk) => {
      const page = await desk.open("/images");
      await page.locator("#new summary").click();
      const [chosen, typed] = ["Size", "Another size"].map((label) => page.locator("#new").getByLabel(label, { exact: true }));
      await chosen?.selectOption("512x512");
      await typed?.fill("64x96");
      equal(await chosen?.inputValue(), "");
      await chosen?.selectOption("512x512");
      equal(await typed?.inputValue(), "");
    },
  },
  {
    name: "what cannot be drawn is refused beside the form, and what was typed stays",
    play: async (desk) => {
      const page = await desk.open("/images");
      await make(page, "a fox", { "Another size": "65x64" });
      await page.locator("#composer-problem", { hasText: /65/ }).waitFor();
      desk.forgive(/status of 4\d\d/);
      equal(await page.getByLabel("What is to be seen?").inputValue(), "a fox");
      equal((await desk.gallery()).length, 0);
    },
  },
];
