//! Renders a conversation with the model file's own template, in a way that keeps its words apart from ours.
//!
//! The template comes from a stranger's file and is a program: it gets fuel, depth and output bounds. It never sees
//! what was said, only a placeholder for each message, and the result is cut at the placeholders. So nothing in a
//! message can reach the template's logic, and the tokeniser knows which parts are the template's own.
//! A template that looks into messages (to drop old reasoning, say) finds nothing there; that is the price.

use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};
use model::{Message, Role};

/// Steps a template may take.
const FUEL_STEPS_MAX: u64 = 500_000;
const RECURSION_DEPTH_MAX: usize = 64;
/// Bytes a template may write, without the messages.
const RENDERED_BYTES_MAX: usize = 1024 * 1024;
const TEMPLATE_NAME: &str = "chat";
/// Models that were not told otherwise by their file mostly know this format.
const FALLBACK_BEGIN: &str = "<|im_start|>";
const FALLBACK_END: &str = "<|im_end|>\n";

/// A part of a rendered prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Written by the template: control tokens count.
    Template(String),
    /// Said by somebody: only words.
    Said(String),
}

/// How conversations become prompts for one model.
pub(crate) struct ChatTemplate {
    environment: Option<Environment<'static>>,
    begin_text: String,
    end_text: String,
}

impl ChatTemplate {
    /// The template `source` of a model file. Without one, or when it does not compile, the usual format is taken.
    pub(crate) fn new(source: Option<String>, (begin_text, end_text): (String, String)) -> Self {
        let environment = source.and_then(|source| match compile(source) {
            Ok(environment) => Some(environment),
            Err(error) => {
                tracing::warn!(%error, "the model's chat template cannot be used; taking the usual format");
                None
            }
        });
        Self { environment, begin_text, end_text }
    }

    /// The prompt that asks for the next answer in the conversation.
    pub(crate) fn render(&self, messages: &[Message]) -> Vec<Part> {
        let Some(environment) = &self.environment else { return fallback(messages) };
        let first = self.render_with(environment, messages);
        // Some templates refuse system messages; then the first user message carries its words.
        let rendered = first.or_else(|error| match without_system(messages) {
            Some(messages) => self.render_with(environment, &messages),
            None => Err(error),
        });
        rendered.unwrap_or_else(|error| {
            tracing::warn!(%error, "the model's chat template failed; taking the usual format");
            fallback(messages)
        })
    }

    fn render_with(&self, environment: &Environment<'_>, messages: &[Message]) -> Result<Vec<Part>, Error> {
        let keys: Vec<String> = (0..messages.len()).map(|number| key(number, messages)).collect();
        let list: Vec<Value> = messages
            .iter()
            .zip(&keys)
            .map(|(message, key)| context! { role => role(message.role), content => format!("  {key}  ") })
            .collect();
        let context = context! {
            messages => list,
            add_generation_prompt => true,
            bos_token => self.begin_text.as_str(),
            eos_token => self.end_text.as_str(),
            // There is no place to show a model's thoughts yet.
            enable_thinking => false,
        };
        let mut out = Bounded(Vec::new());
        environment.get_template(TEMPLATE_NAME)?.render_captured_to(context, &mut out)?;
        let text = String::from_utf8_lossy(&out.0);
        Ok(split(&text, &keys, messages))
    }
}

/// Collects what a template writes, up to the bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::Error::other("the template writes too much"));
        }
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn compile(source: String) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL_STEPS_MAX));
    environment.set_recursion_limit(RECURSION_DEPTH_MAX);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |why: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, why))
    });
    // A date in the prompt would make the cache of every day useless.
    environment.add_function("strftime_now", |_format: String| "today");
    environment.add_template_owned(TEMPLATE_NAME, source)?;
    Ok(environment)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// A placeholder that occurs in no message.
fn key(number: usize, messages: &[Message]) -> String {
    let mut salt = 0_u32;
    loop {
        let key = format!("xMESSAGE{salt}x{number}x");
        if !messages.iter().any(|message| message.content.contains(&key)) {
            return key;
        }
        salt += 1;
    }
}

