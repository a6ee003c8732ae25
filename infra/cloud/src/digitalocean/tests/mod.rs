//! A server that says what it is told, for what no sane one says.
