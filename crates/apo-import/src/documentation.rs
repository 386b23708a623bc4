//! The part of the page TABLES.md that documents other people's files.

use crate::extra::ORIGIN;
use crate::forms::{ASKED, CONTEXT, FORMS, MEDIA, SYSTEM};

/// Documents the forms of rows in other people's files, in Markdown.
pub fn documentation() -> String {
    let mut page = String::from(
        "\n# Other people's files\n\n`.jsonl`, `.json` (a list, or one record per line), both also \
         gzipped, and `.parquet`. Only the columns named here are read. A row has one of these \
         forms; if it has the fields of several, the first form in the list is used, and the first \
         of several names. A field that is null, or Python's NaN, counts as absent.\n",
    );
    for (name, forms) in FORMS {
        page += &format!("\n## {name}\n\n");
        for (i, form) in forms.iter().enumerate() {
            page += &format!("{}. {form}\n", i + 1);
        }
    }
    page += &messages_and_columns();
    page
}

/// Describes what happens to messages, and to columns that no form reads.
fn messages_and_columns() -> String {
    let names = |names: &[&str]| format!("`{}`", names.join("`, `"));
    format!(
        "\nA message has `role` and `content` (or `from` and `value`); its content is a text or a \
         list of text parts. Messages may also be JSON in a text; if only one of two responses \
         looks like that, it is taken for a text. Consecutive messages of one speaker become one \
         turn. `history` (pairs of texts, or messages) holds the turns before the prompt.\n\n\
         Responses may be whole dialogues of `Human:` and `Assistant:` turns, with or without a \
         `prompt`: their common beginning is cut off, and must be the prompt. If both responses \
         repeat a `prompt` that is not such a dialogue, the row is rejected (`repeats_prompt`), \
         because it is not clear where the prompt ends in them.\n\n\
         Prompts are plain text, dialogues in HH's form, or messages. A prompt or response that \
         another program rendered (ChatML, `[INST]`, `<|user|>`, `### Instruction:` with \
         `### Response:`, `USER:` with `ASSISTANT:`, HH's markers after a single line break) is \
         rejected (`rendered`): it begins with the format's mark and ends where the assistant is to \
         answer, or with the end of a turn. So is one that ends within the assistant's answer, if \
         a token that ends a turn or begins a text, or a known preamble, shows that it was rendered. \
         Special tokens around a response, such as \
         `<|im_start|>assistant`, `</s>` and `<|im_end|>`, are removed, counted, and reported: \
         training adds the model's own. Those that a sentence may mention stay. An `input` of \
         `<noinput>` or `nan` counts as none.\n\n\
         ## Other columns\n\n\
         - System and developer messages and the columns {} are part of the query: its prompt \
         begins with them, after `System:`. The same question under two system messages is two \
         queries\n\
         - Results of tools (the roles `tool`, `observation` and the like) are turns of the \
         query, after `Tool:`, between two of the assistant. `hh-split --tools-for \
         DIR` keeps such rows if the chat template of that model renders them; otherwise they are \
         rejected (`tool_turn`). So are calls in fields such as `tool_calls`, which each template writes \
         in its own way; a call that is text stays text\n\
         - {} are part of a query, but the tables cannot hold them: such rows are kept without \
         them, counted, and reported. When the same query appears again with different ones, the \
         later row is rejected (`other_context`)\n\
         - {}: the query that the row's form reads must contain their text, or else the row is \
         rejected (`other_query`)\n\
         - {}: rows in which they are filled are rejected (`not_text`)\n\
         - {}: not read\n\
         - Scores of the two responses, such as `score_chosen` and `score_rejected`, `chosen_avg_rating` and \
         `rejected_avg_rating`, `reward_margin`, a list of two in `score`, `label`, `is_swapped`: \
         rows are rejected if they prefer the rejected response (`other_score`)\n\
         - All other columns are named once, in a warning, and not used\n\n\
         Also rejected: images in messages (`not_text`), unknown roles (`unknown_role`), empty messages (`empty_message`), queries \
         that end with the assistant's message (`assistant_last`), lone surrogates \
         (`lone_surrogate`), plain texts that are no dialogue, but contain HH's markers \
         (`quotes_a_turn`; in messages markers are quoted), equal scores \
         (`same_score`) and scores that prefer the rejected response (`other_score`). \
         `rejects.parquet` says what is wrong with each row.\n",
        names(SYSTEM),
        names(CONTEXT),
        names(ASKED),
        names(MEDIA),
        names(ORIGIN),
    )
}
