// The pages' own behaviour: small Alpine components that improve what already works as plain forms and links.
// It refuses eval, inline handlers and markup made from strings; nothing here may be needed to use a page.
//
// Load it before alpine.js (both with `defer`). The CSP build of Alpine reads plain property names in attributes, so
// every decision stands in a method here and never in a template.

/** The themes a person can choose; `system` follows the operating system. */
const THEMES = ["system", "light", "dark"];
/** How long the choice of a theme is kept, in seconds: one year. */
const THEME_AGE_S = 31536000;
/** How near the end of the page, in CSS pixels, still counts as reading along. */
const FOLLOW_DISTANCE_PX = 80;
/** How long "Copied" is shown, in milliseconds. */
const COPIED_SHOWN_MS = 2000;

/**
 * Theme choice on a form whose buttons are named `theme`: <form x-data="theme" @submit="choose">.
 * Without JavaScript the form is posted and the server writes the same cookie.
 */
function theme() {
  return {
    choose(event) {
      const name = event.submitter?.value;
      if (!THEMES.includes(name)) return;
      event.preventDefault();
      if (name === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = name;
      document.cookie = `theme=${name}; path=/; max-age=${THEME_AGE_S}; samesite=strict`;
      for (const button of this.$el.querySelectorAll("button[name=theme]")) {
        button.setAttribute("aria-pressed", String(button.value === name));
      }
    },
  };
}

/**
 * The message box: <form x-data="composer" @sent="clear"> with <textarea x-ref="text" @keydown="send" @input="grow">.
 * Enter sends, Shift+Enter and a running input method do not; the box grows with its text.
 */
function composer() {
  return {
    init() {
      // While an answer is written the page comes with the box switched off, because without scripts it reloads.
      this.$refs.text.disabled = false;
      this.grow();
    },
    // The server took the text: it says so with the event `sent`.
    clear() {
      this.$refs.text.value = "";
      this.grow();
    },
    send(event) {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (this.$refs.text.value.trim() !== "") this.$root.requestSubmit();
    },
    grow() {
      // A style property set by script is allowed by `style-src 'self'`; a style attribute in markup is not.
      this.$refs.text.style.height = "auto";
      this.$refs.text.style.height = `${this.$refs.text.scrollHeight}px`;
    },
  };
}

/**
 * A transcript that follows its own growth while the reader is at its end, and stays put once they scroll up:
 * <main x-data="follow">.
 */
function follow() {
  return {
    reading: true,
    init() {
      this.noticed = () => {
        const page = document.documentElement;
        this.reading = page.scrollHeight - window.innerHeight - window.scrollY < FOLLOW_DISTANCE_PX;
      };
      this.growth = new MutationObserver(() => {
        if (this.reading) window.scrollTo({ top: document.documentElement.scrollHeight });
      });
      window.addEventListener("scroll", this.noticed, { passive: true });
      this.growth.observe(this.$root, { childList: true, subtree: true, characterData: true });
    },
    destroy() {
      window.removeEventListener("scroll", this.noticed);
      this.growth.disconnect();
    },
  };
}

/**
 * A button that copies the text of the element whose id stands in data-copy:
 * <button x-data="copy" data-copy="ID" @click="run" x-text="label" data-label="Copy" data-done="Copied">Copy</button>.
 */
function copy() {
  return {
    label: "",
    init() {
      this.label = this.$root.dataset.label ?? this.$root.textContent;
    },
    async run() {
      const source = document.getElementById(this.$root.dataset.copy);
      if (!source || !navigator.clipboard) return;
      const before = this.label;
      await navigator.clipboard.writeText(source.textContent);
      this.label = this.$root.dataset.done ?? before;
      setTimeout(() => {
        this.label = before;
      }, COPIED_SHOWN_MS);
    },
  };
}

document.addEventListener("alpine:init", () => {
  window.Alpine.data("theme", theme);
  window.Alpine.data("composer", composer);
  window.Alpine.data("follow", follow);
  window.Alpine.data("copy", copy);
});
