/** Where requests go: roles, zones, load, and what changes while the client runs. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { streamId } from "@sixfold/model";
import type { ConnectOptions, Database } from "./options.ts";
import { failure, tokenOf, type FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";
import type { TestClock } from "./testing/test-clock.ts";
import { all, TestWorld } from "./testing/test-world.fixture.ts";

const NONE = streamId(0);

let world: TestWorld;
let cluster: FakeCluster;
let clock: TestClock;
let writer: FakeNode;
let standby: FakeNode;
let replica: FakeNode;

beforeEach(() => {
  world = new TestWorld();
  ({ cluster, clock } = world);
  writer = cluster.add("writer-1", "writer");
  standby = cluster.add("writer-2", "writer");
  standby.stream = NONE;
  replica = cluster.add("replica-1", "replica");
});
afterEach(() => world.end());

const connected = (urls?: string[], options?: ConnectOptions): Promise<Database> =>
  world.connected(urls, options);

/** Everybody who is connected hears how things are. */
async function tell(...nodes: FakeNode[]): Promise<void> {
  for (const node of nodes) for (const link of node.links) node.tellNodes(link);
  await clock.settle();
}

async function reads(db: Database, count: number): Promise<number[]> {
  const before = cluster.nodes.map((n) => n.count("get"));
  for (let i = 0; i < count; i++) await clock.run(db.get("t", i));
  return cluster.nodes.map((n, i) => n.count("get") - before[i]!);
}

describe("reads", () => {
  test("go to replicas by option, also to one that was not given; to a writer only while there is none", async () => {
    const db = await connected([writer.url], { readFrom: "replica" });
    standby.ready = false;
    await tell(writer, standby, replica);
    expect(await reads(db, 3)).toEqual([0, 0, 3]);
    replica.kill();
    standby.isUp = false;
    for (const link of standby.links) link.end("gone");
    await clock.settle();
    expect(await reads(db, 3)).toEqual([3, 0, 0]);
    replica.isUp = true;
    clock.advance(3000);
    await clock.settle();
    expect(await reads(db, 3)).toEqual([0, 0, 3]);
  });

  test("take turns over all nodes unless told otherwise; one alone can be told", async () => {
    const db = await connected();
    expect(await reads(db, 6)).toEqual([2, 2, 2]);
    for (let i = 0; i < 3; i++) await clock.run(db.get("t", i, { readFrom: "writer" }));
    expect(writer.count("get")).toBe(5);
    await expect(clock.run(db.get("t", 1, { readFrom: "primary" as "writer" }))).rejects.toMatchObject({
      code: "bad-request",
    });
    await expect(connected([writer.url], { readFrom: "leader" as "writer" })).rejects.toMatchObject({
      code: "bad-request",
    });
  });

  test("go to the client's zone, also where no given node is in it", async () => {
    replica.az = "b";
    const near = await connected([writer.url], { az: "b" });
    expect(await reads(near, 4)).toEqual([0, 0, 4]);
    await clock.run(near.put("t", 1, 1));
    expect(writer.count("commit")).toBe(1);
  });

  test("avoid a replica that lags far behind, or does not serve yet", async () => {
    const db = await connected(undefined, { readFrom: "replica" });
    replica.lagMs = 5000;
    await tell(replica);
    expect(await reads(db, 3)).toEqual([0, 3, 0]);
    replica.lagMs = 3;
    standby.ready = false;
    await tell(replica, standby);
    expect(await reads(db, 3)).toEqual([0, 0, 3]);
  });

  test("of one turn go to whom owes least", async () => {
    const db = await connected();
    replica.twist = (body) => (body.op === "get" ? "ignore" : undefined);
    const work = Array.from({ length: 3 }, (_, i) => db.get(`t${i}`, 1));
    await clock.settle();
    expect(replica.count("get")).toBe(1);
    for (let i = 0; i < 6; i++) await clock.run(db.get("t", i));
    expect(replica.count("get")).toBe(1);
    replica.twist = () => undefined;
    replica.kill();
    await clock.run(Promise.all(work));
  });
});

