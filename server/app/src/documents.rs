//! Answers as files any editor can open. Refuses: writing into the user's own folders.

use std::path::{Path, PathBuf};

use store::DocumentKind;

use crate::new_file::{slug, write_new};
use crate::{Answer, App, AppError, ErrorKind, Result};

impl App {
    /// Writes an answer with its sources under the home's `documents/` and tells where.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written.
    pub async fn write_answer_document(
        &self,
        title: &str,
        workspace: Option<&Path>,
        answer: &Answer,
    ) -> Result<PathBuf> {
        let markdown = markdown(title, workspace, answer);
        let (folder, name) = (self.inner.home.documents(), slug(title, "answer"));
        let write = move || write_new(&folder, &name, "md", markdown.as_bytes());
        let written = tokio::task::spawn_blocking(write).await.map_err(AppError::task_died)?;
        let path = written.map_err(|error| {
            AppError::new(ErrorKind::Unavailable, format!("the answer could not be written: {error}"))
                .hint("free some space or make the home writable")
                .caused_by(error)
        })?;
        let registered = path.to_string_lossy().into_owned();
        self.stored(move |store| store.add_document(DocumentKind::Answer, &registered, None).map(drop)).await?;
        Ok(path)
    }
}

/// Lines of a file in words, 1-based and inclusive: `app.py:3-7`, or `app.py:3` for one.
pub fn place(path: &str, (start, end): (u32, u32)) -> String {
    if start == end { format!("{path}:{start}") } else { format!("{path}:{start}-{end}") }
}

fn markdown(title: &str, workspace: Option<&Path>, answer: &Answer) -> String {
    let mut page = format!("# {}\n\n", title.lines().next().unwrap_or_default());
    if let Some(problem) = &answer.problem {
        let why = crate::with_hint(&problem.message, problem.hint.as_deref());
        page.push_str(&format!("> The model gave no answer: {why}. These are the passages.\n\n"));
    }
    if let Some(notice) = &answer.notice {
        page.push_str(&format!("> {notice}\n\n"));
    }
    page.push_str(answer.text.trim_end());
    page.push('\n');
    // An answer that was cut may leave a code block open, and the sources would become code.
    if answer.text.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 {
        page.push_str("```\n");
    }
    for (heading, used) in [("Sources", true), ("Looked at", false)] {
        let mut listed = answer.citations.iter().filter(|citation| citation.used == used).peekable();
        if listed.peek().is_none() {
            continue;
        }
        page.push_str(&format!("\n## {heading}\n\n"));
        for citation in listed {
            let place = place(&citation.path, (citation.start_line, citation.end_line));
            let changed = if citation.live { "" } else { " (changed since)" };
            let link = workspace
                .and_then(|root| url::Url::from_file_path(root.join(&citation.path)).ok())
                .map_or_else(|| format!("`{place}`"), |url| format!("[{place}]({url}#L{})", citation.start_line));
            page.push_str(&format!("- [{}] {link}: {}{changed}\n", citation.n, citation.reason));
        }
    }
    if let (Some(model), Some(usage)) = (&answer.model, &answer.usage) {
        let (prompt, written) = (usage.prompt_tokens, usage.answer_tokens);
        page.push_str(&format!("\n---\n\n{model}, {prompt} tokens read, {written} written.\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use engine::Citation;
    use expect_test::expect;

    use super::*;

    #[test]
    fn an_answer_names_its_sources() {
        let citation = |n, used, live| Citation {
            n,
            path: "src/a b.rs".into(),
            start_line: 3,
            end_line: 9,
            used,
            symbol: None,
            reason: "defines `hash`".into(),
            live,
        };
        let answer = Answer {
            text: "It is hashed [1].\n```\ncut off".into(),
            citations: vec![citation(1, true, true), citation(2, false, false)],
            model: Some("starter".into()),
            usage: Some(crate::Usage { prompt_tokens: 300, answer_tokens: 20, ..crate::Usage::default() }),
            ..Answer::default()
        };
        expect![[r#"
            # Explain `hash`

            It is hashed [1].
            ```
            cut off
            ```

            ## Sources

            - [1] [src/a b.rs:3-9](file:///ws/src/a%20b.rs#L3): defines `hash`

            ## Looked at

            - [2] [src/a b.rs:3-9](file:///ws/src/a%20b.rs#L3): defines `hash` (changed since)

            ---

            starter, 300 tokens read, 20 written.
        "#]]
        .assert_eq(&markdown("Explain `hash`", Some(Path::new("/ws")), &answer));
    }
}
