import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readControl, readRunningFile } from "./running-file.ts";
import { TestPlatform } from "./test-platform.fixture.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sixfold-cli-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Does something while `sixfold up` runs on the folder; returns what that printed. */
async function whileUp(work: () => Promise<void>): Promise<TestPlatform> {
  const platform = new TestPlatform();
  const file = join(dir, "running.json");
  const up = platform.run("up", "--data", dir, "--port", "0");
  while (!existsSync(file) || readFileSync(file).length === 0)
    await new Promise((resolve) => setImmediate(resolve));
  try {
    await work();
  } finally {
    platform.interruption.abort();
    expect(await up).toBe(0);
  }
  return platform;
}

/** One command on the folder: its exit code, and what it said. */
async function sixfold(...words: string[]) {
  const platform = new TestPlatform();
  const code = await platform.run(...words, "--data", dir);
  return { code, platform };
}

describe("processes that come and go while a cluster runs", () => {
  test("are added by the supervisor, which says so and keeps its list", async () => {
    const up = await whileUp(async () => {
      const { code, platform } = await sixfold("add-writer", "--az", "b", "--json");
      expect([code, platform.stderr]).toEqual([0, ""]);
      expect(platform.objects).toMatchObject([
        { event: "added", name: "writer-3", role: "writer", az: "b", pid: 4242 },
      ]);
      expect((await readRunningFile(dir))?.map(({ name }) => name)).toContain("writer-3");
      const replica = await sixfold("add-replica");
      expect([replica.code, replica.platform.stdout]).toEqual([
        0,
        expect.stringMatching(/^replica-3 in zone c serves: ws:\/\/127.0.0.1:\d+, pid 4242\n$/),
      ]);
      const spare = await sixfold("add-spare");
      expect(spare.platform.stdout).toMatch(/^segment-a3 in zone a keeps nothing yet/);
    });
    expect(up.objects.map(({ event, name }) => `${String(event)} ${String(name)}`)).toEqual([
      "ready undefined",
      "added writer-3",
      "added replica-3",
      "added segment-a3",
    ]);
  });

  test("are stopped; what the cluster has against it is said in one line", async () => {
    await whileUp(async () => {
      const refused = await sixfold("stop", "writer-1");
      expect([refused.code, refused.platform.stderr]).toEqual([
        1,
        "sixfold stop: writer-1 is the only writer\n",
      ]);
      const forced = await sixfold("stop", "writer-1", "--force", "--json");
      expect([forced.code, forced.platform.objects]).toEqual([0, [{ event: "stopped", name: "writer-1" }]]);
    });
  });

  test("only where one runs", async () => {
    const { code, platform } = await sixfold("stop", "writer-1");
    expect([code, platform.stderr]).toEqual([
      1,
      `sixfold stop: no cluster runs on ${dir}; start one with sixfold up\n`,
    ]);
  });

  test("in a zone that there is", async () => {
    const { code, platform } = await sixfold("add-writer", "--az", "d");
    expect([code, platform.stderr]).toEqual([2, expect.stringMatching(/a, b, c/)]);
  });
});

test("who cannot read the running file cannot command", async () => {
  await whileUp(async () => {
    expect(statSync(join(dir, "running.json")).mode & 0o077).toBe(0);
    const { url } = (await readControl(dir))!;
    const post = async (headers: Record<string, string>): Promise<number> => {
      const body = JSON.stringify({ name: "writer-1", force: true });
      const response = await fetch(`${url}/stop`, { method: "POST", headers, body });
      await response.arrayBuffer();
      return response.status;
    };
    expect(await post({})).toBe(401);
    expect(await post({ authorization: "Bearer guessed" })).toBe(401);
  });
});
