//! Stages on `--device cuda` under a stand-in for NVIDIA's driver: that they run to their
//! ends, that every kernel assembles, and how many launches and how much memory they take.
//! Nothing is said of values: under the stand-in, kernels compute nothing.
//!
//! `APO_CUDA` names the folder of libdevice and `ptxas`; `make test-cuda` sets it.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use apo_tests::stages::{
    binary, command, copy, finish, folder, kill, small_round, start_command, workspace,
};
use serde_json::Value;

/// A small round that all tests read, made on the CPU.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "cuda"));

/// The folder in which programs find the stand-in as `libcuda.so.1`.
static DRIVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "cuda-driver");
    fs::copy(binary("libcuda_stand_in.so"), dir.join("libcuda.so.1")).unwrap();
    dir
});

/// Returns the folder of libdevice and `ptxas`.
fn tools() -> PathBuf {
    PathBuf::from(std::env::var_os("APO_CUDA").expect("APO_CUDA; run `make test-cuda`"))
}

/// Returns the command of `line` on the stand-in's GPU. What the driver sees goes to a
/// folder, which is emptied.
fn on_gpu(line: &str, seen: &Path) -> Command {
    let _ = fs::remove_dir_all(seen); // absent on the first run
    fs::create_dir_all(seen).unwrap();
    let mut command = command(&ROUND, line);
    under_driver(&mut command).env("STAND_IN_FOLDER", seen);
    command
}

/// Lets a command find the stand-in and libdevice.
fn under_driver(command: &mut Command) -> &mut Command {
    command
        .env("LD_LIBRARY_PATH", &*DRIVER)
        .env("CUDA_PATH", tools())
}

/// Starts `line` on the stand-in's GPU, and kills it once a file is there. Before its first
/// step, tuning takes a minute, and more beside other tests.
#[track_caller]
fn kill_on_gpu(line: &str, seen: &str, file: &Path) {
    let mut command = on_gpu(line, &ROUND.join(seen));
    let patience = Duration::from_mins(5);
    kill(start_command(&mut command, patience, || file.exists()));
}

/// What the driver saw of a run.
struct Seen {
    folder: PathBuf,
    report: Value,
}

impl Seen {
    fn of(folder: PathBuf) -> Self {
        let report = fs::read(folder.join("report.json")).expect("the driver was asked");
        let report = serde_json::from_slice(&report).unwrap();
        Self { folder, report }
    }

    fn number(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap()
    }

    /// Launches by kernel, without those by which CubeCL measures the device.
    fn launches(&self) -> BTreeMap<&str, u64> {
        let kernels = self.report["kernels"].as_object().unwrap();
        let launches = kernels
            .iter()
            .map(|(name, n)| (name.as_str(), n.as_u64().unwrap()));
        let probes = ["launch_overhead", "_throughput"];
        launches
            .filter(|(name, _)| !probes.iter().any(|it| name.contains(it)))
            .collect()
    }

    /// The PTX of each module, by the file's name.
    fn ptx(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|it| it.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|it| it == "ptx"))
    }
}

/// Work of a stage, and the most that it may ask of the driver in f32 and in bf16 when tuning
/// has decided: launches, and MiB of memory, in tens. Lower the figures when they fall.
struct Work {
    name: &'static str,
    line: &'static str,
    most: [[u64; 2]; 2],
}

/// By how much two runs of the same work differ: threads let go of tensors now sooner, now
/// later, so an operation writes in place or not.
const MOVES: [u64; 2] = [10, 2];

const fn work(name: &'static str, line: &'static str, most: [[u64; 2]; 2]) -> Work {
    Work { name, line, most }
}

