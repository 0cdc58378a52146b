import type { ClientResponses, ClientWelcome, Topology, TopologyNode } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { Introductions } from "./introductions.ts";

/** What clients were sent, by link, since this was asked last. */
function world() {
  const sent: string[] = [];
  const node = {
    name: "replica-1",
    role: "replica",
    az: "b",
    url: "ws://b",
    stream: 0,
    ready: true,
    lagMs: 3,
  } as const;
  const state = { nodes: [node] as TopologyNode[], session: Uint8Array.of(1) };
  const introductions = new Introductions({
    welcome: () => ({
      type: "clientWelcome",
      node: "replica-1",
      role: "replica",
      az: "b",
      mode: "multi",
      stream: 0,
      nodes: [],
    }),
    nodes: () => state.nodes,
    session: () => state.session,
    send: (link: number, message: ClientWelcome | Topology | ClientResponses) =>
      void sent.push(`${link} ${message.type}`),
  });
  return { introductions, state, node, heard: () => sent.splice(0) };
}

describe("what clients are told of nodes", () => {
  test("everything when they come, and each change once", () => {
    const { introductions, state, node, heard } = world();
    introductions.check(0);
    introductions.opened(1);
    introductions.opened(2);
    expect(heard()).toEqual([1, 2].flatMap((l) => [`${l} clientWelcome`, `${l} topology`, `${l} responses`]));
    introductions.check(1);
    expect(heard()).toEqual([]);
    state.nodes = [node, { ...node, name: "writer-1" }];
    introductions.check(2);
    expect(heard()).toEqual(["1 topology", "2 topology"]);
    introductions.closed(1);
    state.nodes = [{ ...node, ready: false }];
    introductions.check(3);
    introductions.check(4);
    expect(heard()).toEqual(["2 topology"]);
    introductions.announce(5);
    expect(heard()).toEqual(["2 clientWelcome"]);
  });

  test("a lag when it changes much, and a token that has moved, each second at most", () => {
    const { introductions, state, node, heard } = world();
    introductions.opened(1);
    introductions.tick(0);
    heard();
    state.nodes = [{ ...node, lagMs: 500 }];
    state.session = Uint8Array.of(2);
    for (let now = 10; now < 1000; now += 10) introductions.tick(now);
    expect(heard()).toEqual([]);
    introductions.tick(1000);
    expect(heard()).toEqual(["1 topology", "1 responses"]);
    state.nodes = [{ ...node, lagMs: 505 }];
    for (let now = 1010; now < 4000; now += 10) introductions.tick(now);
    expect(heard()).toEqual([]);
  });
});
