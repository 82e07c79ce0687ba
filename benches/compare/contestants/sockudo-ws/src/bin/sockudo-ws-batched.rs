//! sockudo-ws, flushed when no more is ready.

contestant::main!(contestant_sockudo_ws::Adapter<true>);
