//! An import as it is written -> the file of the workspace that it names, by the plain rules of each language.
//!
//! Refuses: configuration of compilers and package managers. What the plain rules do not find is left out, and so is
//! what the rules of the workspace leave out.

use std::collections::HashMap;
use std::fs::symlink_metadata;
use std::path::Path;

use crate::files::admit::Gate;
use crate::files::content::extension;
use crate::files::live::{read, slashed};
use crate::parse::outline::language_name;

/// Extensions that a JavaScript or TypeScript import may leave out.
const SCRIPT_EXTENSIONS: &[&str] =
    &["ts", "tsx", "d.ts", "js", "jsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"];
/// Folders above a file that are tried as roots of imports.
const ROOTS_MAX: usize = 16;
/// A `go.mod` is not larger, in bytes.
const GO_MOD_BYTES_MAX: u64 = 64 << 10;
/// Files of a Go package's folder that are looked at.
const PACKAGE_FILES_MAX: usize = 1_000;

/// The languages that import each other's files, by one name; the extension for those that are not parsed.
pub(crate) fn family(path: &str) -> &str {
    match language_name(path).unwrap_or(extension(path)) {
        "javascript" | "typescript" | "tsx" | "jsx" | "js" | "ts" | "mjs" | "cjs" | "mts" | "cts" | "vue"
        | "svelte" => "script",
        "c" | "cpp" | "c++" | "cc" | "cxx" | "h" | "hh" | "hpp" => "c",
        "java" | "kotlin" | "kt" | "scala" => "jvm",
        "rb" => "ruby",
        other => other,
    }
}

/// Finds files by imports; remembers what it looked up.
pub(crate) struct Resolver<'a> {
    root: &'a Path,
    gate: Gate<'a>,
    known: HashMap<String, bool>,
}

