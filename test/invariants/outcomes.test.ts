/** I2: what `outcome(id)` says is true for ever, whoever is asked and whatever became of the transaction's writer. */
import { describe, expect, test } from "vitest";
import type { ScriptTransaction } from "../scenario/script-client.ts";
import { finalOf } from "../scenario/show-state.ts";
import type { World } from "../scenario/world.ts";
import { wrongWith } from "./history.ts";
import { begin, hold, read, start, stateOf, until } from "./play.ts";

const LOST = "writer-2";

function outcomeAt(world: World, node: string, tx: ScriptTransaction): string {
  let outcome = "";
  world.clients.get(node)!.outcome(tx.id, (heard) => {
    if (heard.kind === "done" && heard.result.op === "outcome") outcome = heard.result.outcome;
  });
  until(world, () => outcome !== "", 1000);
  return outcome;
}

/** Its stream is recovered while it is cut off; then it is back, with a new stream. */
function recoverAndReturn(world: World): void {
  const segments = [...world.segments.keys()];
  world.cut("writer-1", LOST);
  hold(world, [LOST], segments);
  hold(world, segments, [LOST]);
  expect(until(world, () => finalOf(world, 2) !== undefined, 3000)).toBe(true);
  hold(world, [LOST], segments, false);
  hold(world, segments, [LOST], false);
  world.heal("writer-1", LOST);
  const stream = (): unknown => world.nodes.get(LOST)!.machine!.status()["stream"];
  expect(until(world, () => stream() === 3 && stateOf(world, LOST) === "writing", 3000)).toBe(true);
}

describe("I2: a transaction belongs to the stream in its id", () => {
  const twoWriters = { mode: "multi", writers: 2, suspectAfterMs: 200 } as const;

  test.each(["idle", "first request"] as const)(
    "one that comes to its commit after its stream was recovered is refused (%s)",
    (how) => {
      const world = start(twoWriters, { alice: 0, bob: 0 });
      const client = world.clients.get(LOST)!;
      const tx = begin(world, LOST, { bob: 1 });
      if (how === "idle") {
        client.get(tx, "accounts", ["alice"]);
        world.run();
      }
      recoverAndReturn(world);
      // Anybody else takes the stream for closed and this transaction for one that never came.
      expect(outcomeAt(world, "writer-1", tx)).toBe("aborted");
      client.commit(tx);
      expect(until(world, () => tx.end.kind !== "waiting", 2000)).toBe(true);
      expect(tx.end).toMatchObject({
        kind: "error",
        error: { code: "fenced", outcome: "aborted", retryable: "new-transaction" },
      });
      expect(read(world, "writer-1", ["bob"])).toEqual({ bob: 0 });
      expect(read(world, LOST, ["bob"])).toEqual({ bob: 0 });
      expect(outcomeAt(world, LOST, tx)).toBe("aborted");
      expect(wrongWith(world)).toEqual([]);
    },
  );
});

describe("I2: who was called aborted while it waited stays so", () => {
  test("a commit that waits for its cluster round is asked about, and refused afterwards", () => {
    const world = start({ mode: "multi", writers: 2, suspectAfterMs: 20_000 }, { alice: 0, bob: 0 });
    const client = world.clients.get(LOST)!;
    hold(world, ["writer-1", LOST], ["writer-1", LOST]);
    const tx = client.begin(undefined, { consistency: "cluster" });
    client.write(tx, "accounts", "bob", 1);
    client.commit(tx);
    world.run();
    expect(tx.end.kind).toBe("waiting");
    expect(outcomeAt(world, LOST, tx)).toBe("aborted");
    hold(world, ["writer-1", LOST], ["writer-1", LOST], false);
    expect(until(world, () => tx.end.kind !== "waiting", 2000)).toBe(true);
    expect(tx.end).toMatchObject({ kind: "error", error: { outcome: "aborted" } });
    expect(read(world, LOST, ["bob"])).toEqual({ bob: 0 });
    expect(outcomeAt(world, LOST, tx)).toBe("aborted");
    expect(wrongWith(world)).toEqual([]);
  });
});