const WORKS: [Work; 12] = [
    work(
        "sample",
        "sample --model policy --queries data/test-queries.parquet --samples 2 \
         --max-new-tokens 4 --batch 8 --out",
        [[2480, 20], [2830, 20]],
    ),
    work(
        "rm-train",
        "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
         --samples rm-samples.parquet --batch 16 --out",
        [[4210, 250], [4500, 220]],
    ),
    work(
        "rm-train --recompute",
        "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
         --samples rm-samples.parquet --batch 16 --recompute --out",
        [[5010, 100], [5480, 80]],
    ),
    work(
        "sft",
        "align sft --model policy --pairs data/rm-pairs.parquet --batch 16 --out",
        [[3170, 140], [3390, 120]],
    ),
    work(
        "rjs",
        "align rjs --model policy --responses scored.parquet --batch 16 --out",
        [[3170, 100], [3390, 90]],
    ),
    work(
        "rrhf",
        "align rrhf --model policy --responses scored.parquet --batch 16 --out",
        [[3220, 150], [3440, 130]],
    ),
    work(
        "dpo",
        "align dpo --model policy --responses scored.parquet --batch 16 --out",
        [[3520, 130], [3800, 110]],
    ),
    work(
        "dpo --recompute",
        "align dpo --model policy --responses scored.parquet --batch 16 --recompute --out",
        [[4050, 60], [4460, 60]],
    ),
    work(
        "judge score",
        "judge score --model rm --responses samples.parquet --out",
        [[270, 40], [340, 40]],
    ),
    work(
        "judge log-probs",
        "judge log-probs --model policy --responses samples.parquet --out",
        [[280, 40], [350, 40]],
    ),
    work(
        "judge accuracy",
        "judge accuracy --model rm --pairs data/test-pairs.parquet",
        [[270, 20], [340, 20]],
    ),
    work(
        "judge kl",
        "judge kl --model policy --reference policy --responses samples.parquet",
        [[550, 50], [690, 50]],
    ),
];

/// Runs a stage, which must end well and say nothing that is not the user's business.
#[expect(clippy::print_stderr, reason = "what a stage asks for is to be seen")]
fn runs(line: &str, seen: PathBuf, sm: &str) -> Seen {
    let began = Instant::now();
    let ran = finish(on_gpu(line, &seen).env("STAND_IN_SM", sm));
    assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
    for word in ["bug", "panicked", "cubecl", "ptx", "driver"] {
        assert!(
            !ran.stderr.to_lowercase().contains(word),
            "{line} speaks of `{word}`\n{}",
            ran.stderr
        );
    }
    let seen = Seen::of(seen);
    eprintln!(
        "{line}: {} launches, {} modules, at most {} MiB, {:.0} s",
        seen.launches().values().sum::<u64>(),
        seen.number("modules"),
        seen.number("peak_bytes") >> 20,
        began.elapsed().as_secs_f64(),
    );
    seen
}

/// Assembles PTX, on all processors; returns what `ptxas` refuses.
fn refused(kernels: &[PathBuf], arch: &str) -> Vec<String> {
    let n = thread::available_parallelism().map_or(1, Into::into);
    let assemble = |part: &[PathBuf]| -> Vec<String> {
        let mut refused = Vec::new();
        for path in part {
            let mut ptxas = Command::new(tools().join("bin/ptxas"));
            let ran = finish(
                ptxas
                    .arg("-arch")
                    .arg(arch)
                    .arg(path)
                    .args(["-o", "/dev/null"]),
            );
            if ran.status != Some(0) {
                refused.push(format!("{}: {}", path.display(), ran.stderr));
            }
        }
        refused
    };
    thread::scope(|scope| {
        let parts = kernels.chunks(kernels.len().div_ceil(n).max(1));
        let workers: Vec<_> = parts.map(|it| scope.spawn(move || assemble(it))).collect();
        let found = workers.into_iter().map(|it| it.join().unwrap());
        found.flatten().collect()
    })
}

#[test]
fn stages_run_to_their_ends_and_every_kernel_assembles() {
    let mut kernels = BTreeMap::new();
    let mut beyond = Vec::new();
    for work in &WORKS {
        for (precision, most) in ["f32", "bf16"].into_iter().zip(work.most) {
            let name = format!("{}-{precision}", work.name.replace(' ', ""));
            // With a folder for all, each key is tuned once.
            let mut line = format!(
                "{} --device cuda --precision {precision} --tuning tuning-{precision} --quiet",
                work.line
            );
            if let Some(at) = line.find("--out") {
                line.insert_str(at + "--out".len(), &format!(" on-gpu-{name} --overwrite"));
            }
            let tuning = runs(&line, ROUND.join(format!("seen-{name}-tuning")), "90");
            for path in tuning.ptx() {
                let ptx = fs::read_to_string(&path).unwrap();
                // In bf16, too: a reward's product is f32.
                assert!(
                    !ptx.contains("tf32"),
                    "{name} rounds to TF32: {}",
                    path.display()
                );
                kernels.insert(path.file_name().unwrap().to_owned(), path);
            }
            let out = ROUND.join(format!("on-gpu-{name}"));
            let _ = fs::remove_file(&out).or_else(|_| fs::remove_dir_all(&out)); // if it has one
            let tuned = runs(&line, ROUND.join(format!("seen-{name}")), "90");
            let found = [
                tuned.launches().values().sum::<u64>(),
                tuned.number("peak_bytes") >> 20,
            ];
            if found[0] > most[0] + MOVES[0] || found[1] > most[1] + MOVES[1] {
                beyond.push(format!("{name}: {found:?}, beyond {most:?}"));
            }
        }
    }
    let kernels: Vec<PathBuf> = kernels.into_values().collect();
    assert_eq!(refused(&kernels, "sm_90a"), Vec::<String>::new());
    eprintln!("{} kernels assemble", kernels.len());
    assert_eq!(beyond, Vec::<String>::new(), "launches and MiB");
}

