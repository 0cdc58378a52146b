/** What the checker takes for granted and what it does not: outcomes, time, sessions, mixed options, lists that nobody read to the end. */
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { formatReport } from "./format-report.ts";
import type { History } from "./history.ts";
import { parseHistory } from "./testing/notation.ts";
import { MalformedHistory } from "./versions.ts";

/** The names of violations. */
function broken(text: string, promise = "snapshot+session"): string[] {
  return check(parseHistory(text, promise)).violations.map(({ name }) => name);
}

describe("outcomes", () => {
  test("an unknown transaction that was seen counts as committed, with all it wrote", () => {
    const text = `
      T1 unknown  x+1  y+1
      T2          x[1]  y[]`;
    const report = check(parseHistory(text, "snapshot+session"));
    expect(report.transactions).toEqual({ committed: 1, aborted: 0, unknownObserved: 1, unknownUnseen: 0 });
    expect(report.violations).toMatchObject([{ name: "G-single", transactions: [2, 1] }]);
    expect(broken(text.replace("x[1]", "x[]"))).toEqual([]);
  });

  test("being seen spreads: who was seen by an unknown transaction that was seen", () => {
    const report = check(
      parseHistory(
        `T1 unknown  x:=1
         T2 unknown  x==1  y:=2
         T3          y==2
         T4 unknown  z:=9`,
        "snapshot+session",
      ),
    );
    expect(report.transactions).toMatchObject({ unknownObserved: 2, unknownUnseen: 1 });
    expect(report.graph.edges["write-read"]).toBe(2);
  });

  test("an unknown transaction may take effect after its session went on, and after it returned", () => {
    expect(
      broken(
        `T1 @A 0-1 unknown  x:=1
       T2 @A 2-3          x==-
       T3 @A 4-5          x==1`,
        "serializable+cluster",
      ),
    ).toEqual([]);
  });

  test("a committed transaction whose answer never came obliges nobody by its time", () => {
    expect(
      broken(
        `T1 @A 0-? committed  x:=1
       T2 @B 5-6            x==-
       T3 @B 7-8            x==1`,
        "serializable+cluster",
      ),
    ).toEqual([]);
  });

  test("what an aborted transaction read is not held against anybody", () => {
    expect(
      broken(`
      T1          x+1  y+1
      T2 aborted  x[1]  y[]
      T3          y[1]`),
    ).toEqual([]);
  });
});

describe("time and sessions", () => {
  test("equal moments are concurrent, for time, but in order within a session", () => {
    expect(
      broken(
        `
      T1 0-5  x:=1
      T2 5-9  x==-`,
        "serializable+cluster",
      ),
    ).toEqual([]);
    expect(
      broken(
        `
      T1 @A 0-5  x:=1
      T2 @A 5-9  x==-`,
        "serializable+session",
      ),
    ).toEqual(["read your writes"]);
  });

  test("the time that counts is that of who reads at cluster consistency", () => {
    const text = (reader: string) => `
      T1 0-1 session     x:=1
      T2 2-3 ${reader}   x==-`;
    expect(broken(text("cluster"), "serializable+session")).toEqual(["stale read"]);
    expect(broken(text("session"), "serializable+cluster")).toEqual([]);
  });

  test("time reaches across many barriers", () => {
    const between = Array.from({ length: 50 }, (_, i) => `T${i + 10} ${i * 4 + 4}-${i * 4 + 6}  z+${i}`);
    const text = ["T1 0-1  x:=1", ...between, "T2 500-501  x==-"].join("\n");
    const report = check(parseHistory(text, "snapshot+cluster"));
    expect(report.violations.map(({ name, transactions }) => ({ name, transactions }))).toEqual([
      { name: "stale read", transactions: [2, 1] },
    ]);
    expect(report.graph.edges["real-time"]).toBeLessThanOrEqual(52);
  });

  test("sessions pass over aborted and unknown transactions", () => {
    expect(
      broken(`
      T1 @A 0-1          x:=1
      T2 @A 2-3 aborted  y:=1
      T3 @A 4-5 unknown  y:=2
      T4 @A 6-7          x==-`),
    ).toEqual(["read your writes"]);
  });
});

describe("mixed options", () => {
  const skew = (first: string, second: string) => `
    T1 ${first}   x==-  y==-  x:=1
    T2 ${second}  x==-  y==-  y:=2`;

  test("write skew needs two readers who are promised to be without", () => {
    expect(broken(skew("serializable", "serializable"))).toEqual(["write skew"]);
    expect(broken(skew("serializable", "snapshot"))).toEqual([]);
    expect(broken(skew("serializable", "snapshot cluster"))).toEqual([]);
  });

  test("a long fork needs two readers who are promised to agree", () => {
    const fork = (first: string, second: string) => `
      T1  x:=1
      T2  y:=2
      T3 ${first}   x==1  y==-
      T4 ${second}  x==-  y==2`;
    expect(broken(fork("cluster", "cluster"))).toEqual(["long fork"]);
    expect(broken(fork("cluster", "serializable"))).toEqual(["long fork"]);
    expect(broken(fork("cluster", "session"))).toEqual([]);
  });

  test("the promise broken is the reader's", () => {
    const report = check(
      parseHistory(
        `T1                       x+1  y+1
         T2 serializable cluster  x[1]  y[]
         T3                       y[1]`,
        "snapshot+session",
      ),
    );
    expect(report.violations).toMatchObject([{ name: "G-single", breaks: ["serializable+cluster"] }]);
    expect(report.promises.map(({ promise, transactions, kept }) => [promise, transactions, kept])).toEqual([
      ["serializable+cluster", 1, false],
      ["serializable+session", 0, true],
      ["snapshot+cluster", 0, true],
      ["snapshot+session", 2, true],
    ]);
  });
});

