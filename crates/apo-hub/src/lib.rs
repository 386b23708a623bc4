//! Models and data sets by their names on Hugging Face's hub.
//!
//! A [`Hub`] turns a [`Name`] such as `owner/name@revision` into files on the disk: in
//! the cache that Hugging Face's own programs use, with their layout and their locks.
//! What is there already is not fetched again. A file gets its place in the cache once
//! its digest is the one that the hub lists, and a snapshot is there only with all of
//! its files.
//!
//! | What | Here |
//! |---|---|
//! | `owner/name@revision`, and what is a path instead | [`Name`], [`named`] |
//! | the variables of the environment | [`Settings`] |
//! | one request: redirects, token, proxies | `web` |
//! | what the hub lists of a repository | `listing` |
//! | one file: resumed, checked | `download` |
//! | folders, locks and links of the cache | `cache` |
//! | which files make a model | `model` |
//! | which files make a part of a data set | `data` |
//! | what a program learns of a download | [`Watch`] |
//! | what is asked for, how often, and what refusals mean | `hub::requests` |
//! | all of it together | [`Hub`] |
//!
//! The crate `hf-hub` is not used. Its version 1.0 checks no digests, keeps the page of an
//! error as a file's content if the hub fails between two requests, begins a download that
//! was cut again from nothing, waits for ever on a connection that stalls, gives up after
//! ten seconds while another process downloads the same file, and does not know
//! `HF_HUB_OFFLINE`. Version 0.5 also sends the token to the hosts that the hub redirects
//! to.

mod address;
mod cache;
mod data;
mod digest;
mod download;
mod error;
mod hub;
mod listing;
mod model;
mod name;
mod settings;
mod token;
mod watch;
mod web;

pub use data::{Data, Usual};
pub use error::{HubError, Kind};
pub use hub::Hub;
pub use name::{Name, Wanted, named, wanted};
pub use settings::Settings;
pub use token::Token;
pub use watch::Watch;
