//! Questions on a connection, each in its cheapest form.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use redis::{Cmd, Pipeline, RedisError, ServerErrorKind, Value};

use super::{
    calls::{self, Form},
    connection::{Connection, Run},
    scripts::{Scripts, Text},
};
use crate::model::{Question, Resource};

/// Resources that others wait for; more are forgotten, which costs a round trip each.
const WANTED_MAX: usize = 1024;

/// Questions in one call: a server does nothing else meanwhile.
const TOGETHER_MAX: usize = 64;

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

/// One call: for the question at `first`, or for `count` from there on, if there is a script for several.
#[derive(Clone, Copy)]
struct Call<'a> {
    first: usize,
    count: usize,
    form: Form,
    several: Option<&'a Text>,
}

impl Call<'_> {
    const fn alone(first: usize, form: Form) -> Self {
        Self { first, count: 1, form, several: None }
    }

    fn command(&self, questions: &[Question], scripts: &Scripts) -> Cmd {
        let Self { first, count, form, several } = *self;
        match several {
            Some(several) => calls::call_together(&questions[first..first + count], form, several),
            None => calls::call(&questions[first], form, scripts),
        }
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
    let mut asking = first_calls(questions, &run, wanted);
    while !asking.is_empty() {
        let mut pipeline = Pipeline::with_capacity(asking.len());
        for call in &asking {
            pipeline.add_command(call.command(questions, &run.scripts));
        }
        let answers = connection.stream.send(&pipeline, asking.len()).await?;
        let mut again = Vec::new();
        for (call, value) in asking.into_iter().zip(answers) {
            if let Value::ServerError(error) = &value
                && error.kind() == Some(ServerErrorKind::ReadOnly)
            {
                // No master any more: this connection leads to the wrong server.
                return Err(error.clone().into());
            }
            match (next_form(call.form, &value, &run), value) {
                (Some(form), _) => again.push(Call { form, ..call }),
                (None, value) if call.several.is_none() => {
                    note_wanted(&questions[call.first], call.form, &value, wanted);
                    values[call.first] = value;
                }
                (None, Value::Array(answers)) if answers.len() == call.count => {
                    for (at, value) in (call.first..).zip(answers) {
                        note_wanted(&questions[at], call.form, &value, wanted);
                        values[at] = value;
                    }
                }
                (None, value) if is_of_all(&value) => {
                    values[call.first..call.first + call.count].fill(value);
                }
                // What one of them may not have must not keep it from the others.
                (None, value) => {
                    tracing::debug!(questions = call.count, ?value, "each is asked alone");
                    let each = call.first..call.first + call.count;
                    again.extend(each.map(|at| Call::alone(at, Form::Hash)));
                }
            }
        }
        asking = again;
    }
    Ok(values)
}

/// Neighbours that have the same script go in one call.
fn first_calls<'a>(questions: &[Question], run: &'a Run, wanted: &Wanted) -> Vec<Call<'a>> {
    let mut calls: Vec<Call<'a>> = Vec::with_capacity(questions.len());
    for (first, question) in questions.iter().enumerate() {
        let form = first_form(question, run, wanted);
        if let Some(last) = calls.last_mut()
            && (last.form, form) == (Form::Hash, Form::Hash)
            && last.count < TOGETHER_MAX
            && let Some(several) = run.scripts.together(&questions[last.first], question)
        {
            last.count += 1;
            last.several = Some(several);
        } else {
            calls.push(Call::alone(first, form));
        }
    }
    calls
}

/// Whether a server that answers this to several questions has the same for each: it is in trouble.
fn is_of_all(value: &Value) -> bool {
    let Value::ServerError(error) = value else { return false };
    matches!(error.code(), "OOM" | "MISCONF" | "BUSY" | "LOADING" | "MASTERDOWN" | "NOREPLICAS")
}

fn note_wanted(question: &Question, form: Form, value: &Value, wanted: &Wanted) {
    if let (Question::Release { resource, .. }, Form::Hash | Form::Text) = (question, form) {
        wanted.note(resource, *value == Value::Int(2));
    }
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
