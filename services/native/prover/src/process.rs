//! What the process owes its parent.

use std::io::Write;

use crate::failure::Failure;

/// A proof takes gigabytes and all cores: nobody is left to stop it once its parent is gone.
pub fn die_with_parent(parent: u32) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl(PR_SET_PDEATHSIG) takes a plain integer and touches no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0);
    }
    // The parent may have ended before the request took effect.
    let actual = std::os::unix::process::parent_id();
    if actual == parent {
        return Ok(());
    }
    Err(Failure::unusable(
        "parent-gone",
        format!("the parent is process {actual}, not {parent} as the caller said"),
    ))
}

/// Bounds what the process takes from others.
pub fn limit(memory: Option<u64>, nice: Option<u8>) -> Result<(), Failure> {
    let refused =
        |what: &str| Failure::io("limit-refused", format!("{what}: {}", std::io::Error::last_os_error()));
    if let Some(bytes) = memory {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: setrlimit reads the struct that it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } != 0 {
            return Err(refused("the memory limit could not be set"));
        }
    }
    if let Some(nice) = nice {
        // SAFETY: setpriority takes plain integers and touches no memory of ours.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, i32::from(nice)) } != 0 {
            return Err(refused("the priority could not be lowered"));
        }
    }
    Ok(())
}

/// A panic becomes a line that the caller can read; the exit status stays Rust's own 101.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info
            .payload()
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| info.payload().downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        let place = info.location().map(|place| format!("{}:{}", file_name(place.file()), place.line()));
        let line = serde_json::json!({
            "error": {"code": "prover-panic", "message": message, "place": place},
        });
        let _ = writeln!(std::io::stderr(), "{line}");
    }));
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub fn exit_now(status: i32) -> ! {
    let _ = std::io::stdout().flush();
    std::process::exit(status)
}

pub fn peak_rss_bytes() -> u64 {
    // SAFETY: getrusage fills the zeroed struct that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    // Linux counts KiB, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    usage.ru_maxrss as u64 * unit
}