impl<'a> Resolver<'a> {
    /// A resolver for a workspace; nothing is read yet.
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, gate: Gate::new(root), known: HashMap::new() }
    }

    /// The file that the file at `from` means by `import`; `None` when it is not in the workspace.
    pub(crate) fn resolve(&mut self, from: &str, import: &str) -> Option<String> {
        let import = import.trim().trim_matches(['"', '\'', '`']);
        let folder = folder_of(from);
        match family(from) {
            "python" => self.python(folder, import),
            "rust" => self.rust(from, import),
            "script" => self.script(folder, import),
            "go" => self.go(folder, import),
            "c" => self.c(folder, import),
            "ruby" => self.first([join(folder, import)?, format!("{}.rb", join(folder, import)?)]),
            "jvm" => {
                let file = import.trim_end_matches(".*").trim_end_matches("._").replace('.', "/");
                let below = roots(folder).into_iter();
                self.first(below.flat_map(|root| ["java", "kt", "scala"].map(|end| format!("{root}{file}.{end}"))))
            }
            _ => None,
        }
    }

    fn python(&mut self, folder: &str, import: &str) -> Option<String> {
        let name = import.trim_start_matches('.');
        let dots = import.len() - name.len();
        let module = name.replace('.', "/");
        if dots > 0 {
            let base = join(folder, &"../".repeat(dots - 1))?;
            return self.first(python_files(&join(&base, &module)?));
        }
        let mut tried: Vec<String> = vec![String::new(), "src/".to_owned()];
        for above in roots(folder) {
            // A folder that is a package itself is no place to look for packages.
            if !self.is_file(&format!("{above}__init__.py")) {
                tried.push(above);
            }
        }
        self.first(tried.into_iter().flat_map(|above| python_files(&format!("{above}{module}"))))
    }

    fn rust(&mut self, from: &str, import: &str) -> Option<String> {
        let path = import.split(['{', '*']).next().unwrap_or_default();
        let path = path.split(" as ").next().unwrap_or_default().trim().trim_end_matches("::");
        let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut base = module_folder(from);
        let mut own = false;
        while let Some(&first) = parts.first() {
            match first {
                "crate" => base = self.crate_folder(from)?,
                "self" => {}
                "super" => base = folder_of(&base).to_owned(),
                _ => break,
            }
            own = true;
            parts.remove(0);
        }
        // The longest beginning of the path that is a file; the rest are items in it.
        for count in (1..=parts.len()).rev() {
            let module = join(&base, &parts[..count].join("/"))?;
            if let Some(found) = self.first([format!("{module}.rs"), format!("{module}/mod.rs")]) {
                return Some(found);
            }
        }
        let root = |name: &str| join(&base, name);
        let module = [Some(format!("{base}.rs")), root("mod.rs"), root("lib.rs"), root("main.rs")];
        if own { self.first(module.into_iter().flatten()) } else { None }
    }

    /// The nearest folder above a file that is the root of a crate.
    fn crate_folder(&mut self, from: &str) -> Option<String> {
        let is_root =
            |one: &String| self.is_file(&format!("{one}lib.rs")) || self.is_file(&format!("{one}main.rs"));
        let found = roots(folder_of(from)).into_iter().find(is_root)?;
        Some(found.trim_end_matches('/').to_owned())
    }

    fn script(&mut self, folder: &str, import: &str) -> Option<String> {
        if !import.starts_with("./") && !import.starts_with("../") && !matches!(import, "." | "..") {
            return None;
        }
        let file = join(folder, import)?;
        // TypeScript writes the name of what it will be compiled to.
        let stem = ["js", "mjs", "cjs", "jsx"].iter().find_map(|end| file.strip_suffix(&format!(".{end}")));
        let stems = [Some(file.clone()), stem.map(str::to_owned), join(&file, "index")];
        let mut tried = vec![file.clone()];
        for stem in stems.into_iter().flatten() {
            tried.extend(SCRIPT_EXTENSIONS.iter().map(|end| format!("{stem}.{end}")));
        }
        self.first(tried)
    }

    /// The first file of the package that an import names, below the module of the nearest `go.mod`.
    fn go(&mut self, folder: &str, import: &str) -> Option<String> {
        let above = roots(folder).into_iter().find(|above| self.is_file(&format!("{above}go.mod")))?;
        let file = read(&self.root.join(format!("{above}go.mod")), GO_MOD_BYTES_MAX).ok()?;
        let text = String::from_utf8(file.bytes).ok()?;
        let module = text.lines().find_map(|line| line.trim().strip_prefix("module "))?.trim().trim_matches('"');
        let rest = import.strip_prefix(module)?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let package = join(&above, rest.trim_start_matches('/'))?;
        let entries = std::fs::read_dir(self.root.join(&package)).ok()?;
        let names =
            entries.flatten().take(PACKAGE_FILES_MAX).filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| name.ends_with(".go") && !name.ends_with("_test.go")).collect();
        names.sort_unstable();
        let files: Vec<String> = names.iter().filter_map(|name| join(&package, name)).collect();
        self.first(files)
    }

    fn c(&mut self, folder: &str, import: &str) -> Option<String> {
        let header = import.trim_matches(['<', '>', '"']);
        let mut tried: Vec<String> =
            if import.starts_with('<') { Vec::new() } else { vec![join(folder, header)?] };
        for above in roots(folder) {
            tried.extend(join(&above, header));
            tried.extend(join(&format!("{above}include"), header));
        }
        self.first(tried)
    }

    fn first(&mut self, candidates: impl IntoIterator<Item = String>) -> Option<String> {
        candidates.into_iter().find(|path| self.is_file(path))
    }

    /// Whether a path is a file that may be shown.
    fn is_file(&mut self, path: &str) -> bool {
        if let Some(&known) = self.known.get(path) {
            return known;
        }
        let is_file = symlink_metadata(self.root.join(path)).is_ok_and(|meta| meta.is_file());
        let shown = is_file && self.gate.admits(path);
        self.known.insert(path.to_owned(), shown);
        shown
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A folder and all above it, nearest first, each with its `/`.
fn roots(folder: &str) -> Vec<String> {
    let mut roots = Vec::new();
    let mut here = folder;
    while !here.is_empty() && roots.len() < ROOTS_MAX {
        roots.push(format!("{here}/"));
        here = folder_of(here);
    }
    roots.push(String::new());
    roots
}

/// A path relative to a folder, without `.` and `..`; `None` when it leaves the workspace.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    slashed(Path::new(&parts.join("/")))
}

