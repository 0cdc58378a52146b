/**
 * What read replicas promise: a session's own writes, whatever was committed before at `cluster`, and with `maxLagMs` whatever was
 * committed longer ago than that; each on a network that is slow or cut where it hurts, and each seen to fail without its rule.
 */
import type { PlantedBug } from "@sixfold/model";
import { makePlan, SimulatedCluster, simulate, type SimulatedDatabase } from "@sixfold/simulation";
import { fixedDelay } from "@sixfold/sim-ports";
import { describe, expect, test } from "vitest";

const SHAPE = {
  seed: 3,
  mode: "single",
  writers: 1,
  replicas: 1,
  distance: "near",
  poolPages: 64,
  logFileBytes: 1 << 20,
  mergeAboveBytes: 1 << 20,
  retainBytesMax: 1 << 20,
} as const;
const TABLE = "rows";
/** Nineteen nodes and six segment servers in one thread, on a machine that may have other work. */
const CROWD_LIMIT_MS = 240_000;

interface Stage {
  readonly cluster: SimulatedCluster;
  /** A client of the writers, and one that reads at the replica while that will do. */
  readonly writing: SimulatedDatabase;
  readonly reading: SimulatedDatabase;
}

async function stage(
  planted: readonly PlantedBug[] = [],
  shape: Partial<typeof SHAPE> | object = {},
): Promise<Stage> {
  const cluster = new SimulatedCluster({ ...SHAPE, ...shape, planted });
  await cluster.ready();
  const writing = await cluster.settled(cluster.connectWith({ readFrom: "writer" }));
  const reading = await cluster.settled(cluster.connectWith({ readFrom: "replica" }));
  await cluster.settled(writing.createTable(TABLE));
  await cluster.settled(writing.put(TABLE, 0, 1));
  await cluster.settled(
    reading.transaction((tx) => tx.get(TABLE, 0), { consistency: "cluster", readOnly: true }),
  );
  return { cluster, writing, reading };
}

/** What the writer says takes so long to the replica, from now on. */
function slowFeed({ cluster }: Stage, ms: number): void {
  for (const { name } of cluster.topology.nodes)
    if (name !== "replica-1") cluster.world.fabric.setDelay(name, "replica-1", fixedDelay(ms));
}

describe("a session at a replica", () => {
  const readsItsWrite = async (planted: readonly PlantedBug[]): Promise<unknown> => {
    const all = await stage(planted);
    slowFeed(all, 40);
    const { cluster, writing, reading } = all;
    const session = writing.session();
    await cluster.settled(session.put(TABLE, 0, 2));
    return cluster.settled(reading.session(session.token).get(TABLE, 0));
  };

  test("sees its own writes, however late the news of them is", async () => {
    expect(await readsItsWrite([])).toBe(2);
  });

  test("planted break: its token is not waited for", async () => {
    expect(await readsItsWrite(["session-token-ignored"])).toBe(1);
  });

  /** What a session reads at the writer, in this way, and then at a replica that knows less. */
  const readsTwice = async (
    planted: readonly PlantedBug[],
    how: "get" | "scan" | "tx",
  ): Promise<unknown[]> => {
    const all = await stage(planted);
    slowFeed(all, 40);
    const { cluster, writing, reading } = all;
    await cluster.settled(writing.put(TABLE, 0, 2));
    const session = reading.session();
    const read = async (readFrom: "writer" | "replica"): Promise<unknown> => {
      if (how === "get") return session.get(TABLE, 0, { readFrom });
      const options = { readFrom, readOnly: true } as const;
      if (how === "tx") return session.transaction((tx) => tx.get(TABLE, 0), options);
      for await (const [, value] of session.scan(TABLE, options)) return value;
      return undefined;
    };
    return [await cluster.settled(read("writer")), await cluster.settled(read("replica"))];
  };

  test.each(["get", "scan", "tx"] as const)("never goes back behind what it has read: %s", async (how) => {
    expect(await readsTwice([], how)).toEqual([2, 2]);
    expect(await readsTwice(["read-tokens-dropped"], how)).toEqual([2, 1]);
  });
});

