//! What the reader says of good and of broken documents.

use super::*;
use crate::time::{DAY_MS, Span};
use crate::verdict::{Centibans, Mode};
use proptest::prelude::*;

/// Reads a document by `read` and gives its faults, a line each.
fn faults<T>(text: &str, read: impl FnOnce(At<'_>) -> Option<T>) -> String {
    match Document::parse("t.yaml", text).read(read) {
        Ok(_) => String::new(),
        Err(faults) => faults.iter().map(|f| format!("{f}\n")).collect(),
    }
}

/// The fault of the value of `key`.
fn fault_of<T>(value: &str, get: impl Fn(&At<'_>) -> Option<T>) -> String {
    faults(&format!("key: {value}\n"), |at| at.map()?.get("key").and_then(|at| get(&at)))
}

#[test]
fn good_values_are_read() {
    let text = "text: a\nnumber_as_text: 007\nyes: true\ncount: 0x10\nweight: -6.5\nspan: 90d\nsize: 512MiB\nlist: [1, 2]\nmode: shadow\nnothing:\n";
    let read = Document::parse("t.yaml", text).read(|at| {
        let map = at.map()?;
        assert_eq!(map.need("text")?.text(), Some("a"));
        assert_eq!(map.need("number_as_text")?.text(), Some("007"));
        assert_eq!(map.need("yes")?.bool(), Some(true));
        assert_eq!(map.need("yes")?.scalar(), Some("true"));
        assert_eq!(map.need("count")?.integer(0..=16), Some(16));
        assert_eq!(map.need("weight")?.decibans(-10..=0), Some(Centibans(-65)));
        assert_eq!(map.need("span")?.span(Span(0)..=Span(90 * DAY_MS)), Some(Span(90 * DAY_MS)));
        assert_eq!(map.need("size")?.bytes(0..=1 << 30), Some(512 << 20));
        assert_eq!(map.need("list")?.list()?.iter().map(|at| at.integer(1..=2)).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(map.need("list")?.list_or_one().len(), 2);
        assert_eq!(map.need("text")?.list_or_one().len(), 1);
        assert_eq!(map.need("mode")?.word(Mode::NAMES, Mode::from_name), Some(Mode::Shadow));
        assert!(map.need("nothing")?.is_null());
        assert_eq!(map.need("nothing")?.list()?.len(), 0);
        Some(())
    });
    assert_eq!(read, Ok(()));
}

#[test]
fn every_fault_is_told_in_the_order_of_the_lines() {
    let text = "b: x\nimpossible_travle: 1\na: 3\na: 4\nc: { deep: [1, z] }\nzebra: 1\n";
    let told = faults(text, |at| {
        let map = at.map()?;
        map.get("b")?.bool();
        map.get("a")?.integer(5..=9);
        map.need("missing");
        map.get("impossible_travel");
        for at in map.get("c")?.map()?.get("deep")?.list()? {
            at.integer(0..=9);
        }
        Some(())
    });
    assert_eq!(
        told,
        "t.yaml:1:1 missing: is missing, it is required\n\
         t.yaml:1:4 b: true or false is wanted here, found \"x\"\n\
         t.yaml:2:1 impossible_travle: unknown key, did you mean \"impossible_travel\"?\n\
         t.yaml:3:4 a: 3 is out of bounds: between 5 and 9\n\
         t.yaml:4:1: the key \"a\" is there twice, first on line 3, remove one of them\n\
         t.yaml:5:16 c.deep[1]: a whole number is wanted here, found \"z\"\n\
         t.yaml:6:1 zebra: unknown key, known are b, a, missing, impossible_travel, c\n"
    );
}

#[test]
fn a_wrong_value_says_what_is_wanted_and_what_was_found() {
    for (told, expected) in [
        (fault_of("[]", |at| at.text().map(drop)), "text is wanted here, found a list"),
        (fault_of("true", |at| at.text().map(drop)), "text is wanted here, found true, put it in quotes if it is meant as text"),
        (fault_of("", |at| at.text().map(drop)), "text is wanted here, found nothing"),
        (fault_of("abcdef", |at| at.short_text(5).map(drop)), "is 6 bytes long, at most 5 are allowed"),
        (fault_of("\"a\\x07\"", |at| at.short_text(5).map(drop)), "holds a control character: \"a\\u{7}\""),
        (fault_of("yes", |at| at.bool()), "true or false is wanted here, found \"yes\""),
        (fault_of("1.5", |at| at.integer(0..=9)), "a whole number is wanted here, found the number 1.5"),
        (fault_of("-1", |at| at.count(0..=9)), "-1 is out of bounds: between 0 and 9"),
        (fault_of(".nan", |at| at.number(0.0..=1.0)), "a number is wanted here, found the number .nan"),
        (fault_of("0.25", |at| at.decibans(0..=1)), "decibans have one decimal at most, found the number 0.25"),
        (
            fault_of("10 minutes", |at| at.span(Span(0)..=Span(9))),
            "a duration such as 90d, 12h, 30m, 20s or 250ms is wanted here, found \"10 minutes\"",
        ),
        (fault_of("1d", |at| at.span(Span(1000)..=Span(60_000))), "1d is out of bounds: between 1s and 1m"),
        (fault_of("512M", |at| at.bytes(0..=9)), "a size such as 512MiB, 2GiB or 64KiB is wanted here, found \"512M\""),
        (fault_of("1GiB", |at| at.bytes(1024..=1 << 20)), "\"1GiB\" is out of bounds: between 1KiB and 1MiB"),
        (fault_of("shaddow", |at| at.word(Mode::NAMES, Mode::from_name)), "unknown value \"shaddow\", did you mean \"shadow\"?"),
        (fault_of("everything", |at| at.word(Mode::NAMES, Mode::from_name)), "unknown value \"everything\", known are enforce, shadow"),
        (fault_of("3", |at| at.word(Mode::NAMES, Mode::from_name)), "one of enforce, shadow is wanted here, found the number 3"),
        (fault_of("a", |at| at.list().map(|_| ())), "a list is wanted here, found \"a\""),
        (fault_of("a", |at| at.map().map(|_| ())), "a map is wanted here, found \"a\""),
    ] {
        let Some((_, what)) = told.split_once(" key: ") else { panic!("{told}") };
        assert_eq!(what, format!("{expected}\n"));
    }
}

#[test]
fn what_is_not_one_bounded_document_is_refused() {
    let deep = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let before = format!("*a{}", i - 1);
        laughs.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", ")));
    }
    let long_alias = format!("a: &a {}\nb: [{}]", "x".repeat(1000), vec!["*a"; 2000].join(", "));
    for (text, expected) in [
        ("a: [1, 2\nb: 3", "is not YAML"),
        ("a: b: c", "t.yaml:1:5: is not YAML"),
        ("a:\n\tb: 1", "is not YAML"),
        ("a: *nobody", "is not YAML"),
        ("a: 1\n---\nb: 2", "t.yaml:2:1: a second document begins here, one is read, put it into a file of its own"),
        ("a: &a [*a]", "t.yaml:1:8: an alias stands for itself, write the value out"),
        ("[1]: 2", "a list or map cannot be a key"),
        ("{a: 1}: 2", "a list or map cannot be a key"),
        ("? [a, b]\n: 1", "a list or map cannot be a key"),
        ("a: !!int x", "this tag does not go with this value, leave the tag out"),
        ("a: !mine x", "this tag does not go with this value, leave the tag out"),
        ("a: !mine [x]", "a tag means nothing here, leave it out"),
        (deep.as_str(), "is nested more than 32 deep"),
        (laughs.as_str(), "the aliases repeat too much"),
        (long_alias.as_str(), "the aliases repeat too much"),
    ] {
        let told = faults(text, |at| at.map().map(|map| drop(map.entries())));
        assert!(told.contains(expected), "{text}\n{told}");
    }
    let told = faults(&"#".repeat(TEXT_MAX + 1), |_| Some(()));
    assert_eq!(told, "t.yaml:1:1: is 1048577 bytes long, at most 1048576 are read\n");
}

