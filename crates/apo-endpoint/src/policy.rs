//! How servers say that their content policy refuses a request.
//!
//! They use a code, a type or a finish reason, fields of their own, or only a
//! sentence. Codes and fields are certain; a sentence counts only if the status
//! fits it and it is not about a key or an account.

use serde_json::Value;

/// Parts of the codes, types and reasons of policy refusals, without punctuation
/// and in lower case.
const NAMES: &[&str] = &[
    "contentfilter",
    "contentpolicy",
    "contentmanagementpolicy",
    "contentmoderation",
    "contentblocked",
    "contentviolation",
    "contentsafety",
    "contentexistsrisk",
    "policyviolation",
    "moderationblocked",
    "moderationerror",
    "moderated",
    "datainspection",
    "responsibleai",
    "safety",
    "prohibitedcontent",
    "blocklist",
    "recitation",
    "spii",
    "sensitive",
    "guardrail",
    "censorship",
    "censored",
    "refusal",
    "errortoxic",
    "inappropriate",
    "riskdetection",
    "invalidprompt",
    "jailbreak",
    "flagged",
    "usagepolicy",
    "unsafecontent",
];

/// Codes and types that count only as a whole.
const WHOLE_NAMES: &[&str] = &["moderation", "blocked", "nsfw"];

/// Codes that are numbers, of three Chinese providers.
const NUMBERS: &[u64] = &[1301, 1026, 1027, 10_013, 10_014, 10_019];

/// Parts of sentences that are enough to recognise a policy refusal.
const SURE: &[&str] = &[
    "content exists risk",
    "considered high risk",
    "contentpolicyviolation",
    "data_inspection_failed",
    "datainspectionfailed",
    "responsibleaipolicyviolation",
    "requires moderation",
    "for safety reasons",
    "敏感",
    "不安全",
    "违规",
];

/// What is violated, or why a text is caught. One of [`ACTS`] must be in the
/// sentence too: alone, this may be part of a prompt that an error repeats.
const TOPICS: &[&str] = &[
    "content policy",
    "content management policy",
    "usage policy",
    "usage policies",
    "usage guidelines",
    "content guidelines",
    "safety system",
    "safety guidelines",
    "safety filter",
    "safety policy",
    "safety policies",
    "safety check",
    "content safety",
    "content filter",
    "moderation",
    "guardrail",
    "nsfw",
    "sensitive word",
    "inappropriate content",
    "sensitive content",
    "unsafe content",
    "harmful content",
    "prohibited content",
];

const ACTS: &[&str] = &[
    "violat",
    "flagged",
    "blocked",
    "rejected",
    "refused",
    "declined",
    "filtered",
    "not allowed",
    "disallowed",
    "trigger",
    "may contain",
    "might contain",
    "detected",
];

/// What a server says if it passes on a refusal as its own fault: it names a
/// policy, and says that a text is caught.
const POLICIES: &[&str] = &[
    "content policy",
    "content management policy",
    "moderation policy",
    "usage policy",
    "usage policies",
    "safety policy",
    "safety policies",
];
const BREACHES: &[&str] = &["violat", "flagged", "blocked", "filtered", "trigger"];

/// What a service says if it fails and has judged no text.
const OUTAGES: &[&str] = &[
    "unavailable",
    "timeout",
    "timed out",
    "failed to",
    "could not",
    "connect",
];

/// What is caught, and how. A firewall blocks requests too, but does not flag
/// them.
const TEXTS: &[&str] = &["input", "prompt", "content", "response", "completion"];
const CAUGHT: &[&str] = &["flagged", "blocked"];
const FLAGGED: &[&str] = &["flagged"];
const REQUESTS: &[&str] = &[
    "request",
    "message",
    "query",
    "text",
    "output",
    "generation",
    "conversation",
    "violat",
];

/// What a sentence is about if it is not about a text.
const NOT_TEXTS: &[&str] = &[
    "account",
    "api key",
    "api-key",
    "api_key",
    "apikey",
    "organization",
    "organisation",
    "billing",
    "subscription",
    "quota",
    "credential",
    "your key",
    "this key",
    "access token",
    "suspicious",
    "unusual activity",
    "fraud",
    "vpn",
    "country",
    "region",
    "ip address",
    "permission to access",
    "not have permission",
    "not have access",
    "access denied",
    "firewall",
    "cloudflare",
    "administrator",
    "your network",
    "web filter",
    "website",
];