describe("a replica whose writer has been replaced without either of them knowing", () => {
  /** The writer and its replica reach each other and the clients, but neither storage nor the writer that takes over. */
  const cutOff = async (planted: readonly PlantedBug[]): Promise<Stage> => {
    const all = await stage(planted, { writers: 2 });
    const { cluster, writing } = all;
    const { servers, nodes } = cluster.topology;
    const others = [...servers, ...nodes]
      .map(({ name }): string => name)
      .filter((name) => !CUT.includes(name));
    cluster.world.fabric.partition(CUT, others);
    await cluster.settled(writing.transaction((tx) => tx.put(TABLE, 0, 2), { retry: { timeoutMs: 60_000 } }));
    expect(cluster.statusOf("writer-2")["stream"]).toBeGreaterThan(1);
    return all;
  };
  const CUT = ["writer-1", "replica-1"];

  test("serves no cluster read: it cannot know", async () => {
    const { cluster, reading } = await cutOff([]);
    const late = reading.transaction((tx) => tx.get(TABLE, 0), {
      ...{ consistency: "cluster", readOnly: true, retry: { timeoutMs: 5000 } },
    });
    await expect(cluster.settled(late)).rejects.toMatchObject({ code: "timeout" });
  });

  test("planted break: it takes its writer's word for it, and shows what is long overwritten", async () => {
    const { cluster, reading } = await cutOff(["cluster-read-unchecked-manifest"]);
    const read = reading.transaction((tx) => tx.get(TABLE, 0), { consistency: "cluster", readOnly: true });
    expect(await cluster.settled(read)).toBe(1);
  });

  test("lets reads with maxLagMs go elsewhere, and serves the others", async () => {
    const { cluster, reading } = await cutOff([]);
    expect(await cluster.settled(reading.get(TABLE, 0))).toBe(1);
    expect(await cluster.settled(reading.get(TABLE, 0, { maxLagMs: 100 }))).toBe(2);
    const bounded = { readOnly: true, maxLagMs: 100 } as const;
    expect(await cluster.settled(reading.transaction((tx) => tx.get(TABLE, 0), bounded))).toBe(2);
  });

  test("planted break: the bound is not looked at", async () => {
    const { cluster, reading } = await cutOff(["lag-bound-ignored"]);
    expect(await cluster.settled(reading.get(TABLE, 0, { maxLagMs: 100 }))).toBe(1);
  });
});

describe("reads with maxLagMs", () => {
  /** Commits one after the other, and reads meanwhile; by how much the worst of the reads missed its bound, in milliseconds. */
  async function worst(
    planted: readonly PlantedBug[],
    seed: number,
  ): Promise<{ missedMs: number; reads: number }> {
    const all = await stage(planted, { seed });
    const { cluster, writing, reading } = all;
    const { clock } = cluster.clients.host;
    const random = cluster.world.random.fork("bounds");
    const pause = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.after(ms, () => resolve()));
    const committedAt: number[] = [];
    let missedMs = 0;
    let reads = 0;
    let running = true;
    const commit = async (): Promise<void> => {
      for (let n = 0; running; n++) {
        await writing.put(TABLE, 1, n);
        committedAt[n] = clock.nowMs();
        await pause(random.int(10));
      }
    };
    const read = async (): Promise<void> => {
      while (running) {
        const maxLagMs = random.pick([0, 5, 20, 100, 500]);
        const begun = clock.nowMs();
        const seen = (await reading.get<number>(TABLE, 1, { maxLagMs })) ?? -1;
        reads++;
        // The first that was not seen must not have been committed longer ago than allowed.
        const missed = committedAt[seen + 1];
        if (missed !== undefined) missedMs = Math.max(missedMs, begun - maxLagMs - missed);
        await pause(random.int(30));
      }
    };
    const work = Promise.all([commit(), read(), read()]);
    for (let i = 0; i < 20; i++) {
      slowFeed(all, random.pick([0.2, 3, 30, 90, 400]));
      await cluster.world.run(cluster.world.nowMs + 300);
    }
    running = false;
    await cluster.settled(work);
    return { missedMs, reads };
  }

  test("miss nothing that was committed longer ago, whatever becomes of the feed", async () => {
    for (const seed of [1, 2, 3]) {
      const { missedMs, reads } = await worst([], seed);
      expect(missedMs, `seed ${seed}`).toBe(0);
      expect(reads).toBeGreaterThan(50);
    }
  });

  test("planted break: the bound is not looked at", async () => {
    expect((await worst(["lag-bound-ignored"], 1)).missedMs).toBeGreaterThan(50);
  });

  test("cost a round for all of them in as long as the bound, and none of the writer's time when nobody reads", async () => {
    const { cluster, reading } = await stage();
    const asked: number[] = [];
    for (const maxLagMs of [1000, 0]) {
      const before = cluster.world.events;
      for (let i = 0; i < 50; i++) await cluster.settled(reading.get(TABLE, 0, { maxLagMs }));
      asked.push(cluster.world.events - before);
    }
    // One that is asked anew each time has seven more to ask: six seats and the writer.
    expect(asked[1]).toBeGreaterThan(2 * asked[0]!);
  });
});

