/**
 * The judgement against brute force: what could a writer have told its clients before the fence?
 *
 * Two rivals each change one page on one base. Six segments vote in some order; the writer may have
 * seen any of the votes. If the votes reach the quorum the writer may have committed; whichever four
 * segments are fenced, a recovery must then commit, and never both rivals.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  epoch,
  lsn,
  NONE,
  nodeName,
  pageId,
  pgId,
  quorumFor,
  streamId,
  transactionId,
  type Manifest,
  type NodeName,
  type Outcome,
  type Slice,
  type Vote,
  type PlantedBug,
} from "@sixfold/model";
import { encodeSlice, type Fenced, type FencedSlice } from "@sixfold/wire";
import { judge, type FencedSegments } from "./recovery-rules.ts";
import { GEOMETRY, SERVERS } from "./test-kit/test-cluster.ts";

const NAMES: readonly NodeName[] = SERVERS.map((s) => s.name);

function manifest(outcomes: readonly Outcome[] = []): Manifest {
  return {
    volume: "test",
    revision: 1,
    epoch: epoch(1),
    mode: "multi",
    nextMode: "multi",
    geometry: GEOMETRY,
    servers: SERVERS,
    seats: NAMES,
    nodes: [],
    nextSeats: [],
    pgs: [NAMES, NAMES],
    changes: [],
    nextStream: streamId(3),
    streams: [1, 2].map((id) => ({
      state: "open" as const,
      epoch: epoch(1),
      id: streamId(id),
      node: nodeName(`w${id}`),
      exclusive: false,
    })),
    settledThrough: streamId(0),
    outcomes,
  };
}

interface SliceSpec {
  readonly at?: number;
  readonly owned?: boolean;
  readonly pg?: number;
  readonly pgs?: readonly number[];
  readonly base?: { readonly stream: number; readonly lsn: number };
  readonly page?: number;
  /** Checked beside. */
  readonly checks?: number;
  readonly ownBases?: readonly number[];
  readonly supersedes?: number;
}

function slice(stream: number, o: SliceSpec = {}): Slice {
  const base = o.base === undefined ? NONE : { stream: streamId(o.base.stream), lsn: lsn(o.base.lsn) };
  return encodeSlice({
    stream: streamId(stream),
    lsn: lsn(o.at ?? 1),
    pg: pgId(o.pg ?? 0),
    back: lsn(0),
    supersedes: lsn(o.supersedes ?? 0),
    owned: o.owned ?? false,
    epoch: epoch(1),
    pgs: (o.pgs ?? [o.pg ?? 0]).map(pgId),
    ownBases: (o.ownBases ?? []).map(lsn),
    transaction: transactionId("t"),
    deltas: [{ page: pageId(o.page ?? 3), base, ops: new Uint8Array() }],
    checks: o.checks === undefined ? [] : [{ page: pageId(o.checks), base: NONE }],
  });
}

const ACCEPT: Vote = { kind: "accept" };
const HOLD: Vote = { kind: "hold" };

function fenced(pg: number, stream: number, slices: readonly FencedSlice[], o: Partial<Fenced> = {}): Fenced {
  return {
    type: "fenced",
    request: 1,
    pg: pgId(pg),
    stream: streamId(stream),
    scl: lsn(9),
    decidedThrough: lsn(0),
    tail: lsn(0),
    aborts: [],
    earlyAborts: [],
    slices,
    committed: [],
    ...o,
  };
}

/** Answers of some segments of PG 0; PG 1 has nothing. */
function answers(stream: number, perSegment: readonly (readonly [NodeName, Fenced])[]): FencedSegments {
  return new Map([
    [pgId(0), new Map(perSegment)],
    [pgId(1), new Map(NAMES.slice(0, 4).map((n) => [n, fenced(1, stream, [])]))],
  ]);
}

function outcomeOf(
  stream: number,
  m: Manifest,
  f: FencedSegments,
  ...planted: PlantedBug[]
): "commit" | "abort" {
  const j = judge(streamId(stream), false, m, f, new Set(planted));
  return j.outcomes.find((o) => o.lsn === 1)?.decision ?? (j.final >= 1 ? "commit" : "abort");
}

const fourOfSix = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 4, maxLength: 6 });