/// An A100 has fewer features than an H100.
#[test]
fn kernels_assemble_for_an_older_gpu() {
    let line = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
                --samples rm-samples.parquet --batch 16 --device cuda --precision bf16 --quiet \
                --out on-a100";
    let seen = runs(line, ROUND.join("seen-a100"), "80");
    let kernels: Vec<PathBuf> = seen.ptx().collect();
    assert!(kernels.len() > 50, "{} kernels", kernels.len());
    assert_eq!(refused(&kernels, "sm_80"), Vec::<String>::new());
}

/// Runs `line` on the stand-in's GPU with some of its settings; it must fail with `status`
/// and one error that holds `expected`.
#[track_caller]
fn refuse_on_gpu(line: &str, settings: &[(&str, &str)], status: i32, expected: &str) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let mut command = on_gpu(line, &ROUND.join(format!("seen-refused-{call}")));
    command.envs(settings.iter().copied());
    let ran = finish(&mut command);
    let what = format!("{line} with {settings:?}\n{}", ran.stderr);
    assert_eq!(ran.status, Some(status), "{what}");
    assert!(
        ran.stderr.contains(expected),
        "expected `{expected}`: {what}"
    );
    assert!(!ran.stderr.contains("panicked"), "{what}");
    let lines = ran.stderr.trim_end().lines();
    let errors = lines.filter(|it| !it.starts_with("warning: "));
    assert_eq!(errors.count(), 1, "one line: {what}");
}

#[test]
fn what_a_gpu_lacks_is_told_before_any_work() {
    let score = |device: &str| {
        format!(
            "judge score --model rm --responses samples.parquet --device {device} --quiet \
             --out refused.parquet"
        )
    };
    let empty = folder(env!("CARGO_TARGET_TMPDIR"), "cuda-nothing");
    let empty = empty.to_str().unwrap();
    for device in ["auto", "cuda"] {
        for (settings, expected) in [
            ([("CUDA_PATH", empty)], "libdevice.10.bc is missing"),
            (
                [("STAND_IN_DRIVER", "11040")],
                "it has CUDA 11.4, and 12.0 or later",
            ),
        ] {
            refuse_on_gpu(&score(device), &settings, 1, expected);
        }
    }
    let none = "there is no such GPU here";
    refuse_on_gpu(&score("cuda:1"), &[], 1, none);
    refuse_on_gpu(&score("cuda"), &[("STAND_IN_DEVICES", "0")], 1, none);
    refuse_on_gpu(&score("cuda"), &[("LD_LIBRARY_PATH", empty)], 1, none);
    assert!(!ROUND.join("refused.parquet").exists());
}

#[test]
fn a_full_memory_is_told_and_costs_no_checkpoint() {
    let line = "align sft --model policy --pairs data/rm-pairs.parquet --batch 8 --epochs 2 \
                --device cuda --precision f32 --tuning tuning-full --checkpoint-minutes 0 --quiet \
                --out full";
    let first = ROUND.join("full.partial/checkpoints/step-00000001");
    kill_on_gpu(line, "seen-full", &first);
    refuse_on_gpu(
        line,
        &[("STAND_IN_MEMORY_MIB", "40")],
        1,
        "the GPU's memory is full",
    );
    assert!(
        fs::read_dir(first.parent().unwrap())
            .unwrap()
            .next()
            .is_some()
    );
    let resumed = finish(&mut on_gpu(line, &ROUND.join("seen-full")));
    assert_eq!(resumed.status, Some(0), "{}", resumed.stderr);
}

