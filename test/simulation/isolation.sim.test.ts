/**
 * The examples of docs/isolation.md: what weaker options allow, and what cures it. Deterministic: the network between the two masters
 * is as slow as the example needs.
 */
import type { PlantedBug } from "@sixfold/model";
import { SimulatedCluster, type SimulatedDatabase } from "@sixfold/simulation";
import { fixedDelay } from "@sixfold/sim-ports";
import { expect, test } from "vitest";

const SHAPE = {
  seed: 1,
  mode: "multi",
  writers: 2,
  distance: "near",
  poolPages: 64,
  logFileBytes: 1 << 20,
  mergeAboveBytes: 1 << 20,
  retainBytesMax: 1 << 20,
} as const;

interface Stage {
  readonly cluster: SimulatedCluster;
  /** A client of each master. */
  readonly a: SimulatedDatabase;
  readonly b: SimulatedDatabase;
}

async function stage(planted: readonly PlantedBug[] = []): Promise<Stage> {
  const cluster = new SimulatedCluster({ ...SHAPE, planted });
  await cluster.ready();
  const a = await cluster.settled(cluster.connect(0));
  const b = await cluster.settled(cluster.connect(1));
  // A table of each master's own: the two rows lie on different pages.
  await cluster.settled(a.createTable("x"));
  await cluster.settled(a.put("x", 0, 1));
  await cluster.settled(b.createTable("y"));
  await cluster.settled(b.put("y", 0, 1));
  for (const db of [a, b])
    await cluster.settled(db.transaction((tx) => tx.get("x", 0), { consistency: "cluster" }));
  return { cluster, a, b };
}

/** Both are on call; one goes off if the other stays. */
async function goOffCall(
  { cluster, a, b }: Stage,
  isolation: "snapshot" | "serializable",
): Promise<(number | undefined)[]> {
  const leave = (db: SimulatedDatabase, mine: string, other: string): Promise<void> =>
    db.transaction(
      async (tx) => {
        const [own, theirs] = await Promise.all([tx.get<number>(mine, 0), tx.get<number>(other, 0)]);
        if (own === 1 && theirs === 1) tx.put(mine, 0, 0);
      },
      { isolation },
    );
  await cluster.settled(Promise.all([leave(a, "x", "y"), leave(b, "y", "x")]));
  return cluster.settled(
    a.transaction((tx) => Promise.all([tx.get<number>("x", 0), tx.get<number>("y", 0)]), {
      consistency: "cluster",
    }),
  );
}

test("write skew: allowed under snapshot, each reads what the other changes", async () => {
  expect(await goOffCall(await stage(), "snapshot")).toEqual([0, 0]);
});

test("the cure for write skew: serializable; the loser runs again and sees the winner", async () => {
  expect((await goOffCall(await stage(), "serializable")).sort((x, y) => x! - y!)).toEqual([0, 1]);
});

test("planted break: what was read is not in the entry, and serializable has the skew as well", async () => {
  expect(await goOffCall(await stage(["read-checks-not-sent"]), "serializable")).toEqual([0, 0]);
});

/** Two commits at two masters whose news of each other is late, and a reader beside each. */
async function readBoth(
  { cluster, a, b }: Stage,
  consistency: "session" | "cluster",
  isolation: "snapshot" | "serializable" = "snapshot",
): Promise<(readonly (number | undefined)[])[]> {
  const { fabric } = cluster.world;
  fabric.setDelay("writer-1", "writer-2", fixedDelay(40));
  fabric.setDelay("writer-2", "writer-1", fixedDelay(40));
  await cluster.settled(
    Promise.all([a.transaction((tx) => tx.put("x", 0, 2)), b.transaction((tx) => tx.put("y", 0, 2))]),
  );
  const read = (db: SimulatedDatabase): Promise<readonly (number | undefined)[]> =>
    db.transaction((tx) => Promise.all([tx.get<number>("x", 0), tx.get<number>("y", 0)]), {
      consistency,
      isolation,
    });
  return cluster.settled(Promise.all([read(a), read(b)]));
}

test("long fork: allowed under session, each master shows its own commit first", async () => {
  expect(await readBoth(await stage(), "session")).toEqual([
    [2, 1],
    [1, 2],
  ]);
});

test("the cure for long forks: cluster; both see both", async () => {
  expect(await readBoth(await stage(), "cluster")).toEqual([
    [2, 2],
    [2, 2],
  ]);
});

test("serializable transactions that only read agree on an order, at session consistency too", async () => {
  const [first, second] = await readBoth(await stage(), "session", "serializable");
  expect([first, second]).not.toEqual([
    [2, 1],
    [1, 2],
  ]);
});
