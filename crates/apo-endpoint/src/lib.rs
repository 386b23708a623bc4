//! A chat endpoint with journal, retries and limits.
