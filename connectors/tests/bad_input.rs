//! Each kind of bad input: a dead letter with its place, or an error that names the file; never a panic, and never more than itself.

use portcullis_connectors::file::{Batch, FileFault, FileReader, Options};
use portcullis_connectors::formats::{Format, Input, Item, decode};
use std::io::Write;

const GOOD: &str = r#"{"id":"e","time":"2026-05-01T10:00:00Z","type":"auth.login","identity":{"id":"u"}}"#;

/// What a file of these bytes gives: `line offset: event` or `line offset: what is wrong`.
fn read(bytes: &[u8]) -> Vec<String> {
    read_with(bytes.to_vec(), Options::default())
}

fn read_with(bytes: Vec<u8>, options: Options) -> Vec<String> {
    let mut reader = FileReader::from_bytes("test", std::io::Cursor::new(bytes), options).unwrap();
    let (input, mut batch, mut out) = (Input::operator("test"), Batch::default(), Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        for raw in batch.records() {
            let at = format!("{} {}", raw.position.line, raw.position.offset);
            match raw.fault {
                Some(fault) => out.push(format!("{at}: {fault}")),
                None => decode(Format::Auto, raw.bytes, &input, &mut |_, item| {
                    out.push(match item {
                        Item::Event(event) => format!("{at}: {}", event.id),
                        Item::Ignored { kind } => format!("{at}: ignored {kind}"),
                        Item::Fault(fault) => format!("{at}: {fault}"),
                    });
                }),
            }
        }
    }
    out
}

/// A bad line between two good ones gives one fault, on line 2, that contains `what`.
fn costs_itself(bad: &[u8], what: &str) {
    let mut bytes = format!("{GOOD}\n").into_bytes();
    let offset = bytes.len();
    bytes.extend_from_slice(bad);
    bytes.extend_from_slice(format!("\n{GOOD}\n").as_bytes());
    let found = read(&bytes);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "1 0: e");
    assert!(found[1].starts_with(&format!("2 {offset}: ")) && found[1].contains(what), "{found:?} lacks {what:?}");
    assert!(found[2].starts_with("3 ") && found[2].ends_with(": e"), "{found:?}");
}

#[test]
fn no_json() {
    costs_itself(b"not json at all", "not JSON");
}

