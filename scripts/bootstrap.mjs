/**
 * From a fresh clone to a running target, with nothing installed by hand:
 *
 *   node scripts/bootstrap.mjs TARGET [ARGUMENTS...]
 *
 * installs when node_modules is missing or older than the lock file, compiles what is stale, and then
 * becomes the target. When nothing is to be done it adds a fraction of a second and prints nothing.
 * What it says goes to stderr, so that `--json` output on stdout stays clean. It may use Node's own
 * modules only, since it runs before anything is installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = "apps/cli/bin/sixfold.js";

/**
 * What each target runs after installing, and whether it needs the compiled packages first.
 * @type {Record<string, { compile: boolean, run: string[] }>}
 */
const targets = {
  build: { compile: true, run: [] },
  // The checks compile as a step of their own: a type error is a finding there, not a broken set-up.
  test: { compile: false, run: ["scripts/check.mjs"] },
  start: { compile: true, run: [cli, "up"] },
  compare: { compile: true, run: [cli, "compare"] },
  bench: { compile: true, run: [cli, "bench"] },
  model: { compile: true, run: ["packages/protocol/dist/model/run.js"] },
  planted: {
    compile: false,
    run: ["--import", "tsx", "--conditions", "source", "test/planted/write-table.ts"],
  },
  cores: { compile: false, run: ["--import", "tsx", "--conditions", "source", "test/cores/cores.ts"] },
  // Its processes are the compiled ones, its clients run from source.
  soak: { compile: true, run: ["--import", "tsx", "--conditions", "source", "test/soak/soak.ts"] },
};

/** No tool that is started from here reports on its user. */
const environment = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** The lowest Node.js that runs Sixfold, from package.json's `engines`. */
function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`Sixfold needs Node.js 20.19 or newer, this is ${process.versions.node}`);
  process.exit(1);
}

/** npm leaves a copy of the lock in node_modules; its age is the age of the installation. */
function installIsStale() {
  const installed = join(root, "node_modules", ".package-lock.json");
  return (
    !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, "package-lock.json")).mtimeMs
  );
}

/**
 * Runs a command and ends this process if it fails. Its output is shown (on stderr) only then.
 * @param {string} what
 * @param {string} command
 * @param {string[]} args
 */
function step(what, command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32" && command === "npm",
  });
  if (result.status === 0) return;
  say(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  say(`${what} failed${result.error ? `: ${result.error.message}` : ""}`);
  process.exit(1);
}

function install() {
  if (!installIsStale()) return;
  say("installing packages (once) ...");
  step("npm ci", "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/** turbo compares what each package's build reads with the last time; nothing stale costs a third of a second. */
function compile() {
  if (!existsSync(join(root, "packages/model/dist/index.js"))) say("building (once) ...");
  const turbo = ["run", "build", "--output-logs=errors-only", "--log-prefix=none"];
  step("the build", process.execPath, ["node_modules/turbo/bin/turbo", ...turbo]);
}

/**
 * Runs the target in this terminal, with its arguments, signals and exit status handed through.
 * @param {string[]} run
 * @param {string[]} args
 */
function become(run, args) {
  const child = spawn(process.execPath, [...run, ...args], { cwd: root, env: environment, stdio: "inherit" });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => {
      // A terminal's Ctrl-C goes to the whole group: the child has it already, and twice may mean "at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    say(error.message);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
  });
}

const [name = "", ...args] = process.argv.slice(2);
const target = targets[name];
if (target === undefined) {
  say(`unknown target "${name}"; one of: ${Object.keys(targets).join(", ")}`);
  process.exit(2);
}
requireNode();
install();
if (target.compile) compile();
if (target.run.length > 0) become(target.run, args);
