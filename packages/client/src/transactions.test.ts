import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SixfoldError, type ErrorCode } from "@sixfold/model";
import type { ConnectOptions, Database, Tx } from "./options.ts";
import { failure, type FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";
import type { TestClock } from "./testing/test-clock.ts";
import { TestWorld } from "./testing/test-world.fixture.ts";

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
    expect([...ids].every((id) => /^[12]\.[0-9a-z]+-[0-9A-Za-z]{12}$/.test(id))).toBe(true);
  });

  test("the last conflict is reported when attempts run out, with the row as the user knows it", async () => {
    const db = await connected();
    a.twist = b.twist = (body) =>
      body.op === "commit" && body.writes[0] !== undefined
        ? failure("row-conflict", { conflict: { phase: "delta", attempts: 1, row: body.writes[0].key } })
        : undefined;
    const error = await expectRejection(
      db.transaction(increment, { retry: { attempts: 3 } }),
      "row-conflict",
    );
    expect(error.details.conflict?.row).toBe("n");
    expect(error.details.transaction).toMatch(/^[12]\./);
    expect(a.count("commit") + b.count("commit")).toBe(3);
  });

  test("and a timeout when time does", async () => {
    const db = await connected();
    a.twist = b.twist = (body) => (body.op === "commit" ? failure("row-conflict") : undefined);
    const error = await expectRejection(
      db.transaction(increment, { retry: { attempts: 100_000, timeoutMs: 300 } }),
      "timeout",
    );
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
    const error = await expectRejection(aborting, "aborted-by-caller");
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
    await clock.run(
      db.transaction(async (tx) => {
        attempts.push(tx.attempt);
        await tx.get("t", 1).catch(() => undefined);
        tx.put("t", 1, tx.attempt);
      }),
    );
    expect(attempts).toEqual([1, 2]);
    expect(await clock.run(db.get("t", 1))).toBe(2);
  });
});

describe("handles", () => {
  test("after its end", async () => {
    const db = await connected();
    let kept: Tx | undefined;
    await clock.run(db.transaction(async (tx) => void (kept = tx)));
    await expectRejection(kept!.get("t", 1), "bad-handle");
    expect(() => kept!.put("t", 1, 1)).toThrow(expect.objectContaining({ code: "bad-handle" }) as Error);
    expect(() => kept!.scan("t")).toThrow(SixfoldError);
  });

  test("inside another, also after an await; but a transaction beside another is fine", async () => {
    const db = await connected();
    await clock.run(
      db.transaction(async (outer) => {
        await outer.get("t", 1);
        await db.transaction(async (inner) => {
          await inner.get("t", 2);
          await expect(outer.get("t", 1)).rejects.toMatchObject({ code: "bad-handle" });
          inner.put("t", 2, "inner");
        });
        outer.put("t", 1, "outer");
      }),
    );
    expect(await clock.run(Promise.all([db.get("t", 1), db.get("t", 2)]))).toEqual(["outer", "inner"]);
  });

  test("inside a transaction of another database is fine", async () => {
    const [here, there] = [await connected(), await connected()];
    await clock.run(
      here.transaction((from) =>
        there
          .transaction(async (to) => {
            to.put("t", 1, await from.get("t", 0));
          })
          .catch((error: unknown) => expect(error).toMatchObject({ code: "bad-request" })),
      ),
    );
    expect(a.count("get") + b.count("get")).toBe(1);
  });

  test("committed while it still reads", async () => {
    const db = await connected();
    const careless = db.transaction(async (tx) => {
      tx.put("t", 1, 1);
      void tx.get("t", 2).catch(() => undefined);
    });
    await expectRejection(careless, "bad-handle");
    expect(cluster.version).toBe(0);
  });
});

describe("giving up", () => {
  test("a callback that never comes back", async () => {
    const db = await connected();
    await expectRejection(
      db.transaction(() => new Promise(() => undefined), { retry: { timeoutMs: 200 } }),
      "timeout",
    );
  });

  test("a signal, before, between and during the commit", async () => {
    const db = await connected([a.url]);
    await expectRejection(
      db.transaction(async () => 1, { signal: AbortSignal.abort() }),
      "cancelled",
    );
    const early = new AbortController();
    const hanging = db.transaction(
      async (tx) => {
        await tx.get("t", 1);
        early.abort("enough");
        await new Promise(() => undefined);
      },
      { signal: early.signal },
    );
    expect((await expectRejection(hanging, "cancelled")).outcome).toBe("aborted");
    const late = new AbortController();
    a.twist = (body) => {
      if (body.op !== "commit") return undefined;
      late.abort();
      return "ignore";
    };
    expect(
      (
        await expectRejection(
          db.transaction(async (tx) => tx.put("t", 1, 1), { signal: late.signal }),
          "cancelled",
        )
      ).outcome,
    ).toBe("unknown");
  });

  test("a node that never answers a commit: unknown, with the id to ask for", async () => {
    const db = await connected([a.url]);
    a.twist = (body) => (body.op === "commit" ? "ignore" : undefined);
    const error = await expectRejection(
      db.transaction(async (tx) => tx.put("t", 1, 1), { retry: { timeoutMs: 300 } }),
      "outcome-unknown",
    );
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
    await Promise.all([expectRejection(reading, "closed"), expectRejection(running, "closed")]);
    await expectRejection(db.put("t", 1, 1), "closed");
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

  test.each(["cut", "take-and-cut"] as const)(
    "a commit whose answer is lost (%s) happens exactly once",
    async (twist) => {
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
    },
  );

  test("a create that changed nothing, and whose answer is lost, is asked for again and says so", async () => {
    const db = await connected();
    const ids: string[] = [];
    a.twist = b.twist = (body) => {
      if (body.op !== "createTable") return undefined;
      const isFirst = ids.push(body.tx.id) === 1;
      // The node says "aborted" of what changed nothing.
      return isFirst ? "cut" : { op: "createTable", changed: false, session: new Uint8Array(0) };
    };
    expect(await clock.run(db.createTable("t"))).toBe(false);
    expect(new Set(ids).size).toBe(2);
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
    await clock.run(
      db.transaction(async (tx) => {
        nodes.add(tx.id.split("-")[0]!);
        await tx.get("t", 1);
        await tx.get("t", 2);
        tx.put("t", 3, 3);
      }),
    );
    expect([nodes.size, cluster.version]).toEqual([2, 1]);
  });

  test("a call that was committed but whose result is lost says so", async () => {
    const db = await connected();
    a.twist = b.twist = (body) => (body.op === "call" ? "take-and-cut" : undefined);
    const error = await expectRejection(db.call("transfer", 1, 2), "outcome-unknown");
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
    await expectRejection(
      db.transaction((tx) => tx.get("t", 1, { forUpdate: true }), { retry: { timeoutMs: 9000 } }),
      "timeout",
    );
    expect(a.links.length).toBe(1);
  });

  test("a node that falls silent is left although nothing is asked of it", async () => {
    await connected([a.url]);
    const [link] = a.links;
    await clock.run(new Promise<void>((resolve) => void clock.after(60_000, resolve)));
    expect(a.links).toEqual([link]);
    a.isSilent = true;
    const silence = new Promise<void>((resolve) => void clock.after(7000, resolve));
    await clock.run(silence);
    expect(a.links).not.toContain(link);
  });
});
