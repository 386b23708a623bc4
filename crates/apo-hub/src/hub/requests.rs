//! What the hub is asked for: lists of files, and the files that the cache lacks; how
//! often, and what its refusals mean.

use std::process;
use std::time::Instant;

use apo_endpoint::{Schedule, sleep_until};

use super::{Asked, Hub};
use crate::address::{encoded, encoded_path};
use crate::download::{Download, Obstacle};
use crate::error::{HubError, Kind};
use crate::listing::{Listed, Listing};
use crate::name::Name;
use crate::watch::Watch;
use crate::web::Answer;

/// The most attempts at the first request: without a network, that is told soon.
const FIRST_ATTEMPTS: u32 = 3;

/// The most bytes of a list of files.
const MOST_LISTING: usize = 64 << 20;

/// The most characters of what the hub says that are shown.
const MOST_SAID: usize = 300;

impl Hub {
    /// Asks for a revision's commit and files. Also returns the answer itself.
    pub(super) fn listing(
        &self,
        asked: &Asked<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(Listing, Vec<u8>), HubError> {
        let kind = match asked.kind {
            Kind::Model => "models",
            Kind::DataSet => "datasets",
        };
        let Name { repository, .. } = asked.name;
        let revision = encoded(asked.name.revision());
        let hub = &self.endpoint;
        let url = format!("{hub}/api/{kind}/{repository}/revision/{revision}?blobs=true");
        let most = self.settings.attempts.min(FIRST_ATTEMPTS);
        let body = self.attempts(asked.name, most, watch, |watch| {
            let stops = || watch.is_stopped();
            let answer = self.web.get(&url, 0, &stops)?;
            match answer.status {
                200 => {}
                401 | 404 => return Err(self.absent(asked, &answer)),
                _ => return Err(self.refusal(asked, &answer)),
            }
            Ok(answer.whole(MOST_LISTING, &stops)?)
        })?;
        let listing = Listing::read(&body, asked.name.revision());
        let listing = listing.map_err(|problem| HubError::Listing {
            name: asked.name.to_string(),
            problem: self.web.redact(&problem),
        })?;
        Ok((listing, body))
    }

    /// Brings a file's content into the cache, unless it is there.
    pub(super) fn bring(
        &self,
        asked: &Asked<'_>,
        commit: &str,
        file: &Listed,
        watch: &mut dyn Watch,
    ) -> Result<(), HubError> {
        let place = &asked.place;
        if place.has(commit, file) {
            return Ok(());
        }
        let _lock = place.lock(file, watch)?;
        if place.has(commit, file) {
            // Another process has brought it meanwhile.
            watch.advanced(file.size);
            return Ok(());
        }
        let folder = match asked.kind {
            Kind::Model => "",
            Kind::DataSet => "datasets/",
        };
        let Name { repository, .. } = asked.name;
        let (hub, path) = (&self.endpoint, encoded_path(&file.name));
        let url = format!("{hub}/{folder}{repository}/resolve/{commit}/{path}");
        let blob = place.blob(file);
        let mut download = Download::open(place.incomplete(file), asked.name, file, watch)?;
        let most = self.settings.attempts;
        self.attempts(asked.name, most, watch, |watch| {
            if let Some(from) = download.missing_from() {
                let answer = self.web.get(&url, from, &|| watch.is_stopped())?;
                match answer.status {
                    200 | 206 => download.take(&answer, watch)?,
                    416 => {
                        download.restart()?;
                        return Err(Obstacle::later("the server does not have the rest of it"));
                    }
                    _ => return Err(self.refusal(asked, &answer)),
                }
            }
            download.finish(&blob)
        })
    }

    /// Makes attempts until one succeeds, or no other would.
    fn attempts<T>(
        &self,
        name: &Name,
        most: u32,
        watch: &mut dyn Watch,
        mut one: impl FnMut(&mut dyn Watch) -> Result<T, Obstacle>,
    ) -> Result<T, HubError> {
        let first = self.settings.first_pause;
        // Processes that are refused together do not return together.
        let schedule = || Schedule::new(first, process::id().into());
        let mut pauses = schedule();
        let mut attempt = 1;
        loop {
            let (problem, asked) = match one(watch) {
                Ok(found) => return Ok(found),
                Err(Obstacle::Never(error)) => return Err(error),
                Err(Obstacle::Later {
                    problem,
                    asked,
                    advanced,
                }) => {
                    if advanced {
                        (attempt, pauses) = (1, schedule());
                    }
                    (self.web.redact(&problem), asked)
                }
            };
            let longest = self.settings.longest_pause;
            if let Some(pause) = asked.filter(|it| *it > longest) {
                return Err(HubError::LongPause { pause, longest });
            }
            if attempt >= most {
                return Err(HubError::Unreached {
                    name: name.to_string(),
                    problem,
                    is_cached: false,
                });
            }
            attempt += 1;
            let pause = pauses.pause(asked);
            let seconds = pause.as_secs_f64();
            watch.note(&format!("{problem}; trying again in {seconds:.1} s"));
            let until = Instant::now() + pause;
            sleep_until(until, &|| watch.is_stopped()).map_err(|_| HubError::Stopped)?;
        }
    }

    /// Tells what it means that the hub does not show a repository.
    fn absent(&self, asked: &Asked<'_>, answer: &Answer) -> Obstacle {
        let code = answer.header("x-error-code").unwrap_or_default();
        let said = answer.header("x-error-message").unwrap_or_default();
        Obstacle::Never(match code {
            "GatedRepo" => return self.refusal(asked, answer),
            "RevisionNotFound" => HubError::NoRevision {
                name: asked.name.repository.clone(),
                revision: asked.name.revision().to_owned(),
            },
            // For a repository that it does not show, it says neither.
            _ if self.web.has_token() && said.contains("Invalid credentials") => {
                let message = self.message(answer);
                HubError::InvalidToken { message }
            }
            _ => HubError::Missing {
                name: asked.name.to_string(),
                kind: asked.kind,
                endpoint: self.endpoint.clone(),
                has_token: self.web.has_token(),
            },
        })
    }

    /// Tells what an answer means that is not what was asked for.
    fn refusal(&self, asked: &Asked<'_>, answer: &Answer) -> Obstacle {
        let message = self.message(answer);
        let name = asked.name.to_string();
        if answer.header("x-error-code") == Some("GatedRepo") {
            let folder = match asked.kind {
                Kind::Model => "",
                Kind::DataSet => "datasets/",
            };
            return Obstacle::Never(HubError::Gated {
                name,
                page: format!("{}/{folder}{}", self.endpoint, asked.name.repository),
                has_token: self.web.has_token(),
            });
        }
        match answer.status {
            408 | 425 | 429 | 500.. => Obstacle::asked(message, answer),
            _ => Obstacle::Never(HubError::Refused { name, message }),
        }
    }

    /// Returns an answer's status and what the hub says, without the token.
    fn message(&self, answer: &Answer) -> String {
        let said = answer.header("x-error-message").unwrap_or_default();
        // What is cut through the token would still show a part of it.
        let said = self.web.redact(said);
        let said: String = said.chars().take(MOST_SAID).collect();
        match said.trim() {
            "" => format!("HTTP {}", answer.status),
            said => format!("HTTP {}: {said}", answer.status),
        }
    }
}