#[test]
fn a_wrong_type() {
    costs_itself(br#"{"time":"2026-05-01T10:00:00Z","type":"auth.login","identity":{"id":17}}"#, "17");
}

#[test]
fn a_missing_time() {
    costs_itself(br#"{"type":"auth.login","identity":{"id":"u"}}"#, "time");
}

#[test]
fn invalid_utf8() {
    costs_itself(b"{\"id\":\"\xff\xfe\",\"time\":1,\"type\":\"auth.login\"}", "UTF-8");
}

#[test]
fn a_nul() {
    costs_itself(b"{\"id\":\"a\x00b\"}", "control character");
    costs_itself(b"\x00\x00\x00", "not JSON");
}

#[test]
fn times_that_nobody_believes() {
    for time in ["\"1970-01-01T00:00:00Z\"", "\"2200-01-01T00:00:00Z\"", "1760000000"] {
        costs_itself(format!(r#"{{"time":{time},"type":"auth.login","identity":{{"id":"u"}}}}"#).as_bytes(), "time");
    }
}

#[test]
fn unknown_type_and_value() {
    costs_itself(br#"{"time":"2026-05-01T10:00:00Z","type":"auth.logon","identity":{"id":"u"}}"#, "auth.login");
    costs_itself(br#"{"time":"2026-05-01T10:00:00Z","type":"auth.login","outcome":"succes","identity":{"id":"u"}}"#, "success");
}

#[test]
fn nesting() {
    let deep =
        |n: usize| format!(r#"{{"time":"2026-05-01T10:00:00Z","type":"auth.login","identity":{}1{}}}"#, "[".repeat(n), "]".repeat(n));
    costs_itself(deep(10_000).as_bytes(), "");
    let vendor = |key: &str| {
        format!(r#"{{"class_uid":3002,"eventName":"a","eventSource":"b","{key}":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000))
    };
    costs_itself(vendor("x").as_bytes(), "recursion");
    // Unclosed, and as the whole file.
    costs_itself("[".repeat(10_000).as_bytes(), "");
    assert_eq!(read("[".repeat(10_000).as_bytes()).len(), 1);
    assert_eq!(read("{\"a\":".repeat(10_000).as_bytes()).len(), 1);
}

#[test]
fn a_huge_line_costs_neither_memory_nor_the_next() {
    for opening in ["{\"x\":\"", "", "[1,\""] {
        let mut bytes = format!("{GOOD}\n{opening}").into_bytes();
        bytes.resize(bytes.len() + (50 << 20), b'x');
        bytes.extend_from_slice(format!("\n{GOOD}\n").as_bytes());
        let found = read(&bytes);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[1].contains("longer than a record may be"), "{found:?}");
        assert!(found[2].starts_with("3 ") && found[2].ends_with(": e"), "{found:?}");
    }
    // The first line of all, and an element of a list, and a value among values.
    let huge = "x".repeat(5 << 20);
    assert_eq!(read(format!("{{\"a\":\"{huge}\"}}\n{GOOD}\n").as_bytes())[1..].len(), 1);
    let list = read(format!("[{GOOD},{{\"a\":\"{huge}\"}},{GOOD}]").as_bytes());
    assert!(list.len() == 3 && list[1].contains("longer") && list[2].ends_with(": e"), "{list:?}");
    let values = read(format!("{{\n\"a\":1\n}}\n{{\n \"a\":\"{huge}\"}}\n{GOOD}\n").as_bytes());
    assert!(values.len() == 3 && values[1].contains("longer") && values[2].ends_with(": e"), "{values:?}");
}

#[test]
fn a_broken_first_line_costs_itself_however_much_follows() {
    let good = format!("{GOOD}\n").repeat(30_000);
    let found = read(format!("{{\"a\":{{\"b\":1}}\n{good}").as_bytes());
    assert_eq!(found.len(), 30_001);
    assert!(found[0].starts_with("1 0: brackets are not closed") && found[1].ends_with(": e"), "{:?}", &found[..2]);
}

#[test]
fn an_empty_file() {
    assert_eq!(read(b""), ["1 0: empty: the file holds no record"]);
    assert_eq!(read(b" \n\n"), ["1 0: empty: the file holds no record"]);
    assert_eq!(read(b"[]"), Vec::<String>::new());
}

#[test]
fn a_file_cut_in_the_middle() {
    let found = read(format!("{GOOD}\n{}", &GOOD[..30]).as_bytes());
    assert!(found.len() == 2 && found[1].contains("EOF"), "{found:?}");
    let found = read(format!("[\n  {GOOD},\n  {}", &GOOD[..30]).as_bytes());
    assert!(found.len() == 2 && found[1].contains("cut"), "{found:?}");
    let found = read(format!("[\n  {GOOD},\n").as_bytes());
    assert!(found.len() == 2 && found[1].contains("cut"), "{found:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// With the content checksum that the `zstd` tool writes; without one, damage in the content cannot be told.
fn zstd_checked(bytes: &[u8]) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 3).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Lines that hardly compress, so that a cut stream still holds some of them.
fn lines(count: u64) -> String {
    let mut state = 1u64;
    let mut line = |i| {
        let noise: String = (0..8)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                format!("{state:016x}")
            })
            .collect();
        GOOD.replace("\"e\"", &format!("\"e{i}-{noise}\"")) + "\n"
    };
    (0..count).map(&mut line).collect()
}

#[test]
fn compressed_streams_whole_and_cut() {
    let text = lines(2_000);
    for (name, packed) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd_checked(text.as_bytes()))] {
        assert_eq!(read(&packed), read(text.as_bytes()), "{name}");
        let found = read(&packed[..packed.len() / 2]);
        let (last, before) = found.split_last().unwrap();
        assert!(before.len() > 100 && before.iter().all(|l| l.contains(": e")), "{name}: {} {:?}", before.len(), before.last());
        assert!(last.contains(&format!("the {name} stream is cut or damaged after")), "{name}: {last}");
        // Damaged in the middle.
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xaa);
        assert!(read(&damaged).iter().any(|l| l.contains("stream is cut or damaged")), "{name}");
        // Nothing but the magic.
        assert!(read(&packed[..4.min(packed.len())])[0].contains("cut or damaged"), "{name}");
    }
    // Several members one after the other, as log rotation leaves them.
    assert_eq!(read(&[gzip(text.as_bytes()), gzip(text.as_bytes())].concat()).len(), 4_000);
}

/// A field's name can forge a line of a log as well as a value can.
#[test]
fn what_is_said_of_a_record_steers_no_log() {
    for raw in [
        "{\"\\u001b[2J\\n2026 ERROR forged\\u202e\":1}",
        "CEF:0|Acme|\u{1b}[2Jforged|9.1|AUTH-17|VPN login failed|5|rt=1777629600353 src=192.0.2.7",
        "{\"kind\":\"admin#reports#activity\",\"id\":{\"applicationName\":\"\\u001b[2J\\nforged\",\"time\":\"2026-05-01T10:00:00Z\"},\"events\":[]}",
    ] {
        let said = read(raw.as_bytes()).concat();
        assert!(said.contains("forged") && !said.contains(|c: char| c.is_control() || c == '\u{202e}'), "{said:?}");
    }
}

/// Two GiB in less than one MiB: of what comes out, no more is held than of any other file.
#[test]
fn a_bomb_costs_neither_memory_nor_the_next() {
    const MIB: usize = 1 << 20;
    let zeros = vec![b' '; MIB];
    let mut bomb = zstd::Encoder::new(Vec::new(), 3).unwrap();
    bomb.write_all(format!("{GOOD}\n{{\"x\":\"").as_bytes()).unwrap();
    (0..2_048).for_each(|_| bomb.write_all(&zeros).unwrap());
    bomb.write_all(format!("\n{GOOD}\n").as_bytes()).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < MIB, "{}", bomb.len());
    let found = read(&bomb);
    assert!(found.len() == 3 && found[1].contains("longer than a record may be") && found[2].starts_with("3 "), "{found:?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak_kb = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    assert!(peak_kb.is_none_or(|kb| kb < MIB), "{peak_kb:?} kB");
}

#[test]
fn a_folder_a_missing_file_and_a_file_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap().to_owned();
    assert!(matches!(FileReader::open(&name), Err(FileFault::Folder { .. })));
    let missing = format!("{name}/none.json");
    let error = FileReader::open(&missing).err().unwrap();
    assert!(matches!(error, FileFault::Missing { .. }) && error.to_string().contains(&missing));
    // The name does not tell what is in it; the first bytes do.
    let path = format!("{name}/events.ndjson");
    std::fs::write(&path, gzip(format!("{GOOD}\n").as_bytes())).unwrap();
    let mut batch = Batch::default();
    assert!(FileReader::open(&path).unwrap().next_batch(&mut batch).unwrap());
    assert_eq!(batch.records().next().unwrap().bytes, GOOD.as_bytes());
}