describe("blind writes", () => {
  test("a snapshot transaction may write over what it did not see, having read something else", () => {
    const text = (promise: string) => `
      T1           x:=1  y:=1
      T2 ${promise}  y==-  x:=2
      T3           x==2  y==1
      T4 @A 0-1    x==1
      T5 @A 2-3    x==2`;
    expect(broken(text("snapshot"))).toEqual([]);
    expect(check(parseHistory(text("snapshot"), "snapshot+session")).allowed[0]?.name).toBe("G-single");
    expect(broken(text("serializable"))).toContain("G-single");
  });

  test("with it comes what it wrote over", () => {
    expect(
      broken(`
      T1 @A 0-1  x:=1  y:=1
      T2 @A 2-3  x:=2
      T3         x==2  y==-`),
    ).toEqual(["G-single"]);
  });

  test("the order of writes comes from who saw what", () => {
    // By session A 1 is before 2, by T5 it is after: one of them did not see what was visible to it.
    expect(
      broken(`
      T1         x:=1
      T2         x:=2  y:=2
      T3 @A 0-1  x==1
      T4 @A 2-3  x==2
      T5         y==2  x==1`),
    ).toEqual(["monotonic reads"]);
  });
});

describe("lists", () => {
  test("what nobody read comes after what was read", () => {
    expect(
      broken(
        `
      T1 0-1  x+1
      T2 0-1  x+2
      T3 2-3  x[1]`,
        "snapshot+cluster",
      ),
    ).toEqual(["stale read"]);
    expect(
      broken(
        `
      T1 0-1  x+1
      T2 2-9  x+2
      T3 2-3  x[1]`,
        "snapshot+cluster",
      ),
    ).toEqual([]);
  });

  test("a list that was never read tells nothing", () => {
    const report = check(parseHistory("T1  x+1\nT2  x+2", "serializable+cluster"));
    expect(report.valid).toBe(true);
    expect(report.graph.edges["write-write"]).toBe(0);
  });

  test("an aborted append in a list leaves the order of the others", () => {
    expect(
      broken(`
      T1          x+1
      T2 aborted  x+2
      T3          x+3
      T4          x[1 2 3]
      T5          x[1 2]`),
    ).toEqual(["G1a"]);
  });
});

describe("malformed histories", () => {
  const faults: readonly [string, string][] = [
    ["a value written twice", "T1 x+1\nT2 x+1"],
    ["a key used in two ways", "T1 x+1\nT2 x:=2"],
    ["an id used twice", "T1 x+1\nT1 x+2"],
    ["a session that ran two at a time", "T1 @A 0-5 x+1\nT2 @A 3-8 x+2"],
    ["a return before the beginning", "T1 5-3 x+1"],
  ];
  for (const [title, text] of faults)
    test(title, () => {
      expect(() => check(parseHistory(text, "snapshot+session"))).toThrow(MalformedHistory);
    });

  test("an empty history keeps every promise", () => {
    const none: History = [];
    expect(check(none)).toMatchObject({ valid: true, complete: true });
  });
});

describe("reports", () => {
  test("name transactions, keys and values of each edge", () => {
    const report = check(
      parseHistory(
        `T1  x:=1
         T2  y:=2
         T3  x==1  y==-
         T4  x==-  y==2`,
        "snapshot+cluster",
      ),
    );
    expect(formatReport(report)).toBe(
      `BROKEN: 1 violations shown
  4 committed, 0 aborted, 0 unknown but seen, 0 unknown and not seen
  2 keys, 4 versions; edges: 0 write-write, 2 write-read, 2 read-write, 0 session, 0 real-time
  snapshot+cluster: broken (1), 4 transactions
violation: long fork (T4, T1, T3, T2) breaks snapshot+cluster
    T4 -rw-> T1: T4 found x = nothing, not yet 1, which T1 wrote
    T1 -wr-> T3: T3 saw x = 1, which T1 wrote
    T3 -rw-> T2: T3 found y = nothing, not yet 2, which T2 wrote
    T2 -wr-> T4: T4 saw y = 2, which T2 wrote
    two readers see two writes in different orders`,
    );
  });

  test("keep a few examples of each name", () => {
    const lines = Array.from({ length: 500 }, (_, i) => `T${i}  x${i}==7`);
    const report = check(parseHistory(lines.join("\n"), "snapshot+session"));
    expect(report.violations.length).toBe(10);
    expect(report.counts).toEqual({ "garbage read": 10 });
  });
});
