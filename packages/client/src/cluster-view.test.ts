import type { TopologyNode } from "@sixfold/wire";
import { expect, test } from "vitest";
import { ClusterView } from "./cluster-view.ts";
import type { NodeConnection } from "./node-connection.ts";

/** What a node said of itself, and what it last told of all. */
function connection(name: string, stream: number, told: Readonly<Record<string, number>>): NodeConnection {
  const nodes = Object.entries(told).map(([node, of]): TopologyNode => ({
    ...{ name: node, role: "writer", az: "a", url: `ws://${node}` },
    ...{ stream: of, ready: true, lagMs: 0 },
  }));
  return { welcome: { node: name, stream }, nodes } as unknown as NodeConnection;
}

test("a node that says it has opened a stream is not contradicted by what it told before", () => {
  const opened = connection("writer-1", 4, { "writer-1": 0, "writer-2": 5 });
  const other = connection("writer-2", 5, { "writer-1": 4, "writer-2": 5 });
  expect(ClusterView.isDeposed(opened, [opened, other])).toBe(false);
});

test("it is by others that know of a younger stream, and not of this one", () => {
  const cutOff = connection("writer-1", 4, { "writer-1": 4 });
  const other = connection("writer-2", 5, { "writer-1": 0, "writer-2": 5 });
  expect(ClusterView.isDeposed(cutOff, [cutOff, other])).toBe(true);
});
