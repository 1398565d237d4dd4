//! Progress as NDJSON on stderr, from our own stages and from the library's tracing spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;
use tracing::span::{Attributes, Id};
use tracing::Subscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The library's spans that are worth a line, and the names we give them.
const STAGES: [(&str, &str); 9] = [
    ("adapt", "adapt"),
    ("Precompute Twiddles", "twiddles"),
    ("Write preprocessed trace", "preprocessed-trace"),
    ("Compute preprocessed trace commitment", "preprocessed-commitment"),
    ("Write base trace", "base-trace"),
    ("Compute base trace commitment", "base-commitment"),
    ("Write interaction trace", "interaction-trace"),
    ("Compute interaction trace commitment", "interaction-commitment"),
    ("Prove STARKs", "stark"),
];

/// Seconds per stage, in milliseconds' precision.
#[derive(Clone, Default)]
pub struct Timings(Arc<Mutex<BTreeMap<&'static str, f64>>>);

impl Timings {
    /// Runs `work` as a stage of our own.
    pub fn stage<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        started(name);
        let begin = Instant::now();
        let result = work();
        self.finished(name, begin);
        result
    }

    pub fn seconds(&self) -> BTreeMap<&'static str, f64> {
        self.0.lock().expect("no stage panics while it holds this lock").clone()
    }

    fn finished(&self, name: &'static str, begin: Instant) {
        let seconds = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        eprintln!("{}", json!({"stage": name, "state": "done", "seconds": seconds}));
        self.0.lock().expect("no stage panics while it holds this lock").insert(name, seconds);
    }

    /// Listens to the library's spans from now on.
    pub fn listen(&self) {
        let subscriber = tracing_subscriber::registry().with(StageLayer(self.clone()));
        tracing::subscriber::set_global_default(subscriber).expect("the subscriber is set once, at start");
    }
}

fn started(name: &'static str) {
    eprintln!("{}", json!({"stage": name, "state": "started"}));
}

struct StageLayer(Timings);

struct Begin(&'static str, Instant);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for StageLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let name = attributes.metadata().name();
        let Some((_, stage)) = STAGES.iter().find(|(span, _)| *span == name) else {
            return;
        };
        started(stage);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begin(stage, Instant::now()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            if let Some(Begin(stage, begin)) = span.extensions_mut().remove() {
                self.0.finished(stage, begin);
            }
        }
    }
}
