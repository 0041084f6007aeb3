//! Our own form, in YAML and in JSON: a mapping from kinds to lists of objects. Each object is given away as soon as it is
//! read, so that an inventory may be larger than memory.

use crate::document::{Found, Item, Object, Place, Take};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// How a format tells where something stands.
pub(super) trait Located {
    /// The next entry of a list and its line, or 0 where lines are not known.
    fn next<'de, T: DeserializeOwned, A: SeqAccess<'de>>(
        values: &mut A,
    ) -> Result<Option<(T, u64)>, A::Error>;

    /// The value of a key, likewise.
    fn value<'de, T: DeserializeOwned, A: MapAccess<'de>>(members: &mut A) -> Result<(T, u64), A::Error>;
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Section {
    Source,
    Environments,
    Hostgroups,
    Services,
    EventHandlers,
    Hosts,
    Teams,
    Grants,
}

const SECTIONS: &[&str] =
    &["source", "environments", "hostgroups", "services", "event_handlers", "hosts", "teams", "grants"];

/// Reads a whole file.
pub(super) struct Sections<'a, 'b, L> {
    whole: &'a Place,
    take: &'a mut Take<'b>,
    format: PhantomData<L>,
}

impl<'a, 'b, L: Located> Sections<'a, 'b, L> {
    /// `whole` names the file in places; `take` gets what it says.
    pub fn new(whole: &'a Place, take: &'a mut Take<'b>) -> Self {
        Self { whole, take, format: PhantomData }
    }

    /// Reads the file.
    pub fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_struct("Inventory", SECTIONS, self)
    }

    fn list<'de, T: DeserializeOwned, A: MapAccess<'de>>(
        &mut self,
        members: &mut A,
        section: &'static str,
        object: fn(T) -> Object,
    ) -> Result<(), A::Error> {
        members.next_value_seed(List::<T, L> {
            whole: self.whole,
            take: self.take,
            section,
            object,
            format: PhantomData,
        })
    }
}

impl<'de, L: Located> Visitor<'de> for Sections<'_, '_, L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mapping with some of the keys {}", SECTIONS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(section) = members.next_key::<Section>()? {
            if !seen.insert(section) {
                return Err(A::Error::custom("a list stands twice; write all of a kind into one"));
            }
            match section {
                Section::Source => {
                    let (row, line) = L::value::<String, A>(&mut members)?;
                    let place = Place { line, ..self.whole.clone() };
                    give::<A::Error>(self.take, Item::Source(Found { row, place }))?;
                }
                Section::Environments => {
                    self.list(&mut members, "environments", Object::Environment)?;
                }
                Section::Hostgroups => self.list(&mut members, "hostgroups", Object::Hostgroup)?,
                Section::Services => self.list(&mut members, "services", Object::Service)?,
                Section::EventHandlers => {
                    self.list(&mut members, "event_handlers", Object::EventHandler)?;
                }
                Section::Hosts => self.list(&mut members, "hosts", |host| Object::Host(Box::new(host)))?,
                Section::Teams => self.list(&mut members, "teams", Object::Team)?,
                Section::Grants => self.list(&mut members, "grants", Object::Grant)?,
            }
        }
        Ok(())
    }
}

struct List<'a, 'b, T, L> {
    whole: &'a Place,
    take: &'a mut Take<'b>,
    section: &'static str,
    object: fn(T) -> Object,
    format: PhantomData<L>,
}

impl<'de, T: DeserializeOwned, L: Located> DeserializeSeed<'de> for List<'_, '_, T, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, L: Located> Visitor<'de> for List<'_, '_, T, L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.section)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut entry = 0;
        while let Some((row, line)) = L::next::<T, A>(&mut values)? {
            let entry_known = (line == 0).then_some((self.section, entry));
            let place = Place { line, entry: entry_known, ..self.whole.clone() };
            give::<A::Error>(self.take, Item::Object(Found { row: (self.object)(row), place }))?;
            entry += 1;
        }
        Ok(())
    }
}

/// Whoever wants no more knows why; the error only ends the reading.
fn give<E: serde::de::Error>(take: &mut Take<'_>, item: Item) -> Result<(), E> {
    if take(item).is_break() { Err(E::custom("the rest is not read")) } else { Ok(()) }
}
