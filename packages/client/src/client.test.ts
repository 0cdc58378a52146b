import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SixfoldError, streamId, type ErrorCode } from "@sixfold/model";
import type { ConnectOptions, Database } from "./options.ts";
import { procedure, type ProcedureTx } from "./procedure.ts";
import { failure, tokenOf, type FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";
import type { TestClock } from "./testing/test-clock.ts";
import { all, TestWorld } from "./testing/test-world.fixture.ts";

let world: TestWorld;
let cluster: FakeCluster;
let clock: TestClock;
let a: FakeNode;
let b: FakeNode;

beforeEach(() => {
  world = new TestWorld();
  ({ cluster, clock } = world);
  a = cluster.add("writer-1", "writer");
  b = cluster.add("writer-2", "writer");
});
afterEach(() => world.end());

const connected = (urls?: string[], options?: ConnectOptions): Promise<Database> =>
  world.connected(urls, options);
const expectRejection = (work: Promise<unknown>, code: ErrorCode): Promise<SixfoldError> =>
  world.rejection(work, code);

describe("connecting", () => {
  test("a wrong token is told at once", async () => {
    cluster.token = "secret";
    await expectRejection(connected(), "unauthorized");
    expect(await connected(cluster.urls, { token: "secret" })).toBeDefined();
  });

  test("nobody there is told in time", async () => {
    a.isUp = false;
    const error = await expectRejection(connected([a.url], { connectTimeoutMs: 500 }), "unavailable");
    expect(error.message).toContain("connection refused");
  });

  test("addresses are checked", async () => {
    await expectRejection(connected([]), "bad-request");
    await expectRejection(connected(["127.0.0.1:7400"]), "bad-request");
  });

  test("a node that comes back is used again", async () => {
    const db = await connected([a.url]);
    a.kill();
    const put = db.put("t", 1, "x");
    await clock.settle();
    clock.advance(40);
    a.isUp = true;
    await clock.run(put);
    expect(await clock.run(db.get("t", 1))).toBe("x");
  });

  test("nodes that were not given are used only when no given one serves", async () => {
    const db = await connected([a.url]);
    for (let i = 0; i < 4; i++) await clock.run(db.put("t", i, i));
    expect([a.count("commit"), b.count("commit")]).toEqual([4, 0]);
    a.kill();
    await clock.run(db.put("t", 9, 9));
    expect(b.count("commit")).toBe(1);
  });
});

describe("reads and writes", () => {
  test("one by one", async () => {
    const db = await connected();
    expect(await clock.run(db.get("t", "k"))).toBeUndefined();
    await clock.run(db.put("t", ["k", 1], { n: 1n, when: new Date(5) }));
    expect(await clock.run(db.get("t", ["k", 1]))).toEqual({ n: 1n, when: new Date(5) });
    await clock.run(db.delete("t", ["k", 1]));
    expect(await clock.run(db.get("t", ["k", 1]))).toBeUndefined();
    expect(await clock.run(db.createTable("t"))).toBe(true);
    expect(await clock.run(db.listTables())).toEqual(["t"]);
  });

  test("reads of one turn travel together", async () => {
    const db = await connected([a.url]);
    await clock.run(Promise.all([1, 2, 3].map((k) => db.put("t", k, k * k))));
    const framesBefore = a.frames;
    expect(await clock.run(Promise.all([3, 1, 2, 4].map((k) => db.get("t", k))))).toEqual([
      9,
      1,
      4,
      undefined,
    ]);
    expect([a.count("get"), a.frames - framesBefore]).toEqual([1, 1]);
    await clock.run(
      db.transaction(async (tx) => {
        expect(
          await Promise.all([tx.get("t", 1), tx.get("t", 2), tx.get("t", 3, { forUpdate: true })]),
        ).toEqual([1, 4, 9]);
      }),
    );
    expect(a.count("get")).toBe(3);
  });

  test("own writes show in reads and scans, in both directions, with limits", async () => {
    const db = await connected();
    for (let i = 0; i < 400; i += 2) await clock.run(db.put("t", i, `old ${i}`));
    await clock.run(
      db.transaction(async (tx) => {
        tx.put("t", 3, "new 3");
        tx.put("t", 4, "new 4");
        tx.delete("t", 6);
        tx.put("t", 1000, "last");
        tx.put("u", 5, "elsewhere");
        expect(await tx.get("t", 4)).toBe("new 4");
        expect(await tx.get("t", 6)).toBeUndefined();
        expect(await tx.get("t", 4, { forUpdate: true })).toBe("new 4");
        expect(await all(tx.scan("t", { gte: 2, lte: 8 }))).toEqual([
          [2, "old 2"],
          [3, "new 3"],
          [4, "new 4"],
          [8, "old 8"],
        ]);
        expect(await all(tx.scan("t", { gt: 2, lt: 10, reverse: true, limit: 3 }))).toEqual([
          [8, "old 8"],
          [4, "new 4"],
          [3, "new 3"],
        ]);
        expect(await all(tx.scan("t", { gte: 398, limit: 2 }))).toEqual([
          [398, "old 398"],
          [1000, "last"],
        ]);
        const everything = await all(tx.scan<string>("t"));
        expect(everything.map(([k]) => k)).toEqual([
          0,
          2,
          3,
          4,
          ...Array.from({ length: 196 }, (_, i) => 8 + 2 * i),
          1000,
        ]);
        expect((await all(tx.scan("t", { reverse: true }))).reverse()).toEqual(everything);
      }),
    );
    expect(await clock.run(all(db.scan("t", { gte: 2, lt: 8 })))).toEqual([
      [2, "old 2"],
      [3, "new 3"],
      [4, "new 4"],
    ]);
    expect(await clock.run(all(db.scan("t"))).then((rows) => rows.length)).toBe(201);
  });

  test("what is no key, value or option is refused before anything is sent", async () => {
    const db = await connected();
    await expectRejection(db.put("t", Number.NaN, 1), "bad-request");
    await expectRejection(
      db.put("t", 1, () => 1),
      "bad-request",
    );
    await expectRejection(db.put("t", 1, undefined), "bad-request");
    await expectRejection(db.put("t", "x".repeat(2000), 1), "limit-exceeded");
    expect(() => db.scan("t", { limit: -1 })).toThrow(SixfoldError);
    expect(() => db.scan("t", { gt: 1, gte: 1 })).toThrow(SixfoldError);
    expect(a.requests.length + b.requests.length).toBe(0);
  });
});

describe("routing", () => {
  test("transactions take turns, each at one node", async () => {
    const db = await connected();
    for (let i = 0; i < 6; i++)
      await clock.run(
        db.transaction(async (tx) => {
          await tx.get("t", i);
          tx.put("t", i, i);
        }),
      );
    expect([a.count("get"), a.count("commit"), b.count("get"), b.count("commit")]).toEqual([3, 3, 3, 3]);
  });

  test("an affinity keeps rows at one writer, in whatever order addresses were given", async () => {
    const affinity = (_: string, key: unknown): number => key as number;
    for (const urls of [cluster.urls, [...cluster.urls].reverse()]) {
      const db = await connected(urls, { affinity });
      for (let i = 0; i < 4; i++) await clock.run(db.put("t", 0, i));
      await clock.run(
        db.transaction(async (tx) => tx.put("t", 1, await tx.get("t", 1))).catch(() => undefined),
      );
      await clock.run(db.get("t", 2));
    }
    expect([a.count("commit"), a.count("get"), b.count("commit"), b.count("get")]).toEqual([8, 2, 0, 2]);
  });

  test("writes go to writers, reads to replicas too", async () => {
    b.role = "replica";
    b.stream = streamId(0);
    const db = await connected();
    for (let i = 0; i < 4; i++) await clock.run(db.put("t", i, i));
    for (let i = 0; i < 4; i++) await clock.run(db.get("t", i));
    expect([a.count("commit"), b.count("commit"), a.count("get"), b.count("get")]).toEqual([4, 0, 2, 2]);
  });

  test("a writer that takes no writes any more is left, and found again when it says so", async () => {
    const db = await connected();
    a.twist = (body) => (body.op === "commit" ? failure("not-a-writer") : undefined);
    for (let i = 0; i < 4; i++) await clock.run(db.put("t", i, i));
    expect([a.count("commit"), b.count("commit")]).toEqual([1, 4]);
    a.twist = () => undefined;
    for (const link of a.links) a.welcome(link);
    await clock.settle();
    for (let i = 0; i < 4; i++) await clock.run(db.put("t", i, i));
    expect(a.count("commit")).toBe(3);
  });
});

describe("sessions", () => {
  test("a token goes along only to other nodes, joined with theirs", async () => {
    const db = await connected();
    const seen = (): (string | undefined)[] => [a, b].flatMap((n) => n.requests.splice(0).map(tokenOf));
    await clock.run(db.put("t", 1, 1));
    expect(seen()).toEqual([undefined]);
    await clock.run(db.put("t", 2, 2));
    await clock.run(db.put("t", 3, 3));
    const tokens = seen();
    expect(tokens.every((t) => t !== undefined)).toBe(true);
    await clock.run(db.session().get("t", 1));
    expect(seen()).toEqual([undefined]);
  });

  test("a session's token can be handed on", async () => {
    const db = await connected();
    const session = db.session();
    await clock.run(session.put("t", 1, 1));
    const other = db.session(session.token);
    await clock.run(other.get("t", 1));
    const last = [...a.requests, ...b.requests].find((r) => r.op === "get")!;
    expect(tokenOf(last)).toMatch(/^\{[12]:1\}$/);
    expect(() => db.session(Uint8Array.of(9, 9))).toThrow(
      expect.objectContaining({ code: "bad-request" }) as Error,
    );
  });

  test("after a commit whose token was lost, the next transaction asks the cluster", async () => {
    const db = await connected();
    let cuts = 0;
    a.twist = b.twist = (body) => (body.op === "commit" && cuts++ === 0 ? "take-and-cut" : undefined);
    await clock.run(db.put("t", 1, 1));
    const consistencies = [];
    for (let i = 0; i < 2; i++) {
      await clock.run(db.put("t", 2, 2));
      const last = cluster.log[cluster.log.length - 1]!;
      consistencies.push(last.op === "commit" ? last.tx.begin?.consistency : undefined);
    }
    expect(consistencies).toEqual(["cluster", "session"]);
  });
});

describe("procedures", () => {
  const procedures = {
    transfer: procedure((tx: ProcedureTx, from: string, to: string, amount: number): boolean => {
      tx.put("t", from, amount);
      return to.length > 0;
    }),
  };

  test("are called by name, with their types", async () => {
    const db = (await connected()) as unknown as Database<typeof procedures>;
    const result: boolean = await clock.run(db.call("transfer", "alice", "bob", 10));
    expect(result).toEqual(["transfer", "alice", "bob", 10]);
    // @ts-expect-error an amount is a number
    void (() => db.call("transfer", "alice", "bob", "10"));
    // @ts-expect-error there is no such procedure
    void (() => db.call("transfers", "alice", "bob", 10));
  });

  test("a lost conflict is run again, or reported if the caller wants that", async () => {
    let conflicts = 0;
    a.twist = b.twist = (body) =>
      body.op === "call" && conflicts++ % 3 < 2 ? failure("row-conflict") : undefined;
    expect(await clock.run((await connected()).call("p", 1))).toEqual(["p", 1]);
    await expectRejection(
      (await connected(cluster.urls, { retryCalls: false })).call("p", 1),
      "row-conflict",
    );
  });
});
