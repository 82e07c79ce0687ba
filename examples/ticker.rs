//! A JSON ticker: a server that sends trades to its subscribers, and two clients.
//!
//! ```text
//! cargo run --release --features json,reconnect --example ticker                         a server and its clients
//! cargo run --release --features json,reconnect --example ticker -- 127.0.0.1:8765       a server, until Ctrl-C
//! cargo run --release --features json,reconnect --example ticker -- ws://127.0.0.1:8765  a client, until Ctrl-C
//! ```
//!
//! The client connects and subscribes again when the server has restarted.
//!
//! A client sends `{"subscribe": "BTC-USD"}` or `{"unsubscribe": "BTC-USD"}`. The server sends events such as
//! `{"type": "trade", "symbol": "BTC-USD", "price": 64000.5, "size": 3}`. A request that is not one of these is
//! answered by `{"type": "error", "reason": "…"}`, and the connection continues.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Handle, JsonError, Message, MessageRef, ServerBuilder,
    WebSocket, json::Value, net::Stream,
};

/// The symbols, each with its first price.
const SYMBOLS: [(&str, f64); 2] = [("BTC-USD", 64_000.0), ("ETH-USD", 3_200.0)];

/// The time between two trades of a symbol.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Subscribe(String),
    Unsubscribe(String),
}

