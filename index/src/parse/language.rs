//! The languages that are parsed. A language is a folder in `queries/` and one line in [`LANGUAGES`].
//!
//! Each one's queries are compiled at its first use, so that a process which only opens an index compiles none.
//! Refuses: anything about a language that a query can say.

use std::sync::{LazyLock, OnceLock};

use tree_sitter::{Language as Grammar, Query};

use crate::files::content::extension;
use crate::limits::{FIRST_LINE_BYTES_MAX, HEADER_SNIFF_BYTES, SYMBOL_DEPTH_MAX, SYMBOLS_MAX};

/// Raised whenever chunks of the same text come out differently, so that stored ones are made again.
const CHUNKER_VERSION: u32 = 5;
/// Raised whenever the words or names that are stored of the same chunk come out differently, for the same reason.
pub(crate) const DOCUMENT_VERSION: u32 = 1;

/// One language: its grammar, its queries, and how its files are recognised.
pub(crate) struct Language {
    /// Name of its folder in `queries/`, and what editors call it.
    pub(crate) name: &'static str,
    extensions: &'static [&'static str],
    /// Whole file names, in lower case.
    file_names: &'static [&'static str],
    /// Programs that a `#!` line names.
    interpreters: &'static [&'static str],
    /// What stands between the parts of a qualified name; nothing where names never are qualified.
    pub(crate) separator: &'static str,
    /// What stands before the name of a member of a kind, where that is something else.
    members: &'static [(&'static str, &'static str)],
    /// How deep in the tree definitions are looked for.
    pub(crate) depth: u32,
    /// Most names that one file defines.
    pub(crate) names_max: usize,
    grammar: fn() -> Grammar,
    sources: Sources,
    compiled: Compiled,
    recipe: OnceLock<i64>,
}

/// The texts of a language's folder.
struct Sources {
    definitions: &'static str,
    docs: &'static str,
    references: &'static str,
    /// What a dialect adds to the references of the language whose folder it shares.
    more_references: &'static str,
    imports: &'static str,
    injections: &'static str,
}

/// The queries of a language, each compiled at its first use: a large grammar takes a tenth of a second for one of them,
/// and a build needs neither references nor imports.
#[derive(Default)]
struct Compiled {
    /// `definitions.scm` and `docs.scm` in one query, because every file of a build runs both.
    definitions: OnceLock<Query>,
    /// See [`Language::roots`].
    roots: OnceLock<Option<Vec<bool>>>,
    references: OnceLock<Query>,
    imports: OnceLock<Query>,
    injections: OnceLock<Query>,
}

/// Reads the folder of one language at compile time.
macro_rules! language {
    ($name:literal, $extensions:expr, $separator:literal, $grammar:expr) => {
        language!($name as $name, $extensions, $separator, $grammar)
    };
    // A dialect: it shares the folder of another language.
    ($name:literal as $folder:literal, $extensions:expr, $separator:literal, $grammar:expr) => {
        Language {
            name: $name,
            extensions: $extensions,
            file_names: &[],
            interpreters: &[],
            separator: $separator,
            members: &[],
            depth: SYMBOL_DEPTH_MAX,
            names_max: SYMBOLS_MAX,
            grammar: || $grammar.into(),
            sources: Sources {
                definitions: include_str!(concat!("../../../queries/", $folder, "/definitions.scm")),
                docs: include_str!(concat!("../../../queries/", $folder, "/docs.scm")),
                references: include_str!(concat!("../../../queries/", $folder, "/references.scm")),
                imports: include_str!(concat!("../../../queries/", $folder, "/imports.scm")),
                more_references: "",
                injections: "",
            },
            compiled: Compiled::default(),
            recipe: OnceLock::new(),
        }
    };
}

/// Scripts and styles of pages, and of components written as pages.
#[cfg(feature = "languages-web")]
const PAGE_PIECES: &str = include_str!("../../../queries/html/injections.scm");

