//! tokio-websockets, batched by hand.

contestant::main!(contestant_tokio_websockets::Adapter<true>);
