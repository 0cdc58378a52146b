/** Ctrl-C at a terminal, which comes to a command and to all processes that it has started. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "@sixfold/client";
import { expect, test } from "vitest";
import { withFolder } from "./real-cluster.ts";

const SIXFOLD = path.resolve(import.meta.dirname, "../../apps/cli/bin/sixfold.js");
const RAW = ["--tx", "raw", "--clients", "4"];
const DATABASE = [
  "--tx",
  "update",
  "--as",
  "procedure",
  "--modes",
  "multi",
  "--clients",
  "4",
  "--rows",
  "200",
];
const POLL_MS = 20;
const TIMEOUT_MS = 60_000;

const isFilled = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, POLL_MS));

/** Runs the bench until one of its processes has written this file; interrupts it, again and again if asked to; returns its exit code. */
async function interrupted(
  dir: string,
  words: readonly string[],
  file: string,
  again: boolean,
): Promise<number | null> {
  const args = [SIXFOLD, "bench", ...words, "--seconds", "5", "--rounds", "1", "--data", dir];
  // A process group of its own, as a shell makes one.
  const bench: ChildProcess = spawn(process.execPath, args, { detached: true, stdio: "ignore" });
  const group = -bench.pid!;
  let code: number | null | undefined;
  bench.once("exit", (given) => (code = given));
  try {
    while (!readdirSync(dir).some((scratch) => isFilled(path.join(dir, scratch, file)))) await pause();
    process.kill(group, "SIGINT");
    while (code === undefined) {
      await pause();
      if (again && code === undefined) process.kill(group, "SIGINT");
    }
    return code;
  } finally {
    if (code === undefined) process.kill(group, "SIGKILL");
  }
}

test.each([
  ["while the raw log starts", RAW, "raw-1/logs/segment-c2.log"],
  ["while the raw log runs", RAW, "raw-1/segment-c2/log.disk/00000002.log"],
  ["while a cluster starts", DATABASE, "multi-1/logs/writer-1.log"],
  ["while a cluster runs", DATABASE, "multi-1/segment-c2/log.disk/00000002.log"],
])(
  "%s: the bench ends and leaves nothing, at once if asked twice",
  async (_, words, file) => {
    for (const again of [false, true]) {
      const dir = mkdtempSync(path.join(tmpdir(), "sixfold-interrupt-"));
      try {
        expect([1, 130]).toContain(await interrupted(dir, words, file, again));
        expect(readdirSync(dir)).toEqual([]);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    }
  },
  TIMEOUT_MS,
);

test(
  "a cluster's processes leave it to their supervisor to end them: writers close their streams before storage goes",
  () =>
    withFolder(async (start) => {
      const { cluster, events } = await start();
      const db = await connect(cluster.endpoints);
      await db.createTable("rows");
      for (const { pid } of cluster.nodes) process.kill(pid, "SIGINT");
      for (let row = 0; row < 20; row++) await db.transaction(async (tx) => tx.put("rows", row, { row }));
      await db.close();
      expect(events.filter(({ event }) => event === "exit")).toEqual([]);
    }),
  TIMEOUT_MS,
);
