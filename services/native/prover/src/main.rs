//! Proves the run of a compiled Cairo program with stwo.
//!
//! Progress goes to stderr, one JSON object a line; the result is one JSON object on stdout.
//! Exit status: 0 proven, 2 unusable program, input or parameters, 3 the program failed in the VM,
//! 4 a file could not be read or written, 5 the prover gave up, 101 the prover panicked.

mod execution;
mod failure;
mod output_file;
mod process;
mod progress;
mod proving;
mod root;
mod size;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cairo_vm::vm::runners::cairo_runner::CairoRunner;
use clap::{Parser, Subcommand};
use proofrail_hints::ProgramInput;
use serde_json::{json, Map, Value};
use sha2::{Digest, Sha256};
use stwo_cairo_adapter::ProverInput;

use failure::Failure;
use progress::Timings;
use proving::Parameters;

#[derive(Parser)]
#[command(name = "proofrail-stwo-prover", about = "Proves the run of a Cairo program with stwo.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the program and prove the run.
    Prove {
        #[command(flatten)]
        run: RunArguments,
        /// Where the proof goes.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        parameters: Parameters,
    },
    /// Run the program and say how large its tables are, without proving.
    Size {
        #[command(flatten)]
        run: RunArguments,
    },
    /// Print the root of the fixed tables, which a verifier must know.
    Root {
        /// log2 of the blow-up factor.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4))]
        log_blowup: u32,
        /// log2 of the largest table.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(20..=24))]
        log_rows: u32,
    },
    /// Print versions as JSON.
    Version,
}

#[derive(clap::Args)]
struct RunArguments {
    /// The compiled program (JSON of cairo-compile --proof_mode).
    #[arg(long)]
    program: PathBuf,
    /// The program's input (JSON object).
    #[arg(long)]
    input: PathBuf,
    /// Give up after this many steps.
    #[arg(long)]
    max_steps: Option<usize>,
    /// log2 of the largest table allowed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(20..=24))]
    max_log_rows: u32,
    /// End when the process of this id is no longer the parent.
    #[arg(long)]
    parent: Option<u32>,
    /// Most bytes of address space to take.
    #[arg(long)]
    memory_limit: Option<u64>,
    /// Give way to other processes by so much (0 to 19).
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=19))]
    nice: Option<u8>,
}

fn main() -> ExitCode {
    process::report_panics();
    let result = match Cli::parse().command {
        Command::Prove { run, out, parameters } => prove(&run, &out, parameters),
        Command::Size { run } => size(&run),
        Command::Root { log_blowup, log_rows } => Ok(json!({
            "log_blowup": log_blowup,
            "lifting_log_size": log_rows + log_blowup,
            "preprocessed_root": root::preprocessed_root(log_blowup, log_rows + log_blowup),
        })),
        Command::Version => Ok(version()),
    };
    match result {
        Ok(line) => {
            println!("{line}");
            // Freeing gigabytes of tables one by one would only delay the caller.
            process::exit_now(0)
        }
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.exit)
        }
    }
}

fn version() -> Value {
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "stwo": "2.3.0",
        "stwo_cairo": "1.3.0",
        "cairo_vm": "3.2.0",
    })
}

fn prove(arguments: &RunArguments, out: &Path, parameters: Parameters) -> Result<Value, Failure> {
    let begin = Instant::now();
    let (timings, mut facts, input) = executed(arguments)?;
    let log_rows = size::log_rows(&size::rows(&input), arguments.max_log_rows)?;
    let proof = timings.stage("prove", || proving::prove(input, parameters, log_rows))?;
    let encoded = timings.stage("encode", || proving::encode(&proof))?;
    timings.stage("write", || output_file::write_atomically(out, &encoded))?;
    facts.extend(object(json!({
        "output": proving::output(&proof),
        "preprocessed_root": proving::preprocessed_root(&proof),
        "proof_bytes": encoded.len(),
        "proof_sha256": hex_digest(&encoded),
        "security_bits": parameters.security_bits(),
        "parameters": {
            "pow_bits": parameters.pow_bits,
            "n_queries": parameters.queries,
            "log_blowup": parameters.log_blowup,
            "fold_step": parameters.fold_step,
            "log_last_layer": parameters.log_last_layer,
            "lifting_log_size": log_rows + parameters.log_blowup,
            "variant": "canonical_small",
        },
        "peak_rss_bytes": process::peak_rss_bytes(),
        "seconds": timings.seconds(),
        "total_seconds": begin.elapsed().as_secs_f64(),
        "versions": version(),
    })));
    Ok(Value::Object(facts))
}

fn size(arguments: &RunArguments) -> Result<Value, Failure> {
    let (timings, mut facts, input) = executed(arguments)?;
    facts.extend(object(json!({
        "log_rows": size::log_rows(&size::rows(&input), arguments.max_log_rows)?,
        "peak_rss_bytes": process::peak_rss_bytes(),
        "seconds": timings.seconds(),
    })));
    Ok(Value::Object(facts))
}

/// Runs the program; gives the facts about the run that both commands report.
fn executed(arguments: &RunArguments) -> Result<(Timings, Map<String, Value>, ProverInput), Failure> {
    if let Some(parent) = arguments.parent {
        process::die_with_parent(parent)?;
    }
    process::limit(arguments.memory_limit, arguments.nice)?;
    let timings = Timings::default();
    timings.listen();
    let compiled = read(&arguments.program)?;
    let input = ProgramInput::parse(&read(&arguments.input)?)
        .map_err(|e| Failure::unusable("input-unreadable", e.to_string()))?;
    let program = timings.stage("load", || execution::load_program(&compiled))?;
    let runner: CairoRunner = timings.stage("vm", || execution::run(&program, input, arguments.max_steps))?;
    let n_steps = runner.vm.get_current_step();
    let prover_input = execution::prover_input(&runner, &program)?;
    let builtins: Vec<&str> = program.iter_builtins().map(|name| name.to_str()).collect();
    let facts = object(json!({
        "n_steps": n_steps,
        "builtins": builtins,
        "rows": size::rows(&prover_input),
    }));
    Ok((timings, facts, prover_input))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::unusable("file-unreadable", format!("{}: {e}", path.display())))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => unreachable!("only called with objects"),
    }
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