/// The folder in which the modules below a Rust file lie.
fn module_folder(from: &str) -> String {
    let stem = from.strip_suffix(".rs").unwrap_or(from);
    match stem.rsplit('/').next() {
        Some("mod" | "lib" | "main") => folder_of(from).to_owned(),
        _ => stem.to_owned(),
    }
}

fn python_files(module: &str) -> [String; 4] {
    let package = if module.is_empty() { String::new() } else { format!("{module}/") };
    [
        format!("{module}.py"),
        format!("{package}__init__.py"),
        format!("{module}.pyi"),
        format!("{package}__init__.pyi"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        (".gitignore", "/made/\n"),
        ("app/__init__.py", ""),
        ("app/models.py", ""),
        ("app/views/__init__.py", ""),
        ("app/views/login.py", ""),
        ("made/app.py", ""),
        ("src/lib/tool.py", ""),
        ("core/src/lib.rs", ""),
        ("core/src/walk.rs", ""),
        ("core/src/parse/mod.rs", ""),
        ("core/src/parse/cut.rs", ""),
        ("web/src/main.ts", ""),
        ("web/src/api.ts", ""),
        ("web/src/ui/index.tsx", ""),
        ("go/go.mod", "module example.org/thing\n\ngo 1.22\n"),
        ("go/store/a_test.go", ""),
        ("go/store/b.go", ""),
        ("c/src/main.c", ""),
        ("c/include/api.h", ""),
        ("j/main/org/x/App.java", ""),
        ("j/main/org/y/Util.java", ""),
    ];

    #[test]
    fn imports_lead_to_files_of_the_workspace() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            let full = dir.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        let check = |from: &str, import: &str, expected: Option<&str>| {
            let found = Resolver::new(dir.path()).resolve(from, import);
            assert_eq!(found.as_deref(), expected, "{import} in {from}");
        };
        check("app/views/login.py", "app.models", Some("app/models.py"));
        check("app/views/login.py", "..models", Some("app/models.py"));
        check("app/views/login.py", ".", Some("app/views/__init__.py"));
        check("app/views/login.py", "app", Some("app/__init__.py"));
        check("app/views/login.py", "models", None);
        check("app/views/login.py", "made.app", None);
        check("app/views/login.py", "....outside", None);
        check("app/views/login.py", "lib.tool", Some("src/lib/tool.py"));
        check("app/views/login.py", "os.path", None);
        check("core/src/lib.rs", "walk", Some("core/src/walk.rs"));
        check("core/src/lib.rs", "parse", Some("core/src/parse/mod.rs"));
        check("core/src/parse/cut.rs", "crate::walk::{walk, Entry}", Some("core/src/walk.rs"));
        check("core/src/parse/cut.rs", "crate::parse::cut as c", Some("core/src/parse/cut.rs"));
        check("core/src/parse/cut.rs", "super::Thing", Some("core/src/parse/mod.rs"));
        check("core/src/parse/mod.rs", "cut", Some("core/src/parse/cut.rs"));
        check("core/src/walk.rs", "super::parse::cut::Cutter", Some("core/src/parse/cut.rs"));
        check("core/src/walk.rs", "crate::Thing", Some("core/src/lib.rs"));
        check("core/src/walk.rs", "std::fs", None);
        check("web/src/main.ts", "'./api'", Some("web/src/api.ts"));
        check("web/src/main.ts", "./api.js", Some("web/src/api.ts"));
        check("web/src/main.ts", "\"./ui\"", Some("web/src/ui/index.tsx"));
        check("web/src/main.ts", "react", None);
        check("web/src/main.ts", "../../../outside", None);
        check("go/main.go", "\"example.org/thing/store\"", Some("go/store/b.go"));
        check("go/main.go", "example.org/thingy/store", None);
        check("go/main.go", "fmt", None);
        check("c/src/main.c", "\"api.h\"", Some("c/include/api.h"));
        check("c/src/main.c", "<api.h>", Some("c/include/api.h"));
        check("j/main/org/x/App.java", "org.y.Util", Some("j/main/org/y/Util.java"));
    }
}
