use super::micro_kernel::MicroKernel;
use super::*;
use crate::test_values::values;

fn rounded(x: &[f32]) -> Vec<f32> {
    x.iter()
        .map(|&x| half::bf16::from_f32(x).to_f32())
        .collect()
}

/// Checks that a product equals the f32 product of operands rounded beforehand,
/// up to the order of its sums, for all four layouts.
fn check_product(
    multiply: impl Fn(MatrixMut<'_>, Matrix<'_>, Matrix<'_>, Sum),
    [m, n, k]: [usize; 3],
    tolerance: f32,
) {
    let (a, b) = (values(m * k, 1), values(k * n, 2));
    let (ra, rb) = (rounded(&a), rounded(&b));
    for turned in 0..4 {
        let view = |a, turn: bool, rows, cols| {
            if turn {
                Matrix::new(a, cols, rows).transposed()
            } else {
                Matrix::new(a, rows, cols)
            }
        };
        let (ta, tb) = (turned & 1 == 1, turned & 2 == 2);
        let mut got = values(m * n, 3);
        let mut expected = got.clone();
        let (out, exact) = (
            MatrixMut::new(&mut got, m, n),
            MatrixMut::new(&mut expected, m, n),
        );
        multiply(out, view(&a, ta, m, k), view(&b, tb, k, n), Sum::Add);
        let (left, right) = (view(&ra, ta, m, k), view(&rb, tb, k, n));
        gemm_f32::multiply(exact, left, right, Sum::Add, Threads::This);
        for (got, expected) in got.iter().zip(&expected) {
            assert!(
                (got - expected).abs() < tolerance,
                "[{m}, {k}] · [{k}, {n}], layout {turned}: {got}, expected {expected}"
            );
        }
    }
}

fn by<K: MicroKernel>(
    kernel: K,
    threads: Threads,
) -> impl Fn(MatrixMut<'_>, Matrix<'_>, Matrix<'_>, Sum) {
    move |out, left, right, sum| {
        let left = Panels::of_left(kernel, left, threads);
        let right = Panels::of_right(kernel, right, threads);
        macro_kernel::multiply(kernel, &out, &left, &right, sum, threads);
    }
}

fn on_all_and_this(size: [usize; 3]) -> [([usize; 3], Threads); 2] {
    [(size, Threads::All), (size, Threads::This)]
}

/// Sizes at and around the edges of panels and depths of each kernel.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[test]
fn a_product_is_that_of_the_rounded_operands() {
    const SIZES: [[usize; 3]; 8] = [
        [1, 1, 1],
        [12, 32, 576],
        [13, 33, 577],
        [32, 64, 64],
        [5, 100, 1200],
        [250, 31, 7],
        [97, 130, 1153],
        [600, 70, 40],
    ];
    fn check(kernel: Option<impl MicroKernel>, name: &str) {
        match kernel {
            Some(kernel) => {
                for (size, threads) in SIZES.into_iter().flat_map(on_all_and_this) {
                    check_product(by(kernel, threads), size, 2e-4);
                }
            }
            None => eprintln!("skipped: no {name}"),
        }
    }
    check(avx512::Avx512::new(), "AVX512-BF16");
    check(amx::native::Native::new().map(amx::Amx), "AMX");
}

/// Every kernel agrees on products without elements or without terms.
#[test]
fn a_product_of_nothing_is_zero_or_nothing() {
    for [m, n, k] in [[0, 3, 2], [3, 0, 2], [2, 3, 0], [0, 0, 0]] {
        let (left, right) = (vec![1.0; m * k], vec![1.0; n * k]);
        let (left, right) = (
            Matrix::new(&left, m, k),
            Matrix::new(&right, n, k).transposed(),
        );
        for (sum, expected) in [(Sum::Replace, 0.0), (Sum::Add, 7.0)] {
            let mut results = [(); 4].map(|()| vec![7.0; m * n]);
            let [a, b, c, d] = results.each_mut().map(|it| MatrixMut::new(it, m, n));
            by(portable::Portable, Threads::All)(a, left, right, sum);
            by(amx::Amx(amx::emulated::Emulated), Threads::This)(b, left, right, sum);
            gemm_f32::multiply(c, left, right, sum, Threads::All);
            crate::few_rows::multiply(d, left, right, sum);
            for result in results {
                assert_eq!(result, vec![expected; m * n], "[{m}, {k}] · [{k}, {n}]");
            }
        }
    }
}

/// Calls a check of a kernel with each that this processor runs; the others are named.
macro_rules! by_each_kernel {
    ($check:ident, $size:expr) => {
        $check(portable::Portable, $size);
        $check(amx::Amx(amx::emulated::Emulated), $size);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            match avx512::Avx512::new() {
                Some(kernel) => $check(kernel, $size),
                None => eprintln!("skipped: no AVX512-BF16"),
            }
            match amx::native::Native::new() {
                Some(tiles) => $check(amx::Amx(tiles), $size),
                None => eprintln!("skipped: no AMX"),
            }
        }
    };
}

