import { describe, expect, test } from "vitest";
import { TestPlatform } from "./test-platform.fixture.ts";

/** Quick seeds: little load and no faults. */
const QUIET = ["--faults", "none", "--workload", "cycle", "--mode", "single", "--jobs", "1"];

describe("simulate", () => {
  test("seeds first, a line a run, verdict last; the same seeds give the same hashes", async () => {
    const hashes: unknown[] = [];
    for (let time = 0; time < 2; time++) {
      const platform = new TestPlatform();
      expect(await platform.run("simulate", "--seed", "3", "--runs", "2", "--json", ...QUIET)).toBe(0);
      const { objects } = platform;
      expect(objects.map(({ event, verdict }) => [event, verdict])).toEqual([
        ["seeds", undefined],
        ["run", "ok"],
        ["run", "ok"],
        ["verdict", "ok"],
      ]);
      expect(objects[1]).toMatchObject({ seed: 3, mode: "single", workloads: ["cycle"], faults: [] });
      expect(platform.stderr).toBe("");
      hashes.push(objects.map(({ hash }) => hash));
    }
    expect(hashes[0]).toEqual(hashes[1]);
  }, 60_000);

  test("one seed is described before it runs, and --verbose tells what happens", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("simulate", "--seed", "3", "--verbose", ...QUIET)).toBe(0);
    expect(platform.stdout).toMatch(
      /^seeds 3\n {2}single, \d writers?, machines \w+, \d+ ms with faults\n {2}workload cycle/,
    );
    expect(platform.stdout).toMatch(/\n1 runs, 0 failed; \d+ commits in/);
    expect(platform.stderr).toMatch(/3: [\d.]+ writer-\d info stream-opened/);
  }, 60_000);

  test("a planted bug is found, said with the line that repeats it, and exits 1", async () => {
    const platform = new TestPlatform();
    const bug = "outcome-guesses-aborted";
    // Named, so that no kind that is added draws others.
    const faults = "kill,crash,kill-writers,crash-at";
    const words = [
      "--faults",
      faults,
      "--workload",
      "outcomes",
      "--mode",
      "multi",
      "--plant",
      bug,
      "--runs",
      "12",
    ];
    expect(await platform.run("simulate", ...words)).toBe(1);
    expect(platform.stdout).toMatch(
      /again: sixfold simulate --seed \d+ --faults kill,crash,kill-writers,crash-at --workload outcomes --mode multi --plant outcome-guesses-aborted\n/,
    );
    expect(platform.stderr).toMatch(/^sixfold simulate: \d+ of 12 runs failed\n$/);
  }, 120_000);

  test("interrupted, it says what it has, and that it is not all", async () => {
    const platform = new TestPlatform();
    platform.interruption.abort();
    expect(await platform.run("simulate", "--runs", "2", "--json", ...QUIET)).toBe(1);
    expect(platform.objects.at(-1)).toMatchObject({ event: "verdict", runs: 0, failed: 0 });
    expect(platform.stderr).toBe("sixfold simulate: interrupted\n");
  });

  test.each([
    [["--faults", "earthquake"], "--faults <list>"],
    [["--faults", "none,kill"], "none stands alone"],
    [["--plant", "everything"], "--plant <list>"],
    [["--runs", "0"], "from 1 to"],
  ])("refuses %s", async (words, why) => {
    const platform = new TestPlatform();
    expect(await platform.run("simulate", ...words)).toBe(2);
    expect(platform.stderr).toContain(why);
  });
});
