/**
 * The way from a fresh clone to a running command, in a planted repository: a stand-in `npm` on the PATH and
 * stand-ins for the tools it would install write down what they were asked to do.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
let clone = "";

function write(path: string, text: string): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text);
}

/** A Node.js program that notes its name and arguments, and ends with the given status. */
const tool = (name: string, status = 0) =>
  `require("node:fs").appendFileSync("calls", ${JSON.stringify(name)} + " " + process.argv.slice(2).join(" ") + "\\n");
   console.log(${JSON.stringify(name)} + " was here"); process.exit(${status});`;

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "sixfold-bootstrap-"));
  write("package-lock.json", "{}");
  write("apps/cli/bin/sixfold.js", tool("sixfold", 3));
  write("node_modules/turbo/bin/turbo", tool("turbo"));
  write("bin/npm", `#!/bin/sh\necho "npm $*" >> calls\necho "npm was here"\nexit \${NPM_STATUS:-0}\n`);
  chmodSync(join(clone, "bin/npm"), 0o755);
  mkdirSync(join(clone, "scripts"));
  copyFileSync(join(root, "scripts/bootstrap.mjs"), join(clone, "scripts/bootstrap.mjs"));
});

afterEach(() => rmSync(clone, { recursive: true, force: true }));

/** Makes the installation newer or older than the lock file, by their times. */
function installed(age: "newer" | "older"): void {
  write("node_modules/.package-lock.json", "{}");
  const seconds = age === "newer" ? 2000 : 1000;
  utimesSync(join(clone, "package-lock.json"), 1500, 1500);
  utimesSync(join(clone, "node_modules/.package-lock.json"), seconds, seconds);
}

function bootstrap(args: string[], environment: Record<string, string> = {}) {
  const result = spawnSync(process.execPath, ["scripts/bootstrap.mjs", ...args], {
    cwd: clone,
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(clone, "bin")}:${process.env["PATH"]}`, ...environment },
  });
  const calls = existsSync(join(clone, "calls")) ? readFileSync(join(clone, "calls"), "utf8") : "";
  const names = calls.split("\n").map((line) => line.split(" ")[0]);
  return { ...result, calls, names: names.filter((name) => name !== "") };
}

describe("bootstrap", () => {
  test("a fresh clone installs, builds, and then runs the target with its arguments and status", () => {
    const { names, calls, status, stdout } = bootstrap(["compare", "--quick", "--out", "a b"]);
    expect(names).toEqual(["npm", "turbo", "sixfold"]);
    expect(calls).toContain("npm ci ");
    expect(calls).toContain("sixfold compare --quick --out a b\n");
    expect(status).toBe(3);
    // Nothing but the target speaks on stdout, or --json would not be JSON.
    expect(stdout).toBe("sixfold was here\n");
  });

  test("what is installed already is not installed again, unless the lock is newer", () => {
    installed("newer");
    expect(bootstrap(["start"]).names).toEqual(["turbo", "sixfold"]);
    rmSync(join(clone, "calls"));
    installed("older");
    expect(bootstrap(["start"]).names).toEqual(["npm", "turbo", "sixfold"]);
  });

  test("with nothing to do it says nothing", () => {
    installed("newer");
    write("packages/model/dist/index.js", "");
    const { stdout, stderr } = bootstrap(["start"]);
    expect([stdout, stderr]).toEqual(["sixfold was here\n", ""]);
  });

  test("a failed installation or build ends it, with what the tool said on stderr", () => {
    const install = bootstrap(["start"], { NPM_STATUS: "1" });
    expect([install.names, install.status, install.stdout]).toEqual([["npm"], 1, ""]);
    expect(install.stderr).toContain("npm was here");
    rmSync(join(clone, "calls"));
    installed("newer");
    write("node_modules/turbo/bin/turbo", tool("turbo", 2));
    const build = bootstrap(["start"]);
    expect([build.names, build.status, build.stdout]).toEqual([["turbo"], 1, ""]);
  });

  test("an unknown target is bad usage", () => {
    const { status, stderr, names } = bootstrap(["begin"]);
    expect([status, names]).toEqual([2, []]);
    expect(stderr).toContain("one of: build, test, start, compare, bench");
  });
});
