import { describe, expect, test } from "vitest";
import { ConsoleOutput } from "../console-output.ts";
import { type Answer, ClusterView } from "./cluster-view.ts";
import type { NodeStatus } from "./node-status.ts";
import { renderStatus } from "./status-tables.ts";

const SERVERS = ["a1", "a2", "b1", "b2", "c1", "c2"].map((name) => `segment-${name}`);

const output = new ConsoleOutput(
  {
    stdout: { isTTY: false, write: () => undefined },
    stderr: { isTTY: false, write: () => undefined },
    environment: { NO_COLOR: "1" },
  } as unknown as ConstructorParameters<typeof ConsoleOutput>[0],
  false,
);

interface Position {
  readonly stream: number;
  readonly scl: number;
}

function segment(name: string, groups: readonly (readonly Position[])[], more: NodeStatus = {}): Answer {
  const segments = groups.map((streams, pg) => ({ pg, streams }));
  const status = { role: "segment", ready: true, name, segments, machine: { slicesTaken: 5 }, ...more };
  return { name, url: `ws://${name}`, role: "segment", az: name.at(-2)!, status };
}

function writer(
  name: string,
  stream: number,
  own: NodeStatus,
  pressure: NodeStatus = { state: "ok" },
): Answer {
  const volume = { own: { stream, segments: own } };
  const status = { role: "writer", ready: true, name, mode: "multi", state: "writing", stream, durable: 100 };
  return { name, url: `ws://${name}`, role: "writer", az: "a", status: { ...status, volume, pressure } };
}

const six = (scl = 100): Answer[] => SERVERS.map((name) => segment(name, [[{ stream: 1, scl }]]));
const gone = ({ name, url }: Answer): Answer => ({ name, url, role: "segment", status: undefined });

/** The cells of a node's row in the table that has this column. */
function row(answers: readonly Answer[], name: string, column: string): Record<string, string> {
  const lines = renderStatus(new ClusterView(answers), undefined, output).split("\n");
  const cells = lines.map((line) => line.trim().split(/ {2,}/));
  const at = cells.findIndex((line) => line.includes(column));
  const found = cells.slice(at).find(([first]) => first === name)!;
  return Object.fromEntries(cells[at]!.map((head, i) => [head, found[i]!]));
}

describe("health", () => {
  const health = (answers: readonly Answer[]) => new ClusterView(answers).health();

  test("all answer, none is in trouble", () => {
    expect(health([writer("writer-1", 1, {}), ...six()])).toEqual({ state: "healthy", problems: [] });
  });

  test("two servers gone: it goes on with less to spare. A third: it does not", () => {
    const [one, two, three, ...others] = six();
    expect(health([gone(one!), gone(two!), three!, ...others])).toEqual({
      state: "degraded",
      problems: ["segment-a1 does not answer", "segment-a2 does not answer"],
    });
    const failed = segment("segment-b1", [[]], { failure: "no room" });
    expect(health([gone(one!), gone(two!), failed, ...others])).toEqual({
      state: "stalled",
      problems: [
        ...["segment-a1 does not answer", "segment-a2 does not answer", "segment-b1 has failed: no room"],
        "fewer than 4 segments of PG 0 answer: writing waits for them",
      ],
    });
  });

  test("back-pressure is said of the writer that has it", () => {
    const writers = [
      writer("writer-1", 1, {}, { state: "queueing" }),
      writer("writer-2", 2, {}, { state: "refusing" }),
    ];
    expect(health([...writers, ...six()])).toEqual({
      state: "degraded",
      problems: [
        "writer-1 is at its limit: writes wait for those before them",
        "writer-2 is overloaded: it refuses further writes",
      ],
    });
  });

  test("a full server is said", () => {
    const [, ...others] = six();
    const full = segment("segment-a1", [[{ stream: 1, scl: 100 }]], { isFull: true });
    expect(health([full, ...others])).toEqual({
      ...{ state: "degraded", problems: ["segment-a1 is full: it takes nothing more"] },
    });
    expect(row([full, ...others], "segment-a1", "lag")).toMatchObject({ state: "full" });
  });

  test("a server that writers leave to gossip does not keep up", () => {
    const own = { "segment-c2": { isUp: true, behindBytes: 9, leftToGossip: 2, rttMs: 70 } };
    expect(health([writer("writer-1", 1, own), ...six()]).problems).toEqual([
      "segment-c2 does not keep up: 2 of its segments are left to gossip",
    ]);
  });
});

