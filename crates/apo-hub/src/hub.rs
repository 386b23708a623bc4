//! The hub and its cache together.

mod requests;

use std::fs;
use std::path::{Path, PathBuf};

use crate::address::endpoint;
use crate::cache::Place;
use crate::data::{self, Data, Usual};
use crate::error::{HubError, Kind};
use crate::listing::{Listed, Listing};
use crate::model;
use crate::name::{Name, Wanted};
use crate::settings::Settings;
use crate::watch::Watch;
use crate::web::Web;

/// Turns names on the hub into files on the disk.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    endpoint: String,
    web: Web,
}

/// What is asked for: a repository, and its place in the cache.
struct Asked<'a> {
    kind: Kind,
    name: &'a Name,
    place: Place,
}

/// Reads a small file of a repository while its files are chosen.
type Reading<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, HubError>;

/// Why the files that there are cannot be used.
enum Unfit {
    /// As a phrase that begins with a verb.
    Lacks(String),
    Hub(HubError),
}

impl From<String> for Unfit {
    fn from(problem: String) -> Self {
        Self::Lacks(problem)
    }
}

/// The paths of a revision's files.
#[derive(Clone, Copy)]
struct Names<'a> {
    known: &'a [&'a str],
    /// Whether these are all. If another program made the copy in the cache, the hub's
    /// list is not known, and what it left out is not, either.
    are_all: bool,
}

/// Chooses among the files that there are.
type Choose<'a> = &'a mut dyn FnMut(Names<'_>, Reading<'_>) -> Result<Vec<String>, Unfit>;

/// A revision's files on the disk.
struct Found {
    folder: PathBuf,
    /// The paths in it of those chosen.
    chosen: Vec<String>,
    /// Whether they were chosen among all files.
    is_sure: bool,
}

