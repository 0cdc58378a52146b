import {
  epoch,
  LIMITS,
  lsn,
  nodeName,
  openStreams,
  streamId,
  type Manifest,
  type Mode,
  type NodeName,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { Ballot, StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { DatabaseNode } from "./database-node.ts";

const GEOMETRY = { pageBytes: 4096, segmentBytes: 64 * 4096 };
const SERVERS = ["a1", "a2", "b1", "b2", "c1", "c2"].map((name): SegmentServerInfo => ({
  name: nodeName(name),
  az: name[0]!,
  url: `ws://${name}`,
}));
const ME = nodeName("me");
const OTHER = nodeName("other");

const STREAM = { id: streamId(1), node: OTHER, exclusive: false };
const CLOSED = { ...STREAM, state: "closed", final: lsn(0), tails: new Map() } as const;

/** Six seats that act as one: whoever asks is granted what he asks. */
class Seats {
  manifest: Manifest = {
    volume: "v",
    revision: 1,
    epoch: epoch(1),
    mode: "multi",
    nextMode: "multi",
    geometry: GEOMETRY,
    servers: SERVERS,
    seats: SERVERS.map((s) => s.name),
    nodes: [],
    nextSeats: [],
    pgs: [SERVERS.map((s) => s.name)],
    changes: [],
    nextStream: streamId(2),
    streams: [],
    settledThrough: streamId(0),
    outcomes: [],
  };
  /** Rounds prepared so far. */
  readonly rounds = new Set<number>();
  private ballot: Ballot = { round: 0, proposer: "" };

  answer(m: StorageMessage): StorageMessage | undefined {
    if (m.type === "readPage") return { ...m, type: "pageRead", answer: { kind: "empty" } };
    if (m.type === "manifestPrepare") {
      this.rounds.add(m.ballot.round);
      const accepted = { ballot: this.ballot, value: this.manifest };
      return { type: "manifestPromise", request: m.request, granted: true, promised: m.ballot, accepted };
    }
    if (m.type !== "manifestAccept") return undefined;
    this.manifest = m.value;
    this.ballot = m.ballot;
    return { type: "manifestAccepted", request: m.request, granted: true, promised: m.ballot };
  }

  /** Somebody else has changed it. */
  change(streams: Manifest["streams"]): void {
    this.manifest = { ...this.manifest, revision: this.manifest.revision + 1, streams };
  }
}

/** Until the node and the seats have no more to say to each other, or `until`. */
function converse(node: DatabaseNode, seats: Seats, now: number, until: () => boolean = () => false): void {
  for (;;) {
    node.flush(now);
    const said = node.effects.splice(0).flatMap((e) => (e.kind === "toServer" ? [e] : []));
    let heard = 0;
    for (const { to, message } of said) {
      const answer = seats.answer(message);
      if (until()) return;
      if (answer === undefined) continue;
      node.serverMessage(to, answer, now);
      heard++;
    }
    if (heard === 0) return;
  }
}

function start(mode: Mode): DatabaseNode {
  const info = (name: NodeName): { name: NodeName; role: "writer"; az: string; url: string } => ({
    name,
    role: "writer",
    az: "a",
    url: `ws://${name}`,
  });
  const node = new DatabaseNode({
    name: ME,
    role: "writer",
    volume: "v",
    mode,
    geometry: GEOMETRY,
    conflicts: "row",
    servers: SERVERS,
    nodes: [info(ME), info(OTHER)],
    procedures: new Map(),
    poolPages: 8,
    injectConflicts: 0,
    seed: 1,
  });
  node.start(0);
  for (const { name } of SERVERS) node.serverUp(name, 0);
  return node;
}

/** Somebody writes already. */
const OPEN = { ...STREAM, state: "open", epoch: epoch(1) } as const;

describe("the mode of a volume", () => {
  test("is not the affair of a node that starts: it says the mode of a new one", () => {
    const seats = new Seats();
    const node = start("single");
    converse(node, seats, 0);
    expect(node.status()).toMatchObject({ state: "writing", stream: 2, mode: "multi" });
  });

  test("changes once nobody has a stream open any more, and none is opened meanwhile", () => {
    const seats = new Seats();
    seats.manifest = { ...seats.manifest, nextMode: "single", streams: [OPEN] };
    const node = start("multi");
    converse(node, seats, 0);
    node.tick(1000);
    converse(node, seats, 1000);
    expect(node.status()).toMatchObject({ state: "opening", stream: 0, mode: "multi", nextMode: "single" });
    seats.change([CLOSED]);
    node.tick(2000);
    converse(node, seats, 2000);
    expect(seats.manifest).toMatchObject({ mode: "single", nextMode: "single" });
    node.tick(2000);
    converse(node, seats, 2000);
    expect(node.status()).toMatchObject({ state: "writing", stream: 2, mode: "single" });
  });

  test("changes although a stream stays open: it is recovered after a while, whoever writes it", () => {
    const seats = new Seats();
    seats.manifest = { ...seats.manifest, nextMode: "single", streams: [OPEN] };
    const node = start("multi");
    converse(node, seats, 0);
    const fences: StorageMessage[] = [];
    const answer = seats.answer.bind(seats);
    seats.answer = (m) => (m.type === "fence" ? void fences.push(m) : answer(m));
    node.tick(2990);
    converse(node, seats, 2990);
    expect(fences).toEqual([]);
    node.tick(3000);
    converse(node, seats, 3000);
    expect(fences).toHaveLength(SERVERS.length);
  });
});

describe("in an exclusive volume", () => {
  const exclusive = (): Seats => {
    const seats = new Seats();
    seats.manifest = { ...seats.manifest, mode: "single", nextMode: "single", streams: [OPEN] };
    return seats;
  };

  test("a writer stands by while another has a stream open", () => {
    const seats = exclusive();
    const node = start("single");
    converse(node, seats, 0);
    for (const now of [1000, 2000]) {
      node.tick(now);
      converse(node, seats, now);
    }
    expect(node.status()).toMatchObject({ state: "standby", stream: 0 });
    expect(openStreams(seats.manifest)).toEqual([OPEN]);
  });

  test("it opens one at once when the last writer names it", () => {
    const seats = exclusive();
    const node = start("single");
    converse(node, seats, 0);
    node.peerUp(OTHER, 0);
    seats.change([CLOSED]);
    node.peerMessage(OTHER, { type: "manifestNews", value: seats.manifest, successor: ME }, 0);
    converse(node, seats, 0);
    expect(node.status()).toMatchObject({ state: "writing", stream: 2 });
    expect(openStreams(seats.manifest)).toMatchObject([{ node: ME, exclusive: true }]);
  });

  test("it goes on standing by if another was faster", () => {
    const seats = exclusive();
    const node = start("single");
    converse(node, seats, 0);
    node.peerUp(OTHER, 0);
    const value = { ...seats.manifest, revision: 2, streams: [CLOSED] };
    seats.change([CLOSED, { ...OPEN, id: streamId(2) }]);
    node.peerMessage(OTHER, { type: "manifestNews", value, successor: ME }, 0);
    converse(node, seats, 0);
    expect(node.status()).toMatchObject({ state: "standby", stream: 0 });
    expect(openStreams(seats.manifest)).toMatchObject([{ id: 2, node: OTHER }]);
  });

  test("it recovers the stream of a writer that it does not hear, which may live", () => {
    const seats = exclusive();
    const node = start("single");
    converse(node, seats, 0);
    const fenced = new Set<string>();
    const answer = seats.answer.bind(seats);
    seats.answer = (m) => (m.type === "fence" ? void fenced.add(m.type) : answer(m));
    for (const now of [10, 3000, 3020]) {
      node.tick(now);
      converse(node, seats, now);
    }
    expect([...fenced]).toEqual(["fence"]);
  });
});

test("a writer that was one too many opens its stream once another has gone", () => {
  const seats = new Seats();
  const others = Array.from({ length: LIMITS.writers }, (_, i) => ({
    ...STREAM,
    state: "open" as const,
    epoch: epoch(1),
    id: streamId(i + 1),
  }));
  seats.change(others);
  seats.manifest = { ...seats.manifest, nextStream: streamId(LIMITS.writers + 1) };
  const node = start("multi");
  converse(node, seats, 0);
  expect(node.status()).toMatchObject({ state: "opening" });
  seats.change([CLOSED, ...others.slice(1)]);
  node.tick(2000);
  converse(node, seats, 2000);
  expect(node.status()).toMatchObject({ state: "writing", stream: LIMITS.writers + 1 });
});

test("what can be built in the turn of a stop is handed over before its stream takes nothing more", () => {
  const seats = new Seats();
  const node = start("multi");
  const read: StorageMessage[] = [];
  const answer = seats.answer.bind(seats);
  seats.answer = (m) => {
    const answered = answer(m);
    if (answered?.type !== "pageRead") return answered;
    read.push(answered);
    return undefined;
  };
  // What the first entry needs, which formats the volume.
  converse(node, seats, 0, () => read.length === 3);
  for (const page of read) node.serverMessage(SERVERS[0]!.name, page, 0);
  node.stop(0);
  node.flush(0);
  expect(node.effects).toContainEqual(expect.objectContaining({ kind: "append" }));
  expect(node.status()).toMatchObject({ state: "stopping" });
});
