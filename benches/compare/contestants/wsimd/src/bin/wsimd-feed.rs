//! wsimd with `recv` and `feed`.

contestant::main!(contestant_wsimd::Adapter<true>);
