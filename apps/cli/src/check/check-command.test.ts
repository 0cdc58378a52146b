import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DataReport, Finding, ServerReport } from "@sixfold/cluster";
import { pageId, pgId } from "@sixfold/model";
import { TestPlatform } from "../test-platform.fixture.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sixfold-cli-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const MIB = 1 << 20;

const server = (name: string, changes: Partial<ServerReport> = {}): ServerReport => ({
  ...{
    name,
    az: name.at(-2),
    state: "whole",
    logFiles: 2,
    logBlocks: 1_234,
    pagesStored: 640,
    pagesDamaged: 0,
  },
  ...{ logBytes: 4 * MIB, pageStoreBytes: 6 * MIB, liveBytes: 5 * MIB },
  ...changes,
});

const TORN: Finding = { severity: "note", kind: "log-torn", server: "segment-a1", text: "a torn tail" };
const BAD_PAGE: Finding = {
  ...{ severity: "warning", kind: "page-damaged", server: "segment-a1", text: "page 17 is bad" },
  ...{ pg: pgId(0), pages: [pageId(17)] },
};
const LOST: Finding = { severity: "error", kind: "page-lost", text: "page 17 is lost", pages: [pageId(17)] };

function report(verdict: DataReport["verdict"], findings: readonly Finding[]): DataReport {
  const servers = [server("segment-a1"), server("segment-b1", { state: "lost", liveBytes: 0 })];
  const sizes = { pageBytes: 8192, segmentBytes: MIB, pgs: 5, tables: 1, rows: 9_999 };
  const pages = { allocated: 650, reachable: 630, free: 54, slices: 77, pagesCompared: 651 };
  return { verdict, servers, volume: { mode: "multi", revision: 9, ...sizes, ...pages }, findings };
}

async function run(
  found: DataReport,
  options: { readonly terminal?: boolean } = {},
  ...words: string[]
): Promise<{ code: number; platform: TestPlatform }> {
  const platform = new TestPlatform({
    ...options,
    checkData: async ({ dataDir, progress }) => {
      expect(dataDir).toBe(dir);
      progress?.("reading segment-a1");
      return found;
    },
  });
  return { code: await platform.run("check", "--data", dir, ...words), platform };
}

describe("check", () => {
  test("says what each server keeps, that all pages are accounted for, and the verdict last", async () => {
    const { code, platform } = await run(report("ok", [TORN]));
    expect([code, platform.stderr]).toEqual([0, ""]);
    const lines = platform.stdout.trimEnd().split("\n");
    const row = lines.find((line) => line.includes("segment-a1 "))!;
    expect(row.trim().split(/ {2,}/)).toEqual([
      ...["segment-a1", "a", "whole", "1\u202f234", "640", "0"],
      ...["4.0 MiB", "6.0 MiB", "5.0 MiB", "2.00"],
    ]);
    expect(lines).toContain("1 table, 9\u202f999 rows in 5 protection groups");
    expect(lines).toContain("650 pages allocated: 630 reached, 20 headers; 54 free");
    expect(lines.at(-2)).toBe("note: a torn tail");
    expect(lines.at(-1)).toBe("OK: nothing is lost, and nothing is damaged");
  });

  test("damage that costs nothing is success, with a warning", async () => {
    const { code, platform } = await run(report("warnings", [BAD_PAGE]));
    expect(code).toBe(0);
    expect(platform.stdout).toMatch(/warning: page 17 is bad\nOK, with 1 warning: .*nothing is lost\n$/);
  });

  test("what is lost is failure", async () => {
    const { code, platform } = await run(report("damaged", [BAD_PAGE, LOST]));
    expect(code).toBe(1);
    expect(platform.stdout).toMatch(/error: page 17 is lost\nDAMAGED: 1 error, 1 warning\n$/);
    expect(platform.stderr).toBe("sixfold check: the data is damaged\n");
  });

  test("programs get an object a line, the verdict last", async () => {
    const { code, platform } = await run(report("damaged", [BAD_PAGE, LOST]), {}, "--json");
    expect(code).toBe(1);
    expect(platform.objects.map(({ event }) => event)).toEqual([
      ...["server", "server", "volume", "finding", "finding", "verdict"],
    ]);
    expect(platform.objects[0]).toMatchObject({ name: "segment-a1", ratio: 2, logBytes: 4 * MIB });
    expect(platform.objects[1]).not.toHaveProperty("ratio");
    expect(platform.objects[3]).toEqual({ event: "finding", ...BAD_PAGE });
    expect(platform.objects.at(-1)).toEqual({ event: "verdict", verdict: "damaged", errors: 1, warnings: 1 });
  });

  test("progress is for terminals", async () => {
    const { platform } = await run(report("ok", []), { terminal: true });
    expect(platform.stderr).toContain("reading segment-a1");
  });

  test("a cluster of which any process lives is refused", async () => {
    const nodes = [
      { name: "writer-1", role: "writer", az: "a", pid: 2 ** 30, url: "ws://127.0.0.1:1" },
      { name: "segment-c2", role: "segment", az: "c", pid: process.pid, url: "ws://127.0.0.1:2" },
    ];
    await writeFile(join(dir, "running.json"), JSON.stringify({ nodes }));
    const { code, platform } = await run(report("ok", []));
    expect([code, platform.stdout]).toEqual([1, ""]);
    expect(platform.stderr).toContain(`segment-c2 (process ${process.pid})`);
    // After a crash the file stays, and names nobody.
    await writeFile(join(dir, "running.json"), JSON.stringify({ nodes: nodes.slice(0, 1) }));
    expect((await run(report("ok", []))).code).toBe(0);
  });

  test("a directory without data is named", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("check", "--data", join(dir, "absent"))).toBe(1);
    expect(platform.stderr).toMatch(/there is no data of a cluster in .*absent/);
  });
});
