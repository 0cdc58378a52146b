import { readdirSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestPlatform } from "./test-platform.fixture.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sixfold-bench-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A point takes this, and as long again to warm up. */
const SHORT = ["--seconds", "0.1", "--rounds", "1", "--clients", "4", "--rows", "200"];

const bench = (platform: TestPlatform, ...words: string[]): Promise<number> =>
  platform.run("bench", ...SHORT, "--data", dir, ...words);

describe("bench", () => {
  test("measures raw and transactions in both styles, and leaves nothing behind", async () => {
    const platform = new TestPlatform();
    const tx = ["update", "rmw", "read", "scan"];
    const words = ["--tx", `raw,${tx.join()}`, "--modes", "multi", "--shared", "50", "--json"];
    expect([await bench(platform, ...words), platform.stderr]).toEqual([0, ""]);
    expect(platform.objects.map(({ tx, as, mode, clients }) => [tx, as, mode, clients].join(" "))).toEqual([
      "raw  single 4",
      ...tx.flatMap((name) => [`${name} procedure multi 4`, `${name} interactive multi 4`]),
    ]);
    for (const line of platform.objects) {
      expect(line).toMatchObject({
        event: "bench",
        rows: 200,
        sharedPct: 50,
        invariant: "ok",
        rounds: line["tx"] === "raw" ? 2 : 1,
      });
      expect(line["committedPerSecond"]).toBeGreaterThan(0);
      expect(line["ratioToRaw"]).toBeGreaterThan(0);
      expect(line["p50Ms"]).toBeLessThanOrEqual(line["p99Ms"] as number);
      expect(line["syncsPerCommit"]).toBeGreaterThan(0);
      expect(line["bytesPerCommit"]).toBeGreaterThan(0);
    }
    expect(
      platform.started.map(({ mode, writers, port, restart }) => [mode, writers, port, restart]),
    ).toEqual([["multi", 2, 0, false]]);
    // Before and after; and all of them ended.
    expect([platform.rawStarted, platform.stopped]).toEqual([2, 3]);
    expect(await readdir(dir)).toEqual([]);
  }, 60_000);

  test("counts inserted rows", async () => {
    const platform = new TestPlatform();
    const words = ["--tx", "insert", "--as", "interactive", "--modes", "single", "--clients", "1", "--json"];
    expect(await bench(platform, ...words)).toBe(0);
    expect(platform.objects).toMatchObject([{ tx: "insert", clients: 1, invariant: "ok" }]);
  }, 30_000);

  test("without raw there is no ratio", async () => {
    const platform = new TestPlatform();
    expect(await bench(platform, "--tx", "update", "--as", "procedure", "--modes", "single", "--json")).toBe(
      0,
    );
    expect(platform.objects).toMatchObject([{ tx: "update", ratioToRaw: null, p50ToRaw: null }]);
    expect(platform.rawStarted).toBe(0);
  });

  test.each(["update", "rmw", "insert"])("a database that loses commits is called broken: %s", async (tx) => {
    const platform = new TestPlatform({ fault: "lost-commit" });
    expect(await bench(platform, "--tx", tx, "--as", "interactive", "--modes", "single")).toBe(1);
    expect(platform.stdout).toMatch(/broken: \d+ (updates in the rows|inserted rows), not \d+/);
    expect(platform.stderr).toMatch(/1 of 1 points broke their invariant/);
  });

  test("a cluster that does not start fails its point and not the others", async () => {
    const platform = new TestPlatform({ failingStart: 1 });
    const words = ["--tx", "update", "--as", "procedure", "--modes", "single,multi", "--json"];
    expect(await bench(platform, ...words)).toBe(1);
    expect(platform.objects.map(({ event, mode, error }) => [event, mode, error])).toEqual([
      ["bench-failed", "single", "no port is free"],
      ["bench", "multi", undefined],
    ]);
    expect(platform.stderr).toMatch(/1 of 2 points could not be measured/);
  });

  test("interrupted, it stops its cluster, removes the data and shows what it has", async () => {
    const platform = new TestPlatform();
    platform.onStart = () => platform.interruption.abort();
    expect(await bench(platform, "--tx", "raw,update", "--modes", "single")).toBe(1);
    expect(platform.stderr).toMatch(/interrupted/);
    expect([platform.rawStarted, platform.started.length, platform.stopped]).toEqual([1, 1, 2]);
    expect(platform.stdout).toMatch(/raw/);
    expect(await readdir(dir)).toEqual([]);
  });

  test("a process that ends in the middle of it removes the data; one that is done has nothing to remove", async () => {
    const platform = new TestPlatform();
    const seen: string[][] = [];
    platform.onStart = () => {
      seen.push(readdirSync(dir));
      for (const last of platform.atExit) last();
      seen.push(readdirSync(dir));
      platform.interruption.abort();
    };
    expect(await bench(platform, "--tx", "update", "--modes", "single")).toBe(1);
    expect(seen).toEqual([[expect.stringMatching(/^\.sixfold-bench-/)], []]);
    expect(platform.atExit.size).toBe(0);
  });

  test("progress is for terminals", async () => {
    const platform = new TestPlatform({ terminal: true });
    expect(await bench(platform, "--tx", "raw,read", "--as", "procedure", "--modes", "single")).toBe(0);
    expect(platform.stderr).toContain("[1/3] raw: 4 clients");
    expect(platform.stderr).toContain("single: loading rows, 200 of 200");
    expect(platform.stderr).toContain("[2/3] read as procedure: single, 4 clients");
    expect(platform.stdout).toContain("invariant");
  });
});

describe("bad usage is one line with the right form, and exit code 2", () => {
  test.each([
    [["--tx", "raw,write"], /--tx.*'raw,write'.*raw, update, rmw, insert, read, scan/],
    [["--as", "batch"], /--as.*procedure, interactive/],
    [["--modes", "multi-page"], /--modes.*single, multi/],
    [["--clients", "0"], /--clients.*from 1 to/],
    [["--shared", "101"], /--shared.*from 0 to 100/],
    [["--hot", "0"], /--hot.*from 1 to/],
    [["--hot", "300"], /--hot 300 is more than --rows 200/],
    [["--hot", "3"], /--hot 3 leaves a writer too few rows; take --hot 4 or --shared 100/],
    [["--rows", "50"], /a scan reads 100 rows/],
    [["--rounds", "2.5"], /--rounds.*whole number/],
    [["--hot-layout", "packed"], /--hot-layout.*spread, dense/],
  ])("%j", async (words, complaint) => {
    const platform = new TestPlatform();
    expect(await bench(platform, ...words)).toBe(2);
    expect(platform.stderr).toMatch(complaint);
    expect(platform.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([platform.stdout, platform.started, platform.rawStarted]).toEqual(["", [], 0]);
    expect(await readdir(dir)).toEqual([]);
  });

  test("--help has examples and --json", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("bench", "--help")).toBe(0);
    expect(platform.stdout).toContain("Examples:\n");
    expect(platform.stdout).toContain("--json");
    expect(platform.stderr).toBe("");
  });
});
