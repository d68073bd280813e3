//! Questions on a connection, each in its cheapest form.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use redis::{Pipeline, RedisError, ServerErrorKind, Value};

use super::{
    calls::{self, Form},
    connection::{Connection, Run},
};
use crate::model::{Question, Resource};

/// Resources that others wait for; more are forgotten, which costs a round trip each.
const WANTED_MAX: usize = 1024;

/// Resources of which a release must wake somebody: their plain release would fail.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    resources: Mutex<HashSet<Resource>>,
}

impl Wanted {
    fn has(&self, resource: &Resource) -> bool {
        self.resources().contains(resource)
    }

    fn note(&self, resource: &Resource, is_wanted: bool) {
        let mut resources = self.resources();
        if !is_wanted {
            let _was = resources.remove(resource);
        } else if !resources.contains(resource) {
            if resources.len() >= WANTED_MAX {
                resources.clear();
            }
            let _new = resources.insert(resource.clone());
        }
    }

    fn resources(&self) -> MutexGuard<'_, HashSet<Resource>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks all questions in one write, each in its cheapest form; those whose form did not do are asked
/// again in the next one.
pub(super) async fn ask_all(
    mut connection: Connection,
    questions: &[Question],
    wanted: &Wanted,
) -> Result<Vec<Value>, RedisError> {
    let run = Arc::clone(&connection.run);
    let mut values = vec![Value::Nil; questions.len()];
    let forms = questions.iter().map(|question| first_form(question, &run, wanted));
    let mut asking: Vec<(usize, Form)> = forms.enumerate().collect();
    while !asking.is_empty() {
        let mut pipeline = Pipeline::with_capacity(asking.len());
        for &(at, form) in &asking {
            pipeline.add_command(calls::call(&questions[at], form, &run.scripts));
        }
        let answers = connection.stream.send(&pipeline, asking.len()).await?;
        let mut again = Vec::new();
        for ((at, form), value) in asking.into_iter().zip(answers) {
            if let Some(form) = next_form(form, &value, &run) {
                again.push((at, form));
                continue;
            }
            if let (Question::Release { resource, .. }, Form::Hash | Form::Text) =
                (&questions[at], form)
            {
                wanted.note(resource, value == Value::Int(2));
            }
            if let Value::ServerError(error) = &value
                && error.kind() == Some(ServerErrorKind::ReadOnly)
            {
                // No master any more: this connection leads to the wrong server.
                return Err(error.clone().into());
            }
            values[at] = value;
        }
        asking = again;
    }
    Ok(values)
}

fn first_form(question: &Question, run: &Run, wanted: &Wanted) -> Form {
    match question {
        Question::Release { resource, next: None, .. }
            if run.deletes_by_value.load(Ordering::Relaxed) && !wanted.has(resource) =>
        {
            Form::Plain
        }
        _ => Form::Hash,
    }
}

/// The form to ask in again, if this one did not do.
fn next_form(form: Form, value: &Value, run: &Run) -> Option<Form> {
    match (form, value) {
        // Freed, and nobody had to be told.
        (Form::Plain, Value::Int(1)) => None,
        (Form::Plain, value) => {
            if let Value::ServerError(error) = value
                && error.code() != "WRONGTYPE"
            {
                run.deletes_by_value.store(false, Ordering::Relaxed);
            }
            Some(Form::Hash)
        }
        (Form::Hash, Value::ServerError(error)) if error.code() == "NOSCRIPT" => Some(Form::Text),
        _ => None,
    }
}