/// A row of a product does not depend on the number of rows.
fn check_rows<K: MicroKernel>(kernel: K, [rows, depth, cols]: [usize; 3]) {
    let (x, weight) = (values(rows * depth, 1), values(depth * cols, 2));
    let product = |rows: usize| {
        let mut out = values(rows * cols, 3);
        let (left, right) = (
            Matrix::new(&x[..rows * depth], rows, depth),
            Matrix::new(&weight, depth, cols),
        );
        let to = MatrixMut::new(&mut out, rows, cols);
        by(kernel, Threads::All)(to, left, right, Sum::Add);
        out
    };
    let all = product(rows);
    for n in [1, rows - 1] {
        assert_eq!(product(n), all[..n * cols], "{n} of {rows} rows");
    }
}

#[test]
fn a_row_does_not_depend_on_the_number_of_rows() {
    let sizes = [[32, 5, 33], [32, 40, 32], [36, 1217, 40]];
    let n = if cfg!(miri) { 1 } else { sizes.len() };
    for size in sizes.into_iter().take(n) {
        by_each_kernel!(check_rows, size);
    }
}

/// What is made of two products, block by block, is what is made of them as a whole.
fn check_two<K: MicroKernel>(kernel: K, [rows, depth, cols, last]: [usize; 4]) {
    let (x, weight, next) = (
        values(rows * depth, 1),
        values(2 * cols * depth, 2),
        values(last * cols, 3),
    );
    let left = Panels::of_left(kernel, Matrix::new(&x, rows, depth), Threads::All);
    let right = Matrix::new(&weight, 2 * cols, depth).transposed();
    let right = Panels::of_right(kernel, right, Threads::All);
    let next = Matrix::new(&next, last, cols).transposed();
    let next = Panels::of_right(kernel, next, Threads::All);
    let product = |left: &Panels, right: &Panels| {
        let mut out = vec![0.0; left.lanes * right.lanes];
        let to = MatrixMut::new(&mut out, left.lanes, right.lanes);
        macro_kernel::multiply(kernel, &to, left, right, Sum::Replace, Threads::All);
        out
    };
    let combine = |a: &mut [f32], b: &[f32]| {
        for (a, b) in a.iter_mut().zip(b) {
            *a = *a * b + 1.0;
        }
    };
    let n = cols / K::COLS;
    let rights = [0, n].map(|first| Columns {
        panels: &right,
        first,
        n,
    });
    let got = two_products::multiply_by_two(kernel, &left, rights, |blocks| {
        assert!(blocks.rows.end <= rows && blocks.cols.end <= cols);
        combine(blocks.first, blocks.second);
    });
    assert_eq!([got.lanes, got.depth], [rows, cols]);
    let mut whole = Vec::new();
    for row in product(&left, &right).chunks_exact(2 * cols) {
        let (first, second) = row.split_at(cols);
        let mut first = first.to_vec();
        combine(&mut first, second);
        whole.extend(first);
    }
    let expected = Panels::of_left(kernel, Matrix::new(&whole, rows, cols), Threads::All);
    assert_eq!(product(&got, &next), product(&expected, &next));
}

#[test]
fn two_products_are_combined_as_whole_ones_are() {
    let sizes = [[1, 5, 32, 3], [33, 40, 64, 9], [70, 1217, 96, 40]];
    let n = if cfg!(miri) { 1 } else { sizes.len() };
    for size in sizes.into_iter().take(n) {
        by_each_kernel!(check_two, size);
    }
}

/// A thread may hold tiles twice.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[test]
fn tiles_stay_ready_until_the_last_user_is_done() {
    use super::amx::Tiles as _;
    let Some(tiles) = amx::native::Native::new() else {
        eprintln!("skipped: no AMX");
        return;
    };
    let outer = tiles.on_thread();
    drop(tiles.on_thread());
    let mut out = vec![0.0; 32 * 32];
    let block = micro_kernel::Block {
        start: out.as_mut_ptr(),
        stride: 32,
        rows: 32,
        cols: 32,
    };
    let panel = vec![0x3f80_3f80; 512];
    let operands = micro_kernel::Operands {
        left: &panel,
        right: &panel,
        next: &[],
    };
    // SAFETY: a whole block of our own.
    unsafe { amx::Amx(tiles).multiply(&outer, operands, block, Sum::Replace) };
    assert_eq!(out, vec![32.0; 32 * 32]);
}

/// Few columns and rows already make several blocks and tasks.
#[test]
fn kernels_without_instructions_compute_it_on_every_machine() {
    // Larger products take Miri too long.
    let sizes = [
        [1, 1, 1],
        [13, 33, 3],
        [12, 32, 8],
        [13, 33, 9],
        [50, 70, 17],
    ];
    let n = if cfg!(miri) { 2 } else { sizes.len() };
    let emulated = amx::Amx(amx::emulated::Emulated);
    for (size, threads) in sizes.into_iter().take(n).flat_map(on_all_and_this) {
        check_product(by(portable::Portable, threads), size, 2e-5);
        check_product(by(emulated, threads), size, 2e-5);
    }
    if !cfg!(miri) {
        check_product(by(emulated, Threads::All), [65, 40, 1217], 2e-4);
    }
}