describe("quorums and fences", () => {
  test("what its writer may have committed is committed, of two rivals never both (I1, I2, I3)", () => {
    let commits = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 2), { minLength: 6, maxLength: 6 }),
        fourOfSix,
        fourOfSix,
        fc.boolean(),
        (claims, first, second, ownedByOne) => {
          // claims[i]: which of the rivals segment i accepts. At most one of the two owns the base.
          const owned = [ownedByOne, false];
          const told = [1, 2].map((s) => claims.filter((c) => c === s).length >= quorumFor(owned[s - 1]!));
          let m = manifest();
          const decided: string[] = [];
          for (const [stream, members] of [
            [1, first],
            [2, second],
          ] as const) {
            const f = answers(
              stream,
              members.map(
                (i) =>
                  [
                    NAMES[i]!,
                    fenced(0, stream, [
                      {
                        slice: slice(stream, { owned: owned[stream - 1]! }),
                        vote: claims[i] === stream ? ACCEPT : HOLD,
                        decision: undefined,
                      },
                    ]),
                  ] as const,
              ),
            );
            const j = judge(streamId(stream), false, m, f);
            m = { ...m, outcomes: [...m.outcomes, ...j.outcomes] };
            decided.push(j.final >= 1 ? "commit" : "abort");
          }
          for (const i of [0, 1]) if (told[i]) expect(decided[i]).toBe("commit");
          expect(decided.filter((d) => d === "commit").length).toBeLessThan(2);
          commits += told.filter(Boolean).length;
        },
      ),
      { numRuns: 3000, seed: 11 },
    );
    expect(commits).toBeGreaterThan(20);
  });

  test("exhaustively: every split of six votes, every four fenced, one rival", () => {
    const lost: unknown[] = [];
    for (let accepts = 0; accepts < 64; accepts++)
      for (let members = 0; members < 64; members++) {
        const asked = [0, 1, 2, 3, 4, 5].filter((i) => (members >> i) & 1);
        if (asked.length < 4) continue;
        for (const owned of [true, false]) {
          const f = answers(
            1,
            asked.map(
              (i) =>
                [
                  NAMES[i]!,
                  fenced(0, 1, [
                    {
                      slice: slice(1, { owned }),
                      vote: (accepts >> i) & 1 ? ACCEPT : HOLD,
                      decision: undefined,
                    },
                  ]),
                ] as const,
            ),
          );
          const could = [0, 1, 2, 3, 4, 5].filter((i) => (accepts >> i) & 1).length >= quorumFor(owned);
          if (could && outcomeOf(1, manifest(), f) !== "commit") lost.push({ accepts, members, owned });
        }
      }
    expect(lost).toEqual([]);
  });
});

