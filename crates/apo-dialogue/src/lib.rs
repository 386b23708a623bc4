//! HH dialogues, chat templates, tokens, and the boundary between prompt and response.
