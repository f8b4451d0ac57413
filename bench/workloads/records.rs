// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! records FOLDER COUNT: writes COUNT records to FOLDER/records.json, one JSON object a line, reads the file back and parses
//! it. The same records, file and result as records.c, written as one writes Rust.
mod workload;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

const TAGS: [&str; 4] = ["edge", "cloud", "desktop", "embedded"];
const ROOM: usize = 64 * 1024;

#[derive(Default)]
struct Record {
    id: u32,
    score_thousandths: u32,
    tag_count: u32,
    active: bool,
    name: String,
}

struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

fn make(record: &mut Record, id: u32, random: &mut Random) {
    record.id = id;
    record.score_thousandths = random.next() % 1000000;
    record.tag_count = random.next() % 5;
    record.active = random.next() & 1 == 1;
    let len = 6 + random.next() % 18;
    record.name.clear();
    record.name.extend((0..len).map(|_| (b'a' + (random.next() % 26) as u8) as char));
}

fn put(out: &mut impl Write, record: &Record) -> std::io::Result<()> {
    let score = record.score_thousandths;
    write!(out, "{{\"id\":{},\"name\":\"{}\",\"score\":{}.{:03}", record.id, record.name, score / 1000, score % 1000)?;
    write!(out, ",\"active\":{},\"tags\":[", record.active)?;
    for (i, tag) in TAGS.iter().take(record.tag_count as usize).enumerate() {
        write!(out, "{}\"{tag}\"", if i > 0 { "," } else { "" })?;
    }
    out.write_all(b"]}\n")
}

struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn take(&mut self, text: &str) -> bool {
        self.0.strip_prefix(text).map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, text: &str) {
        assert!(self.take(text), "{text} expected before: {}", self.0);
    }

    fn while_matches(&mut self, matches: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|byte| !matches(byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u32 {
        self.while_matches(|byte| byte.is_ascii_digit()).parse().unwrap()
    }

    fn string(&mut self) -> &'a str {
        self.expect("\"");
        let text = self.while_matches(|byte| byte != b'"');
        self.expect("\"");
        text
    }
}

fn parse(line: &str, record: &mut Record) {
    let mut text = Text(line);
    text.expect("{\"id\":");
    record.id = text.number();
    text.expect(",\"name\":");
    record.name.clear();
    record.name.push_str(text.string());
    text.expect(",\"score\":");
    record.score_thousandths = text.number() * 1000;
    text.expect(".");
    record.score_thousandths += text.number();
    text.expect(",\"active\":");
    record.active = text.take("true");
    if !record.active {
        text.expect("false");
    }
    text.expect(",\"tags\":[");
    record.tag_count = 0;
    while !text.take("]") {
        if record.tag_count > 0 {
            text.expect(",");
        }
        text.string();
        record.tag_count += 1;
    }
    text.expect("}\n");
}

fn main() -> std::io::Result<()> {
    let started = workload::ready();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count] = arguments.as_slice() else { panic!("usage: records FOLDER COUNT") };
    let path = format!("{folder}/records.json");
    let (mut record, mut random) = (Record::default(), Random(2025));
    let mut out = BufWriter::with_capacity(ROOM, File::create(&path)?);
    for id in 0..count.parse().unwrap() {
        make(&mut record, id, &mut random);
        put(&mut out, &record)?;
    }
    out.into_inner()?;

    let mut from = BufReader::with_capacity(ROOM, File::open(&path)?);
    let (mut line, mut count, mut active, mut tags, mut letters, mut score) = (String::new(), 0, 0, 0, 0, 0u64);
    while from.read_line(&mut line)? > 0 {
        parse(&line, &mut record);
        line.clear();
        count += 1;
        active += record.active as u32;
        tags += record.tag_count;
        letters += record.name.len();
        score += record.score_thousandths as u64;
    }
    println!("{count} records, {active} active, {tags} tags, {letters} letters, score {score}");
    workload::done(started);
    Ok(())
}
