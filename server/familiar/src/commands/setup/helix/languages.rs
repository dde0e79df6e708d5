//! `languages.toml`: the server, and its name in the list of each language. Helix merges the file into its own by the
//! names of languages, and a list replaces its own list. Refuses: taking a server away from anybody.

use toml::de::{DeArray, DeTable, DeValue};

use super::lines::{get, parse, quoted, spliced, with_block, without_block};

const SERVER: &str = "familiar";
const LISTS: &str = "# Its name was also added to the lists of: ";
const LISTS_KEY: &str = "language-servers";

/// What a file says already.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Each language with its list, where it has one: the last that counts.
    languages: Vec<(String, Option<List>)>,
    has_server: bool,
    /// Where the first table begins, with the comment above it.
    first_table: Option<usize>,
}

/// A list of servers.
#[derive(Clone, Debug)]
struct List {
    has_ours: bool,
    /// Where an element goes in, and what it looks like there.
    place: usize,
    element: String,
}

impl Known {
    /// The languages that are named.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|(name, _)| name.as_str())
    }

    fn list(&self, language: &str) -> Option<&List> {
        self.languages.iter().rev().find_map(|(name, list)| list.as_ref().filter(|_| name == language))
    }
}

/// What a file without our parts says; the reason when it cannot be read.
pub(super) fn read(bare: &str) -> Result<Known, String> {
    let table = parse(bare)?;
    let mut known = Known { first_table: first_table(bare, &table), ..Known::default() };
    known.has_server = get(&table, "language-server")
        .and_then(|servers| servers.get_ref().as_table())
        .is_some_and(|servers| get(servers, SERVER).is_some());
    let Some(languages) = get(&table, "language") else { return Ok(known) };
    let languages = languages.get_ref().as_array().ok_or("`language` is no list of tables")?;
    for language in languages.iter().filter_map(|language| language.get_ref().as_table()) {
        let Some(name) = get(language, "name").and_then(|name| name.get_ref().as_str()) else { continue };
        let list = match get(language, LISTS_KEY) {
            None => None,
            Some(servers) => {
                let array = servers.get_ref().as_array();
                let array = array.ok_or_else(|| format!("`{LISTS_KEY}` of {name} is no list"))?;
                Some(list(bare, array, &servers.span()))
            }
        };
        known.languages.push((name.to_owned(), list));
    }
    Ok(known)
}

fn list(text: &str, array: &DeArray<'_>, span: &std::ops::Range<usize>) -> List {
    let has_ours = array.iter().any(|one| server_name(one.get_ref()) == Some(SERVER));
    let name = quoted(SERVER);
    let (place, element) = match array.iter().last() {
        None => (span.start + 1, name),
        Some(last) => match comma(text, last.span().end, span.end) {
            Some(comma) => (comma + 1, format!(" {name},")),
            None => (last.span().end, format!(", {name}")),
        },
    };
    List { has_ours, place, element }
}

fn server_name<'t>(value: &'t DeValue<'_>) -> Option<&'t str> {
    value.as_str().or_else(|| get(value.as_table()?, "name")?.get_ref().as_str())
}

/// The comma that closes a list, between its last element and its end.
fn comma(text: &str, from: usize, end: usize) -> Option<usize> {
    let mut comment = false;
    text[from..end].char_indices().find_map(|(at, c)| {
        comment = (comment || c == '#') && c != '\n';
        (c == ',' && !comment).then_some(from + at)
    })
}

/// Where the first table begins, with the comment right above it.
fn first_table(text: &str, table: &DeTable<'_>) -> Option<usize> {
    let mut at = headers(text, table).min()?;
    at = text[..at].rfind('\n').map_or(0, |end| end + 1);
    while let Some(before) = text[..at].strip_suffix('\n') {
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        if !before[start..].trim_start().starts_with('#') {
            break;
        }
        at = start;
    }
    Some(at)
}