impl Hub {
    /// Makes a hub of the variables of the environment; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// As [`Settings::from_env`] and [`Self::new`].
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(Settings::from_env()?)
    }

    /// Makes a hub of settings; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When its address is malformed.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let endpoint = endpoint(&settings.endpoint)?;
        let web = Web::new(&settings, &endpoint);
        Ok(Self {
            settings,
            endpoint,
            web,
        })
    }

    /// Returns the directory of a model, with all files that a model directory may
    /// have.
    ///
    /// # Errors
    ///
    /// When the hub does not have it, does not give it, or has no whole model in
    /// safetensors; when a file comes damaged; offline, when the cache has no whole
    /// model.
    pub fn model(&self, name: &Name, watch: &mut dyn Watch) -> Result<PathBuf, HubError> {
        self.model_of(name, watch, &mut |names, read| {
            let (mut files, index) = model::files(names.known)?;
            if let Some(index) = index {
                let index = read(index).map_err(Unfit::Hub)?;
                files.extend(model::parts(&index, names.known)?);
            }
            Ok(files)
        })
    }

    /// Returns the directory of a model without its weights: its configuration, its
    /// tokenizer and its chat template. The weights are there only if they were fetched
    /// before.
    ///
    /// # Errors
    ///
    /// As [`Self::model`], but for the weights.
    pub fn tokenizer(&self, name: &Name, watch: &mut dyn Watch) -> Result<PathBuf, HubError> {
        self.model_of(name, watch, &mut |names, _| {
            Ok(model::without_weights(names.known)?)
        })
    }

    fn model_of(
        &self,
        name: &Name,
        watch: &mut dyn Watch,
        choose: Choose<'_>,
    ) -> Result<PathBuf, HubError> {
        let found = self.snapshot(Kind::Model, name, choose, watch)?;
        if !found.is_sure {
            watch.warn(&format!(
                "`{name}`: another program made the copy in the cache, and offline it is not known \
                 whether that is whole: without its chat template or generation_config.json, a \
                 model is asked in another form or ends its texts elsewhere"
            ));
        }
        Ok(found.folder)
    }

    /// Returns the files of a part of a data set: the one asked for, or that with the
    /// usual name, or the only one unless its name says that it is another. Offline, what
    /// another program has put into the cache must be asked for by its whole name.
    ///
    /// # Errors
    ///
    /// As [`Self::model`], and when there is no such part or are several; the error
    /// lists them.
    pub fn data(
        &self,
        wanted: &Wanted,
        usual: Usual,
        watch: &mut dyn Watch,
    ) -> Result<Data, HubError> {
        let Wanted { name, part } = wanted;
        let mut subset = String::new();
        let mut choose = |names: Names<'_>, _: Reading<'_>| -> Result<_, Unfit> {
            let part = if names.are_all {
                data::choose(names.known, part.as_deref(), usual)?
            } else {
                data::choose_among_some(names.known, part.as_deref())?
            };
            subset = part.subset(&name.repository);
            Ok(part.files)
        };
        let found = self.snapshot(Kind::DataSet, name, &mut choose, watch)?;
        let files = found.chosen.iter().map(|it| found.folder.join(it));
        Ok(Data {
            subset,
            files: files.collect(),
        })
    }

    /// Returns the folder of a data set with those files that it has of some, which are
    /// named by their paths without their kinds, as `helpful-base/train`. Offline, all of
    /// them must be in what another program has put into the cache.
    ///
    /// # Errors
    ///
    /// As [`Self::model`], and when there are no such files.
    pub fn folder(
        &self,
        name: &Name,
        wanted: &[String],
        watch: &mut dyn Watch,
    ) -> Result<PathBuf, HubError> {
        let mut choose = |names: Names<'_>, _: Reading<'_>| -> Result<_, Unfit> {
            let has = |stem: &String| names.known.iter().any(|it| data::is_stem(it, stem));
            let missing = wanted.iter().find(|it| !has(it));
            if let Some(missing) = missing.filter(|_| !names.are_all) {
                return Err(Unfit::Lacks(format!(
                    "was made by another program and has no {missing}"
                )));
            }
            let is_wanted = |file: &&&str| wanted.iter().any(|it| data::is_stem(file, it));
            let files = names.known.iter().filter(is_wanted);
            let files: Vec<String> = files.map(|it| (*it).to_owned()).collect();
            if files.is_empty() {
                let wanted = wanted.join(", ");
                return Err(Unfit::Lacks(format!("has none of {wanted}")));
            }
            Ok(files)
        };
        let found = self.snapshot(Kind::DataSet, name, &mut choose, watch)?;
        Ok(found.folder)
    }

    /// Finds the files that are chosen of a revision, or brings them into the cache.
    fn snapshot(
        &self,
        kind: Kind,
        name: &Name,
        choose: Choose<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Found, HubError> {
        let place = Place::of(&self.settings.cache, kind, name);
        let asked = Asked { kind, name, place };
        if self.settings.offline {
            return self.cached(&asked, choose);
        }
        let (listing, body) = match self.listing(&asked, watch) {
            Err(HubError::Unreached { name, problem, .. }) => {
                return Err(HubError::Unreached {
                    name,
                    problem,
                    is_cached: self.cached(&asked, choose).is_ok(),
                });
            }
            other => other?,
        };
        let Listing { commit, .. } = &listing;
        let listed = |file: &str| {
            let found = listing.file(file).cloned();
            found.ok_or_else(|| asked.unsuitable(format!("has no {file}")))
        };
        let mut read = |file: &str| {
            let file = listed(file)?;
            self.bring(&asked, commit, &file, watch)?;
            asked.read(commit, &file)
        };
        let names = Names {
            known: &listing.names(),
            are_all: true,
        };
        let chosen = choose(names, &mut read);
        let chosen = chosen.map_err(|unfit| match unfit {
            Unfit::Lacks(problem) => asked.unsuitable(problem),
            Unfit::Hub(error) => error,
        })?;
        let files: Vec<Listed> = chosen
            .iter()
            .map(|it| listed(it))
            .collect::<Result<_, _>>()?;
        let missing = files.iter().filter(|it| !asked.place.has(commit, it));
        let missing: u64 = missing.map(|it| it.size).sum();
        if missing > 0 {
            watch.started(&name.to_string(), missing);
        }
        for file in &files {
            self.bring(&asked, commit, file, watch)?;
        }
        let folder = asked.place.publish(commit, &files)?;
        asked.place.keep_listing(commit, &body);
        asked.place.record(name.revision(), commit)?;
        Ok(Found {
            folder,
            chosen,
            is_sure: true,
        })
    }

    /// Returns what the cache has of a revision, if that is enough.
    fn cached(&self, asked: &Asked<'_>, choose: Choose<'_>) -> Result<Found, HubError> {
        let lacks = |problem: String| HubError::NotInCache {
            name: asked.name.to_string(),
            cache: self.settings.cache.clone(),
            problem,
        };
        let commit = asked.place.commit(asked.name.revision());
        let commit = commit.ok_or_else(|| lacks("is not there".to_owned()))?;
        let folder = asked.place.snapshot(&commit);
        let there = asked.place.names(&commit);
        if there.is_empty() {
            return Err(lacks("is not there".to_owned()));
        }
        let check = |file: &str| {
            let is_there = there.iter().any(|it| it == file);
            is_there
                .then_some(())
                .ok_or_else(|| lacks(format!("has no {file}")))
        };
        let mut read = |file: &str| check(file).and_then(|()| read(&folder.join(file)));
        // Among what happens to be there, another file might be chosen than among all.
        let listing = asked.place.listing(&commit);
        let names = Names {
            known: &match &listing {
                Some(listing) => listing.names(),
                None => there.iter().map(String::as_str).collect(),
            },
            are_all: listing.is_some(),
        };
        let chosen = choose(names, &mut read).map_err(|unfit| match unfit {
            Unfit::Lacks(problem) => lacks(problem),
            Unfit::Hub(error) => error,
        })?;
        chosen.iter().try_for_each(|it| check(it))?;
        Ok(Found {
            folder,
            chosen,
            is_sure: listing.is_some(),
        })
    }
}

impl Asked<'_> {
    fn unsuitable(&self, problem: String) -> HubError {
        HubError::Unsuitable {
            name: self.name.to_string(),
            problem,
        }
    }

    /// Reads a file's content from the cache.
    fn read(&self, commit: &str, file: &Listed) -> Result<Vec<u8>, HubError> {
        let blob = self.place.blob(file);
        if blob.exists() {
            return read(&blob);
        }
        read(&self.place.snapshot(commit).join(&file.name))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HubError> {
    fs::read(path).map_err(|source| HubError::Cache {
        action: "read",
        path: path.into(),
        source,
    })
}
