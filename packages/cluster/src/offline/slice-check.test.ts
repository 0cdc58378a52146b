import { describe, expect, test } from "vitest";
import {
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  streamId,
  transactionId,
  type PageVersion,
  type Slice,
} from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { Findings } from "./data-report.ts";
import { SliceCheck, type SliceSource } from "./slice-check.ts";

const PG = pgId(0);
/** Slices in one answer. */
const PORTION = 2;

const at = (stream: number, n: number): PageVersion => ({ stream: streamId(stream), lsn: lsn(n) });

/** A slice that changes page 7. */
function slice(version: PageVersion, base: PageVersion, text = "x"): Slice {
  return {
    ...version,
    pg: PG,
    back: lsn(version.lsn - 1),
    supersedes: lsn(0),
    transaction: transactionId(""),
    owned: true,
    epoch: 1,
    pgs: [PG],
    ownBases: [],
    deltas: [{ page: pageId(7), base, ops: new Uint8Array() }],
    checks: [],
    bytes: new TextEncoder().encode(`${version.stream}:${version.lsn} ${text}`),
  } as unknown as Slice;
}

/** A segment server that keeps these slices, all committed but the aborted ones, and tells a few at a time. */
function source(
  name: string,
  slices: readonly Slice[],
  aborts: readonly PageVersion[] = [],
  merged = 0,
): SliceSource {
  const streams = [...new Set(slices.map((s) => s.stream))];
  const ask = (m: StorageMessage): StorageMessage[] => {
    if (m.type !== "pullSlices") return [];
    const { pg, stream, after, request } = m;
    const of = slices.filter((s) => s.stream === stream && s.lsn > after).slice(0, PORTION);
    const aborted = aborts.filter((v) => v.stream === stream && v.lsn > after).map((v) => v.lsn);
    const decisions = { from: after, through: lsn(1_000), aborts: aborted, earlyAborts: [] };
    const mergedThrough = lsn(merged);
    return [
      { type: "pulledSlices", request, pg, stream, slices: of, decisions, mergedThrough, closed: undefined },
    ];
  };
  const standings = () =>
    new Map([[0, streams.map((stream) => ({ stream, scl: 1_000, decidedThrough: 1_000 }))]]);
  return { name: nodeName(name), ask, standings };
}

function found(...servers: SliceSource[]): string[] {
  const findings = new Findings();
  const check = new SliceCheck(PG, findings);
  check.compare(servers);
  return findings.all.map(({ kind, text }) => `${kind}: ${text}`);
}

const chain = [
  slice(at(1, 1), NONE),
  slice(at(1, 2), at(1, 1)),
  slice(at(1, 3), at(1, 2)),
  slice(at(2, 1), at(1, 3)),
];

describe("slices of a PG's segments", () => {
  test("that agree, and of which some have less, are fine", () => {
    const findings = new Findings();
    const check = new SliceCheck(PG, findings);
    check.compare([source("a1", chain), source("a2", chain.slice(1), [], 1), source("b1", [])]);
    expect([findings.all, check.slices, [...check.touched]]).toEqual([[], chain.length, [7]]);
  });

  test("that are missing in the middle, or before the first that is kept, are found", () => {
    const text = (server: string): string =>
      `slices-missing: ${server}: slice 1 of stream 1 in PG 0, which slice 2 follows, is neither merged nor in its log; it has to be replaced`;
    expect(found(source("a1", chain), source("b1", chain.slice(1)))).toEqual([text("b1")]);
    const [first, , third, other] = chain;
    expect(found(source("a1", chain), source("b1", [first!, third!, other!]))).toEqual([
      text("b1").replace("slice 1", "slice 2").replace("slice 2 follows", "slice 3 follows"),
    ]);
  });

  test("that are not the same bytes are told apart by name", () => {
    const other = chain.map((s) => (s.stream === 1 && s.lsn === 3 ? slice(s, at(1, 2), "y") : s));
    expect(found(source("a1", chain), source("a2", chain), source("b1", other))).toEqual([
      "slices-differ: PG 0: slice 3 of stream 1 is not the same on a1 and b1",
    ]);
  });

  test("I2: one that is committed here and aborted there is found", () => {
    expect(found(source("a1", chain), source("b1", chain, [at(2, 1)]))).toEqual([
      "slices-differ: PG 0: slice 1 of stream 2 is committed on a1 and aborted on b1",
    ]);
  });

  test("I3: two committed versions on one base are a fork; an aborted one is none", () => {
    const rival = slice(at(2, 2), at(1, 2));
    expect(found(source("a1", [...chain, rival]))).toEqual([
      "chain-forked: page 7 of PG 0: versions 1:3 and 2:2 are both committed on 1:2",
    ]);
    expect(found(source("a1", [...chain, rival], [at(2, 2)]))).toEqual([]);
  });

  test("I3: nothing is committed on an aborted version", () => {
    const late = slice(at(2, 2), at(2, 1));
    expect(found(source("a1", [...chain, late], [at(2, 1)]))).toEqual([
      "chain-forked: page 7 of PG 0: version 2:2 is committed on 2:1, which was aborted",
    ]);
  });
});