#[test]
fn aliases_and_merges_of_a_modest_size_are_values_like_others() {
    let read = Document::parse("t.yaml", "\u{feff}a: &a { x: 1 }\nb: *a\n").read(|at| {
        let map = at.map()?;
        map.get("a")?.map()?.entries();
        map.get("b")?.map()?.get("x")?.integer(0..=9)
    });
    assert_eq!(read, Ok(1));
}

#[test]
fn only_so_many_faults_are_told() {
    let text: String = (0..FAULTS_MAX + 7).map(|i| format!("k{i}: 1\n")).collect();
    let told = faults(&text, |at| at.map().map(|_| ()));
    assert_eq!(told.lines().count(), FAULTS_MAX + 1);
    assert_eq!(told.lines().last(), Some("t.yaml: and 7 more faults"));
}

#[test]
fn a_variable_is_laid_over_the_document_and_named_in_its_faults() {
    let path = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>();
    let mut document = Document::parse("t.yaml", "a: { b: 1 }\nlist: 7\n");
    document.overlay("A__B", &path(&["a", "b"]), "x: y # z");
    document.overlay("A__C", &path(&["a", "c"]), "5");
    document.overlay("LIST", &path(&["list"]), "[{ n: 1 }, { m: 2 }]");
    let mut seen = (String::new(), None);
    let told = document.read(|at| {
        let map = at.map()?;
        let a = map.get("a")?.map()?;
        seen = (a.get("b")?.text()?.to_owned(), a.get("c")?.integer(0..=9));
        for item in map.get("list")?.list()? {
            item.map()?.get("n").map(|at| at.bool());
        }
        Some(())
    });
    assert_eq!(seen, ("x: y # z".to_owned(), Some(5)));
    let told: Vec<String> = told.unwrap_err().iter().map(Fault::to_string).collect();
    assert_eq!(
        told,
        ["LIST list[0].n: true or false is wanted here, found the number 1", "LIST list[1].m: unknown key, did you mean \"n\"?"]
    );
}

/// Touches everything that there is.
fn walk(at: &At<'_>) {
    at.text();
    at.short_text(9);
    at.scalar();
    at.number(0.0..=1.0);
    at.decibans(-5..=5);
    at.span(Span(0)..=Span(5));
    at.bytes(0..=5);
    at.word(&["a", "b"], |_| None::<()>);
    if at.is_list() {
        at.list().unwrap_or_default().iter().for_each(walk);
    }
    if at.is_map() {
        let Some(map) = at.map() else { return };
        map.need("a");
        map.not_yet("b");
        if map.get("c").is_none() {
            map.entries().iter().for_each(|(_, at)| walk(at));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics(text in "\\PC{0,80}|[-\\[\\]{}:,&*a!#|>'\"?\n\t 0-9~%@]{0,80}") {
        let _ = Document::parse("t.yaml", &text).read(|at| { walk(&at); Some(()) });
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse("t.yaml", &String::from_utf8_lossy(&bytes)).read(|at| { walk(&at); Some(()) });
    }
}