/// Every language, one line each.
static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    Vec::from([
        language!("rust", &["rs"], "::", tree_sitter_rust::LANGUAGE),
        language!("python", &["py", "pyi", "pyw"], ".", tree_sitter_python::LANGUAGE)
            .named(&["build", "sconscript", "sconstruct", "workspace", "wscript"])
            .run_by(&["python", "pypy"]),
        #[cfg(feature = "languages-web")]
        language!("javascript", &["js", "jsx", "mjs", "cjs"], ".", tree_sitter_javascript::LANGUAGE)
            .run_by(&["node"]),
        #[cfg(feature = "languages-web")]
        language!("typescript", &["ts", "mts", "cts"], ".", tree_sitter_typescript::LANGUAGE_TYPESCRIPT)
            .run_by(&["deno", "ts-node", "tsx"]),
        #[cfg(feature = "languages-web")]
        language!("tsx" as "typescript", &["tsx"], ".", tree_sitter_typescript::LANGUAGE_TSX)
            .with_references(include_str!("../../../queries/tsx/references.scm")),
        #[cfg(feature = "languages-systems")]
        language!("go", &["go"], ".", tree_sitter_go::LANGUAGE),
        #[cfg(feature = "languages-systems")]
        language!("c", &["c", "h"], "", tree_sitter_c::LANGUAGE),
        #[cfg(feature = "languages-systems")]
        language!(
            "cpp",
            &["cpp", "cc", "cxx", "c++", "hpp", "hh", "hxx", "h++", "ipp", "inl", "tpp", "cu", "cuh"],
            "::",
            tree_sitter_cpp::LANGUAGE
        )
        .deep(12),
        #[cfg(feature = "languages-jvm")]
        language!("java", &["java"], ".", tree_sitter_java::LANGUAGE),
        #[cfg(feature = "languages-web")]
        language!("css", &["css"], ".", tree_sitter_css::LANGUAGE),
        #[cfg(feature = "languages-web")]
        language!("html", &["html", "htm", "xhtml"], ".", tree_sitter_html::LANGUAGE)
            .deep(24)
            .holding(PAGE_PIECES),
        #[cfg(feature = "languages-web")]
        language!("vue" as "html", &["vue"], ".", tree_sitter_html::LANGUAGE).deep(24).holding(PAGE_PIECES),
        #[cfg(feature = "languages-web")]
        language!("svelte" as "html", &["svelte"], ".", tree_sitter_html::LANGUAGE).deep(24).holding(PAGE_PIECES),
        #[cfg(feature = "languages-systems")]
        language!("swift", &["swift"], ".", tree_sitter_swift::LANGUAGE),
        #[cfg(feature = "languages-systems")]
        language!("zig", &["zig", "zon"], ".", tree_sitter_zig::LANGUAGE),
        #[cfg(feature = "languages-jvm")]
        language!("kotlin", &["kt", "kts"], ".", tree_sitter_kotlin_ng::LANGUAGE),
        #[cfg(feature = "languages-jvm")]
        language!("scala", &["scala", "sc", "sbt"], ".", tree_sitter_scala::LANGUAGE),
        #[cfg(feature = "languages-scripting")]
        language!("bash", &["sh", "bash", "zsh", "ksh", "bats"], ".", tree_sitter_bash::LANGUAGE)
            .named(&[".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", "pkgbuild"])
            .run_by(&["bash", "sh", "zsh", "ksh", "dash"]),
        #[cfg(feature = "languages-scripting")]
        language!("lua", &["lua"], ".", tree_sitter_lua::LANGUAGE).run_by(&["lua", "luajit"]),
        #[cfg(feature = "languages-functional")]
        language!("elixir", &["ex", "exs"], ".", tree_sitter_elixir::LANGUAGE).run_by(&["elixir"]),
        #[cfg(feature = "languages-functional")]
        language!("haskell", &["hs"], ".", tree_sitter_haskell::LANGUAGE).run_by(&["runhaskell", "runghc"]),
        #[cfg(feature = "languages-data")]
        language!("json", &["json", "jsonc", "webmanifest"], ".", tree_sitter_json::LANGUAGE).few(),
        #[cfg(feature = "languages-data")]
        language!("sql", &["sql", "ddl", "dml"], ".", arborium_sql::language()),
        #[cfg(feature = "languages-data")]
        language!("toml", &["toml"], ".", tree_sitter_toml_ng::LANGUAGE).few(),
        // YAML stays text: the scanner of its grammar writes past its buffer, or aborts, where a text nests deeper than
        // 253 levels.
        #[cfg(feature = "languages-dotnet")]
        language!("csharp", &["cs", "csx"], ".", tree_sitter_c_sharp::LANGUAGE).deep(10),
        #[cfg(feature = "languages-scripting")]
        language!("ruby", &["rb", "rake", "gemspec", "ru", "podspec"], "::", tree_sitter_ruby::LANGUAGE)
            .named(&[
                "brewfile",
                "capfile",
                "fastfile",
                "gemfile",
                "guardfile",
                "podfile",
                "rakefile",
                "vagrantfile",
            ])
            .run_by(&["jruby", "ruby"])
            .members(&[("method", "#"), ("attribute", "#"), ("singleton_method", ".")])
            .deep(10),
        #[cfg(feature = "languages-web")]
        language!("php", &["php", "phtml", "php5", "inc"], "::", tree_sitter_php::LANGUAGE_PHP).run_by(&["php"]),
    ])
});

