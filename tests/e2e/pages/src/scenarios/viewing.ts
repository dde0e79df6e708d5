// One image large: what is said of it, what is done with it, and the keys. Refuses: making more than it looks at.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { isOnScreen, tiles, waitForTiles, waitForWord } from "../desk.ts";
import type { Desk } from "../desk.ts";
import type { Scenario } from "../scenario.ts";
import { until } from "../../../vscode/src/until.ts";

/** What the form holds, by label. */
async function form(page: Page): Promise<Record<string, string>> {
  const value = (label: string) => page.locator("#new").getByLabel(label, { exact: true }).inputValue();
  const labels = ["What is to be seen?", "What is not to be seen", "Seed", "Steps", "Size", "Images"];
  return Object.fromEntries(await Promise.all(labels.map(async (label) => [label, await value(label)] as const)));
}

/** The facts of the page, by name. */
export async function facts(page: Page): Promise<Record<string, string>> {
  const rows = await page.locator(".facts > div").evaluateAll((all) =>
    all.map((one) => [one.querySelector("dt")?.textContent ?? "", one.querySelector("dd")?.textContent ?? ""] as const),
  );
  return Object.fromEntries(rows);
}

async function fox(desk: Desk): Promise<string> {
  const [image] = await desk.draw("a red fox", { negative: "fog", size: "64x96", steps: "3", seed: "7" });
  return `/images/${image?.id}`;
}

/** Presses a download and returns the file. */
export async function download(page: Page, label: string): Promise<{ name: string; bytes: Buffer; path: string }> {
  await page.locator("summary", { hasText: "Download" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByText(label, { exact: true }).click()]);
  const path = await file.path();
  return { name: file.suggestedFilename(), bytes: await readFile(path), path };
}