/// An event of the server.
#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "type")]
enum Event<'a> {
    Subscribed { symbol: &'a str },
    Unsubscribed { symbol: &'a str },
    Trade(Trade<'a>),
    Error { reason: String },
}

/// A trade. A client that receives it borrows the symbol from the message.
#[derive(Deserialize, Serialize)]
struct Trade<'a> {
    symbol: &'a str,
    price: f64,
    size: u64,
}

/// The subscribers of each symbol.
struct Market(Mutex<HashMap<&'static str, HashSet<Handle>>>);

impl Market {
    fn new() -> Self {
        let symbols = SYMBOLS.map(|(symbol, _)| (symbol, HashSet::new()));
        Self(Mutex::new(HashMap::from(symbols)))
    }

    /// Carries out a request of `client`, and answers it. The lock is held until the answer is in the inbox of the
    /// client, so that the answer precedes the first trade.
    fn on_request(&self, request: &Request, client: &Handle) -> Result<(), Error> {
        let (Request::Subscribe(symbol) | Request::Unsubscribe(symbol)) = request;
        let mut subscribers = self.lock();
        let answer = match (subscribers.get_mut(symbol.as_str()), request) {
            (None, _) => Event::Error {
                reason: format!("no such symbol: {symbol}"),
            },
            (Some(clients), Request::Subscribe(_)) => {
                clients.insert(client.clone());
                Event::Subscribed { symbol }
            }
            (Some(clients), Request::Unsubscribe(_)) => {
                clients.remove(client);
                Event::Unsubscribed { symbol }
            }
        };
        client.force_send(Message::from_json(&answer)?)?;
        Ok(())
    }

    /// Sends a trade to its subscribers. A slow subscriber misses the oldest trades. A handle whose connection has
    /// ended refuses the message, and is removed.
    fn publish(&self, trade: Trade<'_>) -> Result<(), Error> {
        let symbol = trade.symbol;
        let message = Message::from_json(&Event::Trade(trade))?;
        if let Some(clients) = self.lock().get_mut(symbol) {
            clients.retain(|client| client.force_send(message.clone()).is_ok());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, HashSet<Handle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes trades without an end.
async fn trade(market: Arc<Market>) -> Result<(), Error> {
    for size in (1..=9).cycle() {
        for (symbol, first_price) in SYMBOLS {
            let price = first_price + size as f64 / 2.0;
            market.publish(Trade {
                symbol,
                price,
                size,
            })?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// The handler: a wrong request is answered, and any other error ends the connection.
async fn subscriber(mut ws: WebSocket<Stream>, market: Arc<Market>) -> Result<(), Error> {
    let client = ws.handle();
    loop {
        match ws.recv_json::<Request>().await {
            Ok(Some(request)) => market.on_request(&request, &client)?,
            Ok(None) => return Ok(()),
            Err(Error::Json(error)) => {
                let reason = error.to_string();
                ws.send_json(&Event::Error { reason }).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Runs the two clients.
async fn show(uri: &str) -> Result<(), Error> {
    print_events(uri, 3).await?;
    println!("mean price: {:.2}", mean_price(uri).await?);
    Ok(())
}

/// A client that knows the type of each message: returns the mean price of 100 trades. No trade is copied. The first
/// message is the answer to the request.
async fn mean_price(uri: &str) -> Result<f64, Error> {
    let mut ws = wsimd::connect(uri).await?;
    ws.send_json(&Request::Subscribe("BTC-USD".to_owned()))
        .await?;
    ws.recv().await?;
    let (mut volume, mut value) = (0, 0.0);
    for _ in 0..100 {
        let add = |message: MessageRef<'_>| {
            let trade: Trade<'_> = message.json()?;
            volume += trade.size;
            value += trade.price * trade.size as f64;
            Ok::<(), JsonError>(())
        };
        ws.recv_with(add).await?.transpose()?;
    }
    ws.close(CloseCode::NORMAL, "").await?;
    Ok(value / volume as f64)
}

/// A client that looks at `type` first: prints events until the last of `trades`. It connects again when the server has
/// ended the connection.
async fn print_events(uri: &str, mut trades: u64) -> Result<(), Error> {
    let mut connections = ClientBuilder::new().reconnect(uri)?;
    while trades > 0 {
        let mut ws = connections.next().await?;
        if let Err(error) = print_session(&mut ws, &mut trades).await {
            eprintln!("{error}");
            connections.recover(error)?;
        }
    }
    Ok(())
}

/// Subscribes, and prints the events of one connection. Counts the trades down.
async fn print_session(ws: &mut WebSocket<Stream>, trades: &mut u64) -> Result<(), Error> {
    ws.send("subscribe, please").await?;
    for symbol in ["DOGE-USD", "ETH-USD"] {
        ws.send_json(&Request::Subscribe(symbol.to_owned())).await?;
    }
    while *trades > 0 {
        let Some(line) = ws.recv_json_with(describe).await? else {
            return Ok(());
        };
        *trades -= u64::from(line.starts_with("trade"));
        println!("{line}");
    }
    ws.close(CloseCode::NORMAL, "").await
}

/// Describes any event of the server.
fn describe(event: Value<'_>) -> String {
    let text = |name| event.get(name).and_then(Value::as_str).unwrap_or("?");
    match text("type") {
        "trade" => {
            let number = |name| event.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let (size, price) = (number("size"), number("price"));
            format!("trade: {size} {} at {price:.2}", text("symbol"))
        }
        "error" => format!("error: {}", text("reason")),
        kind => format!("{kind}: {}", text("symbol")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1);
    if let Some(uri) = address.as_deref().filter(|text| text.starts_with("ws://")) {
        return tokio::select! {
            printed = print_events(uri, u64::MAX) => printed,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
    }
    let server = ServerBuilder::new()
        .config(Config::new().max_message_size(4096))
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .bind(address.as_deref().unwrap_or("127.0.0.1:0"))
        .await?;
    let uri = format!("ws://{}", server.local_addr()?);
    println!("listening on {uri}");
    let market = Arc::new(Market::new());
    tokio::spawn(trade(Arc::clone(&market)));
    let serving = server.serve(move |ws| subscriber(ws, Arc::clone(&market)));
    if address.is_some() {
        serving
            .with_graceful_shutdown(tokio::signal::ctrl_c())
            .await;
        return Ok(());
    }
    tokio::select! {
        () = serving => Ok(()),
        shown = show(&uri) => shown,
    }
}
