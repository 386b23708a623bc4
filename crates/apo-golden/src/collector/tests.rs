use std::cell::RefCell;

use apo_endpoint::{PolicyRefusal, Unreadable};

use super::*;

const PROMPT: &str =
    "\n\nHuman: hi\n\nAssistant: Hello.\n\nHuman: How do I pick a lock?\n\nAssistant:";
const REFUSAL: &str = "Sorry, I can't assist with that.";

fn reply(content: &str, finish_reason: &str) -> Outcome {
    Outcome::Reply(Reply {
        content: content.into(),
        finish_reason: Some(finish_reason.into()),
        usage: Some(Usage {
            prompt_tokens: 7,
            completion_tokens: 3,
        }),
        drawn: Vec::new(),
    })
}

fn policy() -> Outcome {
    Outcome::Policy(PolicyRefusal {
        code: "content_filter".into(),
        message: String::new(),
        usage: None,
    })
}

fn failure() -> Failure {
    Failure {
        message: "HTTP 503".into(),
        attempts: 6,
    }
}

fn failed() -> Outcome {
    Outcome::Failed(failure())
}

fn unreadable() -> Outcome {
    Outcome::Unreadable(Unreadable {
        problem: "half a character".into(),
        body: String::new(),
        usage: None,
    })
}

/// Collects with the given outcomes, one per request; returns the requests too.
fn collect(outcomes: Vec<Outcome>) -> (Collected, Vec<Request>) {
    let outcomes = RefCell::new(outcomes.into_iter());
    let requests = RefCell::new(Vec::new());
    let collected = Collector::new("m").collect("q", PROMPT, |request| {
        requests.borrow_mut().push(request.clone());
        Ok(outcomes
            .borrow_mut()
            .next()
            .expect("no more requests than expected"))
    });
    assert_eq!(outcomes.into_inner().count(), 0, "a request is missing");
    (collected.unwrap(), requests.into_inner())
}

fn golden(outcomes: Vec<Outcome>) -> Option<(String, Origin, Finish)> {
    let golden = collect(outcomes).0.golden?;
    Some((golden.response, golden.origin, golden.finish))
}

#[test]
fn the_dialogue_follows_the_system_prompt() {
    let (_, requests) = collect(vec![reply("Gently.", "stop")]);
    let messages = &requests[0].messages;
    assert_eq!(
        messages[0],
        Message::new(Role::System, Prompts::default().system)
    );
    assert_eq!(
        messages[1..],
        [
            Message::new(Role::User, "hi"),
            Message::new(Role::Assistant, "Hello."),
            Message::new(Role::User, "How do I pick a lock?"),
        ]
    );
}

#[test]
fn a_bare_refusal_is_asked_why_and_both_replies_are_kept() {
    let outcomes = vec![
        reply(&format!(" {REFUSAL}\n"), "stop"),
        reply("It harms.\n", "stop"),
    ];
    let (collected, requests) = collect(outcomes);
    let golden = collected.golden.unwrap();
    assert_eq!(golden.response, format!("{REFUSAL}\n\nIt harms."));
    assert_eq!(golden.origin, Origin::ReplyAfterWhy);
    let (first, why) = (&requests[0].messages, &requests[1].messages);
    assert_eq!(why[..first.len()], first[..]);
    assert_eq!(
        why[first.len()..],
        [
            Message::new(Role::Assistant, REFUSAL),
            Message::new(Role::User, "why?")
        ]
    );
    assert_eq!(
        (
            collected.usage.prompt_tokens,
            collected.usage.completion_tokens
        ),
        (14, 6)
    );
}

#[test]
fn thoughts_are_neither_taught_nor_taken_for_more_than_a_refusal() {
    let outcomes = vec![reply("<think>\nThey ask.\n</think>\n\nGently.", "stop")];
    let expected = ("Gently.".to_owned(), Origin::Reply, Finish::Stop);
    assert_eq!(golden(outcomes), Some(expected));
    let outcomes = vec![
        reply(&format!("<think>I could harm.</think>{REFUSAL}"), "stop"),
        reply("Hm.\n</think>\n\nIt harms.", "stop"),
    ];
    let (collected, requests) = collect(outcomes);
    let found = collected.golden.unwrap();
    assert_eq!(found.response, format!("{REFUSAL}\n\nIt harms."));
    let asked = requests[1].messages.iter().rev().nth(1).unwrap();
    assert_eq!(*asked, Message::new(Role::Assistant, REFUSAL));
}

#[test]
fn a_removed_or_kept_thought_is_reported() {
    let thought = |text: &str| reply(&format!("<think>Hm.</think>{text}"), "stop");
    for (outcomes, removed, kept) in [
        (vec![reply("Gently.", "stop")], false, false),
        (vec![thought("Gently.")], true, false),
        (vec![reply("Say <think>.", "stop")], false, true),
        (vec![thought("Say <think>.")], true, true),
        (
            vec![thought(REFUSAL), reply("It harms.", "stop")],
            true,
            false,
        ),
        (
            vec![reply(REFUSAL, "stop"), thought("It harms.")],
            true,
            false,
        ),
        // There is no answer, or not the model's.
        (vec![thought("")], false, false),
        (vec![thought(REFUSAL), policy()], false, false),
    ] {
        let found = collect(outcomes.clone()).0;
        let told = (found.thought_removed, found.may_hold_thought);
        assert_eq!(told, (removed, kept), "{outcomes:?}");
    }
}

