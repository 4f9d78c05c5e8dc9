//! Schemas on disk: one file each, named by the registry and the id, written beside and renamed, so that a crash leaves a whole file or none.

use super::frame::SchemaId;
use portcullis_schemas::avro::Writer;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// What a registry said of an id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// Whose id it is.
    pub registry: String,
    pub id: String,
    pub schema: String,
    /// The schemas that it names, each after those that it names itself.
    #[serde(default)]
    pub references: Vec<String>,
}

impl Stored {
    /// How its records are read.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn writer(&self) -> Result<Writer, String> {
        Writer::of(&self.schema, &self.references)
    }
}

/// The files of one registry.
pub struct Shelf {
    registry: String,
    directory: PathBuf,
}

impl Shelf {
    /// Makes the folder of this registry in `directory`.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn open(directory: &Path, registry: &str) -> io::Result<Shelf> {
        let registry = registry.trim_end_matches('/').to_owned();
        let directory = directory.join(format!("{:016x}", xxh3_64(registry.as_bytes())));
        std::fs::create_dir_all(&directory)?;
        let probe = directory.join(format!(".writable-{}", std::process::id()));
        std::fs::write(&probe, [])?;
        std::fs::remove_file(&probe)?;
        Ok(Shelf { registry, directory })
    }

    /// What is there, if it is whole and of this registry.
    pub fn get<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        let bytes = std::fs::read(self.path(name)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// # Errors
    /// When the disk refuses.
    pub fn put<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let beside = self.directory.join(format!(".{name}-{}", std::process::id()));
        std::fs::write(&beside, serde_json::to_vec(value)?)?;
        std::fs::rename(&beside, self.path(name))
    }

    /// A schema that was learnt.
    pub fn schema(&self, id: SchemaId) -> Option<Stored> {
        self.get::<Stored>(&name(id)).filter(|stored| stored.registry == self.registry && stored.id == id.to_string())
    }

    /// # Errors
    /// When the disk refuses.
    pub fn keep(&self, id: SchemaId, schema: &Stored) -> io::Result<()> {
        self.put(&name(id), schema)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }
}

fn name(id: SchemaId) -> String {
    format!("schema-{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://registry:8081";

    fn stored(id: SchemaId) -> Stored {
        Stored { registry: URL.to_owned(), id: id.to_string(), schema: r#""string""#.to_owned(), references: vec!["{}".to_owned()] }
    }

    #[test]
    fn what_was_kept_is_there_again_and_of_its_registry_alone() {
        let dir = tempfile::tempdir().unwrap();
        let id = SchemaId::Id(7);
        let shelf = Shelf::open(dir.path(), &format!("{URL}/")).unwrap();
        assert_eq!(shelf.schema(id), None);
        shelf.keep(id, &stored(id)).unwrap();
        assert_eq!(Shelf::open(dir.path(), URL).unwrap().schema(id), Some(stored(id)));
        assert_eq!(Shelf::open(dir.path(), "http://another:8081").unwrap().schema(id), None, "an id means nothing elsewhere");
        assert_eq!(shelf.schema(SchemaId::Id(8)), None);
    }

    #[test]
    fn a_torn_or_a_wrong_file_is_no_schema() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path(), URL).unwrap();
        let (one, two) = (SchemaId::Id(1), SchemaId::Id(2));
        shelf.keep(one, &stored(one)).unwrap();
        std::fs::copy(shelf.path(&name(one)), shelf.path(&name(two))).unwrap();
        assert_eq!(shelf.schema(two), None, "the file says which id it is of");
        let bytes = std::fs::read(shelf.path(&name(one))).unwrap();
        std::fs::write(shelf.path(&name(one)), &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(shelf.schema(one), None);
    }
}
