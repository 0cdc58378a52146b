import {
  epoch,
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  type Manifest,
  type NodeName,
} from "@sixfold/model";
import { encodeSlice, type Append } from "@sixfold/wire";
import { expect, test } from "vitest";
import { Neighbours } from "./neighbours.ts";
import type { NodeEffect } from "./node-api.ts";

const WRITER = nodeName("writer");
const READER = nodeName("reader");
const STREAM = streamId(1);
const PG = pgId(0);
const NOTHING = new ReadPoint(streamId(0));

const MANIFEST: Manifest = {
  volume: "v",
  revision: 1,
  epoch: epoch(1),
  mode: "multi",
  nextMode: "multi",
  geometry: { pageBytes: 4096, segmentBytes: 64 * 4096 },
  servers: [],
  seats: [],
  nodes: [{ name: READER, role: "replica", az: "a", url: "ws://reader" }],
  nextSeats: [],
  pgs: [[]],
  changes: [],
  nextStream: streamId(2),
  streams: [{ id: STREAM, node: WRITER, exclusive: false, state: "open", epoch: epoch(1) }],
  settledThrough: streamId(0),
  outcomes: [],
};

function frame(lsns: readonly number[], through: number, aborts: readonly number[] = []): Append {
  const slices = lsns.map((at) =>
    encodeSlice({
      stream: STREAM,
      lsn: lsn(at),
      pg: PG,
      back: lsn(at - 1),
      supersedes: lsn(0),
      owned: true,
      epoch: epoch(1),
      pgs: [PG],
      ownBases: [],
      transaction: transactionId(`1-t${at}`),
      deltas: [{ page: pageId(at), base: NONE, ops: new Uint8Array([1, 0, 0, 1, 0, 7]) }],
      checks: [],
    }),
  );
  const decisions = { from: lsn(0), through: lsn(through), aborts: aborts.map(lsn), earlyAborts: [] };
  const head = { type: "append", pg: PG, stream: STREAM, exclusive: false } as const;
  return { ...head, decisions, lowWater: NOTHING, builtOn: NOTHING, slices };
}

/** One node's view of the others, over a vector instead of an engine. */
function node(name: NodeName) {
  const applied = new ReadPoint(streamId(0));
  const effects: NodeEffect[] = [];
  let looks = 0;
  const none = (): never => expect.fail("nobody opens a snapshot");
  const neighbours = new Neighbours(name, {
    now: 0,
    applied,
    manifest: MANIFEST,
    applyForeign: () => undefined,
    advance: (stream, to) => applied.advance(stream, to),
    dropCleanPages: () => undefined,
    noteForeign: () => undefined,
    noteTails: () => undefined,
    checkManifest: () => ++looks,
    told: () => undefined,
    readManifest: () => undefined,
    givePages: () => [],
    pagesGiven: () => undefined,
    views: { openView: none, viewAbove: none, closeView: none },
    emit: (effect) => void effects.push(effect),
  });
  return {
    ...{ neighbours, applied, effects },
    /** Looks at the manifest's seats since the last call. */
    looks: (): number => {
      const count = looks;
      looks = 0;
      return count;
    },
  };
}

test("a cluster read waits for a commit that was told although the durable point waits at an abort before it", () => {
  const writer = node(WRITER);
  const reader = node(READER);
  const exchange = (): void => {
    for (const effect of reader.effects.splice(0))
      if (effect.kind === "toPeer") writer.neighbours.followerMessage(READER, effect.message);
    for (const effect of writer.effects.splice(0))
      if (effect.kind === "toFollower") reader.neighbours.peerMessage(WRITER, effect.message);
    reader.neighbours.apply();
  };
  const send = (append: Append): void => {
    expect(writer.neighbours.sent(append)).toEqual([READER]);
    reader.neighbours.peerMessage(WRITER, append);
  };
  writer.neighbours.opened(STREAM);
  reader.neighbours.learnManifest();
  reader.neighbours.peerUp(WRITER);
  exchange();

  send(frame([1, 2], 0));
  // The writer gives 1 up in favour of a rival, which a recovery may not hear of; 2 is committed, and its client knows.
  writer.neighbours.committed(lsn(2));
  let begun = false;
  reader.neighbours.clusterRead(() => (begun = true));
  exchange();
  reader.neighbours.manifestChecked(1, true);
  exchange();
  expect(begun).toBe(false);

  writer.neighbours.advance(lsn(2));
  send(frame([], 2, [1]));
  exchange();
  expect([begun, reader.applied.get(STREAM)]).toEqual([true, 2]);
});

test("a follower that is not listed is a reason to look at the manifest, and so is one that goes", () => {
  const { neighbours, looks } = node(WRITER);
  const newcomer = nodeName("newcomer");
  neighbours.followerMessage(READER, { type: "follow", node: READER });
  expect(looks()).toBe(0);
  neighbours.followerMessage(newcomer, { type: "follow", node: newcomer });
  expect(looks()).toBe(1);
  // It says so again once it is listed.
  neighbours.followerMessage(newcomer, { type: "follow", node: newcomer });
  expect(looks()).toBe(1);
  neighbours.followerGone(READER);
  expect(looks()).toBe(1);
});
