import {
  epoch,
  LIMITS,
  nodeName,
  streamId,
  withNode,
  withoutNode,
  type Manifest,
  type NodeInfo,
} from "@sixfold/model";
import type { JoinAnswer } from "@sixfold/volume";
import { describe, expect, test } from "vitest";
import type { NodeEffect } from "./node-api.ts";
import { Roster } from "./roster.ts";

const node = (name: string, url = `ws://${name}`): NodeInfo => ({
  name: nodeName(name),
  role: name.startsWith("replica") ? "replica" : "writer",
  az: "a",
  url,
});

const EMPTY: Manifest = {
  volume: "v",
  revision: 1,
  epoch: epoch(1),
  mode: "multi",
  nextMode: "multi",
  geometry: { pageBytes: 4096, segmentBytes: 1 << 20 },
  servers: [],
  nodes: [],
  seats: [],
  nextSeats: [],
  pgs: [],
  changes: [],
  nextStream: streamId(1),
  streams: [],
  settledThrough: streamId(0),
  outcomes: [],
};

const listing = (...nodes: NodeInfo[]): Manifest => ({ ...EMPTY, nodes });

/** A roster, and what it asked for. */
function rosterOf(name: string, ...others: NodeInfo[]) {
  const self = node(name);
  const effects: NodeEffect[] = [];
  const asked: string[] = [];
  let answer: (answer: JoinAnswer, now: number) => void = () => undefined;
  const roster = new Roster(self, [self, ...others], [], {
    join: (_node, done) => {
      asked.push("join");
      answer = done;
    },
    leave: (_name, done, now) => {
      asked.push("leave");
      done(now);
    },
    joined: () => void asked.push("joined"),
    retired: () => void asked.push("retired"),
    emit: (effect) => void effects.push(effect),
  });
  const dialled = (): string[] | undefined => {
    const last = effects.filter((effect) => effect.kind === "peers").pop();
    return last?.nodes.map((peer) => `${peer.name} ${peer.url}`);
  };
  return {
    ...{ self, roster, asked, dialled, effects },
    answer: (a: JoinAnswer) => answer(a, 0),
  };
}

describe("a node that starts", () => {
  test("joins a list that it is not in, and serves once it is", () => {
    const { roster, asked, self } = rosterOf("writer-2");
    roster.learnManifest(listing(node("writer-1")), 0);
    roster.learnManifest(listing(node("writer-1"), node("replica-1")), 0);
    expect([asked, roster.isListed]).toEqual([["join"], false]);
    roster.learnManifest(listing(node("writer-1"), self), 0);
    expect([asked, roster.isListed]).toEqual([["join", "joined"], true]);
  });

  test("does not ask where it is listed as it is", () => {
    const { roster, asked, self } = rosterOf("writer-1");
    roster.learnManifest(listing(self), 0);
    expect([asked, roster.isListed]).toEqual([[], true]);
  });

  test("says so where it has moved since", () => {
    const { roster, asked } = rosterOf("writer-1");
    roster.learnManifest(listing(node("writer-1", "ws://elsewhere")), 0);
    expect([asked, roster.isListed]).toEqual([["join"], false]);
  });

  test("ends where it is one too many, and says which limit it met", () => {
    const { roster, asked, answer, effects } = rosterOf("writer-17");
    roster.learnManifest(listing(node("writer-1")), 0);
    answer({ limit: "writers" });
    expect(asked).toEqual(["join", "retired"]);
    expect(effects.filter((e) => e.kind === "log")).toMatchObject([
      { level: "error", event: "no-room", fields: { limit: "writers" } },
    ]);
  });
});

describe("a node that was listed", () => {
  test.each([
    ["is not any more", listing(node("writer-1"))],
    ["is listed at another address", listing(node("writer-2", "ws://elsewhere"))],
  ])("ends when it %s", (_, manifest) => {
    const { roster, asked, self } = rosterOf("writer-2");
    roster.learnManifest(listing(self), 0);
    roster.learnManifest(manifest, 0);
    roster.learnManifest(manifest, 0);
    expect([asked, roster.isListed]).toEqual([["retired"], false]);
  });

  test("leaves, and does not join again when it reads so", () => {
    const { roster, asked, self } = rosterOf("writer-2");
    roster.learnManifest(listing(self), 0);
    roster.leave(() => void asked.push("left"), 0);
    roster.learnManifest(listing(), 0);
    expect(asked).toEqual(["leave", "left"]);
  });
});

describe("whom a node dials", () => {
  test("whoever is given or listed, but nobody who was listed and is not any more", () => {
    const { roster, self, dialled } = rosterOf("writer-1", node("writer-2"));
    roster.learnManifest(listing(self), 0);
    expect(dialled()).toBeUndefined();
    roster.learnManifest(listing(self, node("writer-2"), node("writer-3")), 0);
    expect(dialled()?.sort()).toEqual(["writer-2 ws://writer-2", "writer-3 ws://writer-3"]);
    roster.learnManifest(listing(self, node("writer-3")), 0);
    expect(dialled()).toEqual(["writer-3 ws://writer-3"]);
  });

  test("by the address that was given, until the list changes it", () => {
    const { roster, self, dialled } = rosterOf("writer-1", node("writer-2", "ws://proxy"));
    roster.learnManifest(listing(self, node("writer-2")), 0);
    expect(dialled()).toBeUndefined();
    roster.learnManifest(listing(self, node("writer-2", "ws://moved")), 0);
    expect(dialled()).toEqual(["writer-2 ws://moved"]);
  });

  test("one that left and came back, by the address that it came back with", () => {
    const { roster, self, dialled } = rosterOf("writer-1", node("writer-2", "ws://proxy"));
    for (const nodes of [[self, node("writer-2")], [self], [self, node("writer-2", "ws://new")]])
      roster.learnManifest(listing(...nodes), 0);
    expect(dialled()).toEqual(["writer-2 ws://new"]);
  });
});

test("the list has room for so many of each role, and those that are in it may move", () => {
  const writers = Array.from({ length: LIMITS.writers }, (_, i) => node(`writer-${i + 1}`));
  const full = listing(...writers);
  expect(withNode(full, node("writer-17"))).toBeUndefined();
  expect(withNode(full, node("writer-3", "ws://moved"))?.nodes[2]?.url).toBe("ws://moved");
  expect(withNode(full, node("replica-1"))?.nodes).toHaveLength(LIMITS.writers + 1);
  expect(withNode(full, node("writer-3"))).toBeUndefined();
  expect(withoutNode(full, nodeName("writer-17"))).toBeUndefined();
  expect(withNode(withoutNode(full, nodeName("writer-1"))!, node("writer-17"))).toBeDefined();
});
