//! What a program learns of a download while it goes on.

/// Follows a download, and may stop it.
pub trait Watch {
    /// So many bytes of `name` are missing in the cache.
    fn started(&mut self, name: &str, bytes: u64);
    /// So many more bytes of them are there.
    fn advanced(&mut self, bytes: u64);
    /// Something that a user should know happened.
    fn note(&mut self, text: &str);
    /// What follows may be other than the user expects.
    fn warn(&mut self, text: &str);
    /// Whether to stop. What has come is kept for the next time.
    fn is_stopped(&self) -> bool;
}
