//! wtx with its default buffer, which grows with the bytes that arrive.

contestant::main!(contestant_wtx::Adapter<false>);
