//! wtx with 64 KiB allocated beforehand.

contestant::main!(contestant_wtx::Adapter<true>);
