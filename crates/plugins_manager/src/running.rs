//! The tasks that this manager has, from the claim until their result is stored.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Clones share the tasks.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    /// Claimed, and not ended: each takes a slot.
    busy: HashSet<Uuid>,
    /// Ended, with a result on its way to the database.
    ended: HashSet<Uuid>,
}

impl Running {
    /// Adds a claimed task.
    pub fn insert(&self, id: Uuid) {
        self.lock().busy.insert(id);
    }

    /// The plugin of a task has ended: its slot is free, its lease is still needed.
    pub fn end(&self, id: Uuid) {
        let mut tasks = self.lock();
        if tasks.busy.remove(&id) {
            tasks.ended.insert(id);
        }
    }

    /// Removes a task whose result is stored, or that was given back.
    pub fn remove(&self, id: Uuid) {
        let mut tasks = self.lock();
        tasks.busy.remove(&id);
        tasks.ended.remove(&id);
    }

    /// All of them.
    pub fn ids(&self) -> Vec<Uuid> {
        let tasks = self.lock();
        tasks.busy.iter().chain(&tasks.ended).copied().collect()
    }

    /// How many.
    pub fn count(&self) -> usize {
        let tasks = self.lock();
        tasks.busy.len() + tasks.ended.len()
    }

    /// How many of `slots` are free. As many results again may wait for the database, and no more.
    pub fn free(&self, slots: usize) -> usize {
        let tasks = self.lock();
        slots.saturating_sub(tasks.busy.len() + tasks.ended.len().saturating_sub(slots))
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_at_the_end_of_the_plugin_until_too_many_results_wait() {
        let running = Running::default();
        let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        ids.iter().for_each(|id| running.insert(*id));
        assert_eq!(running.free(2), 0);
        for (ended, free) in [(0, 0), (1, 0), (2, 0)] {
            running.end(ids[ended]);
            assert_eq!(running.free(2), free);
        }
        running.remove(ids[0]);
        running.remove(ids[3]);
        assert_eq!((running.free(2), running.count(), running.ids().len()), (1, 3, 3));
        running.end(ids[4]);
        assert_eq!(running.free(2), 1, "three results wait where two may");
    }
}
