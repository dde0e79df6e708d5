//! The languages that are parsed. A language is a folder in `queries/` and one line in [`registrations`].
//!
//! Refuses: anything about a language that a query can say.

use std::sync::LazyLock;

use tree_sitter::{Language as Grammar, Query};

use crate::files::content::extension;

/// Raised whenever chunks of the same text come out differently, so that stored ones are made again.
const CHUNKER_VERSION: u32 = 1;

/// One language: its grammar, its queries, and how its files are recognised.
pub(crate) struct Language {
    /// Name of its folder in `queries/`, and what editors call it.
    pub(crate) name: &'static str,
    extensions: &'static [&'static str],
    /// What stands between the parts of a qualified name.
    pub(crate) separator: &'static str,
    /// The grammar.
    pub(crate) grammar: Grammar,
    /// `definitions.scm` and `docs.scm` in one query, because every file of a build runs both.
    pub(crate) definitions: Query,
    /// `references.scm`.
    pub(crate) references: Query,
    /// `imports.scm`.
    pub(crate) imports: Query,
    /// Changes when the grammar or a query changes; stored beside each file.
    pub(crate) recipe: i64,
}

/// What `registrations` needs to know about one language.
struct Registration {
    name: &'static str,
    extensions: &'static [&'static str],
    separator: &'static str,
    grammar: Grammar,
    definitions: &'static str,
    docs: &'static str,
    references: &'static str,
    imports: &'static str,
}

/// Reads the folder of one language at compile time.
macro_rules! language {
    ($name:literal, $extensions:expr, $separator:literal, $grammar:expr) => {
        Registration {
            name: $name,
            extensions: $extensions,
            separator: $separator,
            grammar: $grammar.into(),
            definitions: include_str!(concat!("../../../queries/", $name, "/definitions.scm")),
            docs: include_str!(concat!("../../../queries/", $name, "/docs.scm")),
            references: include_str!(concat!("../../../queries/", $name, "/references.scm")),
            imports: include_str!(concat!("../../../queries/", $name, "/imports.scm")),
        }
    };
}

/// Every language, one line each.
fn registrations() -> Vec<Registration> {
    vec![
        language!("rust", &["rs"], "::", tree_sitter_rust::LANGUAGE),
        language!("python", &["py", "pyi", "pyw"], ".", tree_sitter_python::LANGUAGE),
    ]
}

static LANGUAGES: LazyLock<Vec<Language>> =
    LazyLock::new(|| registrations().into_iter().map(Language::compile).collect());

/// The language of the file at `path`, if it is one that is parsed. The language's own name is an extension too, for
/// texts that an editor never saved.
pub(crate) fn language_of(path: &str) -> Option<&'static Language> {
    let extension = extension(path).to_lowercase();
    LANGUAGES
        .iter()
        .find(|language| language.extensions.contains(&extension.as_str()) || language.name == extension)
}

/// What decides how the file at `path` is cut; a stored file with another value is cut again.
pub(crate) fn recipe_of(path: &str) -> i64 {
    language_of(path).map_or_else(|| recipe(&["text"]), |language| language.recipe)
}

impl Language {
    fn compile(registration: Registration) -> Self {
        let Registration { name, extensions, separator, grammar, definitions, docs, references, imports } =
            registration;
        let query = |source: &str| {
            Query::new(&grammar, source).expect("the queries are compiled in, and a test compiles each of them")
        };
        let abi = grammar.abi_version().to_string();
        let nodes = grammar.node_kind_count().to_string();
        Self {
            name,
            extensions,
            separator,
            definitions: query(&format!("{definitions}\n{docs}")),
            references: query(references),
            imports: query(imports),
            recipe: recipe(&[name, &abi, &nodes, definitions, docs]),
            grammar,
        }
    }
}

fn recipe(parts: &[&str]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&CHUNKER_VERSION.to_le_bytes());
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let hash = hasher.finalize();
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_le_bytes(first)
}
