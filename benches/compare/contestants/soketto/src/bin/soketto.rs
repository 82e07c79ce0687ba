//! soketto, each message flushed at once.

contestant::main!(contestant_soketto::Adapter<false>);
