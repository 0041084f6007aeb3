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
    /// Ended, with a result on the disk that waits for the database.
    spooled: HashSet<Uuid>,
    /// Ended, with a result that cannot be stored: the lease runs out, and they count as lost.
    abandoned: HashSet<Uuid>,
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

    /// The result of a task is safe on the disk; its lease is still needed.
    pub fn spool(&self, id: Uuid) {
        let mut tasks = self.lock();
        tasks.forget(id);
        tasks.spooled.insert(id);
    }

    /// The result of a task cannot be stored: its lease is not renewed any more.
    pub fn abandon(&self, id: Uuid) {
        let mut tasks = self.lock();
        tasks.forget(id);
        tasks.abandoned.insert(id);
    }

    /// Removes a task whose result is stored, or that was given back.
    pub fn remove(&self, id: Uuid) {
        self.lock().forget(id);
    }

    /// Those whose lease is needed.
    pub fn ids(&self) -> Vec<Uuid> {
        let tasks = self.lock();
        tasks.busy.iter().chain(&tasks.ended).chain(&tasks.spooled).copied().collect()
    }

    /// Those that the database may show as this manager's: none of them may be started again.
    pub fn known(&self) -> Vec<Uuid> {
        let tasks = self.lock();
        tasks.busy.iter().chain(&tasks.ended).chain(&tasks.spooled).chain(&tasks.abandoned).copied().collect()
    }

    /// Those that run, or are about to.
    pub fn busy(&self) -> Vec<Uuid> {
        self.lock().busy.iter().copied().collect()
    }

    /// How many run, or have a result that is not safe yet.
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

impl Tasks {
    fn forget(&mut self, id: Uuid) {
        for set in [&mut self.busy, &mut self.ended, &mut self.spooled] {
            set.remove(&id);
        }
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

    #[test]
    fn what_is_safe_keeps_its_lease_and_what_is_given_up_does_not_but_neither_starts_again() {
        let running = Running::default();
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        ids.iter().for_each(|id| running.insert(*id));
        running.end(ids[0]);
        running.spool(ids[0]);
        running.end(ids[1]);
        running.abandon(ids[1]);
        assert_eq!((running.busy(), running.count()), (vec![ids[2]], 1));
        assert_eq!(running.ids().len(), 2);
        assert_eq!(running.known().len(), 3);
        running.remove(ids[0]);
        assert_eq!((running.ids(), running.known().len()), (vec![ids[2]], 2));
    }
}
