// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! suite-fetch FILE.wast OUT...: writes each script as OUT/NAME.json with its modules OUT/NAME.N.wasm beside it.
//! A file that the parser refuses is named and left out; the exit status stays 0, because absent files are reported.

use std::{env, error::Error, fs, path::Path};
use wast::parser::{parse, ParseBuffer};

fn convert(source: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(source)?;
    let name = source.file_stem().ok_or("no file name")?.to_string_lossy().into_owned();
    let file_name = format!("{name}.wast");
    let mut lexer = wast::lexer::Lexer::new(&text);
    lexer.allow_confusing_unicode(true); // names.wast and others are full of it
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let script = json_from_wast::Opts::default()
        .module_filename(name.as_str())
        .convert(&file_name, &text, parse(&buffer)?)?;
    fs::create_dir_all(out)?;
    for (module, bytes) in &script.wasms {
        fs::write(out.join(module), bytes)?;
    }
    Ok(fs::write(out.join(format!("{name}.json")), serde_json::to_vec(&script)?)?)
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    for pair in arguments.chunks_exact(2) {
        if let Err(reason) = convert(Path::new(&pair[0]), Path::new(&pair[1])) {
            eprintln!("{}: {reason}", pair[0]);
        }
    }
}
