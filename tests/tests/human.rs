//! `judge human`: a sheet in a real browser and back, and what people do to files.
//!
//! The browser is Chromium, which `APO_CHROMIUM` names (`make test` sets it). Without it,
//! the test of the page says that it is skipped.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apo_provenance::Provenance;
use apo_tables::{Reader, Response, SheetKey, Side, VerdictRow};
use apo_tests::stages::{answer, folder, refuse, run, succeed, write};
use headless_chrome::browser::LaunchOptions;
use headless_chrome::protocol::cdp::Browser::{
    SetDownloadBehavior, SetDownloadBehaviorBehaviorOption,
};
use headless_chrome::{Browser, Tab};
use serde_json::{Value, json};

/// Does harm if it is taken for markup.
const MARKUP: &str = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>";

/// Makes a folder with two policies' answers to `n` queries, and a sheet of all of them.
fn sheet(test: &str, n: usize) -> (PathBuf, Vec<SheetKey>) {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    let answers = |name: &str, text: &dyn Fn(usize) -> String| {
        let row = |i| {
            let prompt = format!(
                "\n\nHuman: Question {i}?\n\nAssistant: Which?\n\nHuman: That, \"please\".\n\nAssistant:"
            );
            answer(i, prompt, text(i))
        };
        let rows: Vec<Response> = (0..n).map(row).collect();
        write(&dir.join(name), &Provenance::new("test", "0"), &rows);
    };
    answers("first.parquet", &|i| match i {
        0 => MARKUP.to_owned(),
        1 => "=1+1, said; \"so\"\nand more".to_owned(),
        _ => format!("Good answer {i}."),
    });
    answers("second.parquet", &|i| format!("Worse answer {i}."));
    succeed(
        &dir,
        &format!("judge human sheet --a first.parquet --b second.parquet --take {n} --out sheet"),
    );
    let key = Reader::open(&dir.join("sheet/key.parquet")).unwrap();
    let key = key.map(Result::unwrap).collect();
    (dir, key)
}

const TALLY: &str = "judge human tally --key sheet/key.parquet --out verdicts.parquet";