/// Whether a code, type or reason names a content policy.
pub(crate) fn names_policy(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    // Such as API_KEY_FLAGGED.
    if ["apikey", "account", "ipaddress", "country", "region"]
        .iter()
        .any(|it| name.contains(it))
    {
        return false;
    }
    let is_number = name.parse().is_ok_and(|number| NUMBERS.contains(&number));
    is_number || WHOLE_NAMES.contains(&&*name) || is_name(&name)
}

/// Whether a name, without punctuation and in lower case, is one of a content
/// policy.
pub(crate) fn is_name(name: &str) -> bool {
    NAMES.iter().any(|it| name.contains(it))
}

/// Whether a sentence says that a content policy refuses a text.
pub(crate) fn describes_refusal(message: &str) -> bool {
    let message = message.to_lowercase();
    let own = unquoted(&message);
    let says = |parts: &[&str]| parts.iter().any(|it| own.contains(it));
    let is_sure = SURE.iter().any(|it| message.contains(it));
    let is_policy = is_sure
        || (says(TOPICS) && says(ACTS))
        || (says(TEXTS) && says(CAUGHT))
        || (says(REQUESTS) && says(FLAGGED));
    is_policy && !says(NOT_TEXTS)
}

/// Whether a sentence says so clearly that a content policy refuses a text that it
/// counts even with the status of a server's own fault.
pub(crate) fn clearly_describes_refusal(message: &str) -> bool {
    let lower = message.to_lowercase();
    let own = unquoted(&lower);
    let says = |parts: &[&str]| parts.iter().any(|it| own.contains(it));
    let is_sure = says(SURE) || (says(POLICIES) && says(BREACHES));
    is_sure && !says(OUTAGES) && !says(NOT_TEXTS)
}

/// Returns a message without its quotations, which may be part of a prompt.
fn unquoted(message: &str) -> String {
    let mut found = String::new();
    let mut rest = message;
    let is_mark = |c: char| matches!(c, '"' | '`' | '\'' | '“');
    while let Some((at, mark)) = rest.char_indices().find(|it| is_mark(it.1)) {
        let before = &rest[..at];
        found += before;
        let inside = &rest[at + mark.len_utf8()..];
        let end = if mark == '“' { '”' } else { mark };
        // An apostrophe follows a letter.
        let opens = mark != '\'' || !before.ends_with(char::is_alphanumeric);
        if let Some(length) = inside.find(end).filter(|_| opens) {
            rest = &inside[length + end.len_utf8()..];
        } else {
            found.push(mark);
            rest = inside;
        }
    }
    found + rest
}

/// Returns what a body says about a content policy in fields other than codes.
pub(crate) fn field(json: &Value) -> Option<String> {
    let filled = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => false,
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let error = &json["error"];
    for (holder, name) in [
        // OpenRouter's moderation.
        (&error["metadata"], "reasons"),
        (&error["metadata"], "flagged_input"),
        // Gemini's.
        (&json["promptFeedback"], "blockReason"),
        (&json["prompt_feedback"], "block_reason"),
        // Zhipu's, next to its error.
        (json, "contentFilter"),
        (error, "contentFilter"),
    ] {
        if filled(&holder[name]) {
            return Some(format!("{name}: {}", text(&holder[name])));
        }
    }
    // MiniMax'.
    for name in ["input_sensitive", "output_sensitive"] {
        if json[name] == Value::Bool(true) {
            return Some(name.to_owned());
        }
    }
    is_filtered(json).then(|| "content_filter_results".to_owned())
}

/// Whether one of Azure's filters caught the prompt or the reply.
fn is_filtered(json: &Value) -> bool {
    let prompts = json["prompt_filter_results"].as_array();
    let prompts = prompts.into_iter().flatten();
    let results = prompts.map(|it| &it["content_filter_results"]);
    let inner = &json["error"]["innererror"];
    let own = [
        &json["choices"][0]["content_filter_results"],
        &inner["content_filter_result"],
        &inner["content_filter_results"],
    ];
    results.chain(own).any(|result| {
        let filters = result.as_object().into_iter().flat_map(|it| it.values());
        filters
            .into_iter()
            .any(|filter| filter["filtered"] == Value::Bool(true))
    })
}
