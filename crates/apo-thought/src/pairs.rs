//! Special tokens that enclose something together.

/// Tokens that enclose something together. A text with the first one mentions the
/// second.
pub(crate) const PAIRS: &[(&str, &str)] = &[
    ("<s>", "</s>"),
    ("[inst]", "[/inst]"),
    ("<bos>", "<eos>"),
    ("<start_of_turn>", "<end_of_turn>"),
    ("<|turn>", "<turn|>"),
    ("<|im_start|>", "<|im_end|>"),
    ("<|begin_of_text|>", "<|end_of_text|>"),
    ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|begin_of_box|>", "<|end_of_box|>"),
];

/// The places of the first tokens of pairs in a text.
pub(crate) struct Partners(Vec<Option<usize>>);

impl Partners {
    /// Returns those from a place of the text on.
    pub(crate) fn of(text: &str, from: usize) -> Self {
        let lower = text.to_ascii_lowercase();
        let places = PAIRS
            .iter()
            .map(|(opening, _)| partner(&lower, opening, from));
        Self(places.collect())
    }

    /// Whether the partner of the token at this place is before it.
    pub(crate) fn has(&self, at: usize, token: &str) -> bool {
        let mut pairs = PAIRS.iter().zip(&self.0);
        let pair = pairs.find(|it| it.0.1.eq_ignore_ascii_case(token));
        pair.is_some_and(|it| it.1.is_some_and(|opening| opening < at))
    }
}

/// Returns the place of the first of such opening tokens in a text in lower case, from
/// a place on. A tag may have attributes: `<s class="old">`.
pub(crate) fn partner(lower: &str, opening: &str, from: usize) -> Option<usize> {
    let rest = &lower[from..];
    let plain = rest.find(opening);
    let name = opening.strip_suffix('>').filter(|it| !it.ends_with('|'));
    let with_attributes = name.and_then(|name| {
        let mut places = rest.match_indices(name);
        let found = places.find(|(at, _)| {
            let inside = &rest[at + name.len()..];
            inside.starts_with(char::is_whitespace)
                && inside
                    .find(['<', '>'])
                    .is_some_and(|end| inside[end..].starts_with('>'))
        });
        found.map(|it| it.0)
    });
    let first = plain.into_iter().chain(with_attributes).min();
    first.map(|at| from + at)
}

/// Returns the token that closes what such a token opens.
pub(crate) fn closing_of(opening: &str) -> Option<&'static str> {
    PAIRS.iter().find(|it| it.0 == opening).map(|it| it.1)
}