fn headers<'t>(text: &'t str, table: &'t DeTable<'_>) -> Box<dyn Iterator<Item = usize> + 't> {
    let below = |value: &'t toml::Spanned<DeValue<'_>>| -> Box<dyn Iterator<Item = usize> + 't> {
        let own = value.span().start;
        match value.get_ref() {
            DeValue::Table(table) => {
                let is_header = text.as_bytes().get(own) == Some(&b'[');
                Box::new(is_header.then_some(own).into_iter().chain(headers(text, table)))
            }
            _ => Box::new(std::iter::empty()),
        }
    };
    Box::new(table.iter().flat_map(move |(_, value)| -> Box<dyn Iterator<Item = usize> + 't> {
        match value.get_ref() {
            DeValue::Array(array) => Box::new(array.iter().flat_map(below)),
            _ => below(value),
        }
    }))
}

/// The file with our parts, and how many languages have the server then.
pub(super) fn with(
    bare: &str,
    known: &Known,
    program: &str,
    built_in: &[(String, Vec<String>)],
) -> Result<(String, usize), String> {
    let mut body = String::new();
    let mut lists = Vec::new();
    let mut pieces = Vec::new();
    for (name, list) in &known.languages {
        if let Some(list) = list.as_ref().filter(|list| !list.has_ours) {
            pieces.push((list.place, list.element.clone()));
            lists.push(name.as_str());
        }
    }
    if !lists.is_empty() {
        lists.dedup();
        body.push_str(&format!("{LISTS}{}\n", lists.join(", ")));
    }
    if !known.has_server {
        body.push_str(&format!("[language-server.{SERVER}]\ncommand = {}\nargs = [\"lsp\"]\n", quoted(program)));
    }
    let missing: Vec<_> = built_in.iter().filter(|(name, _)| known.list(name).is_none()).collect();
    for (name, servers) in &missing {
        let all = servers.iter().map(String::as_str).filter(|server| *server != SERVER).chain([SERVER]);
        let all: Vec<String> = all.map(quoted).collect();
        body.push_str(&format!("\n[[language]]\nname = {}\n{LISTS_KEY} = [{}]\n", quoted(name), all.join(", ")));
    }
    let named = known.languages.iter().filter(|(_, list)| list.is_some()).count();
    let count = missing.len() + named;
    if body.is_empty() {
        return Ok((bare.to_owned(), count));
    }
    // In front of the user's own tables, so that what these say of a language counts, now and later.
    let text = with_block(&spliced(bare, pieces), known.first_table, &body);
    check(&text, bare)?;
    Ok((text, count))
}

/// Whether the result can be read, and taken back to the byte.
fn check(text: &str, bare: &str) -> Result<(), String> {
    parse(text).map_err(|why| format!("its tables are written in a form that takes no more ({why})"))?;
    if without(text) == bare { Ok(()) } else { Err("it could not be taken back to what it was".to_owned()) }
}

/// The file without our parts.
pub(super) fn without(text: &str) -> String {
    let (rest, ours) = without_block(text);
    let names = ours.lines().find_map(|line| line.trim_end().strip_prefix(LISTS));
    let names: Vec<&str> = names.map(|names| names.split(", ").collect()).unwrap_or_default();
    if names.is_empty() {
        return rest;
    }
    // A file that no longer parses keeps its lists as they are; its user is told when it is written to next.
    let Ok(table) = parse(&rest) else { return rest };
    let Some(languages) = get(&table, "language").and_then(|languages| languages.get_ref().as_array()) else {
        return rest.clone();
    };
    let mut cuts = Vec::new();
    for language in languages.iter().filter_map(|language| language.get_ref().as_table()) {
        let name = get(language, "name").and_then(|name| name.get_ref().as_str());
        let list = get(language, LISTS_KEY).and_then(|servers| servers.get_ref().as_array());
        let (Some(_), Some(list)) = (name.filter(|name| names.contains(name)), list) else { continue };
        let ours = list.iter().rev().find(|one| one.get_ref().as_str() == Some(SERVER));
        cuts.extend(ours.map(|one| cut(&rest, one.span())));
    }
    cuts.sort_by_key(|cut| cut.start);
    let mut out = String::with_capacity(rest.len());
    let mut from = 0;
    for cut in cuts {
        out.push_str(&rest[from..cut.start]);
        from = cut.end;
    }
    out.push_str(&rest[from..]);
    out
}