describe("a replica's readers", () => {
  /** What one transaction sees of rows that are all overwritten again and again while it lasts. */
  const longRead = async (planted: readonly PlantedBug[]): Promise<unknown> => {
    const shape = { poolPages: 8, mergeAboveBytes: 0, retainBytesMax: 0 };
    const { cluster, writing, reading } = await stage(planted, shape);
    const rows = 300;
    const write = (value: number, from: number, to: number): Promise<void> =>
      writing.transaction((tx) => {
        for (let i = from; i < to; i++) tx.put(TABLE, i, { value, pad: "x".repeat(200) });
      });
    const session = writing.session();
    await cluster.settled(write(1, 0, rows));
    await cluster.settled(session.put(TABLE, -1, 0));
    const read = reading.session(session.token).transaction(
      async (tx) => {
        const first = await tx.get<{ value: number }>(TABLE, 0);
        for (let round = 2; round < 12; round++)
          for (let from = 0; from < rows; from += 50) await write(round, from, from + 50);
        const values = new Set([first?.value]);
        for (let i = 0; i < rows; i++) values.add((await tx.get<{ value: number }>(TABLE, i))?.value);
        return [...values];
      },
      { readOnly: true, retry: { attempts: 1, timeoutMs: 60_000 } },
    );
    return cluster.settled(read);
  };

  test("see one moment for as long as they like: nothing that they need is merged away meanwhile", async () => {
    expect(await longRead([])).toEqual([1]);
  });

  test("planted break: segments merge whatever is committed, and the moment is gone", async () => {
    await expect(longRead(["merge-all"])).rejects.toMatchObject({ code: "too-old" });
  });

  test("ask a writer where they want to be serializable, and are told so by a replica that has none", async () => {
    const { cluster, reading } = await stage();
    const alone = await cluster.settled(cluster.connectWith({ readFrom: "replica" }, ["replica-1"]));
    for (const db of [reading, alone]) {
      const read = db.transaction((tx) => tx.get(TABLE, 0), { readOnly: true, isolation: "serializable" });
      expect(await cluster.settled(read)).toBe(1);
    }
  });
});

describe("15 replicas and 4 writers", () => {
  const crowd = { mode: "multi", writers: 4, replicas: 15, workloads: ["append", "register"] } as const;
  test.each([
    [1, []],
    [2, ["kill", "isolate", "delay", "break-links", "pause"]],
  ] as const)(
    "pass the checker's workloads: seed %i, faults %s",
    async (seed, faults) => {
      const { violations, counts } = await simulate(makePlan(seed, { ...crowd, faults }));
      expect(violations).toEqual([]);
      expect(counts.committed).toBeGreaterThan(100);
    },
    CROWD_LIMIT_MS,
  );
});
