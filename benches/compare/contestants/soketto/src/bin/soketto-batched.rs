//! soketto, flushed when no more is ready.

contestant::main!(contestant_soketto::Adapter<true>);