/// Cuts a rendered text at its placeholders and puts the messages there, trimmed where the template trimmed.
fn split(text: &str, keys: &[String], messages: &[Message]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let next = keys
            .iter()
            .zip(messages)
            .filter_map(|(key, said)| Some((rest.find(key)?, key, said)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, key, message)) = next else { break };
        let (mut before, mut after) = (&rest[..at], &rest[at + key.len()..]);
        let mut said = message.content.as_str();
        match before.strip_suffix("  ") {
            Some(kept) => before = kept,
            None => said = said.trim_start(),
        }
        match after.strip_prefix("  ") {
            Some(kept) => after = kept,
            None => said = said.trim_end(),
        }
        parts.push(Part::Template(before.to_owned()));
        parts.push(Part::Said(said.to_owned()));
        rest = after;
    }
    parts.push(Part::Template(rest.to_owned()));
    parts.retain(|part| !matches!(part, Part::Template(text) | Part::Said(text) if text.is_empty()));
    parts
}

/// The conversation with the system's words in the first user message, when there are such.
fn without_system(messages: &[Message]) -> Option<Vec<Message>> {
    let (system, mut others): (Vec<_>, Vec<_>) =
        messages.iter().cloned().partition(|message| message.role == Role::System);
    if system.is_empty() {
        return None;
    }
    let words: Vec<_> = system.into_iter().map(|message| message.content).collect();
    let first = others.iter_mut().find(|message| message.role == Role::User)?;
    first.content = format!("{}\n\n{}", words.join("\n\n"), first.content);
    Some(others)
}

fn fallback(messages: &[Message]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open = String::new();
    for message in messages {
        open += &format!("{FALLBACK_BEGIN}{}\n", role(message.role));
        parts.push(Part::Template(std::mem::take(&mut open)));
        parts.push(Part::Said(message.content.clone()));
        open = FALLBACK_END.to_owned();
    }
    open += &format!("{FALLBACK_BEGIN}{}\n", role(Role::Assistant));
    parts.push(Part::Template(open));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(source: Option<&str>, messages: &[(Role, &str)]) -> String {
        let template = ChatTemplate::new(source.map(str::to_owned), ("<s>".into(), "</s>".into()));
        let messages: Vec<_> = messages.iter().map(|(role, text)| Message::new(*role, *text)).collect();
        let show = |part: Part| match part {
            Part::Template(text) => text,
            Part::Said(text) => format!("[{text}]"),
        };
        template.render(&messages).into_iter().map(show).collect()
    }

    #[test]
    fn templates_are_rendered_around_what_was_said() {
        let chat = &[(Role::System, "be kind"), (Role::User, " hi {{ 1 }} ")];
        let loop_of = |body: &str| format!("{{{{ bos_token }}}}{{% for m in messages %}}{body}{{% endfor %}}");
        let cases = [
            (loop_of("<{{ m.role }}>{{ m.content }};"), "<s><system>[be kind];<user>[ hi {{ 1 }} ];"),
            (loop_of("{{ m['content'] | trim }};"), "<s>[be kind];[hi {{ 1 }}];"),
            (loop_of("{{ m.content.strip() + eos_token }}"), "<s>[be kind]</s>[hi {{ 1 }}]</s>"),
            (loop_of("{% if 'kind' in m.content %}leak{% endif %}{{ m.content }}"), "<s>[be kind][ hi {{ 1 }} ]"),
            ("{%- for m in messages[::-1] %}\n{{ m.content }}\n{%- endfor %}".into(), "[ hi {{ 1 }} ][be kind]"),
            (
                loop_of("{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}"),
                "<s>[be kind\n\n hi {{ 1 }} ]",
            ),
        ];
        for (source, expected) in &cases {
            assert_eq!(flat(Some(source), chat), *expected, "{source}");
        }
    }

    #[test]
    fn hostile_or_missing_templates_fall_back() {
        let expected = "<|im_start|>user\n[hi]<|im_end|>\n<|im_start|>assistant\n";
        let cases = [
            None,
            Some("{% for %}"),
            Some("{{ raise_exception('never') }}"),
            Some("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"),
            Some("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            Some("{% set x = 'x' * 10000000 %}{{ x }}"),
        ];
        for source in cases {
            assert_eq!(flat(source, &[(Role::User, "hi")]), expected, "{source:?}");
        }
    }

    #[test]
    fn nobody_can_say_a_placeholder() {
        let source = "{% for m in messages %}{{ m.content }}|{% endfor %}";
        let said = &[(Role::User, "xMESSAGE0x1x"), (Role::User, "second")];
        assert_eq!(flat(Some(source), said), "[xMESSAGE0x1x]|[second]|");
    }
}
