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
    // For a box whose Enter is a new line: Ctrl or Command with Enter sends.
    sendHeld(event) {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.$root.requestSubmit();
    },
    // One size at a time: what is typed takes the place of what is chosen, and the other way round.
    typeSize() {
      if (this.$refs.otherSize.value !== "") this.$refs.size.value = "";
    },
    chooseSize() {
      if (this.$refs.size.value !== "") this.$refs.otherSize.value = "";
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

/**
 * The gallery: <main x-data="gallery"> counts what is chosen in #grid, and takes files that are dropped on it.
 */
function gallery() {
  return {
    chosen: 0,
    isTooLarge: false,
    init() {
      // A browser that goes back shows what was chosen before.
      this.count();
      this.$root.addEventListener("dragover", (event) => this.over(event));
      this.$root.addEventListener("drop", (event) => this.drop(event));
    },
    boxes() {
      return [...document.querySelectorAll("#grid .pick-box")];
    },
    count() {
      this.chosen = this.boxes().filter((box) => box.checked).length;
    },
    choose(value) {
      for (const box of this.boxes()) box.checked = value;
      this.count();
    },
    chooseAll() {
      this.choose(true);
    },
    chooseNone() {
      this.choose(false);
    },
    checkSize(event) {
      const files = [...this.$refs.files.files];
      const size = files.reduce((sum, file) => sum + file.size, 0);
      this.isTooLarge = size > Number(this.$refs.bring.dataset.bytesMax);
      if (this.isTooLarge) event.preventDefault();
    },
    over(event) {
      if (this.$refs.files && event.dataTransfer.types.includes("Files")) event.preventDefault();
    },
    drop(event) {
      const { files } = event.dataTransfer;
      if (!this.$refs.files || files.length === 0) return;
      event.preventDefault();
      this.$refs.files.files = files;
      this.$refs.bring.closest("details").open = true;
      this.$refs.bring.requestSubmit();
    },
  };
}

/**
 * One image: <main x-data="viewer" @keydown.window="go"> with links x-ref="newer" and x-ref="older" for the arrow keys and
 * x-ref="back" for Escape, which closes an open menu first.
 */
function viewer() {
  return {
    go(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
      if (event.target.closest("input, textarea, select")) return;
      if (event.key === "Escape") {
        const menu = this.$root.querySelector("details.menu[open]");
        if (menu) menu.open = false;
        else this.$refs.back?.click();
        return;
      }
      // A text that scrolls has the arrow keys for itself.
      if (event.target.closest("[tabindex]")) return;
      const link = { ArrowLeft: this.$refs.newer, ArrowRight: this.$refs.older }[event.key];
      link?.click();
    },
  };
}

/**
 * A mask painted over the image that is drawn over: <details x-data="mask"> with <canvas x-ref="board">, a brush x-ref="brush"
 * in hundredths of the longer side, and <input type="hidden" x-ref="value">, which holds a PNG file in base64, white where
 * something was painted; it is disabled before anything is. A mask that was there before, <input id="kept-mask">, counts no
 * more from then on.
 */
function mask() {
  return {
    strokes: [],
    erasing: false,
    stroke: null,
    get isEmpty() {
      return this.strokes.length === 0;
    },
    get said() {
      return this.isEmpty ? "Paint over what may change." : "What is painted is drawn anew; the rest stays as it is.";
    },
    begin(event) {
      if (event.button !== 0) return;
      event.preventDefault();
      this.$refs.board.setPointerCapture(event.pointerId);
      const { width, height } = this.$refs.board;
      const size = (Number(this.$refs.brush.value) / 100) * Math.max(width, height);
      this.stroke = { erases: this.erasing, size, points: [this.place(event)] };
      this.strokes.push(this.stroke);
      this.show();
    },
    draw(event) {
      if (this.stroke === null) return;
      this.stroke.points.push(this.place(event));
      this.show();
    },
    end() {
      if (this.stroke === null) return;
      this.stroke = null;
      this.keep();
    },
    undo() {
      this.strokes.pop();
      this.show();
      this.keep();
    },
    clear() {
      this.strokes = [];
      this.show();
      this.keep();
    },
    toggle() {
      this.erasing = !this.erasing;
    },
    /** Where the pointer is, in pixels of the image. */
    place(event) {
      const board = this.$refs.board;
      const box = board.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * board.width;
      const y = ((event.clientY - box.top) / box.height) * board.height;
      return [x, y];
    },
    paint(context, ink, paper) {
      context.lineCap = "round";
      context.lineJoin = "round";
      for (const { erases, size, points } of this.strokes) {
        context.globalCompositeOperation = erases && paper === null ? "destination-out" : "source-over";
        context.strokeStyle = erases && paper !== null ? paper : ink;
        context.lineWidth = size;
        context.beginPath();
        context.moveTo(...points[0]);
        // A point alone is a line to itself.
        for (const point of points.slice(points.length > 1 ? 1 : 0)) context.lineTo(...point);
        context.stroke();
      }
      context.globalCompositeOperation = "source-over";
    },
    show() {
      const board = this.$refs.board;
      const context = board.getContext("2d");
      context.clearRect(0, 0, board.width, board.height);
      this.paint(context, getComputedStyle(board).color, null);
    },
    keep() {
      const isPainted = this.strokes.some((stroke) => !stroke.erases);
      this.$refs.value.disabled = !isPainted;
      const before = document.getElementById("kept-mask");
      if (before) before.disabled = isPainted;
      if (!isPainted) return;
      const { width, height } = this.$refs.board;
      const sheet = Object.assign(document.createElement("canvas"), { width, height });
      const context = sheet.getContext("2d");
      context.fillStyle = "black";
      context.fillRect(0, 0, width, height);
      this.paint(context, "white", "black");
      this.$refs.value.value = sheet.toDataURL("image/png").split(",")[1];
    },
  };
}

// A browser opens only six connections to one address, so a page in the background begins no stream before it is looked at;
// htmx gives up the one it has as soon as the page is hidden.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.target.matches?.("[data-while-seen]")) event.preventDefault();
});

document.addEventListener("alpine:init", () => {
  window.Alpine.data("theme", theme);
  window.Alpine.data("composer", composer);
  window.Alpine.data("follow", follow);
  window.Alpine.data("copy", copy);
  window.Alpine.data("gallery", gallery);
  window.Alpine.data("viewer", viewer);
  window.Alpine.data("mask", mask);
});