/// Starts of lines that only C++ has, in a header that may be either.
const CPP_LINES: &[&str] = &[
    "class ",
    "namespace ",
    "template<",
    "template <",
    "public:",
    "private:",
    "protected:",
    "virtual ",
    "constexpr ",
    "using ",
];

/// The language of the file at `path`, if it is one that is parsed. The language's own name is an extension too, for
/// texts that an editor never saved.
pub(crate) fn language_of(path: &str) -> Option<&'static Language> {
    let extension = extension(path);
    if !extension.is_empty() {
        let extension = lower(extension)?;
        let extension = extension.as_str();
        let by_extension =
            LANGUAGES.iter().find(|one| one.extensions.contains(&extension) || one.name == extension);
        if by_extension.is_some() {
            return by_extension;
        }
    }
    let name = lower(path.rsplit('/').next().unwrap_or(path))?;
    LANGUAGES.iter().find(|one| one.file_names.contains(&name.as_str()))
}

/// The same with the text at hand: a script without an extension says in its first line what runs it, and a header of
/// C++ looks like one.
pub(crate) fn language_in(path: &str, text: &str) -> Option<&'static Language> {
    match language_of(path) {
        Some(language) if language.name == "c" && is_header(path) && looks_like_cpp(text) => {
            named("cpp").or(Some(language))
        }
        None if extension(path).is_empty() => {
            let program = interpreter(text)?;
            LANGUAGES.iter().find(|one| one.interpreters.contains(&program))
        }
        found => found,
    }
}

/// The language of that name, as an injection writes it.
pub(crate) fn named(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|one| one.name == name)
}

/// What decides how the file at `path` is cut; a stored file with another value is cut again. Compiles no query.
pub(crate) fn recipe_of(path: &str) -> i64 {
    static TEXT: OnceLock<i64> = OnceLock::new();
    static SCRIPT: OnceLock<i64> = OnceLock::new();
    static HEADER: OnceLock<i64> = OnceLock::new();
    static NOTEBOOK: OnceLock<i64> = OnceLock::new();
    match language_of(path) {
        // Where the text decides as well, every language counts that it may decide for.
        Some(language) if language.name == "c" && is_header(path) => {
            *HEADER.get_or_init(|| recipe_of_all(|one| matches!(one.name, "c" | "cpp")))
        }
        Some(language) => language.recipe(),
        None if extension(path).is_empty() => {
            *SCRIPT.get_or_init(|| recipe_of_all(|one| !one.interpreters.is_empty()))
        }
        // A notebook says itself what its cells are written in.
        None if is_notebook(path) => *NOTEBOOK.get_or_init(|| recipe_of_all(|_| true)),
        None => *TEXT.get_or_init(|| recipe(&[b"text"])),
    }
}