fn verdicts(dir: &Path) -> Vec<VerdictRow> {
    let rows = Reader::open(&dir.join("verdicts.parquet")).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns the text of an element; empty while the page is not loaded.
fn text_of(tab: &Tab, selector: &str) -> String {
    let text = format!("document.querySelector({selector:?})?.innerText ?? ''");
    let found = tab.evaluate(&text, false).ok().and_then(|it| it.value);
    found
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Opens a sheet's page, whose exports go into the folder.
fn open(chromium: OsString, dir: &Path) -> (Browser, Arc<Tab>) {
    let options = LaunchOptions {
        path: Some(chromium.into()),
        sandbox: false,
        // Where a machine is small, so is its shared memory.
        args: vec![OsStr::new("--disable-dev-shm-usage")],
        ..LaunchOptions::default()
    };
    let browser = Browser::new(options).unwrap();
    let tab = browser.new_tab().unwrap();
    tab.call_method(SetDownloadBehavior {
        behavior: SetDownloadBehaviorBehaviorOption::Allow,
        browser_context_id: None,
        download_path: Some(dir.display().to_string()),
        events_enabled: None,
    })
    .unwrap();
    let page = format!("file://{}", dir.join("sheet/sheet.html").display());
    tab.navigate_to(&page).unwrap();
    until("the page", || {
        text_of(&tab, "#dialogue").contains("Question")
    });
    (browser, tab)
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{what} does not come"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_sheet_is_worked_through_in_a_browser_and_its_export_tallies() {
    let Some(chromium) = std::env::var_os("APO_CHROMIUM") else {
        eprintln!("skipped: APO_CHROMIUM names no Chromium, it is not here");
        return;
    };
    let (dir, key) = sheet("human-page", 6);
    let (_browser, tab) = open(chromium, &dir);
    tab.find_element("#name").unwrap().click().unwrap();
    // In the name, keys are letters.
    tab.type_str("Ann e").unwrap();
    tab.find_element("#dialogue").unwrap().click().unwrap();

    // The better one, by keyboard and by mouse; one is the same, one is left out.
    let mut seen_markup = false;
    for (i, shown) in key.iter().enumerate() {
        let at = shown.query_id.trim_start_matches('0').parse().unwrap_or(0);
        let dialogue = text_of(&tab, "#dialogue");
        assert!(
            dialogue.contains(&format!("Question {at}?")),
            "{i}: {at} in {dialogue}"
        );
        let (better, arrow) = if shown.left == Side::A {
            ("left", "ArrowLeft")
        } else {
            ("right", "ArrowRight")
        };
        let better_text = text_of(&tab, &format!("#{better} .text"));
        if at == 0 {
            assert_eq!(better_text, MARKUP, "it is text");
            seen_markup = true;
        }
        assert!(!better_text.starts_with("Worse"), "{better_text}");
        match i {
            0 => drop(tab.press_key("s").unwrap()),
            1 => drop(tab.press_key("n").unwrap()),
            2 => {
                let button = format!("[data-vote={better}]");
                tab.find_element(&button).unwrap().click().unwrap();
            }
            _ => drop(tab.press_key(arrow).unwrap()),
        }
    }
    assert!(seen_markup);
    assert!(
        tab.find_elements("main b, main img, main script").is_err(),
        "no markup"
    );
    assert_ne!(tab.get_title().unwrap(), "owned");
    // After the last, what was skipped.
    let text = |selector| text_of(&tab, selector);
    assert_eq!(text("#status"), "Query 2 of 6, 5 judged");
    // What was done outlives the page.
    tab.reload(false, None).unwrap();
    let kept = "Resuming as Ann e, 5 judged";
    until(kept, || text("#notice").contains(kept));
    assert_eq!(text("#status"), "Query 2 of 6, 5 judged");
    // A key that is held is no further vote.
    let held =
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', repeat: true}))";
    tab.evaluate(held, false).unwrap();
    assert_eq!(text("#status"), "Query 2 of 6, 5 judged");
    tab.press_key("e").unwrap();
    let export = dir.join("votes-Ann-e.json");
    until("the export", || export.exists());

    let ran = run(&dir, &format!("{TALLY} --votes votes-Ann-e.json --json"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Ann e voted on 5 of 6 queries"),
        "{}",
        ran.stderr
    );
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let judge = &found["judges"][0];
    assert_eq!(judge["judge"], "Ann e");
    for (name, n) in [("wins", 4), ("losses", 0), ("ties", 1), ("failed", 1)] {
        assert_eq!(judge[name], n, "{name}: {judge}");
    }
    let rows = verdicts(&dir);
    for shown in &key {
        let row = rows.iter().find(|it| it.query_id == shown.query_id);
        let Some(row) = row else { continue };
        // A person saw one order, and it is the one of the sheet.
        assert_eq!(row.plain.is_some(), shown.left == Side::A);
        assert_eq!(row.swapped.is_some(), shown.left == Side::B);
    }
    assert_eq!(rows.len(), 5);
}

/// Fills in the sheet's table: every vote is for the first policy's side unless `vote`
/// says otherwise.
fn filled(
    dir: &Path,
    key: &[SheetKey],
    vote: impl Fn(usize) -> Option<&'static str>,
) -> Vec<[String; 5]> {
    let mut reader = csv::Reader::from_path(dir.join("sheet/sheet.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap).zip(key).enumerate();
    let rows = rows.map(|(i, (row, shown))| {
        let better = if shown.left == Side::A {
            "left"
        } else {
            "right"
        };
        let vote = vote(i).unwrap_or(better);
        [&row[0], &row[1], &row[2], &row[3], vote].map(str::to_owned)
    });
    let name = |it: &str| it.trim_start_matches('\u{feff}').to_owned();
    let head: Vec<String> = head.iter().map(name).collect();
    [head.try_into().unwrap()].into_iter().chain(rows).collect()
}

fn save(path: &Path, rows: &[[String; 5]], separator: u8, mark: &str) {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator)
        .terminator(csv::Terminator::CRLF)
        .from_writer(mark.as_bytes().to_vec());
    for row in rows {
        // As an office ends the lines inside a cell.
        writer
            .write_record(row.each_ref().map(|it| it.replace('\n', "\r\n")))
            .unwrap();
    }
    fs::write(path, writer.into_inner().unwrap()).unwrap();
}

#[test]
fn tables_of_several_annotators_come_back_as_offices_save_them() {
    let (dir, key) = sheet("human-table", 8);
    let page = fs::read_to_string(dir.join("sheet/sheet.html")).unwrap();
    let table = fs::read_to_string(dir.join("sheet/sheet.csv")).unwrap();
    for text in [&page, &table] {
        for telling in ["first", "second", "policy", "model_A"] {
            assert!(!text.contains(telling), "{telling} tells sides");
        }
    }
    assert!(!table.lines().any(|it| it.contains(",=")), "no formula");
    for id in key.iter().map(|it| &it.query_id) {
        assert!(
            !page.contains(id) && !table.contains(id),
            "{id} tells the query"
        );
    }
    let on_the_left = key.iter().filter(|it| it.left == Side::A).count();
    assert_eq!(on_the_left, key.len() / 2, "half and half");
    save(
        &dir.join("anna.csv"),
        &filled(&dir, &key, |_| None),
        b';',
        "\u{feff}",
    );
    let ben = filled(&dir, &key, |i| (i < 2).then_some(" Same"));
    save(&dir.join("ben.csv"), &ben, b',', "");
    let ran = run(
        &dir,
        &format!("{TALLY} --votes anna.csv --votes ben.csv --json"),
    );
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["judges"][0]["wins"], 8);
    assert_eq!(found["judges"][1]["wins"], 6);
    assert_eq!(found["judges"][1]["ties"], 2);
    // (6 + 2 · ¾) / 8.
    assert_eq!(found["together"]["rate"], 0.9375);
    assert_eq!(found["failed"], 0);
    // Agreed on 6 of 8 = ¾, by chance alike: ¾ · 1; κ = 0.
    assert_eq!(found["agreement"], 0.0);
    let text = succeed(&dir, &format!("{TALLY} --votes anna.csv --votes ben.csv"));
    assert!(text.contains("anna") && text.contains("93.8 %"), "{text}");
}

#[test]
fn a_row_that_was_changed_is_reported_and_not_counted() {
    let (dir, key) = sheet("human-changed", 4);
    let mut rows = filled(&dir, &key, |_| None);
    rows[2][3] += " And more.";
    save(&dir.join("anna.csv"), &rows, b',', "\u{feff}");
    let ran = run(&dir, &format!("{TALLY} --votes anna.csv --json"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let expected = "anna: the texts of q-2 differ from those of the sheet";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["judged"], &found["failed"]), (&json!(3), &json!(1)));
    assert_eq!(found["judges"][0]["interval"], Value::Null, "all alike");
}

#[test]
fn what_was_edited_is_of_another_sheet_or_no_vote_is_refused_by_name() {
    let (dir, key) = sheet("human-refused", 3);
    let refused = |name: &str, expected: &[&str]| {
        let line = format!("{TALLY} --votes {name}");
        refuse(&dir, &line, 3, &[&[name], expected].concat());
        assert!(!dir.join("verdicts.parquet").exists());
    };
    let good = filled(&dir, &key, |_| None);
    let changed = |row: usize, column: usize, text: &str| {
        let mut rows = good.clone();
        rows[row][column] = text.to_owned();
        rows
    };
    let table = |name: &str, rows: &[[String; 5]]| save(&dir.join(name), rows, b',', "");
    let mut all = good.clone();
    for row in &mut all[1..] {
        row[3] += " And more.";
    }
    table("edited.csv", &all);
    refused(
        "edited.csv",
        &["no row has the texts of the sheet of --key"],
    );
    table("vote.csv", &changed(2, 4, "both"));
    refused(
        "vote.csv",
        &[
            "row q-2",
            "`vote` is `both`",
            "left, right, same or nothing",
        ],
    );
    table("unknown.csv", &changed(2, 0, "q-9"));
    refused("unknown.csv", &["row `q-9` is not on the sheet"]);
    table("twice.csv", &[good.clone(), vec![good[2].clone()]].concat());
    refused("twice.csv", &["row q-2 occurs twice"]);
    table("empty.csv", &filled(&dir, &key, |_| Some("")));
    refuse(
        &dir,
        &format!("{TALLY} --votes empty.csv"),
        3,
        &["no file holds a vote"],
    );
    fs::write(dir.join("others.csv"), "id,text\n1,no\n").unwrap();
    refused(
        "others.csv",
        &["not the sheet's table (row, dialogue", "no column `row`"],
    );
    fs::write(dir.join("nothing.csv"), "").unwrap();
    refused("nothing.csv", &["not the sheet's table"]);
    fs::write(dir.join("latin.csv"), b"row,vote\n\xe9,left\n").unwrap();
    refused("latin.csv", &["is not UTF-8"]);
    fs::write(dir.join("broken.json"), "{\"sheet\": ").unwrap();
    refused("broken.json", &["not what the sheet exports"]);
    let other = json!({ "sheet": "0000", "annotator": "x", "votes": [] });
    fs::write(dir.join("other.json"), other.to_string()).unwrap();
    refused(
        "other.json",
        &["votes are for sheet 0000, but --key is of sheet"],
    );
    refused("none.json", &["No such file"]);
    table("anna.csv", &good);
    fs::create_dir(dir.join("again")).unwrap();
    table("again/anna.csv", &good);
    let twice = format!("{TALLY} --votes anna.csv --votes again/anna.csv");
    refuse(&dir, &twice, 3, &["two files are from annotator 'anna'"]);
    let more = "judge human sheet --a first.parquet --b second.parquet --out more";
    refuse(
        &dir,
        more,
        3,
        &["answered 3 queries, but --take asks for 100"],
    );
}
