//! Short forms in which programmers write common words: a question says `configuration`, the code says `cfg`.
//!
//! Refuses: synonyms. A pair belongs here only when the one is the usual abbreviation of the other in any project.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::parse::tokenize::tokens;

/// A word and its short forms, a line each.
const SHORT_FORMS: &[&str] = &[
    "address addr",
    "administration admin",
    "administrator admin",
    "allocate alloc",
    "allocation alloc",
    "application app",
    "argument arg",
    "asynchronous async",
    "attribute attr",
    "authentication auth",
    "authorization auth authz",
    "average avg",
    "boolean bool",
    "buffer buf",
    "button btn",
    "calculate calc",
    "callback cb",
    "certificate cert",
    "character char",
    "column col",
    "command cmd",
    "configuration config cfg conf",
    "configure config",
    "connection conn",
    "context ctx",
    "credential cred",
    "database db",
    "declaration decl",
    "definition def",
    "description desc",
    "descriptor desc",
    "destination dst dest",
    "dictionary dict",
    "directory dir",
    "document doc",
    "documentation doc",
    "element elem el",
    "environment env",
    "error err",
    "evaluate eval",
    "evaluation eval",
    "exception exc err",
    "execute exec",
    "execution exec",
    "expression expr regex",
    "function func fn",
    "generate gen",
    "identifier id ident",
    "identity id",
    "image img",
    "implementation impl",
    "index idx",
    "information info",
    "initialization init",
    "initialize init",
    "integer int",
    "internationalization i18n",
    "iterate iter",
    "iterator iter",
    "javascript js",
    "language lang",
    "length len",
    "library lib",
    "localization l10n",
    "manager mgr",
    "markdown md",
    "maximum max",
    "memory mem",
    "message msg",
    "minimum min",
    "number num",
    "object obj",
    "operation op",
    "operator op",
    "optimization opt",
    "optimize opt",
    "option opt",
    "optional opt",
    "original orig",
    "package pkg",
    "parameter param",
    "password passwd pwd",
    "pointer ptr",
    "position pos",
    "previous prev",
    "procedure proc",
    "process proc",
    "property prop",
    "python py",
    "record rec",
    "reference ref",
    "register reg",
    "regular regex",
    "repository repo",
    "request req",
    "response res resp",
    "separator sep",
    "session sess",
    "source src",
    "specification spec",
    "standard std",
    "statement stmt",
    "statistics stats",
    "string str",
    "synchronize sync",
    "synchronous sync",
    "temporary tmp temp",
    "transaction tx txn",
    "typescript ts",
    "utility util",
    "value val",
    "variable var",
    "version ver",
    "window win",
];

/// Other forms by word, both as the tokenizer writes them: short ones of a long word, long ones of a short word.
static FORMS: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut forms: HashMap<String, Vec<String>> = HashMap::new();
    for line in SHORT_FORMS {
        // The last token of a word is its stem; before it may stand the word as it is.
        let mut words = line.split(' ').filter_map(|word| tokens(word).pop());
        let Some(long) = words.next() else { continue };
        for short in words {
            for (from, to) in [(&long, &short), (&short, &long)] {
                let known = forms.entry(from.clone()).or_default();
                if !known.contains(to) {
                    known.push(to.clone());
                }
            }
        }
    }
    forms
});

/// The other forms of a word of a question, as the tokenizer writes them.
pub(crate) fn forms_of(token: &str) -> &'static [String] {
    FORMS.get(token).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::forms_of;

    #[test]
    fn words_have_short_forms_and_short_forms_words() {
        let check = |word: &str, expected: &str| {
            let token = crate::parse::tokenize::tokens(word).pop().unwrap_or_default();
            assert_eq!(forms_of(&token).join(" "), expected, "{word}");
        };
        check("configurations", "config cfg conf");
        check("messages", "msg");
        check("err", "error exception");
        check("login", "");
    }
}