impl Language {
    /// Also recognised by whole file names (in lower case).
    fn named(mut self, file_names: &'static [&'static str]) -> Self {
        self.file_names = file_names;
        self
    }

    /// Also recognised by the program that a `#!` line names, without its version.
    fn run_by(mut self, interpreters: &'static [&'static str]) -> Self {
        self.interpreters = interpreters;
        self
    }

    /// Writes some kinds of members with another separator (in Ruby, methods with `#`).
    fn members(mut self, members: &'static [(&'static str, &'static str)]) -> Self {
        self.members = members;
        self
    }

    /// Looks for definitions this deep, for a language in which blocks around definitions nest.
    fn deep(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// Holds data: of many keys only the largest sections are names.
    #[cfg(feature = "languages-data")]
    fn few(mut self) -> Self {
        self.names_max = crate::limits::DATA_NAMES_MAX;
        self
    }

    /// A dialect that has more references than the language whose folder it shares.
    fn with_references(mut self, references: &'static str) -> Self {
        self.sources.more_references = references;
        self
    }

    /// Holds other languages, as its `injections.scm` says.
    fn holding(mut self, injections: &'static str) -> Self {
        self.sources.injections = injections;
        self
    }

    /// What stands before the name of a definition of a kind.
    pub(crate) fn separator_of(&self, kind: &str) -> &'static str {
        self.members.iter().find(|(member, _)| *member == kind).map_or(self.separator, |(_, separator)| *separator)
    }

    /// The grammar.
    pub(crate) fn grammar(&self) -> Grammar {
        (self.grammar)()
    }

    /// What a file is cut by.
    pub(crate) fn definitions(&self) -> &Query {
        let Sources { definitions, docs, .. } = self.sources;
        self.compiled.definitions.get_or_init(|| self.compile(&format!("{definitions}\n{docs}")))
    }

    /// Which kinds of nodes the patterns of [`Self::definitions`] begin at, by the number of the kind; `None` when one of
    /// them may begin at any.
    pub(crate) fn roots(&self) -> Option<&[bool]> {
        self.compiled.roots.get_or_init(|| self.find_roots()).as_deref()
    }

    fn find_roots(&self) -> Option<Vec<bool>> {
        let Sources { definitions, docs, .. } = self.sources;
        let (source, query, grammar) = (format!("{definitions}\n{docs}"), self.definitions(), self.grammar());
        let mut roots = vec![false; grammar.node_kind_count()];
        for pattern in 0..query.pattern_count() {
            let written = source[query.start_byte_for_pattern(pattern)..].trim_start_matches('(');
            let kind = written.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
            // Nodes side by side, wildcards, choices and groups of kinds have no kind that this finds.
            let id = grammar.id_for_node_kind(kind, true);
            if id == 0 || grammar.node_kind_is_supertype(id) || !query.is_pattern_rooted(pattern) {
                return None;
            }
            *roots.get_mut(usize::from(id))? = true;
        }
        Some(roots)
    }

    /// Uses of names.
    pub(crate) fn references(&self) -> &Query {
        let Sources { references, more_references, .. } = self.sources;
        self.compiled.references.get_or_init(|| self.compile(&format!("{references}\n{more_references}")))
    }

    /// Imports.
    pub(crate) fn imports(&self) -> &Query {
        self.compiled.imports.get_or_init(|| self.compile(self.sources.imports))
    }

    /// Pieces of other languages, for a language that holds some.
    pub(crate) fn injections(&self) -> Option<&Query> {
        let source = self.sources.injections;
        (!source.is_empty()).then(|| self.compiled.injections.get_or_init(|| self.compile(source)))
    }

    /// Compiles what every file of this language needs, so that the time of a file does not pay for it.
    pub(crate) fn prepare(&self) {
        self.roots();
        self.injections();
    }

    fn compile(&self, source: &str) -> Query {
        Query::new(&self.grammar(), source).expect("the queries are compiled in, and a test compiles each of them")
    }

    /// Changes when the grammar or a query changes; stored beside each file.
    fn recipe(&self) -> i64 {
        *self.recipe.get_or_init(|| {
            let own = self.own_recipe();
            if self.sources.injections.is_empty() {
                return own;
            }
            // Any language may stand inside this one.
            let others = recipe_of_all(|one| one.sources.injections.is_empty());
            recipe(&[&own.to_le_bytes(), &others.to_le_bytes()])
        })
    }

    fn own_recipe(&self) -> i64 {
        let grammar = self.grammar();
        let counts = [grammar.abi_version(), grammar.node_kind_count(), grammar.parse_state_count()];
        let version =
            grammar.metadata().map_or((0, 0, 0), |it| (it.major_version, it.minor_version, it.patch_version));
        let Sources { definitions, docs, injections, .. } = self.sources;
        let members = self.members;
        let facts = format!("{} {} {members:?} {} {counts:?} {version:?}", self.name, self.separator, self.depth);
        recipe(&[facts.as_bytes(), definitions.as_bytes(), docs.as_bytes(), injections.as_bytes()])
    }
}

