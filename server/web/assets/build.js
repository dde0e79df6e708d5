// Builds dist/: the style sheet and scripts that the binary embeds, and the licences of what is in them.
// Refuses a result over the budget of the first page load, and leaves the old dist/ in place when anything fails.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const TOTAL_GZIP_BYTES_MAX = 100 * 1024;
const SCRIPT_GZIP_BYTES_MAX = 60 * 1024;

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const part = join(here, "dist.part");
const dist = join(here, "dist");

/** Reads a script and drops its pointer to a source map, which we do not ship. */
function script(path) {
  return readFileSync(join(modules, path), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "").trimEnd();
}

/** One comment that names a package, its version and its licence; minified files carry none. */
function banner(name) {
  const about = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
  return `/*! ${name} ${about.version} | ${about.license} | see licenses.txt */`;
}

/** The licence texts that must travel with the code. Alpine's package names its licence but carries no text. */
function licenses() {
  const read = (name) => readFileSync(join(modules, name, "LICENSE"), "utf8").trim();
  const mit = read("tailwindcss").replace(/^[\s\S]*?(?=Permission is hereby granted)/, "");
  return [
    `htmx.org\n\n${read("htmx.org")}`,
    `tailwindcss\n\n${read("tailwindcss")}`,
    `@alpinejs/csp\n\nMIT License\n\nCopyright (c) Caleb Porzio and contributors\n\n${mit}`,
    `@vue/reactivity (part of @alpinejs/csp)\n\nMIT License\n\nCopyright (c) 2018-present, Yuxi (Evan) You and Vue contributors\n\n${mit}`,
  ].join("\n\n----\n\n") + "\n";
}

rmSync(part, { recursive: true, force: true });
mkdirSync(part);

const tailwind = join(modules, "@tailwindcss", "cli", "dist", "index.mjs");
const styles = spawnSync(process.execPath, [tailwind, "-i", "src/app.css", "-o", join(part, "app.css"), "--minify"], {
  cwd: here,
  encoding: "utf8",
});
if (styles.status !== 0) {
  console.error(styles.stderr || styles.error);
  process.exit(1);
}
// One file and one request: the core, then the extensions that register themselves with it.
const htmx = ["htmx.min.js", "ext/hx-sse.min.js", "ext/hx-alpine-compat.min.js"];
writeFileSync(
  join(part, "htmx.js"),
  [banner("htmx.org"), ...htmx.map((name) => script(`htmx.org/dist/${name}`) + ";")].join("\n") + "\n",
);
writeFileSync(join(part, "alpine.js"), [banner("@alpinejs/csp"), script("@alpinejs/csp/dist/cdn.min.js")].join("\n") + "\n");
writeFileSync(join(part, "app.js"), readFileSync(join(here, "src", "app.js")));
writeFileSync(join(part, "licenses.txt"), licenses());

let total = 0;
let scripts = 0;
for (const name of ["app.css", "app.js", "htmx.js", "alpine.js"]) {
  const size = gzipSync(readFileSync(join(part, name)), { level: 9 }).length;
  total += size;
  if (name.endsWith(".js")) scripts += size;
  console.log(`  ${name.padEnd(10)} ${String(size).padStart(6)} bytes compressed`);
}
console.log(`  ${"together".padEnd(10)} ${String(total).padStart(6)} of ${TOTAL_GZIP_BYTES_MAX}, scripts ${scripts} of ${SCRIPT_GZIP_BYTES_MAX}`);
if (total > TOTAL_GZIP_BYTES_MAX || scripts > SCRIPT_GZIP_BYTES_MAX) {
  rmSync(part, { recursive: true });
  console.error("familiar: the web assets are over the budget of the first page load (build.js names it).");
  process.exit(1);
}
rmSync(dist, { recursive: true, force: true });
renameSync(part, dist);