/// The bytes of an element with its comma, in the forms of [`list`].
fn cut(text: &str, element: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let (before, after) = (&text[..element.start], &text[element.end..]);
    if before.ends_with(", ") && !after.starts_with(',') {
        element.start - 2..element.end
    } else if before.ends_with(' ') && after.starts_with(',') {
        element.start - 1..element.end + 1
    } else if after.starts_with(',') {
        element.start..element.end + 1
    } else {
        let kept = before.trim_end().strip_suffix(',').map_or(element.start, str::len);
        kept..element.end
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::line_ending;
    use super::*;

    fn built_in() -> Vec<(String, Vec<String>)> {
        let of = |name: &str, servers: &[&str]| {
            (name.to_owned(), servers.iter().map(|server| (*server).to_owned()).collect())
        };
        vec![of("rust", &["rust-analyzer"]), of("python", &["ty", "ruff"]), of("make", &[])]
    }

    fn added(bare: &str) -> String {
        let known = read(bare).expect("it parses");
        with(bare, &known, "/bin/familiar", &built_in()).expect("it can be added to").0
    }

    /// The servers of a language as Helix reads them from the file, over its own.
    fn servers(text: &str, language: &str) -> Vec<String> {
        let file: toml::Table = text.trim_start_matches('\u{feff}').parse().expect("it is TOML");
        let own = built_in().into_iter().find(|(name, _)| name == language).map(|(_, servers)| servers);
        let lists = file["language"].as_array().expect("languages").iter();
        let lists = lists.filter(|one| one["name"].as_str() == Some(language));
        let last = lists.filter_map(|one| one.get(LISTS_KEY)?.as_array()).next_back();
        let last = last.map(|list| {
            let name = |one: &toml::Value| {
                one.as_str().or_else(|| one.get("name")?.as_str()).map(str::to_owned).expect("a name")
            };
            list.iter().map(name).collect()
        });
        last.or(own).unwrap_or_default()
    }

    #[test]
    fn an_empty_file_gets_everything() {
        let text = added("");
        assert_eq!(
            text,
            "# >>> familiar setup: these lines go with `familiar setup helix --undo` >>>\n\
             [language-server.familiar]\ncommand = \"/bin/familiar\"\nargs = [\"lsp\"]\n\n\
             [[language]]\nname = \"rust\"\nlanguage-servers = [\"rust-analyzer\", \"familiar\"]\n\n\
             [[language]]\nname = \"python\"\nlanguage-servers = [\"ty\", \"ruff\", \"familiar\"]\n\n\
             [[language]]\nname = \"make\"\nlanguage-servers = [\"familiar\"]\n\
             # <<< familiar setup <<<\n"
        );
        assert_eq!(without(&text), "");
    }

    /// Whatever the file looks like: each language keeps its servers and has ours, a second time changes nothing, and
    /// undoing gives back every byte.
    #[test]
    fn every_form_of_a_file_is_added_to_and_given_back() {
        for bare in [
            "",
            "# mine\n",
            "use-grammars = { only = [ \"rust\" ] }",
            "use-grammars = { only = [ \"rust\" ] }\n\n# Rust, as I like it.\n[[language]]\nname = \"rust\"\nauto-format = false\n",
            "[[language]]\nname = \"rust\"\nlanguage-servers = [\"rust-analyzer\", \"mine\"]\n",
            "[[language]]\nname = \"rust\"\nlanguage-servers = [ \"rust-analyzer\", ]  # here\n",
            "[[language]]\nname = \"rust\"\nlanguage-servers = [\n  \"rust-analyzer\", # one, two\n  \"mine\" # last\n]\nauto-format = true",
            "[[language]]\nname = \"rust\"\nlanguage-servers = [\n  \"rust-analyzer\",\n  { name = \"mine\", only-features = [\"hover\"] },\n]\n",
            "[[language]]\nname = \"python\"\nlanguage-servers = []\n",
            "[[language]]\nname = 'python'\n[language.indent]\nunit = \" \"\ntab-width = 1\n\n[[language]]\nname = \"rust\"\n",
            "[language-server.mine]\ncommand = \"mine\"\n\n[language-server]\nother = { command = \"other\" }\n",
            "\u{feff}# mine\r\n[[language]]\r\nname = \"rust\"\r\nlanguage-servers = [\"a\"]\r\n",
            "x = 1\r\n[[language]]\r\nname = \"rust\"",
            "[[language]]\nname = \"mine\"\nscope = \"source.mine\"\nfile-types = [\"mine\"]\nlanguage-servers = [\"m\"]\n",
        ] {
            let text = added(bare);
            let own: toml::Table = bare.trim_start_matches('\u{feff}').parse().expect("it is TOML");
            for (language, defaults) in built_in() {
                let before =
                    if own.contains_key("language") { servers(bare, &language) } else { defaults.clone() };
                let after = servers(&text, &language);
                assert_eq!(after, [before, vec![SERVER.to_owned()]].concat(), "{language} in {text}");
            }
            assert_eq!(added(&without(&text)), text, "a second time changes nothing");
            assert_eq!(without(&text), bare, "undone");
            assert_eq!(line_ending(&text), if bare.contains("\r\n") { "\r\n" } else { "\n" });
        }
    }

    #[test]
    fn what_is_the_users_own_stays() {
        // Set up by hand, as the README used to say.
        let bare = "[language-server.familiar]\ncommand = \"other\"\n\n[[language]]\nname = \"rust\"\nlanguage-servers = [\"familiar\"]\n";
        let text = added(bare);
        assert_eq!(text.matches("[language-server.familiar]").count(), 1, "{text}");
        assert_eq!(servers(&text, "rust"), ["familiar"]);
        assert_eq!(without(&text), bare);
        // Changed after the set-up.
        let text = added("[[language]]\nname = \"rust\"\nlanguage-servers = [\"a\"]\n");
        let later = text.replace("[\"a\", \"familiar\"]", "[\"a\", \"familiar\", \"b\"]") + "\n# mine\n";
        assert_eq!(
            without(&later),
            "[[language]]\nname = \"rust\"\nlanguage-servers = [\"a\", \"b\"]\n\n# mine\n"
        );
        let spread = text.replace("[\"a\", \"familiar\"]", "[\n    \"a\",\n    \"familiar\"\n]");
        assert_eq!(without(&spread), "[[language]]\nname = \"rust\"\nlanguage-servers = [\n    \"a\"\n]\n");
        let open = text.replace("# <<< familiar setup <<<\n", "");
        assert_eq!(without(&open), open, "a block without its end is left alone");
    }

    #[test]
    fn what_cannot_be_added_to_is_said() {
        for (bare, why) in [
            ("[[language]\n", "line 1"),
            ("a = 1\nb = \n", "line 2"),
            ("language = \"rust\"\n", "no list"),
            ("[[language]]\nname = \"rust\"\nlanguage-servers = \"a\"\n", "of rust is no list"),
            ("language = [{ name = \"rust\" }]\n", "takes no more"),
            ("language-server = { a = { command = \"a\" } }\n", "takes no more"),
        ] {
            let said = read(bare).and_then(|known| with(bare, &known, "/bin/familiar", &built_in()));
            let said = said.expect_err(bare);
            assert!(said.contains(why), "{bare}: {said}");
        }
    }
}
