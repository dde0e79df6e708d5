// The gallery: filters, and what is done to several images at once. Refuses: drawing while it looks.

import { deepEqual, equal, ok } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { tiles, waitForTiles } from "../desk.ts";
import type { Desk } from "../desk.ts";
import type { Scenario } from "../scenario.ts";

/** Four images by two models. */
async function draw(desk: Desk): Promise<void> {
  await desk.draw("a fox in snow", { seed: "1" });
  await desk.draw("a fox at night", { seed: "2", size: "64x96" });
  await desk.draw("a hen", { seed: "3", model: "other" });
  const [owl] = await desk.draw("an owl", { seed: "4", model: "other" });
  await desk.familiar("gallery", "favourite", owl?.id ?? "");
}

const setting = { models: ["main", "other"] };
const ALL = ["an owl", "a hen", "a fox at night", "a fox in snow"];

async function waitForPrompts(page: Page, prompts: readonly string[]): Promise<void> {
  await waitForTiles(page, prompts.length);
  deepEqual(await tiles(page).evaluateAll((all) => all.map((one) => one.getAttribute("alt"))), prompts);
}

/** Fills in one field of the filter and sends it. */
async function filter(page: Page, field: string, value: string): Promise<void> {
  await page.goto(new URL("/images", page.url()).href);
  if (field !== "words") await page.locator(".filter summary").click();
  const input = page.locator(`.filter [name=${field}]`);
  if (["model", "favourite"].includes(field)) await input.selectOption(value);
  else await input.fill(value);
  await Promise.all([page.waitForURL(/\?/), page.getByRole("button", { name: "Filter" }).click()]);
}

/** Chooses images by their prompts. */
async function choose(page: Page, ...prompts: readonly string[]): Promise<void> {
  for (const prompt of prompts) {
    const tile = page.locator(".tile", { has: page.locator(`img[alt="${prompt}"]`) });
    // A mouse sees the box once it is over the image.
    await tile.hover();
    await tile.getByLabel("Choose").check();
  }
  await page.locator("#many").getByText(`${prompts.length} chosen`).waitFor();
}

/** The scenarios of this file. */
export const CHOOSING: readonly Scenario[] = [
  {
    name: "the gallery is filtered by words, model, mark, size, seed and day",
    setting,
    play: async (desk, picture) => {
      await draw(desk);
      const page = await desk.open("/images");
      await waitForPrompts(page, ALL);
      const today = new Date().toISOString().slice(0, 10);
      const cases = [
        ["words", "fox", ["a fox at night", "a fox in snow"]],
        ["words", "snow fo", ["a fox in snow"]],
        ["model", "other", ["an owl", "a hen"]],
        ["favourite", "1", ["an owl"]],
        ["size", "64x96", ["a fox at night"]],
        ["seed", "3", ["a hen"]],
        ["from", today, ALL],
        ["to", "2020-01-01", []],
      ] as const;
      for (const [field, value, expected] of cases) {
        await filter(page, field, value);
        await waitForPrompts(page, expected);
        const said = `${expected.length} image${expected.length === 1 ? "" : "s"},`;
        await page.locator(".gallery-head", { hasText: said }).waitFor();
        if (field === "size") await picture("filtered");
      }
      await page.getByText("No image is like that.").waitFor();
      await page.locator(".filter").getByRole("link", { name: "Show all" }).click();
      await waitForPrompts(page, ALL);
    },
  },
  {
    name: "a filter that nobody understands is refused in words",
    play: async (desk) => {
      await desk.draw("a fox");
      const page = await desk.open("/images");
      await filter(page, "size", "big");
      await page.getByRole("alert").getByText("is no size").waitFor();
      desk.forgive(/status of 400/);
      equal(await page.locator(".filter [name=size]").inputValue(), "big");
    },
  },
  {
    name: "several images are marked, saved as one archive, and deleted after a second press, with their files",
    setting,
    play: async (desk, picture) => {
      await draw(desk);
      const page = await desk.open("/images");
      await waitForPrompts(page, ALL);
      equal(await page.locator("#many").isVisible(), false);
      await choose(page, "a fox in snow", "a hen");
      await picture("chosen");
      await page.getByRole("button", { name: "Mark as favourites" }).click();
      await page.locator('.star[aria-pressed="true"]').nth(2).waitFor();
      await choose(page, "a fox in snow", "a hen");
      const [file] = await Promise.all([page.waitForEvent("download"), page.locator("#many").getByText("Download").click()]);
      equal(file.suggestedFilename(), "images.zip");
      const archive = (await readFile(await file.path())).toString("latin1");
      equal(archive.split("PK\x03\x04").length - 1, 2);
      ok(archive.includes("a fox in snow") && archive.includes("a hen"));
      const before = (await desk.files()).length;
      await page.locator("#many summary").click();
      await picture("asked");
      await page.getByRole("button", { name: "Delete them" }).click();
      await page.getByText("2 images are gone for good, files included.").waitFor();
      await waitForPrompts(page, ["an owl", "a fox at night"]);
      // An image is two files, itself and its small version.
      equal((await desk.files()).length, before - 4);
      deepEqual((await desk.gallery()).map(({ prompt }) => prompt), ["an owl", "a fox at night"]);
    },
  },
  {
    name: "all images of the page are chosen at once, and none again",
    play: async (desk) => {
      for (const prompt of ["one", "two", "three"]) await desk.draw(prompt);
      const page = await desk.open("/images");
      await choose(page, "two");
      await page.getByRole("button", { name: "All here" }).click();
      await page.locator("#many").getByText("3 chosen").waitFor();
      await page.getByRole("button", { name: "None", exact: true }).click();
      await page.locator("#many").waitFor({ state: "hidden" });
    },
  },
];
