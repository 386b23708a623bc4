//! Templates render and become tokens as in `transformers`
//! (`fixtures/templates/make_templates.py`).
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::PathBuf;

use apo_dialogue::{DialogueError, DialogueTokenizer, Message, Template};
use apo_hh::Role;
use serde_json::{Value, json};

use common::{fixture, folder, special, tokenizer, write};

/// Writes a model directory of the small byte-level tokenizer with a template.
fn with_template(name: &str, template: &str) -> PathBuf {
    let dir = folder("templates", name);
    let made = tokenizer("bytes", &[special("<s>"), special("</s>")]);
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
    write(
        &dir,
        &[
            ("tokenizer.json", &made),
            ("tokenizer_config.json", &config),
        ],
    );
    dir
}

fn load(name: &str, template: &str) -> Result<DialogueTokenizer, DialogueError> {
    DialogueTokenizer::load(&with_template(name, template), Template::Chat)
}

fn message(role: &str, content: &str) -> Message {
    Message {
        role: role.to_owned(),
        content: content.to_owned(),
    }
}

/// The fixture's dialogue of so many turns.
fn dialogue(all: &Value, turns: usize, system: bool) -> Vec<Message> {
    let mut messages = Vec::new();
    if system {
        messages.push(message("system", all["system"].as_str().unwrap()));
    }
    for turn in all["prompts"].as_array().unwrap().iter().take(turns) {
        messages.push(message("user", turn[0].as_str().unwrap()));
        messages.push(message("assistant", turn[1].as_str().unwrap()));
    }
    messages.pop();
    messages
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Loads the tokenizer of a family of the fixture, with its name.
fn family_of(family: &Value, test: &str) -> (String, DialogueTokenizer) {
    let kind = family["tokenizer"].as_str().unwrap();
    let name = format!("{}-{kind}", family["name"].as_str().unwrap());
    let dir = folder(test, &name);
    let made = tokenizer(kind, family["added_tokens"].as_array().unwrap());
    let mut config = family["named"].clone();
    config["chat_template"] = family["template"].clone();
    write(
        &dir,
        &[
            ("tokenizer.json", &made),
            ("tokenizer_config.json", &config),
        ],
    );
    let tokenizer = DialogueTokenizer::load(&dir, Template::Chat).unwrap();
    (name, tokenizer)
}

#[test]
fn results_of_tools_are_equal_to_transformers_or_refused() {
    let all = fixture("templates.json");
    let mut n_equal = 0;
    for family in all["families"].as_array().unwrap() {
        let (name, tokenizer) = family_of(family, "families-tools");
        let said = all["called"].as_array().unwrap().iter().map(|it| {
            let role = match it["role"].as_str().unwrap() {
                "user" => Role::Human,
                "tool" => Role::Tool,
                _ => Role::Assistant,
            };
            (role, it["content"].as_str().unwrap())
        });
        let found = tokenizer.encode_prompt(&apo_hh::prompt_of(said), usize::MAX);
        let expected = &family["called"];
        if let Some(why) = expected["refused"].as_str() {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        } else if expected["text"].as_str().unwrap().contains("Über <4>") {
            assert_eq!(found.unwrap(), ids(&expected["ids"]), "{name}, with tools");
            n_equal += 1;
        } else {
            // transformers drops them without a word.
            let error = found.unwrap_err();
            let DialogueError::LeavesToolsOut { .. } = error else {
                panic!("{name}: {error}");
            };
        }
    }
    assert!(n_equal >= 6, "{n_equal}");
}

#[test]
fn families_are_equal_to_transformers_to_the_id() {
    let all = fixture("templates.json");
    let (mut n_dialogues, mut n_refused, mut n_following) = (0, 0, 0);
    let mut n_answered = 0;
    for family in all["families"].as_array().unwrap() {
        let (name, tokenizer) = family_of(family, "families");
        let mut first = None;
        for expected in family["dialogues"].as_array().unwrap() {
            let turns = expected["turns"].as_u64().unwrap() as usize;
            let system = expected["system"].as_bool().unwrap();
            let messages = dialogue(&all, turns, system);
            let at = format!("{name}, {turns} turns, system {system}");
            if let Some(why) = expected["refused"].as_str() {
                let error = tokenizer.render(&messages).unwrap_err();
                let DialogueError::Refused { message, .. } = error else {
                    panic!("{at}: {error}");
                };
                assert_eq!(message, why, "{at}");
                n_refused += 1;
                continue;
            }
            assert_eq!(
                tokenizer.render(&messages).unwrap(),
                expected["text"],
                "{at}"
            );
            let found = tokenizer.encode_messages(&messages, usize::MAX).unwrap();
            assert_eq!(found, ids(&expected["ids"]), "{at}");
            first.get_or_insert(found);
            n_dialogues += 1;
        }
        for expected in family["answered"].as_array().unwrap() {
            let turns = expected["turns"].as_u64().unwrap() as usize;
            let system = expected["system"].as_bool().unwrap();
            let said = dialogue(&all, turns, system);
            let said = said.iter().map(|it| {
                let role = match it.role.as_str() {
                    "system" => Role::System,
                    "user" => Role::Human,
                    _ => Role::Assistant,
                };
                (role, it.content.as_str())
            });
            let prompt = apo_hh::prompt_of(said);
            let response = all["prompts"][turns - 1][1].as_str().unwrap().trim();
            let found = tokenizer.encode_dialogue(&prompt, response, usize::MAX);
            let at = format!("{name}, {turns} answered turns, system {system}");
            if expected["refused"].is_null() {
                assert_eq!(found.unwrap(), ids(&expected["ids"]), "{at}");
                n_answered += 1;
            } else {
                found.unwrap_err();
            }
        }
        let prompt = first.unwrap();
        for expected in family["following"].as_array().unwrap() {
            let response = expected["response"].as_str().unwrap();
            if expected["ids"].is_null() {
                continue;
            }
            let found = tokenizer
                .encode_response(&prompt, response, usize::MAX)
                .unwrap();
            assert_eq!(found, ids(&expected["ids"]), "{name}, {response:?}");
            n_following += 1;
        }
    }
    println!("{n_dialogues} dialogues, {n_refused} refused, {n_following} responses");
    assert!(n_dialogues > 200 && n_following > 100 && n_answered > 100);
}

#[test]
fn what_templates_use_renders_as_jinja_renders_it() {
    let all = fixture("templates.json");
    let messages = dialogue(&all, 2, false);
    let mut wrong = Vec::new();
    for (i, expected) in all["snippets"].as_array().unwrap().iter().enumerate() {
        let template = expected["template"].as_str().unwrap();
        let found = load(&format!("snippet-{i}"), template);
        let found = found.and_then(|tokenizer| tokenizer.render(&messages));
        match (found, expected["text"].as_str()) {
            (Ok(found), Some(text)) if found == text => {}
            (Err(_), None) => {}
            (found, _) => wrong.push(format!(
                "{template:?}: {} expected, found {found:?}",
                expected.get("text").unwrap_or(&expected["refused"])
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A thousand expressions and short templates: each gives what Jinja2 gives, or
/// is refused by name (`fixtures/templates/make_expressions.py`).
#[test]
fn an_expression_gives_what_jinja_gives_or_is_refused() {
    let all = fixture("expressions.json");
    let rows = all["messages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages: Vec<Message> = rows
        .map(|it| message(&text(&it["role"]), &text(&it["content"])))
        .collect();
    let dir = with_template("expression", "");
    let (mut n_equal, mut n_refused, mut wrong) = (0, 0, Vec::new());
    for case in all["cases"].as_array().unwrap() {
        let template = case["template"].as_str().unwrap();
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
        let found = DialogueTokenizer::load(&dir, Template::Chat);
        let found = found.and_then(|tokenizer| tokenizer.render(&messages));
        match (found, case["text"].as_str()) {
            (Ok(found), Some(text)) if found == text => n_equal += 1,
            (Err(error), expected) if error.is_bad_input() => {
                n_refused += usize::from(expected.is_some());
            }
            (found, _) => wrong.push(format!(
                "{template:?}: {} expected, found {found:?}",
                case.get("text").unwrap_or(&case["refused"])
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{n_equal} equal, {n_refused} refused though Jinja renders them");
    assert!(n_equal > 700 && n_refused < 40);
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let hello = [message("user", "Hello")];
    for (name, template) in [
        (
            "loops",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        ),
        (
            "doubles",
            "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}\
             {% endfor %}{{ ns.x }}",
        ),
        ("multiplies", "{{ 'a' * 99999999 }}"),
        (
            "joins",
            "{{ range(99999) | map('string') | join('a' * 999999) }}",
        ),
        ("replaces", "{{ ('a' * 99999).replace('a', 'b' * 99999) }}"),
        (
            "writes",
            "{% for a in range(99999) %}{{ messages[0].content * 99 }}{% endfor %}",
        ),
        (
            "recurses",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        ),
        (
            "nests",
            "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}\
             {% endfor %}{{ ns.x | tojson }}",
        ),
    ] {
        let error = load(name, template).unwrap().render(&hello).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(&format!("{name}/tokenizer_config.json")),
            "{message}"
        );
        assert!(message.contains("--template hh"), "{message}");
        assert!(error.is_bad_input());
    }
}

/// Templates that ask for much: more work, more memory or more nesting than any
/// dialogue needs. Each is refused, soon, and by name.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of templates")]
fn what_a_template_asks_for_is_bounded() {
    let hello = [message("user", "Hello")];
    let shared = |then: &str| {
        format!(
            "{{% set ns = namespace(l=[1], m=[1]) %}}{{% for i in range(60) %}}{{% set ns.l = \
             [ns.l, ns.l] %}}{{% set ns.m = [ns.m, ns.m] %}}{{% endfor %}}{then}"
        )
    };
    let tuples = |then: &str| {
        format!(
            "{{% set ns = namespace(s=(1,)) %}}{{% for i in range(60) %}}{{% set ns.s = (ns.s, ns.s) %}}\
             {{% endfor %}}{then}"
        )
    };
    let mut templates: Vec<String> = [
        "{{ ns.l == ns.m }}",
        "{{ [ns.l, ns.m] | sort }}",
        "{{ [ns.l, ns.m] | unique | list }}",
        "{{ {(1, ns.l): 1} }}",
        "{{ ns.l ~ 'a' }}",
        "{{ ns.l | string | length }}",
        "{{ ns.l | tojson }}",
        "{{ ns.l | join }}",
        "{{ raise_exception(ns.l) }}",
        "{{ [2] in ns.l }}{{ ns.l < ns.m }}",
        "{{ '%s' % (ns.l,) }}",
        "{{ '{}'.format(ns.l) }}",
        "{{ ns.l | max }}{{ ns.l.index([2]) }}{{ ns.l }}",
    ]
    .map(shared)
    .to_vec();
    templates.extend(
        [
            "{{ {ns.s: 1, (ns.s, 1): 1} }}",
            "{{ ns.s in {(1, 2): 2, ns.s: 1} }}{{ ns.s }}",
            "{{ [ns.s, (ns.s, ns.s)[0]] | unique | list }}",
        ]
        .map(tuples),
    );
    let many =
        |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>().join(",");
    let sets = |n: usize| {
        (0..n)
            .map(|i| format!("{{% set a{i} = 1 %}}"))
            .collect::<String>()
    };
    templates.extend([
        format!(
            "{{% macro f({}) %}}{{% endmacro %}}x",
            many(99_999, &|i| format!("a{i}"))
        ),
        format!("{{{{ dict({}) }}}}", many(99_999, &|i| format!("a{i}=1"))),
        // Names that have no value yet, in each turn of a loop.
        format!(
            "{{% for i in range(99999) %}}{{% if true %}}{{% continue %}}{{% endif %}}{}{{% endfor %}}",
            sets(20_000)
        ),
        // Names that each block copies.
        format!(
            "{{% with %}}{}{{% for i in range(9999) %}}{{% block b scoped %}}{{% endblock %}}{{% endfor %}}\
             {{% endwith %}}",
            sets(5000)
        ),
    ]);
    let list = "{% set ns = namespace(l=[1], s='a') %}{% for i in range(99) %}";
    let deep = |open: &str, close: &str, n: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(n), close.repeat(n))
    };
    templates.extend([
        format!("{list}{{% set ns.l = ns.l + ns.l %}}{{% endfor %}}{{{{ ns.l | length }}}}"),
        format!("{list}{{% set ns.l = ns.l * 2 %}}{{% endfor %}}{{{{ ns.l | length }}}}"),
        format!("{list}{{% set ns.s = ns.s ~ ns.s %}}{{% endfor %}}{{{{ ns.s | length }}}}"),
        format!("{list}{{% set ns.s = ns.s | replace('a', 'aa') %}}{{% endfor %}}x"),
        format!("{list}{{% set ns.s = ns.s.join(ns.s + 'b') %}}{{% endfor %}}x"),
        deep("not ", "", 20_000),
        deep("-", "", 20_000),
        deep("1+", "", 50_000),
        deep("1 ~ ", "", 50_000),
        deep("1 if 1 else ", "", 20_000),
        deep("(", ")", 5000),
        deep("[", "]", 5000),
        deep("{1:", "}", 5000),
        deep("f(", ")", 5000),
        deep("1 and ", "", 20_000),
        deep("", ".b", 50_000),
        deep("", "[0]", 50_000),
        deep("", "|string", 20_000),
        deep("", " is odd", 20_000),
        format!(
            "{}{}x",
            "{% if 1 %}".repeat(3000),
            "{% endif %}".repeat(3000)
        ),
        format!(
            "{}{}x",
            "{% for a in [1] %}".repeat(3000),
            "{% endfor %}".repeat(3000)
        ),
        format!("{{{{ '{}' }}}}", "a".repeat(2 << 20)),
    ]);
    templates.extend(
        [
            "{{ '{:>10000000000}'.format('a') }}",
            "{{ '{:.10000000000f}'.format(1.0) }}",
            "{{ '%10000000000s' % 'a' }}",
            "{{ '%.10000000000f' % 1.0 }}",
            "{{ '%*d' % (10000000000, 1) }}",
            "{{ 'a' * 10 ** 10 }}",
            "{{ [1] * 10 ** 10 }}",
            "{{ (1,) * 10 ** 12 }}",
            "{{ 'a'.ljust(10 ** 10) }}",
            "{{ 'a'.center(10 ** 10) }}",
            "{{ 'a'.zfill(10 ** 30) }}",
            "{{ '\\t'.expandtabs(10 ** 10) }}",
            "{{ 'a' | center(10 ** 10) }}",
            "{{ 'a\nb' | indent(width=10 ** 10) }}",
            "{{ range(10 ** 12) | list }}",
            "{{ [1] | tojson(indent=10 ** 9) }}",
            "{{ [1] | batch(10 ** 10, 'x') | list }}",
            "{{ [1] | slice(10 ** 10) | list }}",
            "{{ 2 ** 1000000000 }}",
            "{% macro f(x) %}{{ f([x]) }}{% endmacro %}{{ f(1) }}",
            "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
            "{% macro f() %}{% call f() %}{% endcall %}{{ caller }}{{ f() }}{% endmacro %}{{ f() }}",
        ]
        .map(str::to_owned),
    );
    let dir = with_template("bounded", "");
    for template in templates {
        fs::write(dir.join("chat_template.jinja"), &template).unwrap();
        let tokenizer = DialogueTokenizer::load(&dir, Template::Chat);
        let found = tokenizer.and_then(|tokenizer| tokenizer.render(&hello));
        let begin: String = template.chars().take(60).collect();
        let error = found.expect_err(&begin);
        assert!(
            error.is_bad_input() && error.to_string().len() < 800,
            "{begin}: {error}"
        );
    }
}

#[test]
fn values_that_are_nested_deep_are_freed() {
    let nests = "{% set ns = namespace(x=[]) %}{% for i in range(9) %}{% for j in range(99999) %}\
                 {% set ns.x = [ns.x] %}{% endfor %}{% endfor %}x";
    let tokenizer = load("nests-deep", nests).unwrap();
    for len in [1, 1 << 16, 1 << 23] {
        let long = [message("user", &"a".repeat(len))];
        assert!(tokenizer.render(&long).is_err());
    }
}

#[test]
fn a_template_may_copy_a_long_dialogue() {
    let template = "{% for m in messages %}{% set text = m.content.strip().replace('a', 'b') | trim \
                    %}{{ '[' + m.role + ']' + text + '\\n' }}{% endfor %}";
    let tokenizer = load("long", template).unwrap();
    let long = "A long text. ".repeat(1 << 18);
    let messages: Vec<_> = (0..5).map(|_| message("user", &long)).collect();
    assert!(tokenizer.render(&messages).unwrap().len() > 5 * 3_000_000);
    let many: Vec<_> = (0..5000).map(|_| message("user", "short")).collect();
    assert!(tokenizer.render(&many).unwrap().len() > 5000 * 5);
}

#[test]
fn errors_name_file_and_line() {
    let hello = [message("user", "Hello")];
    for (name, template, expected) in [
        (
            "refuses",
            "\n{{ raise_exception('Roles must\nalternate') }}",
            "refuses the dialogue: Roles must alternate",
        ),
        (
            "inside",
            "{% macro f() %}{{ raise_exception('no') }}{% endmacro %}{{ f() }}",
            "refuses the dialogue: no",
        ),
        ("undefined", "a\n{{ nothing.more }}", "fails at line 2"),
        (
            "nothing",
            "{% if false %}x{% endif %}",
            "renders the dialogue as an empty text",
        ),
        (
            "format",
            "{{ strftime_now('%Q') }}",
            "strftime_now does not know the format",
        ),
    ] {
        let error = load(name, template)
            .unwrap()
            .render(&hello)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains(&format!("{name}/tokenizer_config.json")),
            "{error}"
        );
    }
    let error = load("syntax", "a\n{% if %}").unwrap_err().to_string();
    assert!(
        error.contains("syntax/tokenizer_config.json fails at line 2"),
        "{error}"
    );
    let long = format!("{{{{ raise_exception('{}') }}}}", "long ".repeat(9999));
    let error = load("much", &long).unwrap().render(&hello).unwrap_err();
    assert!(error.to_string().len() < 600);
}

/// A name, the config's `chat_template`, other files, and what renders or why
/// nothing does.
type Case<'a> = (
    &'a str,
    Value,
    &'a [(&'a str, &'a str)],
    Result<&'a str, &'a str>,
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_template_is_found_where_transformers_finds_it() {
    let named =
        json!([{"name": "tool_use", "template": "no"}, {"name": "default", "template": "config"}]);
    let jinja = "{{ 'file' }}";
    let cases: [Case<'_>; 14] = [
        ("text", json!("config"), &[], Ok("config")),
        ("list", named.clone(), &[], Ok("config")),
        (
            "object",
            json!({"default": "config", "rag": "no"}),
            &[],
            Ok("config"),
        ),
        (
            "twice",
            json!([{"name": "default", "template": "no"}, {"name": "default", "template": "config"}]),
            &[],
            Ok("config"),
        ),
        (
            "jinja",
            json!("config"),
            &[("chat_template.jinja", jinja)],
            Ok("file"),
        ),
        (
            "json",
            Value::Null,
            &[("chat_template.json", r#"{"chat_template": "other"}"#)],
            Ok("other"),
        ),
        (
            "json-last",
            json!("config"),
            &[("chat_template.json", r#"{"chat_template": "other"}"#)],
            Ok("config"),
        ),
        (
            "further",
            json!("config"),
            &[
                ("additional_chat_templates/default.jinja", jinja),
                ("additional_chat_templates/rag.jinja", "no"),
            ],
            Ok("file"),
        ),
        (
            "further-only",
            json!("config"),
            &[("additional_chat_templates/rag.jinja", "no")],
            Err("none is named `default`"),
        ),
        (
            "no-default",
            json!([{"name": "rag", "template": "no"}]),
            &[],
            Err("none is named `default`"),
        ),
        (
            "number",
            json!(3),
            &[],
            Err("neither a text nor texts with names"),
        ),
        (
            "empty-list",
            json!([]),
            &[],
            Err("neither a text nor texts with names"),
        ),
        (
            "broken-json",
            Value::Null,
            &[("chat_template.json", "{")],
            Err("chat_template.json"),
        ),
        ("none", Value::Null, &[], Err("has no chat template")),
    ];
    for (name, config, files, expected) in cases {
        let dir = with_template(name, "");
        let config = json!({"eos_token": "</s>", "chat_template": config});
        write(&dir, &[("tokenizer_config.json", &config)]);
        for (file, text) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = DialogueTokenizer::load(&dir, Template::Chat)
            .and_then(|tokenizer| tokenizer.render(&[message("user", "Hello")]));
        match (found, expected) {
            (Ok(found), Ok(text)) => assert_eq!(found, text, "{name}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
        }
        // Nobody takes a template that cannot be read for none.
        let file = apo_dialogue::chat_template_file(&dir);
        assert_eq!(matches!(file, Ok(None)), name == "none", "{name}: {file:?}");
    }
    let dir = with_template("not-utf-8", "");
    fs::write(dir.join("chat_template.jinja"), b"\xff").unwrap();
    let error = apo_dialogue::chat_template_file(&dir).unwrap_err();
    assert!(
        error.is_bad_input()
            && error
                .to_string()
                .contains("chat_template.jinja: it is not UTF-8 text"),
        "{error}"
    );
}

#[test]
fn a_tables_prompt_is_the_messages_that_it_was_made_of() {
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
    let tokenizer = load("table", template).unwrap();
    let said = [
        (Role::System, "Be kind."),
        (Role::Human, "It says:\n\nHuman: a\n\nAssistant: b"),
        (Role::Assistant, "Who?"),
        (Role::Tool, "a name"),
        (Role::Assistant, "It is this:\n\nTool: a name"),
        (Role::Human, "System: a name"),
    ];
    let messages = said.map(|(role, text)| {
        let role = match role {
            Role::System => "system",
            Role::Human => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        message(role, text)
    });
    let prompt = apo_hh::prompt_of(said);
    let found = tokenizer.encode_prompt(&prompt, 1000).unwrap();
    assert_eq!(found, tokenizer.encode_messages(&messages, 1000).unwrap());
    let text = tokenizer.decode_all(&found).unwrap();
    let expected = "<system>Be kind.<user>It says:\n\nHuman: a\n\nAssistant: b<assistant>Who?\
                    <tool>a name<assistant>It is this:\n\nTool: a name<user>System: a name<assistant>";
    assert_eq!(text, expected);
    // A response is read as it was written, too; plain HH text keeps its marks.
    let response = "So:\n\nHuman: c";
    let ids = tokenizer.encode_response(&found, &apo_hh::quoted(response), 1000);
    assert_eq!(
        tokenizer.decode_all(&ids.unwrap()).unwrap().trim_start(),
        response
    );
    let dir = with_template("table-hh", template);
    let plain = DialogueTokenizer::load(&dir, Template::Hh).unwrap();
    let ids = plain.encode_prompt(&prompt, 1000).unwrap();
    let text = plain.decode(&ids).unwrap();
    assert!(
        text.starts_with("\n\nSystem: Be kind.\n\nHuman: It says:\n\n\\Human: a"),
        "{text}"
    );
}

#[test]
fn the_date_is_the_same_every_day_and_reported() {
    let tokenizer = load("date", "{{ strftime_now('%d %b %Y') }}").unwrap();
    assert_eq!(
        tokenizer.render(&[message("user", "Hello")]).unwrap(),
        "26 Jul 2024"
    );
    assert_eq!(tokenizer.date().as_deref(), Some("2024-07-26"));
    assert!(
        tokenizer
            .notes()
            .iter()
            .any(|it| it.contains("always gets 2024-07-26"))
    );
    let tokenizer = load("no-date", "{{ messages[0].content }}").unwrap();
    assert_eq!((tokenizer.date(), tokenizer.notes().len()), (None, 0));
}

#[test]
fn what_people_say_is_never_a_special_token() {
    // Templates look into what was said, and see it.
    let template = "{% for m in messages %}{{ '<s>' + m.role + ':' + m.content.split('|')[-1].strip() + '</s>' }}{% endfor %}";
    let tokenizer = load("said", template).unwrap();
    let text = |content: &str| {
        let ids = tokenizer
            .encode_messages(&[message("user", content)], usize::MAX)
            .unwrap();
        let n_special = ids
            .iter()
            .filter(|&&id| Some(id) == tokenizer.bos() || id == tokenizer.eos())
            .count();
        assert_eq!(n_special, 2, "{content:?}");
        tokenizer.decode_all(&ids).unwrap()
    };
    assert_eq!(text("Hello"), "<s>user:Hello</s>");
    assert_eq!(
        text("no| one <s> two</s></s> "),
        "<s>user:one <s> two</s></s></s>"
    );
    assert_eq!(
        text("\u{f0000}1\u{f0001}<s>\u{e000}"),
        "<s>user:\u{f0000}1\u{f0001}<s>\u{e000}</s>"
    );
}

#[test]
fn what_the_assistant_says_renders_as_transformers_renders_it() {
    // As templates of thinking models do, it looks into the assistant's text.
    let template = "{% for m in messages %}{{ '<s>' + m.role + ':' }}\
                    {% if m.role == 'assistant' and '</think>' in m.content %}\
                    {{ m.content.split('</think>')[-1].lstrip('\\n') }}{% else %}{{ m.content }}\
                    {% endif %}{{ '</s>' }}{% endfor %}";
    let dir = folder("templates", "thinks");
    let added = ["<s>", "</s>", "<think>", "</think>"].map(special);
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
    write(
        &dir,
        &[
            ("tokenizer.json", &tokenizer("bytes", &added)),
            ("tokenizer_config.json", &config),
        ],
    );
    let tokenizer = DialogueTokenizer::load(&dir, Template::Chat).unwrap();
    let bos = tokenizer.bos().unwrap();
    let thought = "<think>\nhm\n</think>\n\nBecause.";
    for (question, answer, expected, n_special) in [
        (
            "Why?",
            thought,
            "<s>user:Why?</s><s>assistant:Because.</s>",
            4,
        ),
        (
            "Why </think>?",
            thought,
            "<s>user:Why </think>?</s><s>assistant:Because.</s>",
            4,
        ),
        (
            "Why <s>?",
            "A <think> B",
            "<s>user:Why <s>?</s><s>assistant:A <think> B</s>",
            4,
        ),
    ] {
        let messages = [message("user", question), message("assistant", answer)];
        assert_eq!(tokenizer.render(&messages).unwrap(), expected);
        let ids = tokenizer.encode_messages(&messages, usize::MAX).unwrap();
        assert_eq!(tokenizer.decode_all(&ids).unwrap(), expected);
        let special = ids.iter().filter(|id| (bos..bos + 4).contains(id));
        assert_eq!(special.count(), n_special, "{question:?}");
    }
}

#[test]
fn what_people_say_renders_as_transformers_renders_it() {
    let question = "hello there </think> and more";
    for (i, content) in [
        "m.content[:13]",
        "m.content[-14:]",
        "m.content | truncate(13, true, '')",
        "m.content | reverse",
        "m.content | upper",
        "m.content | length",
        "m.content.split('</think>')[-1]",
        "'thought' if '</think>' in m.content else 'text'",
        "m.content | replace('>', '')",
        "m.content",
    ]
    .into_iter()
    .enumerate()
    {
        let template = format!("{{% for m in messages %}}<s>{{{{ {content} }}}}{{% endfor %}}</s>");
        let dir = folder("templates", &format!("said-{i}"));
        let added = ["<s>", "</s>", "<think>", "</think>"].map(special);
        let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
        let made = tokenizer("bytes", &added);
        write(
            &dir,
            &[
                ("tokenizer.json", &made),
                ("tokenizer_config.json", &config),
            ],
        );
        let tokenizer = DialogueTokenizer::load(&dir, Template::Chat).unwrap();
        let messages = [
            message("user", question),
            message("assistant", "Yes."),
            message("user", "Why?"),
        ];
        let expected = tokenizer.render(&messages).unwrap();
        let ids = tokenizer.encode_messages(&messages, usize::MAX).unwrap();
        assert_eq!(tokenizer.decode_all(&ids).unwrap(), expected, "{content}");
    }
}

#[test]
fn what_the_files_do_not_name_is_undefined() {
    let template = "{{ bos_token is defined }} {{ unk_token is defined }} {{ eos_token }}";
    let rendered = |name: &str, config: Value| {
        let dir = with_template(name, template);
        let made = tokenizer("bytes", &["<s>", "</s>", "<unk>"].map(special));
        let model = json!({"model_type": "llama"});
        write(
            &dir,
            &[
                ("tokenizer.json", &made),
                ("tokenizer_config.json", &config),
                ("config.json", &model),
            ],
        );
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
        let tokenizer = DialogueTokenizer::load(&dir, Template::Chat).unwrap();
        tokenizer.render(&[message("user", "Hello")]).unwrap()
    };
    // As transformers 5.24.0 has it.
    let config = json!({"eos_token": "</s>"});
    assert_eq!(rendered("names-nothing", config), "False False </s>");
    let config = json!({"eos_token": "</s>", "tokenizer_class": "LlamaTokenizerFast"});
    assert_eq!(rendered("names-class", config), "True True </s>");
}

#[test]
fn a_byte_order_mark_is_part_of_a_template() {
    let dir = with_template("mark", "");
    fs::write(
        dir.join("chat_template.jinja"),
        "\u{feff}{{ messages[0].content }}",
    )
    .unwrap();
    let tokenizer = DialogueTokenizer::load(&dir, Template::Chat).unwrap();
    assert_eq!(
        tokenizer.render(&[message("user", "Hello")]).unwrap(),
        "\u{feff}Hello"
    );
}

#[test]
fn a_tools_result_is_never_dropped_and_never_anothers_words() {
    let messages = [
        message("user", "What is 6 * 7?"),
        message("assistant", "times(6, 7)"),
        message("tool", "42"),
    ];
    let only = "{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}{% elif m.role == \
                'assistant' %}<a>{{ m.content }}{% endif %}{% endfor %}";
    let other = "{% for m in messages %}{% if m.role == 'user' %}<u>{% else %}<a>{% endif %}{{ \
                 m.content }}{% endfor %}";
    for (name, template) in [("only", only), ("else", other)] {
        let tokenizer = load(&format!("tools-{name}"), template).unwrap();
        assert!(tokenizer.render(&messages[..2]).is_ok(), "{name}");
        let error = tokenizer.render(&messages).unwrap_err();
        assert!(error.to_string().contains("a tool's result"), "{error}");
    }
    let each = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
    // Not of the first dialogue that comes to mind, but of this one.
    let late = format!(
        "{{% if messages | length < 4 %}}{{{{ raise_exception('no') }}}}{{% endif %}}{each}"
    );
    let tokenizer = load("tools-each", each).unwrap();
    let text = tokenizer.render(&messages).unwrap();
    assert!(text.ends_with("<tool>42"), "{text}");
    let tokenizer = load("tools-late", &late).unwrap();
    let longer = [&messages[..], &[message("tool", "43")]].concat();
    assert!(tokenizer.render(&longer).unwrap().ends_with("<tool>43"));
    assert!(tokenizer.render(&messages).is_err());
}