/// CubeCL itself would keep decisions in memory, and say nothing.
#[test]
fn decisions_that_cannot_be_kept_are_told() {
    let score = |tuning: &str, out: &str| {
        format!(
            "judge score --model rm --responses samples.parquet --device cuda --quiet \
             --precision f32 --tuning {tuning} --out {out}"
        )
    };
    let run = |line: String, seen: &str| finish(&mut on_gpu(&line, &ROUND.join(seen)));
    // Two processes may share a folder.
    let [one, other] = thread::scope(|scope| {
        let runs = ["one", "other"].map(|name| {
            let line = score("tuning-shared", &format!("{name}.parquet"));
            scope.spawn(move || run(line, &format!("seen-{name}")))
        });
        runs.map(|it| it.join().unwrap())
    });
    for ran in [one, other] {
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    }
    let kept = fs::read_dir(ROUND.join("tuning-shared")).unwrap();
    let files = kept.map(|it| it.unwrap().path());
    let file = files
        .into_iter()
        .find(|it| it.extension().is_some_and(|it| it == "db"));
    let name = file.unwrap().file_name().unwrap().to_owned();

    let damaged = folder(env!("CARGO_TARGET_TMPDIR"), "cuda-damaged");
    fs::write(damaged.join(&name), "no database".repeat(1000)).unwrap();
    let place = folder(env!("CARGO_TARGET_TMPDIR"), "cuda-no-file");
    fs::create_dir(place.join(&name)).unwrap();
    for dir in [damaged, place] {
        let line = score(dir.to_str().unwrap(), "untold.parquet");
        let expected = "delete it";
        refuse_on_gpu(&line, &[], 3, expected);
    }
    assert!(!ROUND.join("untold.parquet").exists());
}

/// The script for a real GPU, but for its tests of values.
#[test]
fn the_check_of_a_gpu_runs_to_its_end() {
    let out = ROUND.join("gpu-check");
    let _ = fs::remove_dir_all(&out); // absent on the first run
    let mut script = Command::new(workspace().join("pipelines/gpu-check.sh"));
    script
        .arg(&out)
        .env("PARTS", "device bytes decoding training")
        .env("TOKENS", "8");
    let ran = finish(under_driver(&mut script));
    assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
    for part in ["device: ", "bytes: ", "decoding: ", "training: "] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("tokens/s with 64 rows"),
        "{}",
        ran.stdout
    );
}

#[test]
fn one_build_uses_the_cpu_where_there_is_no_gpu() {
    let score =
        |out: &str| format!("judge score --model rm --responses samples.parquet --out {out}");
    let ran = finish(&mut command(&ROUND, &score("on-cpu.parquet")));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let mut without = on_gpu(&score("without-gpu.parquet"), &ROUND.join("seen-none"));
    let ran = finish(without.env("STAND_IN_DEVICES", "0"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let bytes = |out: &str| fs::read(ROUND.join(out)).unwrap();
    assert_eq!(bytes("on-cpu.parquet"), bytes("without-gpu.parquet"));
}

/// After a kill, other kernels seem to be the fastest; those that were chosen before stay.
#[test]
fn what_tuning_decided_holds_after_a_kill() {
    let train = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
                 --samples rm-samples.parquet --batch 48 --epochs 8 --device cuda \
                 --precision bf16 --checkpoint-minutes 0 --quiet";
    let line = &format!("{train} --out tuned");
    let partial = ROUND.join("tuned.partial");
    let second = partial.join("checkpoints/step-00000002");
    kill_on_gpu(line, "seen-killed", &second);
    copy(&partial, &ROUND.join("killed"));
    let launches = |line: &str, seed: &str| {
        let seen = ROUND.join(format!("seen-tuned-{seed}"));
        let ran = finish(on_gpu(line, &seen).env("STAND_IN_SEED", seed));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let seen = Seen::of(seen);
        let launches = seen.launches().into_iter();
        // Others are not tuned. Which of two the elements take, one that writes in place or
        // one that does not, depends on when threads let go of tensors.
        let tuned = launches.filter(|it| {
            ["matmul", "gem", "reduce"]
                .iter()
                .any(|kind| it.0.contains(kind))
        });
        let owned = tuned.map(|(kernel, n)| (kernel.to_owned(), n));
        owned.collect::<BTreeMap<_, _>>()
    };
    let [kept, with_other_times] = ["0", "7"].map(|seed| {
        for folder in ["tuned", "tuned.partial"] {
            let _ = fs::remove_dir_all(ROUND.join(folder)); // one of both is there
        }
        copy(&ROUND.join("killed"), &partial);
        launches(line, seed)
    });
    assert_eq!(kept, with_other_times);
    // With these times alone, tuning chooses others.
    let [_, chosen] = ["first", "second"]
        .map(|out| launches(&format!("{train} --tuning tuning-other --out {out}"), "7"));
    assert!(kept.len() > 5, "{kept:?}");
    let names = |launches: &BTreeMap<String, u64>| launches.keys().cloned().collect::<Vec<_>>();
    assert_ne!(names(&kept), names(&chosen));
}
