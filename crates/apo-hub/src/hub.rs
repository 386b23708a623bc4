//! The hub and its cache together.

mod requests;

use std::fs;
use std::path::{Path, PathBuf};

use crate::address::endpoint;
use crate::cache::Place;
use crate::data::{self, Data};
use crate::error::{HubError, Kind};
use crate::listing::{Listed, Listing};
use crate::model;
use crate::name::{Name, Wanted};
use crate::settings::Settings;
use crate::web::Web;

/// Follows a download, and may stop it.
pub trait Watch {
    /// So many bytes of `name` are missing in the cache.
    fn begins(&mut self, name: &str, bytes: u64);
    /// So many more bytes of them are there.
    fn moves(&mut self, bytes: u64);
    /// Something that a user should know happened.
    fn notes(&mut self, text: &str);
    /// Whether to stop. What has come is kept for the next time.
    fn stops(&self) -> bool;
}

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

/// Chooses among the files that there are.
type Choose<'a> = &'a mut dyn FnMut(&[&str], Reading<'_>) -> Result<Vec<String>, Unfit>;

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
        let mut choose = |names: &[&str], read: Reading<'_>| -> Result<_, Unfit> {
            let (mut files, index) = model::files(names)?;
            if let Some(index) = index {
                let index = read(index).map_err(Unfit::Hub)?;
                files.extend(model::parts(&index, names)?);
            }
            Ok(files)
        };
        let found = self.snapshot(Kind::Model, name, &mut choose, watch)?;
        Ok(found.0)
    }

    /// Returns the files of a part of a data set: the one asked for, or the only one,
    /// or that with the usual name, such as `train`.
    ///
    /// # Errors
    ///
    /// As [`Self::model`], and when there is no such part or are several; the error
    /// lists them.
    pub fn data(
        &self,
        wanted: &Wanted,
        usual: Option<&str>,
        watch: &mut dyn Watch,
    ) -> Result<Data, HubError> {
        let Wanted { name, part } = wanted;
        let mut subset = String::new();
        let mut choose = |names: &[&str], _: Reading<'_>| -> Result<_, Unfit> {
            let part = data::choose(names, part.as_deref(), usual)?;
            subset = part.subset(&name.repository);
            Ok(part.files)
        };
        let (folder, files) = self.snapshot(Kind::DataSet, name, &mut choose, watch)?;
        let files = files.iter().map(|it| folder.join(it)).collect();
        Ok(Data { subset, files })
    }

    /// Returns the folder of a data set with those of its files for which `wants` is
    /// true.
    ///
    /// # Errors
    ///
    /// As [`Self::model`], and when there are no such files.
    pub fn folder(
        &self,
        name: &Name,
        wants: &dyn Fn(&str) -> bool,
        watch: &mut dyn Watch,
    ) -> Result<PathBuf, HubError> {
        let mut choose = |names: &[&str], _: Reading<'_>| -> Result<_, Unfit> {
            let files = names.iter().filter(|it| wants(it));
            let files: Vec<String> = files.map(|it| (*it).to_owned()).collect();
            if files.is_empty() {
                return Err(Unfit::Lacks("has none of the files asked for".to_owned()));
            }
            Ok(files)
        };
        let found = self.snapshot(Kind::DataSet, name, &mut choose, watch)?;
        Ok(found.0)
    }

    /// Returns the folder of a revision's files and the paths in it of those chosen,
    /// which it has.
    fn snapshot(
        &self,
        kind: Kind,
        name: &Name,
        choose: Choose<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(PathBuf, Vec<String>), HubError> {
        let place = Place::of(&self.settings.cache, kind, name);
        let asked = Asked { kind, name, place };
        if self.settings.offline {
            return self.cached(&asked, choose);
        }
        let listing = match self.listing(&asked, watch) {
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
        let chosen = choose(&listing.names(), &mut read);
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
            watch.begins(&name.to_string(), missing);
        }
        for file in &files {
            self.bring(&asked, commit, file, watch)?;
        }
        let folder = asked.place.publish(commit, &files)?;
        asked.place.record(name.revision(), commit)?;
        Ok((folder, chosen))
    }

    /// Returns what the cache has of a revision, if that is enough.
    fn cached(
        &self,
        asked: &Asked<'_>,
        choose: Choose<'_>,
    ) -> Result<(PathBuf, Vec<String>), HubError> {
        let lacks = |problem: String| HubError::NotInCache {
            name: asked.name.to_string(),
            cache: self.settings.cache.clone(),
            problem,
        };
        let commit = asked.place.commit(asked.name.revision());
        let commit = commit.ok_or_else(|| lacks("is not there".to_owned()))?;
        let folder = asked.place.snapshot(&commit);
        let names = asked.place.names(&commit);
        if names.is_empty() {
            return Err(lacks("is not there".to_owned()));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut read = |file: &str| read(&folder.join(file));
        match choose(&names, &mut read) {
            Ok(chosen) => Ok((folder, chosen)),
            Err(Unfit::Lacks(problem)) => Err(lacks(problem)),
            Err(Unfit::Hub(error)) => Err(error),
        }
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
