import { Random, SixfoldError, type ErrorCode } from "@sixfold/model";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectOn } from "./connect-on.ts";
import type { ConnectOptions, Database, Tx } from "./options.ts";
import { procedure, type ProcedureTx } from "./procedure.ts";
import { failure, FakeCluster, tokenOf, type FakeNode } from "./testing/fake-cluster.ts";
import { TestClock } from "./testing/test-clock.ts";

let cluster: FakeCluster;
let clock: TestClock;
let a: FakeNode;
let b: FakeNode;
let open: Database[];

beforeEach(() => {
  cluster = new FakeCluster();
  clock = new TestClock();
  a = cluster.add("writer-1", "writer");
  b = cluster.add("writer-2", "writer");
  open = [];
});
afterEach(async () => {
  for (const db of open) await db.close();
  expect(clock.timersSet).toBe(0);
});

async function connected(urls = cluster.urls, options: ConnectOptions = {}): Promise<Database> {
  const random = new Random(open.length + 1);
  const randomBytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => random.int(256));
  const db = await clock.run(connectOn({ network: cluster, clock, randomBytes }, urls, options));
  open.push(db);
  return db;
}

const rejects = (work: Promise<unknown>, code: ErrorCode): Promise<SixfoldError> =>
  clock.run(work).then(
    () => expect.fail("it succeeded"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(SixfoldError);
      expect((error as SixfoldError).code).toBe(code);
      return error as SixfoldError;
    },
  );

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const row of rows) out.push(row);
  return out;
}

describe("connecting", () => {
  test("a wrong token is told at once", async () => {
    cluster.token = "secret";
    await rejects(connected(), "unauthorized");
    expect(await connected(cluster.urls, { token: "secret" })).toBeDefined();
  });

  test("nobody there is told in time", async () => {
    a.isUp = false;
    const error = await rejects(connected([a.url], { connectTimeoutMs: 500 }), "unavailable");
    expect(error.message).toContain("connection refused");
  });

  test("addresses are checked", async () => {
    await rejects(connected([]), "bad-request");
    await rejects(connected(["127.0.0.1:7400"]), "bad-request");
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
    expect(await clock.run(Promise.all([3, 1, 2, 4].map((k) => db.get("t", k))))).toEqual([9, 1, 4, undefined]);
    expect([a.count("get"), a.frames - framesBefore]).toEqual([1, 1]);
    await clock.run(db.transaction(async (tx) => {
      expect(await Promise.all([tx.get("t", 1), tx.get("t", 2), tx.get("t", 3, { forUpdate: true })])).toEqual([1, 4, 9]);
    }));
    expect(a.count("get")).toBe(3);
  });

  test("own writes show in reads and scans, in both directions, with limits", async () => {
    const db = await connected();
    for (let i = 0; i < 400; i += 2) await clock.run(db.put("t", i, `old ${i}`));
    await clock.run(db.transaction(async (tx) => {
      tx.put("t", 3, "new 3");
      tx.put("t", 4, "new 4");
      tx.delete("t", 6);
      tx.put("t", 1000, "last");
      tx.put("u", 5, "elsewhere");
      expect(await tx.get("t", 4)).toBe("new 4");
      expect(await tx.get("t", 6)).toBeUndefined();
      expect(await tx.get("t", 4, { forUpdate: true })).toBe("new 4");
      expect(await all(tx.scan("t", { gte: 2, lte: 8 }))).toEqual([[2, "old 2"], [3, "new 3"], [4, "new 4"], [8, "old 8"]]);
      expect(await all(tx.scan("t", { gt: 2, lt: 10, reverse: true, limit: 3 }))).toEqual([[8, "old 8"], [4, "new 4"], [3, "new 3"]]);
      expect(await all(tx.scan("t", { gte: 398, limit: 2, }))).toEqual([[398, "old 398"], [1000, "last"]]);
      const everything = await all(tx.scan<string>("t"));
      expect(everything.map(([k]) => k)).toEqual([0, 2, 3, 4, ...Array.from({ length: 196 }, (_, i) => 8 + 2 * i), 1000]);
      expect((await all(tx.scan("t", { reverse: true }))).reverse()).toEqual(everything);
    }));
    expect(await clock.run(all(db.scan("t", { gte: 2, lt: 8 })))).toEqual([[2, "old 2"], [3, "new 3"], [4, "new 4"]]);
    expect(await clock.run(all(db.scan("t"))).then((rows) => rows.length)).toBe(201);
  });

  test("what is no key, value or option is refused before anything is sent", async () => {
    const db = await connected();
    await rejects(db.put("t", Number.NaN, 1), "bad-request");
    await rejects(db.put("t", 1, () => 1), "bad-request");
    await rejects(db.put("t", 1, undefined), "bad-request");
    await rejects(db.put("t", "x".repeat(2000), 1), "limit-exceeded");
    expect(() => db.scan("t", { limit: -1 })).toThrow(SixfoldError);
    expect(() => db.scan("t", { gt: 1, gte: 1 })).toThrow(SixfoldError);
    expect(a.requests.length + b.requests.length).toBe(0);
  });
});

