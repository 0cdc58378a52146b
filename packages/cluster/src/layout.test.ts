import { LIMITS } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { nextNode, nextServer, planNodes, planServers, type PlannedNode } from "./layout.ts";
import { portsFrom } from "./topology.ts";

const show = (nodes: readonly PlannedNode[]): string[] =>
  nodes.map(({ name, az, place }) => `${name} ${az} ${place}`);
const three = planNodes([], { writers: 2, replicas: 1 });

describe("the database nodes of a cluster", () => {
  test("of a new one: writers, then replicas, zones in turn", () => {
    expect(show(planNodes([], { writers: 2, replicas: 3 }))).toEqual([
      "writer-1 a 0",
      "writer-2 b 1",
      "replica-1 c 2",
      "replica-2 a 3",
      "replica-3 b 4",
    ]);
  });

  test("stay as they were left, unless a number is asked for", () => {
    const left = three.filter(({ name }) => name !== "writer-1");
    expect(planNodes(left, {})).toEqual(left);
    expect(show(planNodes(left, { writers: 2 }))).toEqual(["writer-2 b 1", "replica-1 c 2", "writer-1 a 0"]);
    expect(show(planNodes(three, { writers: 1, replicas: 0 }))).toEqual(["writer-1 a 0"]);
  });

  test("a new one takes the first free name and place, and the zone with fewest of its role", () => {
    expect(nextNode(three, "writer")).toEqual({ name: "writer-3", role: "writer", az: "c", place: 3 });
    const left = three.filter(({ name }) => name !== "writer-1");
    expect(nextNode(left, "replica")).toEqual({ name: "replica-2", role: "replica", az: "a", place: 0 });
    expect(nextNode(left, "writer", "b")).toEqual({ name: "writer-1", role: "writer", az: "b", place: 0 });
  });

  test("are limited by role", () => {
    const full = planNodes([], { writers: LIMITS.writers, replicas: LIMITS.replicas });
    expect(new Set(full.map(({ place }) => place)).size).toBe(full.length);
    expect(() => nextNode(full, "writer")).toThrow(/writers.*16/);
    expect(() => nextNode(full, "replica")).toThrow(/replicas.*15/);
  });

  test("have ports of their own, whatever there is", () => {
    const { nodePort, segmentPort } = portsFrom(7400);
    const nodes = planNodes([], { writers: LIMITS.writers, replicas: LIMITS.replicas });
    const servers = planServers([], { spares: 12 });
    const ports = [...nodes.map(({ place }) => nodePort(place)), ...servers.map((s) => segmentPort(s.place))];
    expect(new Set(ports).size).toBe(ports.length);
    // The console's.
    expect(ports).not.toContain(7480);
  });
});

test("segment servers are only added", () => {
  const names = (spares: number, kept: ReturnType<typeof planServers> = []): string[] =>
    planServers(kept, { spares }).map(({ name }) => name.slice("segment-".length));
  expect(names(0)).toEqual(["a1", "a2", "b1", "b2", "c1", "c2"]);
  expect(names(4)).toEqual(["a1", "a2", "b1", "b2", "c1", "c2", "a3", "b3", "c3", "a4"]);
  expect(names(0, planServers([], { spares: 3 }))).toHaveLength(9);
  const one = planServers([], { spares: 1 });
  expect(nextServer(one)).toEqual({ name: "segment-b3", az: "b", place: 7 });
  expect(nextServer(one, "a")).toEqual({ name: "segment-a4", az: "a", place: 7 });
});
