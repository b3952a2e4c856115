//! Parses, sets up errors, dispatches: nothing else.

fn main() -> std::process::ExitCode {
    caretta::cli::main(caretta::tui::open)
}
