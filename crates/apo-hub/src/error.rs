//! Why a model or a data set cannot be had from the hub.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use apo_endpoint::EndpointError;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// A data set.
    DataSet,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::DataSet => "data set",
        })
    }
}

/// Why a model or a data set cannot be had from the hub. No message shows the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub's address is malformed.
    #[error("HF_ENDPOINT is not an address: {problem}; expected one like https://huggingface.co")]
    BadEndpoint {
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The token cannot be sent. It is not shown.
    #[error(
        "the token in {from} contains white space or characters outside ASCII; set it to the token \
         alone"
    )]
    BadToken {
        /// The variable or file that holds it.
        from: String,
    },

    /// No variable says where the cache is.
    #[error("there is no place for the cache: set HF_HOME to a folder (or HOME)")]
    NoHome,

    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] EndpointError),

    /// The text may be a mistyped path.
    #[error(
        "there is no `{name}` here, and since there is a folder `{owner}`, the hub is not asked; to \
         take it from the hub, write {name}@main"
    )]
    LocalFolder {
        /// The text.
        name: String,
        /// Its first part, which is a folder.
        owner: String,
    },

    /// There is no such repository, or it is private.
    #[error("`{name}` is neither a path here nor a {kind} on the hub ({endpoint}); {}", match has_token {
        true => "check its name; if it is private, the token's account must have access",
        false => "check its name, or set HF_TOKEN if it is private",
    })]
    Missing {
        /// The name.
        name: String,
        /// What it should be.
        kind: Kind,
        /// The hub's address.
        endpoint: String,
        /// Whether a token was sent.
        has_token: bool,
    },

    /// The repository's owner decides who gets it.
    #[error("`{name}` is gated: ask for access at {page}{}", match has_token {
        true => "; the account of the token has none yet",
        false => ", and set HF_TOKEN to a token of the account that has it",
    })]
    Gated {
        /// The name.
        name: String,
        /// The page on which to ask.
        page: String,
        /// Whether a token was sent.
        has_token: bool,
    },

    /// The hub does not know the token.
    #[error(
        "the hub does not accept the token ({message}): set HF_TOKEN to a valid one, or leave it out \
         for public repositories"
    )]
    InvalidToken {
        /// The status, and what the hub says.
        message: String,
    },

    /// The hub refuses the request.
    #[error("the hub refuses `{name}`: {message}")]
    Refused {
        /// The name.
        name: String,
        /// The status, and what the hub says.
        message: String,
    },

    /// The repository has no such revision.
    #[error("`{name}` on the hub has no branch, tag or commit `{revision}`")]
    NoRevision {
        /// The repository.
        name: String,
        /// The revision.
        revision: String,
    },

    /// What the repository holds cannot be used.
    #[error("`{name}` on the hub {problem}")]
    Unsuitable {
        /// The name.
        name: String,
        /// What it lacks, or what else it is, and what to do.
        problem: String,
    },

    /// Nothing may be asked, and the cache does not have it.
    #[error(
        "HF_HUB_OFFLINE is set, and the copy of `{name}` in the cache ({}) {problem}; run the same \
         command once without HF_HUB_OFFLINE", cache.display()
    )]
    NotInCache {
        /// The name.
        name: String,
        /// The cache's folder.
        cache: PathBuf,
        /// What it lacks, with a verb.
        problem: String,
    },

    /// The hub gave no answer that can be used.
    #[error("`{name}` is no path here, and asking the hub failed: {problem}; {}", match is_cached {
        true => "HF_HUB_OFFLINE=1 takes the copy in the cache",
        false => "run the same command again later, and it goes on from there",
    })]
    Unreached {
        /// The name.
        name: String,
        /// What the last attempt met.
        problem: String,
        /// Whether the cache has all of it.
        is_cached: bool,
    },

    /// The hub wants a longer pause than is worth waiting.
    #[error(
        "the hub asks for a pause of {} s, and at most {} s are waited; run the same command again \
         later",
        pause.as_secs(),
        longest.as_secs()
    )]
    LongPause {
        /// How long.
        pause: Duration,
        /// How long a pause may be.
        longest: Duration,
    },

    /// A file is not the one that the hub lists. It is not kept.
    #[error(
        "`{file}` of `{name}` came damaged: {problem}. It is removed; run the same command again"
    )]
    Damaged {
        /// The name.
        name: String,
        /// The file.
        file: String,
        /// How it differs.
        problem: String,
    },

    /// The hub's list of a repository's files cannot be understood.
    #[error("the hub's list of the files of `{name}` cannot be used: {problem}; check HF_ENDPOINT")]
    Listing {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A file of the cache, or the token's, cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Cache {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The caller wants to stop.
    #[error("stopped")]
    Stopped,
}

impl HubError {
    /// Whether the command or the environment is at fault, rather than the network, the
    /// hub or the machine.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::BadEndpoint { .. }
            | Self::BadToken { .. }
            | Self::NoHome
            | Self::Proxy(_)
            | Self::LocalFolder { .. }
            | Self::Missing { .. }
            | Self::Gated { .. }
            | Self::InvalidToken { .. }
            | Self::Refused { .. }
            | Self::NoRevision { .. }
            | Self::Unsuitable { .. }
            | Self::NotInCache { .. } => true,
            Self::Unreached { .. }
            | Self::LongPause { .. }
            | Self::Damaged { .. }
            | Self::Listing { .. }
            | Self::Cache { .. }
            | Self::Stopped => false,
        }
    }
}
