import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestPlatform } from "./test-platform.fixture.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sixfold-cli-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** `up` writes the file after the start that a test is told of; each look takes a turn of the event loop. */
async function whenWritten(path: string): Promise<void> {
  while (!existsSync(path) || readFileSync(path).length === 0)
    await new Promise((resolve) => setImmediate(resolve));
}

/** Short: one point takes this, and three times as long to warm up. */
const ONE_POINT = ["--shared", "50", "--seconds", "0.2", "--clients", "4", "--records", "90"];

describe("compare", () => {
  test("measures every point on a cluster of its mode, and writes the report", async () => {
    const platform = new TestPlatform();
    const code = await platform.run(
      "compare",
      ...ONE_POINT,
      "--modes",
      "single,multi-page",
      "--writers",
      "2",
      "--json",
      "--out",
      dir,
    );
    expect([code, platform.stderr]).toEqual([0, ""]);
    expect(
      platform.started.map(({ mode, conflicts, writers, restart, port }) => ({
        mode,
        conflicts,
        writers,
        restart,
        port,
      })),
    ).toEqual([
      { mode: "single", conflicts: "row", writers: 1, restart: false, port: 0 },
      { mode: "multi", conflicts: "page", writers: 2, restart: false, port: 0 },
    ]);
    expect(platform.stopped).toBe(2);
    const runs = platform.objects.filter((object) => object["event"] === "run");
    expect(runs.map((run) => [run["mode"], run["writers"], run["sharedPct"], run["invariant"]])).toEqual([
      ["single", 1, 50, "ok"],
      ["multi-page", 2, 50, "ok"],
    ]);
    for (const run of runs) {
      expect(run["committed"]).toBeGreaterThan(0);
      expect(run["p50Ms"]).toBeLessThanOrEqual(run["p99Ms"] as number);
      expect(run["attemptsPerCommit"]).toBeGreaterThanOrEqual(1);
      expect(run["storageWritesPerCommit"]).toBeGreaterThan(0);
      expect(run["networkBytesPerCommit"]).toBeGreaterThan(0);
    }
    // The data is gone, the report is there.
    expect((await readdir(dir)).sort()).toEqual(["report.html", "report.json"]);
    const report = JSON.parse(await readFile(join(dir, "report.json"), "utf8")) as {
      results: unknown[];
      command: string;
    };
    expect(report.results).toEqual(runs);
    expect(report.command).toContain("--modes single,multi-page --writers 2 --shared 50");
  });

  test("a database that loses commits is called broken, with exit code 1", async () => {
    const platform = new TestPlatform({ fault: "lost-commit" });
    const words = [
      "--workload",
      "hot",
      "--modes",
      "multi",
      "--writers",
      "1",
      "--as",
      "interactive",
      "--out",
      dir,
    ];
    expect(await platform.run("compare", ...ONE_POINT, ...words)).toBe(1);
    expect(platform.stdout).toMatch(/broken: the counter of/);
    expect(platform.stderr).toMatch(/1 of 1 runs broke their invariant/);
    expect(await readFile(join(dir, "report.html"), "utf8")).toContain("1 of 1 runs broke their invariant");
  });

  test("a cluster that does not start fails its point and not the sweep", async () => {
    const platform = new TestPlatform({ failingStart: 1 });
    const words = ["--modes", "single,multi", "--writers", "1", "--json", "--out", dir];
    expect(await platform.run("compare", ...ONE_POINT, ...words)).toBe(1);
    expect(platform.objects.map((object) => object["event"])).toEqual(["run-failed", "run", "report"]);
    expect(platform.objects[0]!["error"]).toBe("no port is free");
  });

  test("interrupted, it stops its cluster and removes the data", async () => {
    const platform = new TestPlatform();
    platform.onStart = () => platform.interruption.abort();
    const words = ["--modes", "single,multi", "--writers", "1", "--out", dir];
    expect(await platform.run("compare", ...ONE_POINT, ...words)).toBe(1);
    expect(platform.stderr).toMatch(/interrupted/);
    expect([platform.started.length, platform.stopped]).toEqual([1, 1]);
    expect(await readdir(dir)).toEqual([]);
  });

  test("progress is for terminals", async () => {
    const platform = new TestPlatform({ terminal: true });
    expect(await platform.run("compare", ...ONE_POINT, "--modes", "single", "--out", dir)).toBe(0);
    expect(platform.stderr).toContain("[1/1] transfer: single, 1 writer, 50 % shared");
    expect(platform.stdout).toContain("invariant");
  });
});

