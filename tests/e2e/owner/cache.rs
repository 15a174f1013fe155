// A program whose memory is in Rust's containers: their code is the library's, the blocks are the program's.
use std::collections::HashMap;

pub struct Cache {
    rows: HashMap<u64, Vec<u8>>,
}

impl Cache {
    #[inline(never)]
    pub fn remember(&mut self, key: u64) {
        let row: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
        self.rows.insert(key, row);
    }
}

fn main() {
    let mut cache = Cache { rows: HashMap::new() };
    for key in 0..1000 {
        cache.remember(key);
    }
    // Leaked, and read where the optimiser cannot see what is there.
    let kept: &Cache = Box::leak(Box::new(cache));
    let rows = unsafe { std::ptr::read_volatile(&kept) }.rows.len();
    std::process::exit(if rows == 1000 { 0 } else { 1 });
}
