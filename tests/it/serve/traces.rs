//! The events and spans of a server, with the feature `tracing`.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_core::span::Current;
use wsimd::{CloseCode, Error, ServerBuilder, WebSocket, net::Stream};

use crate::support::served::Served;

/// Echoes, and fails when the client asks for that.
async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        match message.as_text() {
            Some("err") => return Err(Error::other("the database is gone")),
            _ => ws.send(message).await?,
        }
    }
    Ok(())
}

/// Keeps the spans and events of this crate as lines of text.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<&'static Metadata<'static>>>>,
    entered: Arc<Mutex<Vec<Id>>>,
}

impl Log {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    /// Returns the lines with this text.
    fn with(&self, text: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }
}

/// Writes fields as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wsimd")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text(format!("span {}", attributes.metadata().name()));
        attributes.record(&mut text);
        self.push(text.0);
        let mut spans = self.spans.lock().unwrap();
        spans.push(attributes.metadata());
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut text = Text(format!("record {}", span.into_u64()));
        values.record(&mut text);
        self.push(text.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.push(text.0);
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.clone());
    }

    fn exit(&self, _: &Id) {
        self.entered.lock().unwrap().pop();
    }

    fn current_span(&self) -> Current {
        let Some(id) = self.entered.lock().unwrap().last().cloned() else {
            return Current::none();
        };
        let metadata = self.spans.lock().unwrap()[usize::try_from(id.into_u64() - 1).unwrap()];
        Current::new(id, metadata)
    }
}

#[tokio::test]
async fn a_connection_has_one_span_and_an_event_for_its_begin_and_its_end() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut server = Served::start(ServerBuilder::new(), echo).await;
    let mut ws = wsimd::connect(&server.uri("/room?a=b")).await.unwrap();
    let local = ws.get_ref().local_addr().unwrap();
    ws.send("first").await.unwrap();
    ws.recv().await.unwrap();
    let before = log.lines.lock().unwrap().len();
    for _ in 0..100 {
        ws.send("Hello").await.unwrap();
        ws.recv().await.unwrap();
    }
    // No line for a message.
    assert_eq!(log.lines.lock().unwrap().len(), before);
    ws.close(CloseCode::NORMAL, "bye").await.unwrap();
    server.has(0, 0).await;
    assert_eq!(log.with("span websocket").len(), 1);
    assert_eq!(
        log.with(&format!("peer={local}")),
        [format!("record 1 peer={local}")]
    );
    let path = log.with("path=");
    assert!(
        matches!(&*path, [line] if line.contains("/room")),
        "{path:?}"
    );
    assert_eq!(log.with("the connection is open").len(), 1);
    let ended = log.with("the connection has ended");
    assert!(
        matches!(&*ended, [line] if line.contains("1000")),
        "{ended:?}"
    );

    let mut ws = server.client().await;
    ws.send("err").await.unwrap();
    server.error().await;
    assert!(ws.recv().await.is_err());
    server.has(0, 0).await;
    let failed = log.with("WARN");
    assert!(
        matches!(&*failed, [line] if line.contains("the database is gone") && line.contains("peer=")),
        "{failed:?}"
    );
    assert_eq!(log.with("span websocket").len(), 2);
    let ended = log.with("the connection has ended");
    assert!(
        matches!(&*ended, [_, line] if line.contains("1011")),
        "{ended:?}"
    );
}