describe("transactions", () => {
  const increment = async (tx: Tx): Promise<number> => {
    const n = ((await tx.get<number>("t", "n")) ?? 0) + 1;
    tx.put("t", "n", n);
    return n;
  };

  test("a lost race is run again with fresh reads and a fresh id", async () => {
    const db = await connected();
    const ids = new Set<string>();
    const errors: unknown[] = [];
    const work = Array.from({ length: 8 }, () =>
      db.transaction(
        (tx) => {
          ids.add(tx.id);
          return increment(tx);
        },
        { onRetry: (error) => errors.push(error), retry: { attempts: 50 } },
      ),
    );
    expect((await clock.run(Promise.all(work))).sort((x, y) => x - y)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(errors.length).toBeGreaterThan(0);
    expect(ids.size).toBe(8 + errors.length);
    expect([...ids].every((id) => /^[12]-[0-9A-Za-z]{16}$/.test(id))).toBe(true);
  });

  test("the last conflict is reported when attempts run out, with the row as the user knows it", async () => {
    const db = await connected();
    a.twist = b.twist = (body) => (body.op === "commit" && body.writes[0] !== undefined ? failure("row-conflict", { conflict: { phase: "delta", attempts: 1, row: body.writes[0].key } }) : undefined);
    const error = await rejects(db.transaction(increment, { retry: { attempts: 3 } }), "row-conflict");
    expect(error.details.conflict?.row).toBe("n");
    expect(error.details.transaction).toMatch(/^[12]-/);
    expect(a.count("commit") + b.count("commit")).toBe(3);
  });

  test("and a timeout when time does", async () => {
    const db = await connected();
    a.twist = b.twist = (body) => (body.op === "commit" ? failure("row-conflict") : undefined);
    const error = await rejects(db.transaction(increment, { retry: { attempts: 100_000, timeoutMs: 300 } }), "timeout");
    expect(error.details.lastCode).toBe("row-conflict");
  });

  test("abort is final, and nothing is written", async () => {
    const db = await connected();
    const aborting = db.transaction(async (tx) => {
      await increment(tx);
      try {
        tx.abort("too little", { have: 1 });
      } catch {
        // Whoever swallows it does not undo it.
      }
    });
    const error = await rejects(aborting, "aborted-by-caller");
    expect([error.message, error.details.have]).toEqual(["too little", 1]);
    await clock.settle();
    expect(cluster.version).toBe(0);
    expect(a.count("rollback") + b.count("rollback")).toBe(1);
  });

  test("the callback's own error passes through and is not retried", async () => {
    const db = await connected();
    const own = new TypeError("mine");
    let runs = 0;
    const failing = db.transaction(async (tx) => {
      runs += 1;
      await increment(tx);
      throw own;
    });
    await expect(clock.run(failing)).rejects.toBe(own);
    expect([runs, cluster.version]).toEqual([1, 0]);
  });

  test("a snapshot that wrote nothing sends no commit, a serializable one does", async () => {
    const db = await connected([a.url]);
    await clock.run(db.transaction((tx) => tx.get("t", 1)));
    expect([a.count("commit"), a.count("rollback")]).toEqual([0, 1]);
    await clock.run(db.transaction((tx) => tx.get("t", 1), { isolation: "serializable" }));
    expect(a.count("commit")).toBe(1);
    await clock.run(db.transaction(async () => 1));
    expect(a.count("commit")).toBe(1);
  });

  test("a failed read fails the attempt even if it is swallowed", async () => {
    const db = await connected([a.url]);
    let first = true;
    a.twist = (body) => {
      if (body.op !== "get" || !first) return undefined;
      first = false;
      return failure("too-old");
    };
    const attempts: number[] = [];
    await clock.run(db.transaction(async (tx) => {
      attempts.push(tx.attempt);
      await tx.get("t", 1).catch(() => undefined);
      tx.put("t", 1, tx.attempt);
    }));
    expect(attempts).toEqual([1, 2]);
    expect(await clock.run(db.get("t", 1))).toBe(2);
  });
});

describe("handles", () => {
  test("after its end", async () => {
    const db = await connected();
    let kept: Tx | undefined;
    await clock.run(db.transaction(async (tx) => void (kept = tx)));
    await rejects(kept!.get("t", 1), "bad-handle");
    expect(() => kept!.put("t", 1, 1)).toThrow(expect.objectContaining({ code: "bad-handle" }) as Error);
    expect(() => kept!.scan("t")).toThrow(SixfoldError);
  });

  test("inside another, also after an await; but a transaction beside another is fine", async () => {
    const db = await connected();
    await clock.run(db.transaction(async (outer) => {
      await outer.get("t", 1);
      await db.transaction(async (inner) => {
        await inner.get("t", 2);
        await expect(outer.get("t", 1)).rejects.toMatchObject({ code: "bad-handle" });
        inner.put("t", 2, "inner");
      });
      outer.put("t", 1, "outer");
    }));
    expect(await clock.run(Promise.all([db.get("t", 1), db.get("t", 2)]))).toEqual(["outer", "inner"]);
  });

  test("committed while it still reads", async () => {
    const db = await connected();
    const careless = db.transaction(async (tx) => {
      tx.put("t", 1, 1);
      void tx.get("t", 2).catch(() => undefined);
    });
    await rejects(careless, "bad-handle");
    expect(cluster.version).toBe(0);
  });
});

describe("giving up", () => {
  test("a callback that never comes back", async () => {
    const db = await connected();
    await rejects(db.transaction(() => new Promise(() => undefined), { retry: { timeoutMs: 200 } }), "timeout");
  });

  test("a signal, before, between and during the commit", async () => {
    const db = await connected([a.url]);
    await rejects(db.transaction(async () => 1, { signal: AbortSignal.abort() }), "cancelled");
    const early = new AbortController();
    const hanging = db.transaction(async (tx) => {
      await tx.get("t", 1);
      early.abort("enough");
      await new Promise(() => undefined);
    }, { signal: early.signal });
    expect((await rejects(hanging, "cancelled")).outcome).toBe("aborted");
    const late = new AbortController();
    a.twist = (body) => {
      if (body.op !== "commit") return undefined;
      late.abort();
      return "ignore";
    };
    expect((await rejects(db.transaction(async (tx) => tx.put("t", 1, 1), { signal: late.signal }), "cancelled")).outcome).toBe("unknown");
  });

  test("a node that never answers a commit: unknown, with the id to ask for", async () => {
    const db = await connected([a.url]);
    a.twist = (body) => (body.op === "commit" ? "ignore" : undefined);
    const error = await rejects(db.transaction(async (tx) => tx.put("t", 1, 1), { retry: { timeoutMs: 300 } }), "outcome-unknown");
    expect(error.outcome).toBe("unknown");
    expect(await clock.run(db.outcome(error.details.transaction!))).toBe("aborted");
  });

  test("close fails what is under way, and everything later", async () => {
    const db = await connected();
    a.twist = b.twist = () => "ignore";
    const reading = db.get("t", 1);
    const running = db.transaction((tx) => tx.get("t", 1));
    await clock.settle();
    await db.close();
    await Promise.all([rejects(reading, "closed"), rejects(running, "closed")]);
    await rejects(db.put("t", 1, 1), "closed");
    await db.close();
  });
});

describe("lost connections", () => {
  test("a read is asked again elsewhere", async () => {
    const db = await connected();
    await clock.run(db.put("t", 1, "x"));
    let cut = 0;
    a.twist = b.twist = (body) => (body.op === "get" && cut++ === 0 ? "cut" : undefined);
    expect(await clock.run(db.get("t", 1))).toBe("x");
    expect(cut).toBe(2);
  });

  test.each(["cut", "take-and-cut"] as const)("a commit whose answer is lost (%s) happens exactly once", async (twist) => {
    const db = await connected();
    const ids: string[] = [];
    let cuts = 0;
    a.twist = b.twist = (body) => {
      if (body.op !== "commit" || cuts++ > 0) return undefined;
      if (twist === "cut") cluster.outcomes.set(body.tx.id, "aborted");
      return twist;
    };
    const done = db.transaction(async (tx) => {
      ids.push(tx.id);
      tx.put("t", "n", ((await tx.get<number>("t", "n")) ?? 0) + 1);
      return "done";
    });
    expect(await clock.run(done)).toBe("done");
    expect(ids.length).toBe(twist === "cut" ? 2 : 1);
    expect(cluster.version).toBe(1);
    expect(a.count("outcome") + b.count("outcome")).toBe(1);
  });

  test("an outcome that is not known yet is asked for until it is", async () => {
    const db = await connected();
    let polls = 0;
    a.twist = b.twist = (body) => {
      if (body.op === "commit") return "take-and-cut";
      return body.op === "outcome" && polls++ < 3 ? { op: "outcome", outcome: "unknown" } : undefined;
    };
    await clock.run(db.put("t", 1, 1));
    expect(cluster.version).toBe(1);
    expect(polls).toBe(4);
  });

  test("a transaction whose node is lost runs again at another", async () => {
    const db = await connected();
    const nodes = new Set<string>();
    let cuts = 0;
    a.twist = b.twist = (body) => (body.op === "get" && cuts++ === 1 ? "cut" : undefined);
    await clock.run(db.transaction(async (tx) => {
      nodes.add(tx.id.split("-")[0]!);
      await tx.get("t", 1);
      await tx.get("t", 2);
      tx.put("t", 3, 3);
    }));
    expect([nodes.size, cluster.version]).toEqual([2, 1]);
  });

  test("a call that was committed but whose result is lost says so", async () => {
    const db = await connected();
    a.twist = b.twist = (body) => (body.op === "call" ? "take-and-cut" : undefined);
    const error = await rejects(db.call("transfer", 1, 2), "outcome-unknown");
    expect(error.details.committed).toBe(true);
  });

  test("a silent node is given up, and its read asked elsewhere", async () => {
    const db = await connected();
    a.isSilent = true;
    const reads = Promise.all(Array.from({ length: 4 }, (_, i) => db.get("t", i)));
    expect(await clock.run(reads)).toEqual([undefined, undefined, undefined, undefined]);
    expect(a.links.length).toBe(0);
  });

  test("a node that waits long but lives is not given up", async () => {
    const db = await connected([a.url]);
    a.twist = (body) => (body.op === "get" ? "ignore" : undefined);
    await rejects(db.transaction((tx) => tx.get("t", 1, { forUpdate: true }), { retry: { timeoutMs: 9000 } }), "timeout");
    expect([a.links.length, a.count("status") > 0]).toEqual([1, true]);
  });
});

describe("routing", () => {
  test("transactions take turns, each at one node", async () => {
    const db = await connected();
    for (let i = 0; i < 6; i++)
      await clock.run(db.transaction(async (tx) => {
        await tx.get("t", i);
        tx.put("t", i, i);
      }));
    expect([a.count("get"), a.count("commit"), b.count("get"), b.count("commit")]).toEqual([3, 3, 3, 3]);
  });

  test("an affinity keeps rows at one writer, in whatever order addresses were given", async () => {
    const affinity = (_: string, key: unknown): number => key as number;
    for (const urls of [cluster.urls, [...cluster.urls].reverse()]) {
      const db = await connected(urls, { affinity });
      for (let i = 0; i < 4; i++) await clock.run(db.put("t", 0, i));
      await clock.run(db.transaction(async (tx) => void tx.put("t", 1, await tx.get("t", 1))).catch(() => undefined));
      await clock.run(db.get("t", 2));
    }
    expect([a.count("commit"), a.count("get"), b.count("commit"), b.count("get")]).toEqual([8, 2, 0, 2]);
  });

  test("writes go to writers, reads to replicas too", async () => {
    cluster = new FakeCluster();
    a = cluster.add("writer-1", "writer");
    b = cluster.add("replica-1", "replica");
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
    expect(() => db.session(Uint8Array.of(9, 9))).toThrow(expect.objectContaining({ code: "bad-request" }) as Error);
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
    a.twist = b.twist = (body) => (body.op === "call" && conflicts++ % 3 < 2 ? failure("row-conflict") : undefined);
    expect(await clock.run((await connected()).call("p", 1))).toEqual(["p", 1]);
    await rejects((await connected(cluster.urls, { retryCalls: false })).call("p", 1), "row-conflict");
  });
});
