//! Modules, functions and their launches.

use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_void};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use crate::report;
use crate::settings;
use crate::status::{SUCCESS, Status, give};
use crate::streams;

/// A function of a module, as its handle points to it.
pub struct Function {
    /// Its name and that of its module's file.
    pub name: String,
}

/// A module, as its handle points to it.
struct Module {
    file: String,
}

/// Writes a module's PTX, if asked to and if it is new; returns its file's name. The same
/// text has the same name in every run.
fn keep(ptx: &[u8]) -> String {
    static KEPT: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut hasher = DefaultHasher::new();
    ptx.hash(&mut hasher);
    let name = format!("{:016x}.ptx", hasher.finish());
    if let Some(folder) = &settings::get().folder {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get_or_insert_default().insert(name.clone()) {
            fs::write(folder.join(&name), ptx).expect("STAND_IN_FOLDER can be written");
        }
    }
    name
}

/// Counts a launch.
///
/// # Safety
///
/// `function` is a handle that [`cuModuleGetFunction`] has given.
unsafe fn launch(function: *const Function, stream: *mut c_void) -> Status {
    // SAFETY: by contract; functions are never freed.
    let name = unsafe { &(*function).name };
    report::count(|it| match it.kernels.get_mut(name) {
        Some(n) => *n += 1,
        None => {
            it.kernels.insert(name.clone(), 1);
        }
    });
    streams::launched(stream, name);
    SUCCESS
}

/// The first members of `CUlaunchConfig`.
#[repr(C)]
pub struct LaunchConfig {
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
    stream: *mut c_void,
}

exports! {
    fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_char) {
        let ptx = CStr::from_ptr(image);
        let file = keep(ptx.to_bytes());
        report::count(|it| it.modules += 1);
        give(module, Box::into_raw(Box::new(Module { file })).cast())
    }

    fn cuModuleUnload(_module: *mut c_void) {
        SUCCESS
    }

    fn cuModuleGetFunction(function: *mut *mut c_void, module: *mut c_void, name: *const c_char) {
        let file = &(*module.cast::<Module>()).file;
        let name = CStr::from_ptr(name).to_string_lossy();
        let name = format!("{name} of {file}");
        give(function, Box::into_raw(Box::new(Function { name })).cast())
    }

    fn cuFuncSetAttribute(_function: *mut c_void, _attribute: i32, _value: i32) {
        SUCCESS
    }

    fn cuFuncGetAttribute(value: *mut i32, _attribute: i32, _function: *mut c_void) {
        give(value, 0)
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        n: *mut i32,
        _function: *mut c_void,
        _threads: i32,
        _shared_bytes: usize,
    ) {
        give(n, 2)
    }

    fn cuLaunchKernel(
        function: *mut c_void,
        _grid_x: u32,
        _grid_y: u32,
        _grid_z: u32,
        _block_x: u32,
        _block_y: u32,
        _block_z: u32,
        _shared_bytes: u32,
        stream: *mut c_void,
        _arguments: *mut *mut c_void,
        _extra: *mut *mut c_void,
    ) {
        launch(function.cast(), stream)
    }

    fn cuLaunchKernelEx(
        config: *const LaunchConfig,
        function: *mut c_void,
        _arguments: *mut *mut c_void,
        _extra: *mut *mut c_void,
    ) {
        launch(function.cast(), (*config).stream)
    }

    fn cuTensorMapEncodeTiled(
        map: *mut [u64; 16],
        _data_type: u32,
        _rank: u32,
        _address: *mut c_void,
        _dims: *const u64,
        _strides: *const u64,
        _box_dims: *const u32,
        _element_strides: *const u32,
        _interleave: u32,
        _swizzle: u32,
        _promotion: u32,
        _fill: u32,
    ) {
        give(map, [0; 16])
    }
}
