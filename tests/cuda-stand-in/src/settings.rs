//! What the environment asks of the stand-in.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

/// The settings, from environment variables.
pub struct Settings {
    /// `STAND_IN_FOLDER`: where kernels' PTX and the report are written, if anywhere.
    pub folder: Option<PathBuf>,
    /// `STAND_IN_DEVICES`: number of devices.
    pub devices: i32,
    /// `STAND_IN_SM`: 90 for an H100, 80 for an A100.
    pub sm: i32,
    /// `STAND_IN_DRIVER`: version of CUDA that the driver has, as 12080 for 12.8.
    pub driver: i32,
    /// `STAND_IN_MEMORY_MIB`: memory of the device.
    pub memory: u64,
    /// `STAND_IN_SEED`: another seed makes other kernels the fastest.
    pub seed: u64,
}

/// Returns the settings.
pub fn get() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings {
        folder: env::var_os("STAND_IN_FOLDER").map(PathBuf::from),
        devices: number("STAND_IN_DEVICES", 1),
        sm: number("STAND_IN_SM", 90),
        driver: number("STAND_IN_DRIVER", 12080),
        memory: number("STAND_IN_MEMORY_MIB", 80 << 10) << 20,
        seed: number("STAND_IN_SEED", 0),
    })
}

fn number<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = env::var(name) else {
        return default;
    };
    let number = text.parse();
    number.unwrap_or_else(|_| panic!("{name} is `{text}`; expected a number"))
}
