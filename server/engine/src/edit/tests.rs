//! The ways an answer may look that are told best beside the code; the many others are data, in `tests/edits`.

use expect_test::expect;

use std::ops::Range;

use model::Quotation;
use text::Document;

use super::*;

const CODE: &str = "class A:\n    def f(self, x):\n        return x\n\n    def g(self):\n        return 1\n";

fn task(code: &str, selection: Range<usize>, action: EditAction) -> EditTask {
    let document = Document::new("file:///a.py", "python", 3, code);
    EditTask::new(document, selection, action, Some("double it".into())).expect("small selection")
}

fn edited(code: &str, selection: Range<usize>, action: EditAction, answer: &str) -> Result<String, Refusal> {
    let task = task(code, selection, action);
    let proposal = read_edit(Reply::complete(answer), &task, Format::Rewrite)?;
    let edit = &proposal.edit_of("a.py").expect("of the document").edit;
    Ok(edit.apply(task.document.rope()).expect("in bounds").to_string())
}

#[test]
fn answers_become_edits_or_stated_refusals() {
    let select = CODE.find("    def f").expect("there")..CODE.find("\n    def g").expect("there");
    let check = |answer: &str| edited(CODE, select.clone(), EditAction::Edit, answer);
    let doubled = CODE.replace("return x", "return 2 * x");
    for answer in [
        "```python\n    def f(self, x):\n        return 2 * x\n```",
        "Here you are:\n```python\ndef f(self, x):\n    return 2 * x\n```\nEnjoy!",
        "<think>hm ```bad```</think>\n```\ndef f(self, x):\n    return 2 * x\n```",
        "def f(self, x):\n    return 2 * x",
    ] {
        assert_eq!(check(answer).as_deref(), Ok(doubled.as_str()), "{answer:?}");
    }
    assert_eq!(check("```python\ndef f(self, x):\n    return x\n```"), Err(Refusal::NoChange));
    assert_eq!(check("```\n```"), Err(Refusal::NoCode));
    assert!(matches!(
        check("```python\ndef f(self, x:\n    return ((\n```"),
        Err(Refusal::Syntax { before: 0, .. })
    ));
}

#[test]
fn an_empty_selection_means_the_enclosing_symbol() {
    let at = CODE.find("return x").expect("there");
    assert_eq!(task(CODE, at..at, EditAction::Fix).code(), "    def f(self, x):\n        return x\n");
}

#[test]
fn line_endings_and_a_missing_final_newline_stay() {
    let code = "x = 1\r\ny = 2";
    assert_eq!(
        edited(code, 0..1, EditAction::Edit, "```\nx = 3\nz = 4\n```").as_deref(),
        Ok("x = 3\r\nz = 4\r\ny = 2")
    );
    assert_eq!(edited(code, 8..9, EditAction::Edit, "```\ny = 5\n```").as_deref(), Ok("x = 1\r\ny = 5"));
}

#[test]
fn tests_are_added_at_the_end() {
    let answer = "```python\ndef test_f():\n    assert A().f(1) == 1\n```";
    let expected = format!("{CODE}\ndef test_f():\n    assert A().f(1) == 1\n");
    assert_eq!(edited(CODE, 0..5, EditAction::Tests, answer).as_deref(), Ok(expected.as_str()));
}

#[test]
fn the_prompt_shows_the_surroundings() {
    let select = CODE.find("    def g").expect("there")..CODE.len();
    let plan = plan_edit(&task(CODE, select, EditAction::Edit), &[], Format::Rewrite, Some(&Refusal::NoCode));
    expect![[r#"
        Before the code:
        ```python
        class A:
            def f(self, x):
                return x
        ```

        The code:
        ```python
            def g(self):
                return 1
        ```

        Change the code as asked.
        The user says: double it
        Your last answer was refused: the model's answer holds no code. Answer with the complete code."#]]
    .assert_eq(&plan.messages[1].content);
}

#[test]
fn blocks_are_asked_for_and_a_failed_search_is_answered_with_the_real_lines() {
    let at = CODE.find("return x").expect("there");
    let task = task(CODE, at..at, EditAction::Edit).at_path("src/a.py");
    let answer = "<<<<<<< SEARCH\n    def g(me):\n=======\n    def g(self, n):\n>>>>>>> REPLACE\n";
    let refusal = read_edit(Reply::complete(answer), &task, Format::Blocks).expect_err("no such line");
    let plan = plan_edit(&task, &[], Format::Blocks, Some(&refusal));
    let quotation = Quotation {
        opens: "<<<<<<< SEARCH".into(),
        closes: "=======".into(),
        texts: vec![CODE.into()],
        may_be_empty: false,
    };
    assert_eq!(plan.quotation, Some(quotation), "the search lines are lines of the file");
    assert!(plan.messages[0].content.contains("\n<<<<<<< SEARCH\n"), "as the form has it");
    expect![[r#"
        The file src/a.py:
        ```python
        class A:
            def f(self, x):
                return x

            def g(self):
                return 1
        ```

        It is about this part:
        ```python
            def f(self, x):
                return x
        ```

        Change the code as asked.
        The user says: double it
        Your last answer was refused: the lines that the model wants to replace are not in src/a.py. You looked for:
        ```
            def g(me):
        ```
        The nearest lines that are there, from line 5:
        ```
            def g(self):
                return 1
        ```
        Copy them exactly. Answer with all blocks again."#]]
    .assert_eq(&plan.messages[1].content);
    expect![[r#"
        You are Familiar, an editor's companion that changes code. Answer only with blocks of this form:

        path/of/the/file
        <<<<<<< SEARCH
        lines that are in the file now, copied exactly
        =======
        lines to stand in their place
        >>>>>>> REPLACE

        Copy whole lines, with their indentation, and as many as make the place the only one. One block for each place. Never leave lines out with an ellipsis. Do not explain.
        A block without search lines makes a new file. `RENAME FILE: old -> new` and `DELETE FILE: path`, each on a line of its own, rename and delete."#]]
    .assert_eq(&plan_edit(&task.with_files(Vec::new()), &[], Format::Blocks, None).messages[0].content);
}

#[test]
fn search_lines_are_quoted_where_there_are_lines_and_not_too_many() {
    let quoted = |text: &str, format| plan_edit(&task(text, 0..0, EditAction::Edit), &[], format, None).quotation;
    assert!(quoted("x\n", Format::Blocks).is_some());
    for (text, format) in [
        (" \n\n", Format::Blocks),
        (&*"x\n".repeat(limits::QUOTED_LINES_MAX + 1), Format::Blocks),
        (&*format!("{}\n", "x".repeat(99)).repeat(limits::QUOTED_BYTES_MAX / 99), Format::Blocks),
        ("x\n", Format::Whole),
        ("x\n", Format::Rewrite),
    ] {
        assert_eq!(quoted(text, format), None);
    }
    let open = task("x\n", 0..0, EditAction::Edit).with_files(Vec::new());
    let new_files = plan_edit(&open, &[], Format::Blocks, None).quotation.expect("there is a line");
    assert!(new_files.may_be_empty, "a block without search lines makes a file");
}

#[test]
fn a_whole_file_is_asked_for() {
    let plan = plan_edit(&task(CODE, 0..CODE.len(), EditAction::Fix), &[], Format::Whole, None);
    expect![[r#"
        The file a.py:
        ```python
        class A:
            def f(self, x):
                return x

            def g(self):
                return 1
        ```

        Fix the defects in the code.
        The user says: double it"#]]
    .assert_eq(&plan.messages[1].content);
}
