// One page of VS Code as its user sees and touches it: keys, clicks, and what is on the screen. Refuses: reaching into the
// workbench; whatever a test knows it has read from the page.

import type { Browser, Locator, Page } from "playwright-core";
import { until, untilEqual, WAIT_MS_MAX } from "./until.ts";

const SIZE = { width: 1280, height: 800 };

/** One page. */
export class Editor {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the workbench and waits for the file, or for the window. */
  static async open(browser: Browser, address: string, file: string | undefined): Promise<Editor> {
    const context = await browser.newContext({ viewport: SIZE });
    context.setDefaultTimeout(WAIT_MS_MAX);
    // Nothing of these tests may reach beyond this machine.
    await context.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort());
    const page = await context.newPage();
    await page.goto(address);
    await page.locator(".monaco-workbench .part.statusbar").waitFor();
    if (file !== undefined) await page.locator(".tab", { hasText: file }).first().waitFor();
    return new Editor(page);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  /** What keys go to now, for the report of a failure. */
  async focus(): Promise<string> {
    return this.page.evaluate(() => {
      const focused = document.activeElement;
      const around = focused?.closest(".monaco-editor[data-uri], .part, .notification-toast, .quick-input-widget");
      return `${focused?.tagName} ${focused?.className} in ${around?.getAttribute("data-uri") ?? around?.className}`;
    });
  }

  /** Presses keys one after the other, for example `Control+i`. */
  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text);
  }

  /** Puts the cursor at the start of a line of the file, counted from 1. */
  async goTo(line: number): Promise<void> {
    await this.page.locator(".editor-group-container.active .monaco-editor .view-lines").first().click();
    await this.press("Control+g");
    const box = this.page.locator(".quick-input-widget input");
    await box.waitFor();
    await box.fill(`:${line}`);
    await this.press("Enter");
    await this.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    await this.waitForLine(line);
  }

  /** Waits until the cursor is on a line, counted from 1. */
  async waitForLine(line: number): Promise<void> {
    await this.page.locator(".statusbar-item", { hasText: `Ln ${line},` }).waitFor();
  }

  /** Selects whole lines, both counted from 1. */
  async select(first: number, last: number): Promise<void> {
    await this.goTo(first);
    for (let line = first; line <= last; line += 1) await this.press("Shift+ArrowDown");
  }

  /** Runs a command of the palette. */
  async command(title: string): Promise<void> {
    await this.press("F1");
    const box = this.page.locator(".quick-input-widget input");
    await box.waitFor();
    await box.fill(`>${title}`);
    const first = this.page.locator(".quick-input-list .monaco-list-row").first();
    await until(`the command ${title}`, async () => ((await first.textContent()) ?? "").includes(title) || undefined);
    await this.press("Enter");
  }

  /** Opens the box at the selection and sends words. */
  async instruct(words: string): Promise<void> {
    const box = await this.openBox();
    await box.fill(words);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: /Edit|Now also/ }).first().waitFor();
    await this.press("Enter");
  }

  /** Opens the box at the selection. */
  async openBox(): Promise<Locator> {
    await this.press("Control+i");
    await this.page.locator(".quick-input-widget", { hasText: "Familiar:" }).waitFor();
    return this.page.locator(".quick-input-widget input");
  }

  /** The text of our entry in the status bar. */
  async status(): Promise<string> {
    const item = this.page.locator('.statusbar-item[id$="familiar.status"]');
    return ((await item.textContent({ timeout: WAIT_MS_MAX })) ?? "").trim();
  }

  /** Waits until our entry in the status bar says so. */
  async waitForStatus(wanted: RegExp): Promise<string> {
    let seen = "";
    try {
      return await until(`the status ${wanted}`, async () => {
        seen = await this.status();
        return wanted.test(seen) ? seen : undefined;
      });
    } catch (cause) {
      throw new Error(`the status never was ${wanted}; it is "${seen}": ${String(cause)}`);
    }
  }

  async clickStatus(): Promise<void> {
    await this.page.locator('.statusbar-item[id$="familiar.status"] a').click();
  }

  /** Waits until something is so. */
  async until(what: string, look: () => Promise<boolean>): Promise<void> {
    await until(what, async () => ((await look()) ? true : undefined));
  }

  /** Waits until this is drawn beside the text. Such text is the content of a style, so it is no text of the page. */
  async waitForDrawn(text: string): Promise<void> {
    await until(`"${text}" drawn in the editor`, async () => {
      const spans = this.page.locator(".monaco-editor .view-line span[class*=ced-]");
      const drawn = await spans.evaluateAll((all) => all.map((one) => getComputedStyle(one, "::after").content));
      return drawn.some((part) => part.replace(/\u00a0/g, " ").includes(text)) || undefined;
    });
  }

  /** Waits until some line on the screen has this text in it, beside what is drawn. */
  async waitForText(text: string): Promise<void> {
    await until(`"${text}" on the screen`, async () => {
      const seen = await this.page.locator(".monaco-editor .view-lines").allTextContents();
      return seen.some((part) => part.replace(/\u00a0/g, " ").includes(text)) || undefined;
    });
  }

  /** Saves the file and waits until the disk has this text. */
  async saveAs(expected: string, read: () => Promise<string>): Promise<void> {
    await this.press("Control+s");
    await untilEqual("the saved file", expected, read);
  }

  /** Saves all files, once these have changes that are not saved: an edit of several reaches one after the other. */
  async saveAll(...files: readonly string[]): Promise<void> {
    const unsaved = (more: { hasText?: string } = {}) => this.page.locator(".tab.dirty", more).first();
    for (const file of files) await unsaved({ hasText: file }).waitFor();
    await this.command("File: Save All Files");
    await unsaved().waitFor({ state: "hidden" });
  }

  /** The entry of a lens line; `at` counts from the top of the file. */
  lens(title: string, at = 0): Locator {
    return this.page.locator(".codelens-decoration a", { hasText: title }).nth(at);
  }

  /** A message in the corner. */
  message(text: string | RegExp): Locator {
    return this.page.locator(".notification-toast", { hasText: text });
  }
}
