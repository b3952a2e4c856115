//! Parses, sets up errors, dispatches: nothing else.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let b = caretta::nn::backbone::Backbone::named(&a[1]).unwrap().name;
    let r = caretta::train::bench::bench(
        &dfdx::prelude::Cpu::default(),
        &caretta::train::bench::BenchPlan {
            backbone: b,
            batch_size: a[2].parse().unwrap(),
            image_size: a[3].parse().unwrap(),
            patience: std::time::Duration::from_secs(12),
        },
    );
    eprintln!("{r:#?}");
}