fn recipe_of_all(which: impl Fn(&Language) -> bool) -> i64 {
    let parts: Vec<_> =
        LANGUAGES.iter().filter(|one| which(one)).map(|one| one.own_recipe().to_le_bytes()).collect();
    let parts: Vec<&[u8]> = parts.iter().map(<[u8; 8]>::as_slice).collect();
    recipe(&parts)
}

fn recipe(parts: &[&[u8]]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&CHUNKER_VERSION.to_le_bytes());
    hasher.update(&DOCUMENT_VERSION.to_le_bytes());
    for part in parts {
        hasher.update(part);
        hasher.update(&[0]);
    }
    let hash = hasher.finalize();
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_le_bytes(first)
}

/// In lower case; `None` for a name longer than any that is known.
fn lower(name: &str) -> Option<String> {
    const KNOWN_BYTES_MAX: usize = 32;
    (name.len() <= KNOWN_BYTES_MAX).then(|| name.to_lowercase())
}

/// Whether the file at `path` is a Jupyter notebook.
pub(crate) fn is_notebook(path: &str) -> bool {
    extension(path).eq_ignore_ascii_case("ipynb")
}

/// The names of all languages that are parsed.
pub(crate) fn language_names() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|one| one.name)
}

/// Whether files of some language have this extension, in lower case.
pub(crate) fn is_extension(extension: &str) -> bool {
    LANGUAGES.iter().any(|one| one.extensions.contains(&extension))
}

/// Whether a file may be a header of C or of C++.
pub(crate) fn is_header(path: &str) -> bool {
    extension(path).eq_ignore_ascii_case("h")
}

fn looks_like_cpp(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(HEADER_SNIFF_BYTES)];
    head.lines().map(str::trim_start).any(|line| CPP_LINES.iter().any(|start| line.starts_with(start)))
}