describe("tables", () => {
  test("a segment's lag is what others of its PG have and it has not", () => {
    const answers = SERVERS.map((name, i) =>
      segment(name, [
        [{ stream: 1, scl: 100 }],
        [
          { stream: 1, scl: 70 },
          { stream: 2, scl: i === 3 ? 250 : 400 },
        ],
      ]),
    );
    expect(row(answers, "segment-b2", "lag")).toMatchObject({ lag: "150", AZ: "b", state: "up" });
    expect(row(answers, "segment-b1", "lag")).toMatchObject({ lag: "0" });
  });

  test("what all writers say of a server counts together", () => {
    const first = { "segment-a1": { isUp: true, behindBytes: 1_000, leftToGossip: 1, rttMs: 1.5 } };
    const second = { "segment-a1": { isUp: true, behindBytes: 48, leftToGossip: 0, rttMs: 0.25 } };
    const answers = [writer("writer-1", 1, first), writer("writer-2", 2, second), ...six()];
    expect(row(answers, "segment-a1", "ack ms")).toMatchObject({
      ...{ "ack ms": "1.5", behind: "1.0 KiB", "left to gossip": "1" },
    });
    expect(row(answers, "segment-a2", "ack ms")).toMatchObject({ "ack ms": "–", behind: "–" });
  });

  test("disks and damage stand with each server", () => {
    const disk = { logBytes: 128 << 20, pageStoreBytes: 3 << 19 };
    const answers = [
      segment("segment-a1", [[]], { disk, counters: { "page-corrupt": 2 } }),
      segment("segment-a2", [[]], { disk, machine: { pagesDamaged: 3, pagesMended: 3 }, failure: "no room" }),
      segment("segment-b1", [[]], { disk, copying: 1 }),
    ];
    const cells = (name: string) => row(answers, name, "damaged / mended");
    expect(cells("segment-a1")).toMatchObject({
      log: "128 MiB",
      pages: "1.5 MiB",
      "damaged / mended": "2 / –",
    });
    expect(cells("segment-a2")).toMatchObject({ state: "failed", "damaged / mended": "3 / 3" });
    expect(cells("segment-b1")).toMatchObject({ state: "copying", "damaged / mended": "0 / 0" });
  });

  test("a writer's pressure says how much waits", () => {
    const pressure = { state: "refusing", pendingWrites: 100_000, inFlightBytes: 64 << 20, refused: 17 };
    expect(row([writer("writer-1", 1, {}, pressure)], "writer-1", "pressure")["pressure"]).toBe(
      "overloaded (100\u202f000 waiting, 64 MiB in flight, 17 refused)",
    );
    expect(row([writer("writer-1", 1, {})], "writer-1", "pressure")["pressure"]).toBe("ok");
  });

  test("positions are shown of a few PGs, and counted of many", () => {
    const groups = (n: number) => Array.from({ length: n }, () => [{ stream: 1, scl: 7 }]);
    const column = "SCL of each PG and stream";
    const said = (n: number) => row([segment("segment-a1", groups(n))], "segment-a1", column)[column];
    expect([said(2), said(500)]).toEqual(["pg0: s1@7; pg1: s1@7", "500 PGs"]);
  });

  test("a node that says nothing of it has a dash, never a zero", () => {
    const answer: Answer = {
      name: "segment-a1",
      url: "ws://x",
      role: "segment",
      status: { role: "segment" },
    };
    expect(row([answer], "segment-a1", "ack ms")).toMatchObject({ "ack ms": "–", log: "–", pages: "–" });
    expect(row([gone(answer)], "segment-a1", "ack ms")).toMatchObject({ state: "does not answer", lag: "–" });
  });
});

describe("a replica's lag", () => {
  const streams = {
    "3": { entries: 4, ms: 2, p50Ms: 1.26, p99Ms: 8.04, maxMs: 30 },
    "4": { entries: 0, ms: 0, p50Ms: 0.4, p99Ms: 11 },
  };
  const replica = (ms: number): Answer => ({
    ...{ name: "replica-1", url: "ws://replica-1", role: "replica", az: "b" },
    status: {
      role: "replica",
      ready: true,
      name: "replica-1",
      state: "following",
      lag: { entries: 4, ms, streams },
    },
  });

  test("stands beside its entries, for the stream that lags most; writers measure none", () => {
    const answers = [writer("writer-1", 3, {}), replica(2), ...six()];
    expect(row(answers, "replica-1", "lag ms p50 / p99")).toMatchObject({ "lag ms p50 / p99": "1.3 / 11.0" });
    expect(row(answers, "writer-1", "lag ms p50 / p99")).toMatchObject({ "lag ms p50 / p99": "–" });
  });

  test("is a problem when it is long", () => {
    const problemsAt = (ms: number) => new ClusterView([replica(ms), ...six()]).health().problems;
    expect(problemsAt(900)).toEqual([]);
    expect(problemsAt(3200)).toEqual(["replica-1 is 3200 ms behind the writers"]);
  });
});
