import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { holderOf, isAlive, lockDirectory } from "./process-lock.ts";

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "sixfold-lock-"));
  file = path.join(dir, "cluster.pid");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** No process has this number. */
const NOBODY = 2 ** 30;

const ended = (child: ChildProcess): Promise<unknown> => new Promise((done) => child.once("exit", done));

describe("a directory's lock", () => {
  test("is held by this process until it lets go", () => {
    expect(holderOf(dir)).toBeUndefined();
    const { unlock, isOrphaned } = lockDirectory(dir);
    expect([isOrphaned, holderOf(dir), readFileSync(file, "utf8")]).toEqual([
      ...[false, process.pid, `${process.pid}\n`],
    ]);
    unlock();
    expect(holderOf(dir)).toBeUndefined();
  });

  test("of a process that lives is refused, of one that has gone is taken over", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    writeFileSync(file, `${child.pid}\n`);
    expect(() => lockDirectory(dir)).toThrow(`a cluster already runs on ${dir} (process ${child.pid})`);
    child.stdin.end();
    await ended(child);
    expect(lockDirectory(dir).isOrphaned).toBe(true);
    expect(holderOf(dir)).toBe(process.pid);
  });

  test("that names nobody, or no number, is free", () => {
    writeFileSync(file, `${NOBODY}\n`);
    expect(holderOf(dir)).toBeUndefined();
    writeFileSync(file, "half a wri");
    expect(holderOf(dir)).toBeUndefined();
  });

  test.runIf(process.platform === "linux")(
    "is not held by a process that has ended and was not asked how",
    async () => {
      // The shell becomes a program that never looks after the child it was given.
      const words = "sleep 0 & echo $!; exec sleep 1000";
      const parent = spawn("sh", ["-c", words], { stdio: ["ignore", "pipe", "ignore"] });
      const line = await new Promise<Buffer>((done) => parent.stdout.once("data", done));
      const pid = Number(line.toString());
      const state = (): string => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]![0]!;
      while (state() !== "Z") await new Promise((done) => setImmediate(done));
      writeFileSync(file, `${pid}\n`);
      expect([isAlive(pid), holderOf(dir)]).toEqual([false, undefined]);
      parent.kill("SIGKILL");
      await ended(parent);
    },
  );
});