describe("read-only transactions", () => {
  test("run where reads do, and write nothing", async () => {
    const db = await connected(undefined, { readFrom: "replica" });
    await clock.run(db.put("t", 1, "x"));
    const seen = await clock.run(
      db.transaction(async (tx) => [await tx.get("t", 1), ...(await all(tx.scan("t")))], {
        readOnly: true,
        readFrom: "replica",
      }),
    );
    expect(seen).toEqual(["x", [1, "x"]]);
    expect(writer.count("get") + writer.count("scan")).toBe(0);
    for (const body of [
      (tx: Parameters<Parameters<Database["transaction"]>[0]>[0]) => tx.put("t", 1, 2),
      (tx: Parameters<Parameters<Database["transaction"]>[0]>[0]) => tx.delete("t", 1),
      (tx: Parameters<Parameters<Database["transaction"]>[0]>[0]) => tx.get("t", 1, { forUpdate: true }),
    ])
      await world.rejection(db.transaction(body, { readOnly: true }), "bad-request");
  });

  test("that are serializable are validated, which takes a writer", async () => {
    const db = await connected(undefined, { readFrom: "replica" });
    await clock.run(db.transaction((tx) => tx.get("t", 1), { readOnly: true, isolation: "serializable" }));
    expect([writer.count("get"), writer.count("commit")]).toEqual([1, 1]);
  });

  test("go on elsewhere when their node is lost", async () => {
    const db = await connected(undefined, { readFrom: "replica" });
    standby.ready = false;
    await tell(standby);
    replica.twist = (body) => (body.op === "get" ? "cut" : undefined);
    expect(await clock.run(db.transaction((tx) => tx.get("t", 1), { readOnly: true }))).toBeUndefined();
    expect(standby.count("get") + writer.count("get")).toBe(1);
  });
});

describe("a session that only reads", () => {
  test("has a token, and takes it along to other nodes", async () => {
    const db = await connected();
    await clock.run(db.put("t", 1, 1));
    const session = db.session();
    await clock.run(session.get("t", 1, { readFrom: "writer" }));
    const elsewhere = db.session(session.token);
    await clock.run(elsewhere.get("t", 1, { readFrom: "replica" }));
    await clock.run(session.listTables());
    await clock.run(session.listTables());
    const last = cluster.log.filter((r) => r.op === "get" || r.op === "listTables").slice(-3);
    expect(last.map((r) => (r.op === "get" ? tokenOf(r) : "lists"))).toEqual(["{1:1}", "lists", "lists"]);
    const lists = cluster.log.flatMap((r) => (r.op === "listTables" ? [r.alone?.session !== undefined] : []));
    expect(lists).toContain(true);
  });

  test("and so has each of its transactions", async () => {
    const db = await connected();
    await clock.run(db.put("t", 1, 1));
    const session = db.session();
    await clock.run(session.transaction((tx) => tx.get("t", 1)));
    const other = db.session(session.token);
    await clock.run(other.get("t", 1, { readFrom: "replica" }));
    expect(tokenOf(replica.requests.find((r) => r.op === "get")!)).toBe("{1:1}");
  });
});

describe("an outcome", () => {
  test("is asked of the stream's writer in the end, which only can say that a transaction shall never come", async () => {
    const db = await connected([replica.url]);
    const id = "1.0-never";
    replica.twist = (body) => (body.op === "outcome" ? { op: "outcome", outcome: "unknown" } : undefined);
    expect(await clock.run(db.outcome(id))).toBe("aborted");
    expect([replica.count("outcome"), writer.count("outcome")]).toEqual([1, 1]);
    // Once it is connected, it is asked at once; of a stream that nobody writes nobody knows more.
    expect(await clock.run(db.outcome(id))).toBe("aborted");
    expect([replica.count("outcome"), writer.count("outcome")]).toEqual([1, 2]);
    expect(await clock.run(db.outcome("5.0-x"))).toBeDefined();
    writer.isUp = false;
    for (const link of [...writer.links]) link.end("gone");
    await clock.settle();
    expect(await clock.run(db.outcome(id))).toBe("unknown");
  });
});

