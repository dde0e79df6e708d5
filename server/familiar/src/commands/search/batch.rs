//! Many queries from a file: read, grouped, their answers printed as they come. Refuses: a line that is no query, named by
//! its number, before anything is searched.

use std::io::Read;
use std::path::Path;

use app::{BatchAnswer, BatchQuery};
use futures::{Stream, StreamExt};

use crate::failure::{Failure, USAGE};
use crate::render;

/// A longer file is none of queries.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Queries sent to the daemon at once, and their bytes as JSON text; it takes 8 MiB.
const GROUP_QUERIES_MAX: usize = 1_000;
const GROUP_BYTES_MAX: usize = 4 << 20;

/// The queries of a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or a line is no query.
pub(super) fn read(file: &Path) -> Result<Vec<BatchQuery>, Failure> {
    let is_input = file == Path::new("-");
    let shown = if is_input { "standard input".to_owned() } else { file.display().to_string() };
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot read {shown}: {error}"))
            .hint("name a file of {\"id\", \"query\"} lines")
            .code(USAGE)
    };
    let mut bytes = Vec::new();
    if is_input {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::new(format!("{shown} is longer than {} MiB", FILE_BYTES_MAX >> 20))
            .hint("split it into several batches")
            .code(USAGE));
    }
    parse(&bytes).map_err(|failure| Failure { message: format!("{shown}, {}", failure.message), ..failure })
}

fn parse(bytes: &[u8]) -> Result<Vec<BatchQuery>, Failure> {
    let mut queries = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |why: &str| {
            Failure::new(format!("line {}: {why}", at + 1))
                .hint("each line is one object such as {\"id\": \"1\", \"query\": \"parse the header\"}")
                .code(USAGE)
        };
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| wrong("it is no JSON"))?;
        if let Some(key) = unknown_key(&value) {
            let why = format!("a query has no `{}`, only `id` and `query`", render::name(key));
            return Err(wrong(&why));
        }
        let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned();
        let query = value.get("query").and_then(serde_json::Value::as_str).map(str::to_owned);
        let id = id.ok_or_else(|| wrong("it has no `id` that is a text or a number"))?;
        let query = query.ok_or_else(|| wrong("it has no `query` that is a text"))?;
        if query.trim().is_empty() {
            return Err(wrong("its `query` is empty"));
        }
        queries.push(BatchQuery { id, query });
    }
    Ok(queries)
}

/// Keys of the tasks that `familiar eval` reads, besides those of a query. A line with `gold` is such a task.
const TASK_KEYS: [&str; 6] = ["set", "repo", "rev", "root", "kind", "gold"];

/// A key that says something which a search would not heed.
fn unknown_key(line: &serde_json::Value) -> Option<&str> {
    let object = line.as_object()?;
    let is_task = object.contains_key("gold");
    let is_known = |key: &str| matches!(key, "id" | "query") || is_task && TASK_KEYS.contains(&key);
    object.keys().map(String::as_str).find(|key| !is_known(key))
}

/// The queries in parts that the daemon takes at once.
pub(super) fn groups(queries: Vec<BatchQuery>) -> Vec<Vec<BatchQuery>> {
    let mut groups: Vec<Vec<BatchQuery>> = Vec::new();
    let mut bytes = GROUP_BYTES_MAX;
    for query in queries {
        let size = serde_json::to_vec(&query).map_or(0, |text| text.len() + 1);
        match groups.last_mut() {
            Some(group) if bytes + size <= GROUP_BYTES_MAX && group.len() < GROUP_QUERIES_MAX => {
                bytes += size;
                group.push(query);
            }
            _ => {
                bytes = size;
                groups.push(vec![query]);
            }
        }
    }
    groups
}

/// Prints answers as they come; tells how many queries could not be read.
///
/// # Errors
/// What the search says, and a reader that left.
pub(super) async fn print(
    mut answers: impl Stream<Item = app::Result<BatchAnswer>> + Unpin,
) -> anyhow::Result<usize> {
    let mut unread = 0;
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        unread += usize::from(answer.error.is_some());
        render::output(&render::json_line(&answer))?;
    }
    Ok(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_lines_and_wrong_ones_are_named() {
        let good =
            b"\xef\xbb\xbf{\"id\": \"a\", \"query\": \"x\", \"kind\": \"symbol\", \"gold\": []}\r\n\n{\"id\": 7, \"query\": \"y\"}";
        let queries = parse(good).expect("they are queries");
        assert_eq!(queries.iter().map(|one| one.id.to_string()).collect::<Vec<_>>(), ["\"a\"", "7"]);
        for (line, why) in [
            ("{", "no JSON"),
            ("[]", "no `id`"),
            ("{\"id\": null, \"query\": \"x\"}", "no `id`"),
            ("{\"id\": 1}", "no `query`"),
            ("{\"id\": 1, \"query\": 2}", "no `query`"),
            ("{\"id\": 1, \"query\": \" \"}", "is empty"),
            ("{\"id\": 1, \"query\": \"x\", \"kind\": \"regex\"}", "no `kind`"),
            ("{\"id\": 1, \"query\": \"x\", \"gold\": [], \"limit\": 3}", "no `limit`"),
        ] {
            let text = format!("{{\"id\": 1, \"query\": \"fine\"}}\n{line}\n");
            let failure = parse(text.as_bytes()).expect_err(line);
            assert!(failure.message.starts_with("line 2: ") && failure.message.contains(why), "{failure}");
            assert_eq!(failure.code, USAGE);
        }
    }

    #[test]
    fn large_batches_are_parted() {
        let query = |length: usize| BatchQuery { id: 1.into(), query: "x".repeat(length) };
        let lengths = |queries: Vec<BatchQuery>| groups(queries).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(vec![query(10); GROUP_QUERIES_MAX + 1]), [GROUP_QUERIES_MAX, 1]);
        assert_eq!(lengths(vec![query(GROUP_BYTES_MAX / 2); 3]), [1, 1, 1]);
        assert_eq!(lengths(vec![query(GROUP_BYTES_MAX / 3); 3]), [2, 1]);
        assert_eq!(lengths(Vec::new()), [0; 0]);
    }
}