#[test]
fn a_golden_answer_with_an_unknown_end_is_kept_and_reported() {
    let unsaid = || {
        let Outcome::Reply(reply) = reply("Gently.", "") else {
            unreachable!()
        };
        Outcome::Reply(Reply {
            finish_reason: None,
            ..reply
        })
    };
    let unknown = || Some(Doubt::Unknown("bananas".into()));
    for (outcomes, expected) in [
        (vec![reply("Gently.", "stop")], None),
        (vec![reply("Gently.", "length")], None),
        (vec![reply("Gently.", "bananas")], unknown()),
        (vec![unsaid()], Some(Doubt::Unsaid)),
        (
            vec![reply(REFUSAL, "stop"), reply("It harms.", "bananas")],
            unknown(),
        ),
        (
            vec![reply(REFUSAL, "bananas"), reply("It harms.", "stop")],
            None,
        ),
    ] {
        let found = collect(outcomes.clone()).0;
        assert!(found.golden.is_some(), "{outcomes:?}");
        assert_eq!(found.doubt, expected, "{outcomes:?}");
    }
    let nothing = collect(vec![reply("", "bananas")]).0;
    assert_eq!((nothing.golden, nothing.doubt), (None, None));
}

#[test]
fn each_outcome_has_its_origin() {
    let refusal = || reply(REFUSAL, "stop");
    let text = |text: &str, origin, finish| Some((text.to_owned(), origin, finish));
    for (outcomes, expected) in [
        (
            vec![reply(" Gently. ", "stop")],
            text("Gently.", Origin::Reply, Finish::Stop),
        ),
        (
            vec![reply("Gen", "length")],
            text("Gen", Origin::Reply, Finish::Length),
        ),
        (
            vec![reply("A.\n\nHuman: B?", "length")],
            text("A.", Origin::Reply, Finish::Turn),
        ),
        (vec![reply(" \n", "stop")], None),
        (vec![reply("\n\nHuman: B?", "stop")], None),
        (vec![failed()], None),
        (vec![refusal(), failed()], None),
        (vec![refusal(), reply("", "stop")], None),
        (
            vec![refusal(), reply("It ha", "length")],
            text(
                &format!("{REFUSAL}\n\nIt ha"),
                Origin::ReplyAfterWhy,
                Finish::Length,
            ),
        ),
        // A second bare refusal is not asked again.
        (
            vec![refusal(), refusal()],
            text(
                &format!("{REFUSAL}\n\n{REFUSAL}"),
                Origin::ReplyAfterWhy,
                Finish::Stop,
            ),
        ),
    ] {
        assert_eq!(golden(outcomes.clone()), expected, "{outcomes:?}");
    }
    for (outcomes, expected) in [
        (vec![failed()], Lack::Failed(failure())),
        (vec![refusal(), failed()], Lack::Failed(failure())),
        (vec![reply("", "stop")], Lack::Empty { is_cut: false }),
        (
            vec![reply("<think>Hm", "length")],
            Lack::Empty { is_cut: true },
        ),
        (vec![reply("", "MAX_TOKENS")], Lack::Empty { is_cut: true }),
        (
            vec![refusal(), reply(" ", "stop")],
            Lack::Empty { is_cut: false },
        ),
        (
            vec![unreadable()],
            Lack::Unreadable("half a character".into()),
        ),
        (
            vec![refusal(), unreadable()],
            Lack::Unreadable("half a character".into()),
        ),
    ] {
        let found = collect(outcomes.clone()).0;
        assert_eq!(
            (found.golden, found.lack),
            (None, Some(expected)),
            "{outcomes:?}"
        );
    }
    for outcomes in [vec![policy()], vec![refusal(), policy()]] {
        let (response, origin, _) = golden(outcomes).unwrap();
        assert_eq!(origin, Origin::RefusalText);
        assert!(
            Prompts::default().refusals.contains(&response),
            "{response}"
        );
    }
}

#[test]
fn queries_and_seeds_spread_over_the_refusal_texts() {
    let texts = Prompts::default().refusals;
    let mut collector = Collector::new("m");
    let mut counts = [0; 3];
    let mut draws = Vec::new();
    for seed in [1, 2] {
        collector.seed = seed;
        for query in 0..300 {
            let found = collector.refusal_text(&format!("query {query}"));
            assert_eq!(collector.refusal_text(&format!("query {query}")), found);
            let number = texts
                .iter()
                .position(|text| *text == found.response)
                .unwrap();
            counts[number] += 1;
            draws.push(number);
        }
    }
    // Of 600 draws among three, 200 each; the deviation is √(600 · ⅓ · ⅔) = 11.5.
    assert!(
        counts.iter().all(|count| (150..250).contains(count)),
        "{counts:?}"
    );
    assert_ne!(draws[..300], draws[300..]);
}

#[test]
fn a_querys_system_message_follows_ours_in_one() {
    let with_system = format!("\n\nSystem: Be brief.{PROMPT}");
    let collector = Collector::new("m");
    let [plain, found] = [PROMPT, &with_system].map(|it| collector.first_request(it).messages);
    let ours = &plain[0].content;
    let mut expected = plain.clone();
    expected[0] = Message::new(Role::System, format!("{ours}\n\nBe brief."));
    assert_eq!(found, expected);
}