describe("changes of the cluster", () => {
  /** The second writer has taken over, and everybody but the first knows. */
  async function moveWriter(): Promise<void> {
    standby.stream = streamId(7);
    writer.told = cluster.nodes.map(({ name, role, az, url }) => ({
      ...{ name, role, az, url, ready: true, lagMs: 0 },
      stream: name === "writer-1" ? writer.stream : NONE,
    }));
    const told = cluster.nodes.map(({ name, role, az, url, stream }) => ({
      ...{ name, role, az, url, ready: true, lagMs: 0 },
      stream: name === "writer-1" ? NONE : stream,
    }));
    standby.told = replica.told = told;
    for (const link of standby.links) standby.welcome(link);
    await tell(replica);
  }

  test("what waits for a writer goes to the new one", async () => {
    const db = await connected();
    writer.stream = NONE;
    for (const link of writer.links) writer.welcome(link);
    await clock.settle();
    const put = db.put("t", 1, 1);
    await clock.settle();
    await moveWriter();
    await clock.run(put);
    expect([writer.count("commit"), standby.count("commit")]).toEqual([0, 1]);
  });

  test("what was sent to a writer that does not know that it was replaced is asked about, and run again", async () => {
    const db = await connected();
    writer.twist = (body) => (body.op === "commit" ? "ignore" : undefined);
    let runs = 0;
    const work = db.transaction((tx) => {
      runs += 1;
      tx.put("t", 1, runs);
    });
    await clock.settle();
    expect(writer.count("commit")).toBe(1);
    await moveWriter();
    await clock.run(work);
    expect([runs, standby.count("commit")]).toEqual([2, 1]);
    expect(cluster.log.filter((r) => r.op === "outcome").length).toBeGreaterThan(0);
    // It may well say that it writes: it is not believed until it opens a stream of its own.
    await clock.run(db.put("t", 2, 2));
    expect(standby.count("commit")).toBe(2);
    standby.stream = NONE;
    standby.told = replica.told = writer.told = undefined;
    writer.stream = streamId(8);
    writer.twist = () => undefined;
    for (const node of [writer, standby, replica]) for (const link of node.links) node.welcome(link);
    await clock.settle();
    await clock.run(db.put("t", 3, 3));
    expect(writer.count("commit")).toBe(2);
  });

  test("a lone given writer that stays silent is a reason to ask the others", async () => {
    const db = await connected([writer.url]);
    expect(standby.links.length + replica.links.length).toBe(0);
    writer.twist = (body) => (body.op === "commit" ? "ignore" : undefined);
    await moveWriter();
    const put = db.put("t", 1, 1);
    await clock.run(put);
    expect(standby.count("commit")).toBe(1);
  });

  test("a transaction that was open fails there and runs again at the new writer", async () => {
    const db = await connected();
    const attempts: string[] = [];
    const work = db.transaction(async (tx) => {
      await tx.get("t", 1);
      attempts.push(tx.id.split(".")[0]!);
      if (attempts.length === 1) {
        writer.twist = () => failure("fenced");
        await moveWriter();
      }
      tx.put("t", 1, attempts.length);
    });
    await clock.run(work);
    expect(attempts).toEqual(["1", "7"]);
  });

  test("nodes that join are used with `discover`, and forgotten when they leave", async () => {
    const db = await connected([writer.url], { discover: true });
    const pinned = await connected([writer.url]);
    const joined = cluster.add("writer-9", "writer", 9);
    await tell(writer, standby, replica);
    for (let i = 0; i < 4; i++) await clock.run(db.put("t", i, i));
    for (let i = 0; i < 4; i++) await clock.run(pinned.put("t", i, i));
    expect([writer.count("commit"), joined.count("commit")]).toEqual([6, 2]);
    expect(db.nodes().map((n) => [n.name, n.writes, n.connected])).toEqual([
      ["writer-1", true, true],
      ["writer-2", false, true],
      ["replica-1", false, true],
      ["writer-9", true, true],
    ]);
    cluster.nodes.pop();
    joined.kill();
    await tell(writer, standby, replica);
    expect(db.nodes().map((n) => n.name)).toEqual(["writer-1", "writer-2", "replica-1"]);
    for (let i = 0; i < 2; i++) await clock.run(db.put("t", i, i));
    expect(writer.count("commit")).toBe(8);
  });
});

describe("a read that may not be older than maxLagMs", () => {
  const stale = (node: FakeNode): void => {
    node.twist = (body) => (body.op === "get" ? failure("too-stale") : undefined);
  };

  test("says so to the node, and goes on from one that is too stale: to another replica, then to a writer", async () => {
    const second = cluster.add("replica-2", "replica");
    const db = await connected([replica.url, second.url], { readFrom: "replica" });
    await clock.run(db.get("t", 1, { maxLagMs: 20.5 }));
    const [asked] = cluster.log.filter((body) => body.op === "get");
    expect(asked).toMatchObject({ alone: { maxLagMs: 20 } });
    stale(replica);
    for (let i = 0; i < 4; i++) await clock.run(db.get("t", 1, { maxLagMs: 20 }));
    expect(writer.count("get")).toBe(0);
    stale(second);
    await clock.run(db.get("t", 1, { maxLagMs: 20 }));
    const read = db.transaction((tx) => tx.get("t", 1), { readOnly: true, maxLagMs: 20 });
    expect(await clock.run(read)).toBeUndefined();
    expect(writer.count("get") + standby.count("get")).toBeGreaterThanOrEqual(2);
  });

  test("ends as too-stale where nobody is fresh enough in time", async () => {
    for (const node of cluster.nodes) stale(node);
    const db = await connected(undefined, { readFrom: "replica", retry: { timeoutMs: 500 } });
    await world.rejection(db.get("t", 1, { maxLagMs: 20 }), "too-stale");
    await world.rejection(
      db.transaction((tx) => tx.get("t", 1), { readOnly: true, maxLagMs: 0 }),
      "too-stale",
    );
    for (const node of cluster.nodes) expect(node.count("get")).toBeGreaterThan(0);
  });

  test("is refused where the bound is none", async () => {
    const db = await connected();
    for (const maxLagMs of [-1, Number.NaN, "1" as unknown as number]) {
      await expect(clock.run(db.get("t", 1, { maxLagMs }))).rejects.toMatchObject({ code: "bad-request" });
      expect(() => db.transaction((tx) => tx.get("t", 1), { maxLagMs })).toThrow(/maxLagMs/);
    }
  });
});