/// The program that a `#!` line names, without folders and version.
fn interpreter(text: &str) -> Option<&str> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let line = &line[..line.floor_char_boundary(FIRST_LINE_BYTES_MAX)];
    let mut words = line.split_whitespace();
    let mut program = words.next()?;
    if program.ends_with("/env") {
        program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    }
    let program = program.rsplit('/').next().unwrap_or(program);
    Some(program.trim_end_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &str) {
        assert_eq!(language_in(path, text).map_or("", |one| one.name), expected, "{path}");
    }

    #[test]
    fn files_are_recognised_by_name_then_by_their_text() {
        check("a/b.PY", "", "python");
        check("untitled.rust", "", "rust");
        check("bin/tool", "#!/usr/bin/env -S LANG=C python3.11 -u\n", "python");
        check("bin/tool", "#!/usr/bin/python2\n", "python");
        check("bin/tool", "#!\n", "");
        check("lib/BUILD", "", "python");
        check("bin/tool", "no script", "");
        check("a.weird", "#!/usr/bin/python\n", "");
        check(&"y".repeat(300), "", "");
    }

    #[cfg(feature = "languages-systems")]
    #[test]
    fn headers_are_of_the_language_that_they_look_like() {
        check("a.h", "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f(void);\n", "c");
        check("a.h", "namespace shop {\nint f();\n}\n", "cpp");
        assert_ne!(recipe_of("a.h"), recipe_of("a.c"));
    }

    #[test]
    fn recipes_tell_languages_apart() {
        assert_ne!(recipe_of("a.py"), recipe_of("a.rs"));
        assert_ne!(recipe_of("a.py"), recipe_of("a.unknown"));
        assert_ne!(recipe_of("Makefile"), recipe_of("a.unknown"));
        assert_eq!(recipe_of("a.py"), recipe_of("b/c.pyi"));
    }

    #[test]
    fn every_query_compiles_and_names_differ() {
        for (index, language) in LANGUAGES.iter().enumerate() {
            assert!(language.definitions().pattern_count() > 0, "{}", language.name);
            let _ = (language.references(), language.imports(), language.injections());
            assert!(LANGUAGES[index + 1..].iter().all(|other| other.name != language.name));
            for extension in language.extensions {
                assert!(
                    LANGUAGES[index + 1..].iter().all(|other| !other.extensions.contains(extension)),
                    "{extension}"
                );
            }
        }
    }

    /// Stored chunks are kept for as long as their recipe is the same, so neither cutting nor the words that are stored
    /// may change under one version.
    #[cfg(all(feature = "languages-web", feature = "languages-systems", feature = "languages-jvm"))]
    #[cfg(all(feature = "languages-dotnet", feature = "languages-scripting", feature = "languages-functional"))]
    #[cfg(feature = "languages-data")]
    #[test]
    fn chunks_that_come_out_differently_raise_the_version() {
        use crate::parse::terms::{FIELDS, FieldTexts};
        const WORDS: (u32, &str) = (1, "afbda01383742b2e");
        const CHUNKS: (u32, &str) = (5, "1b7b4f6c36f304c1");
        let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
        let mut samples: Vec<_> = std::fs::read_dir(queries)
            .unwrap()
            .filter_map(|folder| std::fs::read_dir(folder.unwrap().path()).ok())
            .flatten()
            .map(|file| file.unwrap().path())
            .filter(|file| file.file_stem().is_some_and(|stem| stem == "sample"))
            .collect();
        samples.sort();
        let mut texts: Vec<(String, String)> = Vec::new();
        texts.push(("name.py".to_owned(), format!("def {}():\n    pass\n", "long".repeat(100))));
        for sample in samples {
            let text = std::fs::read_to_string(&sample).unwrap();
            let path = sample.file_name().unwrap().to_str().unwrap();
            // Once as it is, and once so long that pieces have to be split and joined.
            for text in [text.clone(), text.repeat(12), text.replace('\n', "\n\n\n").repeat(3)] {
                texts.push((path.to_owned(), text));
            }
        }
        let (mut cutter, mut hasher) = (crate::parse::cut::Cutter::default(), blake3::Hasher::new());
        let mut words = blake3::Hasher::new();
        for (path, text) in &texts {
            for chunk in cutter.cut(path, text) {
                hasher.update(format!("{chunk:?}").as_bytes());
                let texts = FieldTexts::of(path, &chunk, text);
                for part in (0..FIELDS).flat_map(|field| texts.field(field)) {
                    crate::parse::tokenize::for_each_token(part, |token| {
                        words.update(token.as_bytes()).update(&[0]);
                    });
                    words.update(&[1]);
                }
                for end in chunk.names.iter().flat_map(crate::parse::qualified::ends) {
                    words.update(end.as_bytes()).update(&[2]);
                }
            }
        }
        let found = hasher.finalize().to_hex();
        assert_eq!((CHUNKER_VERSION, &found[..16]), CHUNKS, "raise CHUNKER_VERSION, then note both here");
        let found = words.finalize().to_hex();
        assert_eq!((DOCUMENT_VERSION, &found[..16]), WORDS, "raise DOCUMENT_VERSION, then note both here");
    }
}
