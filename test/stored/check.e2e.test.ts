/** `sixfold check` as its users have it: after `sixfold up`, on what its processes left. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "@sixfold/client";
import { change } from "./stopped-cluster.ts";

const SIXFOLD = path.resolve(import.meta.dirname, "../../apps/cli/bin/sixfold.js");
const ROWS = 500;

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-check-"));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function check(): {
  readonly code: number | null;
  readonly stderr: string;
  readonly events: Record<string, unknown>[];
} {
  const words = [SIXFOLD, "check", "--json", "--data", dataDir];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  const events = stdout.split("\n").filter((line) => line !== "");
  return { code: status, stderr, events: events.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const verdict = (events: Record<string, unknown>[]): unknown => events.at(-1)?.["verdict"];
const findings = (events: Record<string, unknown>[]): string[] =>
  events.filter(({ event }) => event === "finding").map((e) => `${String(e["kind"])} ${String(e["server"])}`);

/** Resolves with where clients connect. */
async function ready(up: ChildProcess): Promise<string[]> {
  for await (const line of createInterface({ input: up.stdout! })) {
    const event = JSON.parse(line) as { event: string; endpoints: string[] };
    if (event.event === "ready") return event.endpoints;
  }
  throw new Error("the cluster did not start");
}

test("a cluster's data is checked once it is stopped, before and after servers are lost", async () => {
  const words = [SIXFOLD, "up", "--json", "--port", "0", "--data", dataDir];
  const up = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => up.once("exit", resolve));
  try {
    const db = await connect(await ready(up));
    await db.createTable("rows");
    for (let row = 0; row < ROWS; row += 50)
      await db.transaction(async (tx) => {
        for (let i = row; i < row + 50; i++) tx.put("rows", i, { text: `row ${i}` });
      });
    await db.close();
    const early = check();
    expect([early.code, early.events]).toEqual([1, []]);
    expect(early.stderr).toMatch(/\(process \d+\).* still runs/);
  } finally {
    up.kill("SIGINT");
    await ended;
  }

  const whole = check();
  expect([whole.code, whole.stderr, verdict(whole.events)]).toEqual([0, "", "ok"]);
  expect(whole.events.filter(({ event }) => event === "server")).toHaveLength(6);
  expect(whole.events.find(({ event }) => event === "volume")).toMatchObject({ tables: 1, rows: ROWS });

  const log = path.join(dataDir, "segment-b2", "log.disk");
  change(path.join(log, readdirSync(log).sort()[0]!), (bytes) => (bytes[100]! ^= 8));
  rmSync(path.join(dataDir, "segment-a1"), { recursive: true });
  const hurt = check();
  expect([hurt.code, verdict(hurt.events)]).toEqual([0, "warnings"]);
  expect(findings(hurt.events).sort()).toEqual(["server-lost segment-a1", "server-lost segment-b2"]);
  expect(hurt.events.find(({ event }) => event === "volume")).toMatchObject({ rows: ROWS });

  rmSync(path.join(dataDir, "segment-c1", "pages.pages"), { recursive: true });
  const dead = check();
  expect([dead.code, verdict(dead.events)]).toEqual([1, "damaged"]);
  expect(findings(dead.events)).toContain("manifest-unreadable undefined");
});
