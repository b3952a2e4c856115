//! Parses, sets up errors, dispatches: nothing else.

fn main() -> std::process::ExitCode {
    caretta::cli::main()
}
