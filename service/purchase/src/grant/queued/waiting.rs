//! Those of this replica who wait for what their commands come to.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::store::{CommandRan, Ran};

/// Who waits, by the command's id.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiting: Mutex<HashMap<Uuid, oneshot::Sender<Ran>>>,
}

/// One who waits. Dropping it is to stop waiting.
pub(super) struct Place<'a> {
    waiting: &'a Waiting,
    id: Uuid,
    pub(super) told: oneshot::Receiver<Ran>,
}

impl Waiting {
    /// Begins to wait: before the command is put into the queue, since it may run at once.
    pub(super) fn begin(&self, id: Uuid) -> Place<'_> {
        let (tell, told) = oneshot::channel();
        let _none = self.lock().insert(id, tell);
        Place { waiting: self, id, told }
    }

    /// Tells whoever of them waits here.
    pub(super) fn tell(&self, commands: &[CommandRan]) {
        let mut waiting = self.lock();
        for CommandRan { id, ran } in commands {
            if let Some(tell) = waiting.remove(&id.as_uuid()) {
                let _gone = tell.send(ran.clone());
            }
        }
    }

    /// Those of these who wait here.
    pub(super) fn of(&self, mut ids: Vec<Uuid>) -> Vec<Uuid> {
        let waiting = self.lock();
        ids.retain(|id| waiting.contains_key(id));
        ids
    }

    /// All who wait here.
    pub(super) fn all(&self) -> Vec<Uuid> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, oneshot::Sender<Ran>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let _told = self.waiting.lock().remove(&self.id);
    }
}