/** The scenarios of this file. */
export const VIEWING: readonly Scenario[] = [
  {
    name: "an image says how it was made, and its settings are used again, with its seed and without",
    play: async (desk, picture) => {
      const view = await fox(desk);
      const page = await desk.open(view);
      equal(await page.locator(".viewer-image img").getAttribute("alt"), "a red fox");
      equal(await page.locator("#prompt").textContent(), "a red fox");
      await page.getByText("fog", { exact: true }).waitFor();
      const { Model, Seed, Steps, Size, Sampler } = await facts(page);
      deepEqual({ Model, Seed, Steps, Size }, { Model: "tiny", Seed: "7", Steps: "3", Size: "64 × 96" });
      equal(Sampler, "the model's own");
      equal(await page.locator('nav[aria-label="Main"] [aria-current]').textContent(), "Images");
      await picture("facts");
      await page.getByRole("link", { name: "Use these settings" }).click();
      const all = { "What is to be seen?": "a red fox", "What is not to be seen": "fog", Seed: "7", Steps: "3" };
      deepEqual(await form(page), { ...all, Size: "64x96", Images: "1" });
      await page.goBack();
      await page.getByRole("link", { name: "Same with a new seed" }).click();
      deepEqual(await form(page), { ...all, Seed: "", Size: "64x96", Images: "1" });
    },
  },
  {
    name: "variations are drawn over an image",
    play: async (desk, picture) => {
      const page = await desk.open(await fox(desk));
      await page.getByRole("link", { name: "Variations" }).click();
      equal(await page.locator(".source-image").getAttribute("alt"), "a red fox");
      equal(await page.getByLabel(/drawn anew/).inputValue(), "0.5");
      equal((await form(page))["Images"], "4");
      await picture("form");
      await page.getByLabel("Images", { exact: true }).fill("2");
      await page.getByRole("button", { name: "Make", exact: true }).click();
      await waitForTiles(page, 3);
      await waitForWord(page, "The images are ready.");
      await tiles(page).first().click();
      await page.locator(".viewer-image img").waitFor();
      equal((await facts(page))["Drawn over an image"], "strength 0.5");
      await page.getByRole("link", { name: "Use these settings" }).click();
      equal(await page.locator(".source-image").getAttribute("alt"), "a red fox");
      equal(await page.getByLabel(/drawn anew/).inputValue(), "0.5");
      await page.getByRole("link", { name: "Start from nothing instead" }).click();
      await page.locator(".source-image").waitFor({ state: "detached" });
    },
  },
  {
    name: "a part of an image is painted and drawn anew, and the mask comes along with the settings",
    play: async (desk, picture) => {
      const page = await desk.open(await fox(desk));
      await page.getByRole("link", { name: "Variations" }).click();
      const paint = async () => {
        await page.locator("#new summary", { hasText: "mask" }).or(page.getByText("Change only a part of it")).first().click();
        const board = page.locator(".mask-board canvas");
        await board.scrollIntoViewIfNeeded();
        const box = (await board.boundingBox()) ?? { x: 0, y: 0 };
        await page.mouse.move(box.x + 8, box.y + 8);
        await page.mouse.down();
        await page.mouse.move(box.x + 40, box.y + 40, { steps: 4 });
        await page.mouse.up();
      };
      await paint();
      await page.getByText("What is painted is drawn anew; the rest stays as it is.").waitFor();
      await picture("painted");
      await page.getByLabel("Images", { exact: true }).fill("1");
      await page.getByRole("button", { name: "Make", exact: true }).click();
      await waitForTiles(page, 2);
      await tiles(page).first().click();
      await page.locator(".viewer-image img").waitFor();
      await page.getByRole("link", { name: "Use these settings" }).click();
      const kept = page.getByLabel("Only what is white in this mask is drawn anew");
      ok(await kept.isChecked());
      await picture("kept");
      await page.getByRole("button", { name: "Make", exact: true }).click();
      await waitForTiles(page, 3);
      // Another mask takes the place of the one that came along.
      await paint();
      ok(await kept.isDisabled());
      await page.getByRole("button", { name: "Clear", exact: true }).click();
      ok(await kept.isEnabled());
    },
  },
  {
    name: "arrow keys go from image to image, and Escape back to the gallery as it was filtered",
    play: async (desk) => {
      for (const prompt of ["fox one", "a hen", "fox two", "fox three"]) await desk.draw(prompt);
      const page = await desk.open("/images?words=fox");
      await waitForTiles(page, 3);
      const shows = async (alt: string) => {
        await page.locator(`.viewer-image img[alt="${alt}"]`).waitFor();
        // Keys are heard once the scripts run, which is a moment after the picture.
        await page.waitForLoadState();
      };
      await tiles(page).first().click();
      await shows("fox three");
      for (const [key, alt] of [["ArrowRight", "fox two"], ["ArrowRight", "fox one"], ["ArrowLeft", "fox two"]] as const) {
        await page.keyboard.press(key);
        await shows(alt);
      }
      // An open menu is closed first.
      await page.locator("summary", { hasText: "Delete" }).click();
      const remove = page.getByRole("button", { name: "Delete it" });
      await remove.waitFor();
      await page.keyboard.press("Escape");
      await remove.waitFor({ state: "hidden" });
      await page.keyboard.press("Escape");
      await page.waitForURL(/\/images\?words=fox/);
      await waitForTiles(page, 3);
    },
  },
  {
    name: "Escape leads back to the image's place in the gallery, also far down",
    play: async (desk, picture) => {
      for (const prompt of ["first", "second", "third", "fourth"]) await desk.draw(prompt, { count: "16" });
      const page = await desk.open("/images");
      const links = page.locator("#grid .tile > a");
      await until("the first page of the gallery", async () => (await links.count()) === 48 || undefined);
      await page.locator("#next").scrollIntoViewIfNeeded();
      await until("the second page of the gallery", async () => (await links.count()) === 64 || undefined);
      const place = await links.nth(56).getAttribute("id");
      await links.nth(56).click();
      await page.locator(".viewer-image img").waitFor();
      await page.waitForLoadState();
      await page.keyboard.press("Escape");
      await page.waitForURL(/[?&]at=/);
      await page.waitForLoadState();
      const image = page.locator(`#${place}`);
      await until("the focus on the image", async () => (await page.evaluate(() => document.activeElement?.id)) === place || undefined);
      ok(await isOnScreen(page, image), "the image is not on the screen");
      await picture("back");
      // It is the page on which the image stood, not one that begins with it.
      equal(await links.nth(8).getAttribute("id"), place);
    },
  },
  {
    name: "one menu closes another",
    play: async (desk, picture) => {
      const page = await desk.open(await fox(desk));
      await page.locator("summary", { hasText: "Download" }).click();
      const plain = page.getByText("Without them", { exact: true });
      await plain.waitFor();
      await page.locator("summary", { hasText: "Delete" }).click();
      await page.getByRole("button", { name: "Delete it" }).waitFor();
      await plain.waitFor({ state: "hidden" });
      await picture("one");
    },
  },
  {
    name: "an image is marked, shown alone, and saved with its settings and without",
    play: async (desk) => {
      const page = await desk.open(await fox(desk));
      const star = page.getByRole("button", { name: "Favourite" });
      equal(await star.getAttribute("aria-pressed"), "false");
      await star.click();
      await page.locator('.star[aria-pressed="true"]').waitFor();
      await page.reload();
      equal(await star.getAttribute("aria-pressed"), "true");
      const told = await download(page, "With its settings inside");
      match(told.name, /\.png$/);
      match(told.bytes.toString("latin1"), /a red fox\nNegative prompt: fog\nSteps: 3/);
      await page.reload();
      const plain = await download(page, "Without them");
      ok(!plain.bytes.toString("latin1").includes("fox"), "it still says how it was made");
      const link = (await page.locator(".viewer-image").getAttribute("href")) ?? "";
      const alone = await page.evaluate(async (address) => {
        const answer = await fetch(address);
        return [answer.headers.get("content-type"), (await answer.blob()).size];
      }, link);
      deepEqual(alone, ["image/png", told.bytes.length]);
      // The browser makes a page of its own of a picture, and may style it.
      await page.locator(".viewer-image").click();
      await page.waitForURL(/\/file$/);
      equal(await page.evaluate(() => document.contentType), "image/png");
      equal(await page.evaluate(() => getComputedStyle(document.body).margin), "0px");
    },
  },
  {
    name: "an image whose file is damaged or gone says so, is listed apart, and comes back with its file",
    play: async (desk, picture) => {
      const view = await fox(desk);
      const page = await desk.open(view);
      const file = await desk.imageFile();
      const bytes = await readFile(file);
      await writeFile(file, "damaged");
      await page.reload();
      await page.getByText("The file of this image is damaged.").waitFor();
      equal(await page.locator(".viewer-image").count(), 0);
      await picture("damaged");
      await rm(file);
      await page.reload();
      await page.getByText("was deleted outside of Familiar").waitFor();
      await page.goto(new URL("/images", page.url()).href);
      await waitForTiles(page, 0);
      await page.getByRole("link", { name: "1 missing file" }).click();
      await waitForTiles(page, 1);
      await picture("missing");
      await page.getByRole("button", { name: "Look again" }).click();
      await page.getByText("No file is back yet.").waitFor();
      await writeFile(file, bytes);
      await page.getByRole("button", { name: "Look again" }).click();
      await page.getByText("1 image is back with its file.").waitFor();
      await page.goto(new URL("/images", page.url()).href);
      await waitForTiles(page, 1);
    },
  },
  {
    name: "an image is deleted from its page, after a second press, with its file",
    play: async (desk) => {
      const view = await fox(desk);
      ok((await desk.files()).length > 0);
      const page = await desk.open(view);
      await page.locator("summary", { hasText: "Delete" }).click();
      await page.getByRole("button", { name: "Delete it" }).click();
      await page.getByText("1 image is gone for good, files included.").waitFor();
      await waitForTiles(page, 0);
      deepEqual(await desk.files(), []);
      deepEqual(await desk.gallery(), []);
      await page.goto(new URL(view, page.url()).href);
      await page.getByRole("heading", { level: 1 }).waitFor();
      desk.forgive(/status of 404/);
      await page.getByRole("link", { name: "Back to the images" }).click();
      await page.locator("#none").waitFor();
    },
  },
];