describe("up and status", () => {
  test("up tells a program of the ready cluster, status finds it, Ctrl-C ends it", async () => {
    const platform = new TestPlatform();
    const asked: TestPlatform[] = [];
    let asking: Promise<number> | undefined;
    platform.onStart = () => {
      asking = whenWritten(join(dir, "running.json")).then(async () => {
        const other = new TestPlatform();
        asked.push(other);
        return other.run("status", "--json", "--data", dir).finally(() => platform.interruption.abort());
      });
    };
    expect(await platform.run("up", "--data", dir, "--port", "0", "--writers", "2")).toBe(0);
    const [ready] = platform.objects;
    expect(ready).toMatchObject({
      event: "ready",
      mode: "multi",
      endpoints: [expect.stringMatching(/^ws:/), expect.anything()],
    });
    expect(await asking).toBe(0);
    expect(asked[0]!.objects.map(({ event, name, state }) => [event, name ?? state])).toEqual([
      ["status", "writer-1"],
      ["status", "writer-2"],
      ["status", "segment-a1"],
      // There is one segment server, and four are needed.
      ["health", "stalled"],
    ]);
    expect(asked[0]!.objects[0]).toMatchObject({ event: "status", up: true, stream: 3, durable: 1_700 });
    expect(platform.stopped).toBe(1);
    expect(await readdir(dir)).toEqual([]);
  });

  /** Runs `up`, and ends it as soon as the cluster is there. */
  async function upAndDown(platform: TestPlatform, ...words: string[]): Promise<number> {
    platform.onStart = () =>
      void whenWritten(join(dir, "running.json")).then(() => platform.interruption.abort());
    return platform.run("up", "--data", dir, "--port", "0", ...words);
  }

  test("up --monitor has the cluster monitored; nothing found is success", async () => {
    const platform = new TestPlatform();
    expect(await upAndDown(platform, "--monitor")).toBe(0);
    expect(platform.started[0]!.monitor).toBe(true);
    expect(platform.objects.at(-1)).toEqual({ event: "judged", steps: 1_234, violations: 0 });
    const people = new TestPlatform({ terminal: true });
    expect(await upAndDown(people, "--monitor")).toBe(0);
    expect(people.stdout).toContain("1,234 steps of the protocol were judged");
  });

  test("a violation is an event, is told once on stderr, and fails the command when it ends", async () => {
    const violations = ["votes-decide (I1): a commit needs votes\n  but there are 0"];
    for (const words of [[], ["--json"]]) {
      const platform = new TestPlatform({ violations });
      expect(await upAndDown(platform, "--monitor", ...words)).toBe(1);
      expect(platform.objects.filter(({ event }) => event === "violation")).toEqual([
        expect.objectContaining({ condition: "votes-decide", process: "writer-1", text: violations[0] }),
      ]);
      expect(platform.stderr.split("a commit needs votes")).toHaveLength(2);
      expect(platform.stderr).toMatch(/sixfold up: violations of the protocol: 1/);
      expect(platform.stopped).toBe(1);
    }
    const people = new TestPlatform({ violations, terminal: true });
    expect(await upAndDown(people, "--monitor")).toBe(1);
    expect(people.stderr.split("a commit needs votes")).toHaveLength(2);
  });

  test("up without --monitor has nothing judged", async () => {
    const platform = new TestPlatform({ violations: ["never asked for"] });
    expect(await upAndDown(platform)).toBe(0);
    expect(platform.started[0]!.monitor).toBe(false);
    expect(platform.objects.map(({ event }) => event)).toEqual(["ready"]);
  });

  test("status shows lag and conflicts to people", async () => {
    const platform = new TestPlatform();
    let shown = "";
    platform.onStart = (nodes) => {
      const other = new TestPlatform();
      void other.run("status", nodes[0]!.url).then(() => {
        shown = other.stdout;
        platform.interruption.abort();
      });
    };
    await platform.run("up", "--data", dir, "--port", "0");
    // 1,700 durable, 1,690 shown.
    expect(shown).toMatch(/writer .*multi .*writing .*3 .*1.700 .*10 .*12.345 .*6 \/ 7/);
  });

  test("status shows what each segment server has taken and written, every number in its column", async () => {
    const platform = new TestPlatform();
    let shown = "";
    platform.onStart = () =>
      void whenWritten(join(dir, "running.json")).then(async () => {
        const other = new TestPlatform();
        await other.run("status", "--data", dir);
        shown = other.stdout;
        platform.interruption.abort();
      });
    await platform.run("up", "--data", dir, "--port", "0");
    const lines = shown.split("\n").map((line) => line.trim().split(/ {2,}/));
    const head = lines.findLast(([name]) => name === "segment server")!;
    const row = lines.findLast(([name]) => name === "segment-a1")!;
    expect(Object.fromEntries(head.map((name, i) => [name, row[i]]))).toMatchObject({
      slices: "77",
      syncs: expect.stringMatching(/^\d+.000$/),
      "bytes written": "4\u202f096",
      "SCL of each PG and stream": "pg0: s3@1701",
    });
  });

  test("status of nothing fails and says what to do", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("status", "--data", join(dir, "absent"))).toBe(1);
    expect(platform.stderr).toMatch(/no cluster runs on .*sixfold up/);
  });

  test("a node that does not answer is shown as such", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("status", "ws://127.0.0.1:9")).toBe(1);
    expect(platform.stdout).toContain("does not answer");
  });
});
