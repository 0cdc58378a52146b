import { LIMITS } from "@sixfold/model";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KEYS_MAX } from "./read-batch.ts";
import { failure, type FakeNode } from "./testing/fake-cluster.ts";
import { TestWorld } from "./testing/test-world.fixture.ts";

let world: TestWorld;
let node: FakeNode;

beforeEach(() => {
  world = new TestWorld();
  node = world.cluster.add("writer-1", "writer");
});
afterEach(() => world.end());

describe("overloaded", () => {
  test("a connection lets as many requests wait as may, and answers the next itself", async () => {
    const db = await world.connected();
    node.twist = () => "ignore";
    const over = 3;
    const codes: string[] = [];
    const puts = Array.from({ length: LIMITS.requestsPerConnection + over }, (_, i) =>
      db.put("t", i, i).catch((error: { code: string }) => void codes.push(error.code)),
    );
    await world.clock.settle();
    expect(node.count("commit")).toBe(LIMITS.requestsPerConnection);
    // Given up in the end, as nobody ever answers: those that were sent as in doubt, the others as refused.
    await world.clock.run(Promise.all(puts));
    expect(codes.filter((code) => code === "overloaded")).toHaveLength(over);
    expect(new Set(codes)).toEqual(new Set(["overloaded", "outcome-unknown"]));
  });

  test("reads of one turn travel together, but not more than a node should look up in one go", async () => {
    const db = await world.connected();
    await world.clock.run(Promise.all(Array.from({ length: 2 * KEYS_MAX + 1 }, (_, i) => db.get("t", i))));
    const sizes = node.requests.flatMap((body) => (body.op === "get" ? [body.keys.length] : []));
    expect(sizes).toEqual([KEYS_MAX, KEYS_MAX, 1]);
  });

  test("a commit that is refused is run again later, and what was read for it is forgotten at the node", async () => {
    const db = await world.connected();
    await world.clock.run(db.put("t", 1, 1));
    let refusals = 2;
    node.twist = (body) => (body.op === "commit" && refusals-- > 0 ? failure("overloaded") : undefined);
    const before = world.clock.nowMs();
    await world.clock.run(db.transaction(async (tx) => tx.put("t", 1, (await tx.get<number>("t", 1))! + 1)));
    expect(await world.clock.run(db.get("t", 1))).toBe(2);
    expect([node.count("commit"), node.count("rollback")]).toEqual([4, 2]);
    expect(world.clock.nowMs()).toBeGreaterThan(before);
  });
});