describe("the rules, in their order", () => {
  const seen = (
    votes: readonly Vote[],
    o: Partial<FencedSlice> = {},
    spec: SliceSpec = {},
    answer: Partial<Fenced> = {},
  ): FencedSegments =>
    answers(
      1,
      votes.map(
        (vote, i) =>
          [
            NAMES[i]!,
            fenced(
              0,
              1,
              [{ slice: slice(1, { owned: true, ...spec }), vote, decision: undefined, ...o }],
              answer,
            ),
          ] as const,
      ),
    );
  const all = [ACCEPT, ACCEPT, ACCEPT, ACCEPT];
  const none = [HOLD, HOLD, HOLD, HOLD];
  const rival: Outcome = {
    stream: streamId(2),
    lsn: lsn(5),
    decision: "commit",
    pgs: [pgId(0)],
    changes: [{ page: pageId(3), base: NONE }],
    checks: [],
  };

  test("1: an outcome in the manifest", () => {
    const own: Outcome = {
      stream: streamId(1),
      lsn: lsn(1),
      decision: "commit",
      pgs: [pgId(0)],
      changes: [],
      checks: [],
    };
    expect(outcomeOf(1, manifest([own]), seen(none))).toBe("commit");
    expect(outcomeOf(1, manifest([own]), seen(none), "recovery-ignores-manifest")).toBe("abort");
  });
  test("2: a commit seen, also through what was built on it", () => {
    const commit = seen(none, { decision: "commit" });
    expect(outcomeOf(1, manifest(), commit)).toBe("commit");
    expect(outcomeOf(1, manifest(), commit, "recovery-ignores-commits")).toBe("abort");
    const version = { stream: streamId(2), lsn: lsn(4) };
    const base = { stream: streamId(1), lsn: lsn(1) };
    expect(
      outcomeOf(1, manifest(), seen(none, {}, {}, { committed: [{ page: pageId(3), base, version }] })),
    ).toBe("commit");
  });
  test("2 and 3: below another segment's decided position, its aborts tell (I2)", () => {
    const f = (aborts: number[]): FencedSegments =>
      answers(1, [
        ...NAMES.slice(0, 3).map(
          (n) => [n, fenced(0, 1, [{ slice: slice(1), vote: ACCEPT, decision: undefined }])] as const,
        ),
        [NAMES[3]!, fenced(0, 1, [], { decidedThrough: lsn(1), aborts: aborts.map(lsn) })],
      ]);
    expect(outcomeOf(1, manifest(), f([]))).toBe("commit");
    expect(outcomeOf(1, manifest(), f([1]))).toBe("abort");
  });
  test("3: an abort seen, or an entry that supersedes it", () => {
    const abort = seen(all, { decision: "abort" });
    expect(outcomeOf(1, manifest(), abort)).toBe("abort");
    expect(outcomeOf(1, manifest(), abort, "recovery-ignores-aborts")).toBe("commit");
    expect(outcomeOf(1, manifest(), seen(all, {}, {}, { earlyAborts: [lsn(1)] }))).toBe("abort");
    const two = (i: number): FencedSlice[] =>
      [1, 2].map((n) => ({
        slice: slice(1, { at: n, owned: true, page: 3 + n, supersedes: n - 1 }),
        vote: i >= 0 ? ACCEPT : HOLD,
        decision: undefined,
      }));
    const superseded = answers(
      1,
      [0, 1, 2, 3].map((i) => [NAMES[i]!, fenced(0, 1, two(i))] as const),
    );
    expect(outcomeOf(1, manifest(), superseded)).toBe("abort");
    expect(outcomeOf(1, manifest(), superseded, "recovery-ignores-supersedes")).toBe("commit");
  });
  test("4: a conflict with a committed entry, in the manifest or at a fenced segment (I3)", () => {
    expect(outcomeOf(1, manifest([rival]), seen(all))).toBe("abort");
    expect(outcomeOf(1, manifest([rival]), seen(all), "recovery-without-conflict-check")).toBe("commit");
    const committed = [{ page: pageId(3), base: NONE, version: { stream: streamId(2), lsn: lsn(5) } }];
    expect(outcomeOf(1, manifest(), seen(all, {}, {}, { committed }))).toBe("abort");
  });
  test("4: what its own stream changed after it does not speak against a check (I2), what another changed does", () => {
    const changedBy = (stream: number): FencedSegments => {
      const version = { stream: streamId(stream), lsn: lsn(2) };
      return seen(all, {}, { checks: 7 }, { committed: [{ page: pageId(7), base: NONE, version }] });
    };
    expect(outcomeOf(1, manifest(), changedBy(1))).toBe("commit");
    expect(outcomeOf(1, manifest(), changedBy(1), "own-change-overtakes-check")).toBe("abort");
    expect(outcomeOf(1, manifest(), changedBy(2))).toBe("abort");
  });
  test("5: an own base that is not committed", () => {
    const f = (first: Vote): FencedSegments =>
      answers(
        1,
        [0, 1, 2, 3].map((i) => {
          const slices = [
            { slice: slice(1, { at: 1, owned: true, page: 4 }), vote: first, decision: undefined },
            {
              slice: slice(1, { at: 2, owned: true, page: 5, ownBases: [1] }),
              vote: ACCEPT,
              decision: undefined,
            },
          ];
          return [NAMES[i]!, fenced(0, 1, slices)] as const;
        }),
      );
    expect(judge(streamId(1), false, manifest(), f(HOLD)).final).toBe(0);
    const planted = new Set<PlantedBug>(["recovery-without-own-bases"]);
    expect(judge(streamId(1), false, manifest(), f(HOLD), planted).final).toBe(2);
    expect(judge(streamId(1), false, manifest(), f(ACCEPT)).final).toBe(2);
  });
  test("6: an entry unseen in one of its PGs is aborted", () => {
    expect(outcomeOf(1, manifest(), seen(all, {}, { pgs: [0, 1] }))).toBe("abort");
  });
  test("entries that nobody saw are listed as aborts, so that the list is whole", () => {
    const j = judge(
      streamId(1),
      false,
      manifest(),
      answers(
        1,
        [0, 1, 2, 3].map(
          (i) =>
            [
              NAMES[i]!,
              fenced(0, 1, [{ slice: slice(1, { at: 4, owned: true }), vote: ACCEPT, decision: undefined }], {
                decidedThrough: lsn(2),
                tail: lsn(2),
              }),
            ] as const,
        ),
      ),
    );
    expect(j.outcomes.map((o) => [o.lsn, o.decision])).toEqual([
      [3, "abort"],
      [4, "commit"],
    ]);
    expect([...j.tails]).toEqual([[0, 4]]);
  });
});
